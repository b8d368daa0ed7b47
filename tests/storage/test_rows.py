"""Rows: every format there and back, and in = out + rejected on whatever is done to a file."""

# ruff: noqa: S311 (damage needs no secret numbers)

import csv
import io
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentire.core.errors import DataError, SentireError, UnknownNameError, UsageError
from sentire.storage import rows as rows_module
from sentire.storage.lines import NOT_DECODED, STDIN
from sentire.storage.report import ReadReport
from sentire.storage.rows import (
    BROKEN_QUOTING,
    FORMATS,
    check_columns,
    check_format,
    detect_format,
    read_rows,
)
from sentire.storage.writers import make_cell_harmless, open_row_writer

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
cell = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def read(path, *, share=1.0, is_strict=False, **options):
    """Read a file and hold the invariant that every reading must keep."""
    report = ReadReport(str(path), max_rejected_fraction=share, is_strict=is_strict)
    found = []
    try:
        found.extend(read_rows(path, report, **options))
    finally:
        assert report.n_read == report.n_accepted + report.n_rejected
        assert report.n_rejected == sum(report.reasons.values())
    assert report.n_accepted == len(found)
    assert [row.number for row in found] == sorted({row.number for row in found})
    return found, report


def fields(path, **options):
    return [dict(row.fields) for row in read(path, **options)[0]]


def write(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- there and back ---------------------------------------------------------------------------------------------


@same_folder
@given(
    table=st.lists(st.tuples(cell, cell, cell), max_size=6),
    # With "\n" for a line end, Python 3.11 writes a lone "\r" without quotes; so all is quoted there.
    style=st.sampled_from([("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_csv_written_by_the_csv_module_is_read_again(tmp_path, table, style, encoding):
    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator=style[0], quoting=style[1])
    writer.writerow(["id", "text", "context"])
    writer.writerows(table)
    path = write(tmp_path, "a.csv", content.getvalue().encode(encoding))
    assert fields(path) == [dict(zip(["id", "text", "context"], row, strict=True)) for row in table]


@same_folder
@given(
    table=st.lists(st.dictionaries(cell, st.none() | st.booleans() | cell | st.integers(-(2**53), 2**53)), max_size=6)
)
def test_jsonl_is_read_again(tmp_path, table):
    path = write(tmp_path, "a.jsonl", "".join(json.dumps(row, ensure_ascii=len(row) % 2 == 0) + "\n" for row in table))
    assert fields(path) == table


@same_folder
@given(table=st.lists(st.tuples(*[st.text(st.characters(exclude_characters="\t\r\n", codec="utf-8"))] * 2), max_size=6))
def test_tsv_is_read_again_and_knows_no_quotes(tmp_path, table):
    path = write(tmp_path, "a.tsv", "one\ttwo\n" + "".join("\t".join(row) + "\n" for row in table))
    assert fields(path) == [dict(zip(["one", "two"], row, strict=True)) for row in table]


@same_folder
@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), max_size=6))
def test_plain_text_is_read_again(tmp_path, texts):
    path = write(tmp_path, "a.txt", "\n".join(texts).removeprefix("\ufeff"))
    expected = [{"text": text} for text in "\n".join(texts).removeprefix("\ufeff").split("\n") if text.strip()]
    found, report = read(path)
    assert [dict(row.fields) for row in found] == expected
    assert report.n_rejected == 0


@same_folder
@given(
    table=st.lists(
        st.fixed_dictionaries({"text": st.none() | cell, "n": st.none() | st.integers(0, 9), "l": st.lists(cell)}),
        min_size=1,
        max_size=6,
    )
)
def test_parquet_is_read_again_with_its_nulls(tmp_path, table):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    schema = pa.schema([("text", pa.string()), ("n", pa.int64()), ("l", pa.list_(pa.string()))])
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(table, schema=schema), path)
    found, report = read(path)
    assert [dict(row.fields) for row in found] == table
    assert [row.number for row in found] == list(range(1, len(table) + 1))
    assert report.n_rejected == 0


