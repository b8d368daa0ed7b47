"""Tables out: what is written is what is read again, whole or not at all."""

import csv
import sys
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import MissingExtraError, OutputError, UsageError
from sentire.storage.report import ReadReport
from sentire.storage.rows import read_rows
from sentire.storage.writers import WRITABLE_FORMATS, detect_writable_format, make_cell_harmless, open_row_writer

COLUMNS = {"id": str, "text": str, "share": float, "n": int, "is_known": bool}
ROWS = [
    {"id": "1", "text": "plain", "share": 0.25, "n": 3, "is_known": True},
    {"id": "2", "text": 'a "quote", a comma', "share": -1.5, "n": -4, "is_known": False},
    {"id": "3", "text": "two\nlines\rand a lone return", "share": 0.0, "n": 0, "is_known": True},
    {"id": "", "text": "", "share": 1e-7, "n": 10**12, "is_known": False},
]
ANY_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
FORMULAS = [
    "=1+1",
    "+49 30 1+A1",
    "-2-1",
    "-",
    "+",
    "-.",
    "-1.2.3",
    "-1e5",
    "-\u0663",
    "=-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "＋1",
    "－1",
    "＠x",
]


def write(path: Path, rows, columns=None, file_format=None):
    with open_row_writer(path, file_format or path.suffix[1:], COLUMNS if columns is None else columns) as writer:
        for start in range(0, len(rows), 3):
            writer.write(rows[start : start + 3])
    return path


def read(path: Path):
    report = ReadReport(str(path), is_strict=True)
    return [dict(row.fields) for row in read_rows(path, report)]


def test_a_table_as_its_bytes(tmp_path):
    assert write(tmp_path / "a.csv", ROWS[:3]).read_bytes() == (
        b"id,text,share,n,is_known\n"
        b"1,plain,0.25,3,True\n"
        b'2,"a ""quote"", a comma",-1.5,-4,False\n'
        b'3,"two\nlines\rand a lone return",0.0,0,True\n'
    )
    assert write(tmp_path / "a.tsv", ROWS[1:3]).read_bytes() == (
        b"id\ttext\tshare\tn\tis_known\n"
        b'2\ta "quote", a comma\t-1.5\t-4\tFalse\n'
        b"3\ttwo lines and a lone return\t0.0\t0\tTrue\n"
    )
    assert write(tmp_path / "a.jsonl", ROWS[:1]).read_bytes() == (
        b'{"id":"1","text":"plain","share":0.25,"n":3,"is_known":true}\n'
    )


def test_parquet_keeps_types(tmp_path):
    table = pq.read_table(write(tmp_path / "a.parquet", ROWS))
    assert [str(field.type) for field in table.schema] == ["string", "string", "double", "int64", "bool"]
    assert table.to_pylist() == ROWS


@pytest.mark.parametrize("file_format", WRITABLE_FORMATS)
def test_a_table_without_rows(tmp_path, file_format):
    path = write(tmp_path / f"a.{file_format}", [])
    if file_format == "parquet":
        assert pq.read_table(path).column_names == list(COLUMNS)
    else:
        assert path.read_text().split() == ([] if file_format == "jsonl" else _header(file_format))


def _header(file_format):
    return [",".join(COLUMNS)] if file_format == "csv" else list(COLUMNS)