@same_folder
@given(
    table=st.lists(st.tuples(cell, cell).filter(lambda row: all(make_cell_harmless(one) == one for one in row))),
    suffix=st.sampled_from(["csv", "jsonl", "parquet"]),
)
def test_what_we_write_we_read_again(tmp_path, table, suffix):
    path = tmp_path / f"a.{suffix}"
    expected = [{"id": one, "text": other} for one, other in table]
    with open_row_writer(path, suffix, {"id": str, "text": str}) as writer:
        writer.write(expected)
    assert fields(path) == expected


def test_a_lone_carriage_return_does_not_tear_a_csv_row(tmp_path):
    path = tmp_path / "a.csv"
    with open_row_writer(path, "csv", {"id": str, "text": str}) as writer:
        writer.write([{"id": "1", "text": "a\rb"}, {"id": "2", "text": "c\r\nd\r"}])
    assert path.read_bytes() == b'id,text\n1,"a\rb"\n2,"c\r\nd\r"\n'
    assert [row["text"] for row in fields(path)] == ["a\rb", "c\r\nd\r"]


def test_row_numbers_are_those_of_the_lines(tmp_path):
    path = write(tmp_path, "a.csv", 'id,text\r\n1,"two\r\nlines"\r\n\r\n2,next\r\n')
    found, report = read(path)
    assert [(row.number, row.fields) for row in found] == [
        (2, {"id": "1", "text": "two\r\nlines"}),
        (5, {"id": "2", "text": "next"}),
    ]
    assert report.n_blank == 1


# --- CSV and its quotes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1, 50, 98, 99])
def test_an_open_quote_costs_its_own_line(tmp_path, place):
    table = [f'{number},"hello, {number}"' for number in range(100)]
    table[place] = f'{place},"hello, {place}'
    found, report = read(write(tmp_path, "a.csv", "id,text\n" + "\n".join(table) + "\n"))
    assert [row.fields["id"] for row in found] == [str(number) for number in range(100) if number != place]
    assert [(rejection.row, rejection.reason) for rejection in report.first_rejections] == [(place + 2, BROKEN_QUOTING)]


def test_an_open_quote_before_rows_without_quotes(tmp_path):
    table = "".join(f"{number},hello {number}\n" for number in range(500))
    found, report = read(write(tmp_path, "a.csv", 'id,text\nx,"open\n' + table))
    assert (len(found), report.n_rejected, report.first_rejections[0].row) == (500, 1, 2)


def test_records_over_several_lines_survive_an_open_quote_before_them(tmp_path):
    path = write(tmp_path, "a.csv", 'id,text\n1,"open\n2,plain\n3,"over\ntwo ""lines"""\n4,"open\n5,"end"\n')
    found, report = read(path)
    assert [dict(row.fields) for row in found] == [
        {"id": "2", "text": "plain"},
        {"id": "3", "text": 'over\ntwo "lines"'},
        {"id": "5", "text": "end"},
    ]
    assert [rejection.row for rejection in report.first_rejections] == [2, 6]


@pytest.mark.parametrize(
    "line",
    [
        '{0},"hello there, number {0}',  # breaks at the next line
        '{0} x","hello there, number {0}',  # closes and opens, so that every record would run to the end of the file
        '{0},""hello',
        '{0},"hello"there',
    ],
)
def test_twenty_thousand_open_quotes_take_linear_time(tmp_path, line):
    path = write(tmp_path, "a.csv", "id,text\n" + "".join(line.format(number) + "\n" for number in range(20_000)))
    started = time.perf_counter()
    found, report = read(path, share=1.0)
    assert time.perf_counter() - started < 10  # quadratic, it takes half an hour
    assert (len(found), report.n_rejected) == (0, 20_000)
    report = ReadReport(str(path), max_rejected_fraction=0.5)
    with pytest.raises(DataError, match=r"at most 50% of the rows to be rejected, got 20 of 20.*broken quoting"):
        list(read_rows(path, report))
    assert report.n_read == 20


def test_open_quotes_among_good_rows_take_linear_time(tmp_path):
    """Every other row is good, so that the share never stops the reading."""
    table = "".join(f'{number},good\n{number}"x","open\n{number},good\n' for number in range(10_000))
    path = write(tmp_path, "a.csv", "id,text\n" + table)
    started = time.perf_counter()
    found, report = read(path, share=0.5)
    assert time.perf_counter() - started < 10
    assert (len(found), report.n_rejected) == (20_000, 10_000)


def test_a_quote_is_looked_for_within_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "LONGEST_RECORD_LINES", 10)
    good = "".join(f"{number},plain\n" for number in range(30))
    path = write(tmp_path, "a.csv", f'id,text\nx,"open\n{good}y,"over\nfour\nlines\n"\n{good}')
    found, report = read(path)
    assert len(found) == 61
    assert [(rejection.row, rejection.detail) for rejection in report.first_rejections] == [
        (2, "no closing quote within reach")
    ]


def test_a_quote_is_looked_for_in_so_many_characters(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "LONGEST_LINE_CHARS", 100)
    good = "".join(f"{number},plain\n" for number in range(30))
    found, report = read(write(tmp_path, "a.csv", f'id,text\nx,"open\n{good}y,"{"o" * 90}\n"\n'))
    assert len(found) == 31
    assert [rejection.detail for rejection in report.first_rejections] == ["no closing quote within reach"]


def test_rows_longer_and_shorter_than_the_header(tmp_path):
    found, report = read(write(tmp_path, "a.csv", "id,text\n1,a,b\n2,a\n3\n4,\n,\n5,a,\n"))
    assert [tuple(row.fields.values()) for row in found] == [("2", "a"), ("4", ""), ("", "")]
    assert [str(rejection).rpartition("a.csv:")[2] for rejection in report.first_rejections] == [
        "2: wrong number of fields (expected 2, got 3)",
        "4: wrong number of fields (expected 2, got 1)",
        "7: wrong number of fields (expected 2, got 3)",
    ]


# --- headers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["", "utf-8"])
def test_headers_with_a_mark_and_blanks(tmp_path, mark, encoding):
    path = write(tmp_path, "a.csv", f'{mark}"id", text \n1,a\n')
    assert fields(path, encoding=encoding) == [{"id": "1", "text": "a"}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "id,text,id\n1,2,3\n", r"different column names, got id more than once at .*a\.csv:1"),
        ("a.csv", "\n\nid,,\n", r"got '' more than once at .*a\.csv:3"),
        ("a.tsv", "id\tid \n1\t2\n", "got id more than once"),
        ("a.csv", "", "a header row, got an empty file"),
        ("a.csv", "\n\r\n\n", "a header row, got an empty file"),
        ("a.tsv", "", "a header row, got an empty file"),
        ("a.csv", 'id,"text\n1,a\n2,b\n', r"a header row that can be read, got broken quoting \(.*\) at .*a\.csv:1"),
        ("a.csv", b"id,te\xffxt\n1,a\n", rf"a header row that can be read, got {NOT_DECODED} at .*a\.csv:1"),
        ("a.tsv", b"id\tte\xffxt\n1\ta\n", rf"a header row that can be read, got {NOT_DECODED} at .*a\.tsv:1"),
    ],
)
def test_broken_headers_are_errors_and_no_row_becomes_one(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, name, content))


def test_a_header_alone_has_no_rows(tmp_path):
    found, report = read(write(tmp_path, "a.csv", "id,text\n"))
    assert (found, report.n_read) == ([], 0)
    with pytest.raises(DataError, match="at least one row"):
        report.finish()


def test_named_columns_stand_for_a_header(tmp_path):
    path = write(tmp_path, "a.tsv", "1\ta\n2\tb\n")
    assert fields(path, columns=["id", "text"]) == [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}]
    with pytest.raises(DataError, match="different column names, got id more than once at columns"):
        read(path, columns=["id", "id"])


def test_unknown_columns(tmp_path):
    check_columns(["text"], ["id", "text"], where="a.csv")
    with pytest.raises(DataError, match=r'a column \'txt\', got the columns id, text at a\.csv; did you mean "text"\?'):
        check_columns(["id", "txt"], ["id", "text"], where="a.csv")
    with pytest.raises(DataError, match="a column 'text'") as caught:
        check_columns(["text"], [f"column {number}" for number in range(100_000)], where="a.csv")
    assert len(str(caught.value)) < 1000