@given(st.lists(st.tuples(ANY_CELL, ANY_CELL), max_size=7))
def test_texts_come_back_as_they_were(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("round")
    rows = [{"a": first, "b": second} for first, second in pairs]
    harmless = [{name: make_cell_harmless(cell) for name, cell in row.items()} for row in rows]
    assert read(write(folder / "x.csv", rows, {"a": str, "b": str})) == harmless
    assert read(write(folder / "x.jsonl", rows, {"a": str, "b": str})) == rows
    assert read(write(folder / "x.parquet", rows, {"a": str, "b": str})) == rows


@given(st.lists(st.tuples(ANY_CELL, ANY_CELL), max_size=7))
def test_tsv_keeps_rows_and_columns(tmp_path_factory, pairs):
    rows = [{"a": f"{number}", "b": first, "c": second, "d": "."} for number, (first, second) in enumerate(pairs)]
    path = write(tmp_path_factory.mktemp("tsv") / "x.tsv", rows, dict.fromkeys("abcd", str))
    found = read(path)
    assert [row["a"] for row in found] == [row["a"] for row in rows]
    for row, given_row in zip(found, rows, strict=True):
        assert row["b"].removeprefix("'").split() == given_row["b"].removeprefix("'").split()
        assert row["d"] == "."


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_begins_a_formula(tmp_path, cell):
    for lead in ("", " ", "\u00a0"):
        for suffix in ("csv", "tsv"):
            path = write(tmp_path / f"x.{suffix}", [{"a": "x", "b": lead + cell}], {"a": str, "b": str})
            with path.open(newline="", encoding="utf-8") as file:
                _, (_, found) = csv.reader(file, delimiter="," if suffix == "csv" else "\t")
            assert not found.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert make_cell_harmless(cell) == f"'{cell}"


def test_harmless_cells_stay():
    assert make_cell_harmless("-1\t2") == "'-1\t2"
    for cell in ("fine", "", "'=1", "1-2", "a@b", " ", "?", -2, 0.5, None, True):
        assert make_cell_harmless(cell) is cell


@pytest.mark.parametrize("number", ["-5", "+49 30 12", "-2.50", "+.5", "- 7", "-3."])
def test_plain_numbers_are_no_formulas(tmp_path, number):
    assert make_cell_harmless(number) is number
    for suffix in ("csv", "tsv"):
        path = write(tmp_path / f"x.{suffix}", [{"a": number}], {"a": str})
        assert path.read_text() == f"a\n{number}\n"


def test_tsv_changes_nothing_but_what_ends_a_line_or_a_field(tmp_path):
    text = "  two  blanks \u00a0 stay\t\ta\r\nb\u2028c\x85d  "
    path = write(tmp_path / "x.tsv", [{"a": "=1", "b": text}], {"a": str, "b": str})
    assert path.read_text() == "a\tb\n'=1\t  two  blanks \u00a0 stay  a  b c d  \n"


def test_formats_are_told_by_name(tmp_path):
    for suffix, expected in (("csv", "csv"), ("TSV", "tsv"), ("jsonl", "jsonl"), ("ndjson", "jsonl")):
        assert detect_writable_format(tmp_path / f"x.{suffix}") == expected
    for name in ("x.txt", "x.xls", "x"):
        with pytest.raises(UsageError, match=rf"ends in .csv, .tsv, .jsonl, .parquet, got '{name}'"):
            detect_writable_format(tmp_path / name)
    with pytest.raises(OutputError, match=r"a place that can be written, got a directory at .*; name a file"):
        detect_writable_format(tmp_path)


def test_numbers_below_zero_are_no_formulas(tmp_path):
    assert b",-1.5,-4," in write(tmp_path / "a.csv", ROWS[1:2]).read_bytes()


@pytest.mark.parametrize("file_format", WRITABLE_FORMATS)
def test_a_block_that_fails_leaves_the_old_table(tmp_path, file_format):
    path = tmp_path / f"a.{file_format}"
    path.write_text("old")
    bad = {"id": "5", "text": object()}  # a table misses its other cells, JSON does not know what this is
    with pytest.raises((KeyError, TypeError), match=r"share|not JSON serializable|Expected bytes"):
        write(path, [*ROWS, bad])
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_formats_that_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match=r"a table format \(csv, tsv, jsonl, parquet\), got 'txt' at .*x.txt"):
        write(tmp_path / "x.txt", ROWS)
    with pytest.raises(OutputError, match="No such file or directory"):
        write(tmp_path / "missing" / "x.csv", ROWS)
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"the extra 'data' for Parquet files.*pip install 'sentire\[data\]'"):
        write(tmp_path / "x.parquet", ROWS)
    assert list(tmp_path.iterdir()) == []


def test_a_jsonl_row_may_hold_anything(tmp_path):
    rows = [{"a": [1, {"b": None}]}, {"c": "\x00\u2028"}]
    path = write(tmp_path / "x.jsonl", rows)
    assert [orjson.loads(line) for line in path.read_bytes().splitlines()] == rows