# --- JSONL ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut of', "not JSON"),
        (b'{"text": NaN}', "not JSON"),
        (b'{"text": "\\ud800"}', "not JSON"),
        (b'{"text": "a" "b"}', "not JSON"),
        (b'{"text": "\xff"}', NOT_DECODED),
        (b'{"text": "\xed\xa0\x80"}', NOT_DECODED),
        (b'{"a":' * 5000, "not JSON"),
        (b"\x00", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"3", "not a JSON object"),
        (b"{} {}", "not JSON"),
    ],
)
def test_broken_jsonl_lines_are_counted_by_reason(tmp_path, line, reason):
    path = write(tmp_path, "a.jsonl", b'{"text": "first"}\n' + line + b'\n\n{"text": "last"}')
    found, report = read(path)
    assert [row.fields for row in found] == [{"text": "first"}, {"text": "last"}]
    assert [(rejection.row, rejection.reason) for rejection in report.first_rejections] == [(2, reason)]
    assert report.n_blank == 1


def test_values_of_any_type_reach_the_caller_as_they_are(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": 3}\n{"text": null}\n{"text": ["a"]}\n{"text": {"a": 1}}\n{}\n')
    assert fields(path) == [{"text": 3}, {"text": None}, {"text": ["a"]}, {"text": {"a": 1}}, {}]


# --- Parquet ----------------------------------------------------------------------------------------------------


@pytest.fixture
def parquet(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"id": [str(n) for n in range(200)], "text": [f"hello {n} é" if n % 3 else None for n in range(200)]}
    )
    pq.write_table(table, path, row_group_size=64, write_page_checksum=True)
    return path


def test_nulls_stay_none(parquet):
    found, _ = read(parquet)
    assert [row.fields["text"] for row in found[:3]] == [None, "hello 1 é", "hello 2 é"]


@pytest.mark.parametrize("n_bytes", [0, 1, 3, 4, 100, -9, -1])
def test_truncated_parquet(parquet, n_bytes):
    parquet.write_bytes(parquet.read_bytes()[:n_bytes])
    with pytest.raises(DataError, match=r"a Parquet file, got .* at .*a\.parquet"):
        read(parquet)


def test_what_is_no_parquet_file(tmp_path):
    with pytest.raises(DataError, match=r"a Parquet file, got a file of another format at .*a\.parquet; rename"):
        read(write(tmp_path, "a.parquet", "id,text\n1,this is a text file\n"))
    with pytest.raises(DataError, match=r"a Parquet file, got an empty file at .*b\.parquet; rename"):
        read(write(tmp_path, "b.parquet", ""))
    with pytest.raises(DataError, match=r"a Parquet file, got a damaged one \('.*\) at .*c\.parquet; write it again"):
        read(write(tmp_path, "c.parquet", "PAR1 and no more"))
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(DataError, match="a Parquet file, got a directory"):
        read(tmp_path / "folder.parquet")
    with pytest.raises(
        DataError, match=r"a file that can be read, got No such file or directory at [^']*none\.parquet$"
    ):
        read(tmp_path / "none.parquet")
    with pytest.raises(UsageError, match="a file, got standard input"):
        read(STDIN, file_format="parquet")


def test_parquet_values_that_cannot_be_read_cost_their_row(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    raw = pa.array([b"good", b"\xff\xfe", b"also good"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3], "text": text}), path)
    found, report = read(path)
    assert [row.fields for row in found] == [{"id": 1, "text": "good"}, {"id": 3, "text": "also good"}]
    assert [(rejection.row, rejection.reason) for rejection in report.first_rejections] == [
        (2, "a value that cannot be read")
    ]


def test_parquet_with_a_column_twice(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), path)
    with pytest.raises(DataError, match="different column names, got text more than once"):
        read(path)


def test_without_pyarrow_a_sentence_says_what_to_install(parquet, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SentireError, match=r"the extra 'data' for Parquet files.*pip install 'sentire\[data\]'"):
        read(parquet)


def test_of_parquet_the_wanted_columns_are_read(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"fine"], pa.binary()).buffers())
    turns = [["a", "b"], None]
    pq.write_table(pa.table({"id": [1, 2], "text": ["x", "y"], "turns": turns, "a.b": [3, 4], "odd": broken}), path)
    assert fields(path, wanted=["text", "turns", "text"]) == [
        {"text": "x", "turns": ["a", "b"]},
        {"text": "y", "turns": None},
    ]
    assert fields(path, wanted=["a.b"]) == [{"a.b": 3}, {"a.b": 4}]
    assert [row["id"] for row in fields(path)] == [2]  # of all columns, one of the first row cannot be read
    with pytest.raises(DataError, match=r"a column 'txt', got the columns id, text, turns, a\.b, odd at .*\"text\""):
        fields(path, wanted=["txt"])


def test_blanks_around_the_names_of_parquet_columns_do_not_count(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({" text": ["x", "y"], "id ": [1, 2], "note": [None, "z"]}), path)
    assert fields(path, wanted=["text", "note"]) == [{"text": "x", "note": None}, {"text": "y", "note": "z"}]
    assert fields(path) == [{"text": "x", "id": 1, "note": None}, {"text": "y", "id": 2, "note": "z"}]
    with pytest.raises(DataError, match=r"a column ' text', got the columns text, id, note"):
        fields(path, wanted=[" text"])


def test_no_batch_of_parquet_is_of_more_than_a_bounded_size(tmp_path, monkeypatch):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(rows_module, "PARQUET_BATCH_BYTES", 100_000)
    path = tmp_path / "a.parquet"
    asked = []
    iter_batches = pq.ParquetFile.iter_batches

    def spy(file, batch_size, **options):
        asked.append(batch_size)
        return iter_batches(file, batch_size, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
    for n_chars in (9, 900, 200_000):
        table = pa.table({"id": range(200), "text": ["x" * n_chars] * 200})
        pq.write_table(table, path, row_group_size=100, use_dictionary=False)
        assert [row["id"] for row in fields(path)] == list(range(200))
    assert asked == [pytest.approx(4000, abs=1000), pytest.approx(105, abs=5), 1]


# --- strict, lenient, formats, places ---------------------------------------------------------------------------

BROKEN = {
    "a.csv": b"id,text\n1,a\n2,b,c\n",
    "a.tsv": b"id\ttext\n1\ta\n2\tb\tc\n",
    "a.jsonl": b'{"id": 1}\n\n{"id"\n',
    "a.txt": b"one\ntwo\n\xff\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_strict_reading_raises_with_file_and_row(tmp_path, name):
    path = write(tmp_path, name, BROKEN[name])
    with pytest.raises(
        DataError, match=rf"a row that can be read, got .* at .*{name}:3; mend the row, or read without"
    ):
        read(path, is_strict=True)
    assert read(path)[1].n_rejected == 1


@pytest.mark.parametrize("name", BROKEN)
def test_lenient_reading_stops_at_the_share(tmp_path, name):
    header, _, _ = BROKEN[name].partition(b"\n")
    path = write(tmp_path, name, header + b"\n" + b'\xff,\t"\n' * 1000)
    report = ReadReport(str(path), max_rejected_fraction=0.5, hint="name the encoding")
    with pytest.raises(DataError, match=r"at most 50% of the rows to be rejected.*name the encoding"):
        list(read_rows(path, report))
    assert report.n_read < 50


def test_formats_by_name(tmp_path):
    names = {
        "a.CSV": "csv",
        "b.tsv": "tsv",
        "c.jsonl": "jsonl",
        "d.ndjson": "jsonl",
        "e.parquet": "parquet",
        "-": "txt",
    }
    assert {name: detect_format(Path(name)) for name in names} == names
    with pytest.raises(UsageError, match=r"a file name that ends in \.csv, .*got 'a\.xlsx'; rename the file or name"):
        detect_format(Path("a.xlsx"))
    assert [check_format(name) for name in FORMATS] == list(FORMATS)
    with pytest.raises(UnknownNameError, match=r"file format .*got 'jsnol'; did you mean \"jsonl\""):
        check_format("jsnol")
    path = write(tmp_path, "a.dat", '{"text": "a"}\n')
    assert fields(path, file_format="jsonl") == [{"text": "a"}]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "txt"])
def test_directories_and_missing_files(tmp_path, suffix):
    folder = tmp_path / f"folder.{suffix}"
    folder.mkdir()
    with pytest.raises(DataError, match="a file that can be read, got a directory"):
        read(folder)
    with pytest.raises(DataError, match="a file that can be read, got No such file or directory"):
        read(tmp_path / f"none.{suffix}")


@pytest.mark.parametrize("suffix", ["jsonl", "txt"])
def test_empty_files_have_no_rows(tmp_path, suffix):
    found, report = read(write(tmp_path, f"a.{suffix}", ""))
    assert (found, report.n_read, report.n_blank) == ([], 0, 0)


def test_ten_megabytes_in_one_cell(tmp_path):
    text = "word " * 2_000_000
    for name, content in {
        "a.csv": f'id,text\n1,"{text}"\n2,b\n',
        "a.tsv": f"id\ttext\n1\t{text}\n2\tb\n",
        "a.jsonl": f'{{"text": "{text}"}}\n{{"text": "b"}}\n',
    }.items():
        assert [row["text"] for row in fields(write(tmp_path, name, content))] == [text, "b"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "txt"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("is_complete", [True, False])
def test_every_line_end_and_a_last_line_without_one(tmp_path, suffix, end, is_complete):
    header = {"csv": "id,text", "tsv": "id\ttext"}
    line = {"csv": "{0},a", "tsv": "{0}\ta", "jsonl": '{{"id": "{0}"}}', "txt": "{0}"}[suffix]
    content = end.join([*filter(None, [header.get(suffix)]), *(line.format(number) for number in range(5))])
    found, report = read(write(tmp_path, f"a.{suffix}", content + end * is_complete))
    assert [next(iter(row.fields.values())) for row in found] == ["0", "1", "2", "3", "4"]
    assert (report.n_rejected, report.n_blank) == (0, 0)


# --- damage -----------------------------------------------------------------------------------------------------

GOOD = {
    "csv": 'id,text\n1,plain\n2,"with, comma"\n3,"two\nlines"\n4,"a ""quote"""\n5,é 😀\n\n6,end\n' * 3,
    "tsv": "id\ttext\n1\tplain\n2\t\n3\té 😀\n\n4\tend\n" * 3,
    "jsonl": '{"id": 1, "text": "plain"}\n{"id": 2, "text": "\\u00e9 😀"}\n\n{"id": 3, "l": [1, {"a": null}]}\n' * 3,
    "txt": "one\ntwo é 😀\n\nthree\n" * 3,
}
INSERTIONS = [
    b'"',
    b'""',
    b",",
    b"\t",
    b"\x00",
    b"\xff",
    b"\r",
    b"\n",
    b"\r\n",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"{",
    b"x" * 9999,
]


def damage(content: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(damaged) + 1)
        kind = rng.randrange(4)
        if kind == 0 and place < len(damaged):
            damaged[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            damaged[place:place] = rng.choice(INSERTIONS)
        elif kind == 2:
            del damaged[place : place + rng.randint(1, 20)]
        elif rng.random() < 0.2:
            del damaged[place:]
    return bytes(damaged)


def count_lines(content: bytes) -> int:
    text = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text.count(b"\n") + (not text.endswith(b"\n") and bool(text))


@pytest.mark.parametrize("suffix", GOOD)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_whatever_is_done_to_a_file_nothing_is_lost(tmp_path, suffix, encoding):
    rng = random.Random(f"{suffix} {encoding}")
    n_read = 0
    for _ in range(400):
        content = damage(GOOD[suffix].encode(encoding), rng)
        path = write(tmp_path, f"a.{suffix}", content)
        try:
            found, report = read(path)
        except DataError:
            continue
        n_read += 1
        assert all(isinstance(row.fields, dict) for row in found)
        if encoding != "utf-16" and not content.startswith((b"\xff\xfe", b"\xfe\xff")) and suffix != "csv":
            n_headers = suffix == "tsv"
            assert report.n_read + report.n_blank + n_headers == count_lines(content)
    assert n_read > 40  # most damage leaves a file that can be read


def test_damage_to_one_csv_row_leaves_the_others(tmp_path):
    """Whatever happens inside one line without a line break, the rows before it stand."""
    rng = random.Random(8)
    table = [f'{number},"row, {number}"' for number in range(40)]
    for _ in range(300):
        place = rng.randrange(40)
        broken = list(table)
        broken[place] = damage(table[place].encode(), rng).replace(b"\n", b"").replace(b"\r", b"").decode("latin-1")
        path = write(tmp_path, "a.csv", "id,text\n" + "\n".join(broken) + "\n")
        texts = [row["text"] for row in fields(path)]
        kept = [f"row, {number}" for number in range(40) if number != place]
        assert [text for text in kept if text in texts] == kept


@pytest.mark.parametrize("seed", range(4))
def test_damaged_parquet_is_read_or_refused(parquet, seed):
    rng = random.Random(seed)
    good = parquet.read_bytes()
    outcomes = {"read": 0, "refused": 0}
    for _ in range(150):
        content = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        parquet.write_bytes(content if rng.random() < 0.8 else content[: rng.randrange(len(content))])
        try:
            read(parquet)
            outcomes["read"] += 1
        except DataError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 50


# --- memory -----------------------------------------------------------------------------------------------------

# The kernel's own mark of the peak: ru_maxrss begins with that of the parent process, which here is the larger one.
MEASURE = """
import sys
from pathlib import Path
from sentire.storage.report import ReadReport
from sentire.storage.rows import read_rows
from sentire.runtime.text_rows import Source, read_text_batches
path = Path(sys.argv[1])
if path.suffix == ".parquet":
    import pyarrow, pyarrow.parquet
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before = peak()
report = ReadReport(str(path), max_rejected_fraction=1.0)
if sys.argv[2:] == ["texts"]:
    n = sum(len(batch) for batch in read_text_batches(Source(path=path), report))
else:
    n = sum(1 for _ in read_rows(path, report))
print(n, (peak() - before) // 1024)
"""


def measure(path: Path, *form: str) -> tuple[int, int]:
    """Rows read, and by how many MiB the peak of a fresh process grew."""
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path), *form], check=True, capture_output=True, text=True)
    n_rows, growth = done.stdout.split()
    return int(n_rows), int(growth)


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")


@needs_proc
@pytest.mark.parametrize(
    ("suffix", "first", "line", "n_megabytes", "most_mebibytes"),
    [
        ("csv", "id,text\n", '{0},"a comment, of some length, with a number {0} in it"\n', 20, 10),
        ("csv", 'id,text\nx,"open\n', "{0},a comment of some length with a number {0} in it\n", 50, 80),
        pytest.param(
            *("csv", 'id,text\nx,"open\n', '{0} x","a comment of some length with a number {0} in it\n', 50, 80),
            marks=pytest.mark.slow,
        ),
        ("tsv", "id\ttext\n", "{0}\ta comment of some length with a number {0} in it\n", 20, 10),
        ("jsonl", "", '{{"id": {0}, "text": "a comment of some length with a number {0} in it"}}\n', 20, 10),
        ("txt", "", "a comment of some length with a number {0} in it\n", 20, 10),
        ("txt", "", "one line without any end {0} ", 50, 75),
    ],
)
def test_large_files_in_bounded_memory(tmp_path, suffix, first, line, n_megabytes, most_mebibytes):
    path = tmp_path / f"a.{suffix}"
    with path.open("w", encoding="utf-8") as file:
        file.write(first)
        number = 0
        while file.tell() < n_megabytes * 1_000_000:
            file.writelines(line.format(number + offset) for offset in range(10_000))
            number += 10_000
    _, growth = measure(path)
    assert growth < most_mebibytes


@needs_proc
def test_one_big_row_group_in_bounded_memory(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    rng = random.Random(0)
    texts = [rng.randbytes(125).hex() for _ in range(400_000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=len(texts), compression="none", use_dictionary=False)
    assert path.stat().st_size > 100_000_000
    n_rows, growth = measure(path)
    assert n_rows == len(texts)
    assert growth < 70


@needs_proc
@pytest.mark.parametrize(("wide", "form", "most_mebibytes"), [("text", (), 110), ("page", ("texts",), 25)])
def test_parquet_of_long_cells_in_bounded_memory(tmp_path, wide, form, most_mebibytes):
    """Of the wide column 60 MB: in batches where it is asked for, and not at all where it is not."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    cells = [f"{number:05d}" * 20_000 for number in range(300)]
    columns = {"text": [f"hello {number}" for number in range(300)], wide: cells}
    schema = pa.schema([(name, pa.string()) for name in columns])
    with pq.ParquetWriter(path, schema, use_dictionary=False, write_batch_size=8) as writer:
        writer.write_table(pa.concat_tables([pa.table(columns)] * 2), row_group_size=600)
    n_rows, growth = measure(path, *form)
    assert n_rows == 600
    assert growth < most_mebibytes
