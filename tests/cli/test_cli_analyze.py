"""``sentire analyze``: the right answers in every form, and a clear word whatever it is given."""

import csv
import os
import sys
from dataclasses import replace

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sentire as package
from sentire.cli.answer_tables import LONGEST_TEXT_CHARS, print_answers

KEYS = ["text", "labels", "emotions", "vad", "flags", "model"]
TEXTS = ["Thank you so much!", "I hate this awful thing.", "The shop opens at nine."]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def remarks(tmp_path):
    path = tmp_path / "remarks.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["nr", "text", "before"], *((f"r{i}", text, "Hm?") for i, text in enumerate(TEXTS))])
    return path


def test_json_lines_are_the_python_answers(sentire):
    ran = sentire("analyze", *TEXTS, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert [list(row) for row in ran.rows] == [KEYS] * 3
    expected = [answer.as_dict() for answer in package.analyze(TEXTS)]
    assert ran.rows == orjson.loads(orjson.dumps(expected))


def test_other_labels_and_context(sentire):
    ran = sentire("analyze", TEXTS[0], "--label-space", "ekman", "--context", "You asked.", "--json", "-m", "linear")
    (row,) = ran.rows
    assert (row["labels"], row["context"], list(row)) == (["joy"], "You asked.", ["text", "context", *KEYS[1:]])
    assert len(row["emotions"]) == 7
    assert "the model linear does not use context" in ran.err
    (row,) = sentire("analyze", TEXTS[0], "--label-space=isear", "--json").rows
    assert {one["threshold"] for one in row["emotions"]} == {None}


def test_a_table_shows_what_is_given(sentire):
    ran = sentire("analyze", TEXTS[0], "qqzx wvvk", "-m", "linear")
    lines = ran.text.splitlines()
    assert lines[0] == TEXTS[0]
    assert lines[1].split()[:2] == ["●", "gratitude"]
    assert "█" in lines[1]
    assert "cut-off 0.51" in lines[1]
    assert "the model knows no word of the text" in ran.text
    assert ran.err == ""


def test_a_text_cannot_steer_the_terminal(sentire):
    ran = sentire("analyze", "thank \x1b]0;mine\x07 you\r\x1b[2J\x9b5A")
    assert ran.text.splitlines()[0] == "thank \ufffd]0;mine\ufffd you \ufffd[2J\ufffd5A"
    rows = orjson.dumps({"id": "\x1b[1m", "text": "thank you\x1b[0m"})
    ran = sentire("analyze", "-i", "-", "--format", "jsonl", "--id-column", "id", "--rows", 1, stdin=rows)
    assert "\x1b" not in ran.text
    assert "\ufffd[1m" in ran.text


def test_a_text_cannot_turn_the_line(sentire):
    turning = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    rows = orjson.dumps({"id": f"a{turning}1", "text": f"thank{turning} you", "before": f"\u202eWe{turning} won."})
    columns = ["--id-column", "id", "--context-column", "before"]
    for more in ([], ["--explain"]):
        ran = sentire("analyze", "-i", "-", "--format", "jsonl", *columns, "--rows", 1, *more, stdin=rows)
        assert not set(turning) & set(ran.text), more
        replaced = "\ufffd" * len(turning)
        assert ran.text.splitlines()[0] == f"a{replaced}1  thank{replaced} you"
        assert f"after: \ufffdWe{replaced} won." in ran.text
    ran = sentire("analyze", "-i", "-", "--format", "jsonl", *columns, stdin=rows)
    assert not set(turning) & set(ran.text)


def test_letters_from_right_to_left_and_joined_emoji_are_shown_as_they_are(sentire):
    text = "\u200fתודה \U0001f469\u200d\U0001f467 می\u200cخواهم"
    assert sentire("analyze", text).text.splitlines()[0] == text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["Hi", "--input", "x.csv"], 2, "expected texts or --input, got both"),
        (["Hi", "--output", "x.csv"], 2, "--output together with --input, got texts"),
        (["Hi", "--text-column", "text"], 2, "expected --text-column together with --input, got texts"),
        (["Hi", "--context-column", "c"], 2, "expected --context-column together with --input, got texts"),
        (["Hi", "--id-column", "c"], 2, "expected --id-column together with --input, got texts"),
        (["Hi", "--rows", "0"], 2, "expected --rows together with --input, got texts"),
        (["Hi", "--format", "csv"], 2, "expected --format together with --input, got texts"),
        (["Hi", "--encoding", "utf-8"], 2, "expected --encoding together with --input, got texts"),
        (["Hi", "--strict"], 2, "expected --strict together with --input, got texts; --strict is for files"),
        (["-i", "x.csv", "--json", "--rows", "3"], 2, "expected --rows or --json, got both"),
        (["-i", "x.csv", "--context", "Hm?"], 2, "--context-column with a file, got --context"),
        ([""], 3, "expected a text, got an empty one at argument 1"),
        (["Hi", " \t "], 3, "got an empty one at argument 2"),
        (["Hi", "-m", "lineer"], 2, "got 'lineer' at --model; did you mean \"linear\"?"),
        (["Hi", "-m", "pyproject.toml"], 2, "the name of a model"),
        (["Hi", "--label-space", "ekmen"], 2, 'did you mean "ekman"'),
        (["-i", "x.csv", "--format", "cvs"], 2, "got 'cvs'; did you mean \"csv\""),
        (["-i", "x.xlsx"], 2, "a file name that ends in .csv, .tsv, .jsonl, .ndjson, .parquet, .txt, got 'x.xlsx'"),
        (["-i", "missing.csv"], 3, "No such file or directory at missing.csv"),
        (["-i", "."], 3, "expected a file of texts, got a directory at ."),
        (["Hi", "--josn"], 2, "--json"),
        (["-i", "-", "--format", "parquet"], 2, "got standard input"),
        (["-i", "-", "--encoding", "utf-9"], 2, "the name of a text encoding, such as utf-8 or cp1252, got 'utf-9'"),
        ([], 3, "at least one row, got a file without rows at -"),
    ],
)
def test_what_cannot_be_done_is_said(sentire, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    ran = sentire("analyze", *arguments)
    assert (ran.code, ran.out) == (code, b"")
    assert said in ran.err


@pytest.mark.parametrize("option", ["--text-column", "--context-column", "--id-column"])
def test_an_unknown_column(sentire, remarks, option):
    ran = sentire("analyze", "-i", remarks, option, "befoer", "-o", remarks.with_name("out.csv"))
    assert ran.code == 3
    assert "expected a column 'befoer', got the columns nr, text, before at" in ran.err
    assert 'did you mean "before"?' in ran.err
    assert names(remarks.parent) == ["remarks.csv"]


def test_a_name_that_no_file_can_have(sentire):
    ran = sentire("analyze", "-i", "n" * 300 + ".csv")
    assert ran.code == 3
    assert "expected a file of texts, got File name too long at nnn" in ran.err


def test_a_directory_named_like_a_file(sentire, tmp_path):
    for name in ("x.csv", "x.parquet"):
        (tmp_path / name).mkdir()
        ran = sentire("analyze", "-i", tmp_path / name)
        assert (ran.code, "got a directory" in ran.err) == (3, True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"", "a header row, got an empty file"),
        ("x.txt", b"", "at least one row, got a file without rows"),
        ("x.csv", b"text,note\n", "at least one row, got a file without rows"),
        ("x.jsonl", b"\n\n", "at least one row, got a file without rows"),
        ("x.parquet", b"", "a Parquet file"),
        ("x.parquet", b"PAR1 not at all", "a Parquet file"),
        ("x.csv", b"text,text\na,b\n", "text more than once"),
        ("x.csv", b'te"xt\xff\na\n', "a header row that can be read"),
    ],
)
def test_files_without_anything_to_read(sentire, tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    ran = sentire("analyze", "-i", tmp_path / name, "-o", tmp_path / "out.csv")
    assert (ran.code, ran.out) == (3, b"")
    assert said in ran.err
    assert names(tmp_path) == [name]


def test_a_half_last_line(sentire, tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "thank you"}\n{"text": "so awful"}\n{"text": "I am ha')
    ran = sentire("analyze", "-i", tmp_path / "x.jsonl", "--json")
    assert (ran.code, [row["text"] for row in ran.rows]) == (0, ["thank you", "so awful"])
    assert "1 of 3 rows were not used (not JSON: 1)" in ran.err
    assert f"{tmp_path / 'x.jsonl'}:3: not JSON" in ran.err
    (tmp_path / "x.csv").write_bytes(b'id,text\n1,thank you\n2,so awful\n3,"I am ha')
    ran = sentire("analyze", "-i", tmp_path / "x.csv", "--json")
    assert (ran.code, [row["text"] for row in ran.rows]) == (0, ["thank you", "so awful"])
    assert f"{tmp_path / 'x.csv'}:4: broken quoting" in ran.err


def test_mixed_encodings(sentire, tmp_path):
    path = tmp_path / "x.csv"
    good = "".join(f"thank you {number}\n" for number in range(5))
    path.write_bytes(f"text\n{good}".encode() + "très bien merçi\n".encode("cp1252") + b"fine\n")
    ran = sentire("analyze", "-i", path, "--json")
    assert (ran.code, len(ran.rows)) == (0, 6)
    assert "1 of 7 rows were not used (bytes that are not in the file's encoding: 1)" in ran.err
    assert f"{path}:7: bytes" in ran.err
    ran = sentire("analyze", "-i", path, "--json", "--encoding", "cp1252")
    assert [row["text"] for row in ran.rows][5] == "très bien merçi"
    assert "not used" not in ran.err


def test_nul_and_lone_surrogates(sentire, tmp_path):
    (tmp_path / "x.csv").write_bytes(b"text\nthank\x00you\nfine\n")
    ran = sentire("analyze", "-i", tmp_path / "x.csv", "--json")
    assert [row["text"] for row in ran.rows] == ["thank\ufffdyou", "fine"]
    (tmp_path / "x.jsonl").write_bytes(
        rb'{"text": "a \ud83d b"}' + b"\n" + rb'{"text": "a \ud83d\ude00 \u0000"}' + b"\n"
    )
    ran = sentire("analyze", "-i", tmp_path / "x.jsonl", "--json")
    assert [row["text"] for row in ran.rows] == ["a \U0001f600 \ufffd"]
    assert "1 of 2 rows were not used (not JSON: 1)" in ran.err


def test_bytes_of_an_argument_that_are_no_text(sentire):
    ran = sentire("analyze", "thank you \udcff", "--context", "\udcfe", "--json")
    assert (ran.rows[0]["text"], ran.rows[0]["context"]) == ("thank you \ufffd", "\ufffd")
    ran = sentire("analyze", "-i", "no\udcff.csv")
    assert (ran.code, "No such file or directory at no\\udcff.csv" in ran.err) == (3, True)


def test_a_file_name_that_is_no_text_stands_in_the_summary_with_a_replacement_character(sentire, tmp_path):
    path = tmp_path / "no\udcff.csv"
    path.write_bytes(b"text\nthank you\nfine\n\xff\n")
    ran = sentire("analyze", "-i", path, "--json", "-o", tmp_path / "out.jsonl", "-m", "linear")
    assert (ran.code, ran.json["rows"]["path"]) == (0, f"{tmp_path}/no\ufffd.csv")
    assert ran.json["rows"]["first_rejections"][0].startswith(f"{tmp_path}/no\ufffd.csv:4: ")


def test_parquet_with_nulls(sentire, tmp_path):
    pq.write_table(pa.table({"text": ["thank you", None, "awful"], "n": [1, 2, 3]}), tmp_path / "x.parquet")
    ran = sentire("analyze", "-i", tmp_path / "x.parquet", "--json", "--id-column", "n")
    assert [row["id"] for row in ran.rows] == ["1", "3"]
    assert "1 of 3 rows were not used (no text: 1)" in ran.err


@pytest.mark.parametrize("is_output", [False, True])
def test_parquet_without_its_extra(sentire, tmp_path, monkeypatch, remarks, is_output):
    pq.write_table(pa.table({"text": ["thank you"]}), tmp_path / "x.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    files = [remarks, "-o", tmp_path / "y.parquet"] if is_output else [tmp_path / "x.parquet"]
    ran = sentire("analyze", "-i", *files)
    assert ran.code == 6
    assert "expected the extra 'data' for Parquet files" in ran.err
    assert "run: pip install 'sentire[data]'" in ran.err
    assert names(tmp_path) == ["remarks.csv", "x.parquet"]


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("folder.csv", 5, "a place that can be written"),
        ("missing/out.csv", 5, "No such file or directory at"),
        ("remarks.csv", 5, "an output that is not the input"),
        ("remarks.csv/out.csv", 5, "Not a directory"),
        ("out.txt", 2, "an output that ends in .csv, .tsv, .jsonl, .parquet, got 'out.txt'"),
        ("out.cvs", 2, "an output that ends in .csv, .tsv, .jsonl, .parquet, got 'out.cvs'"),
        ("", 5, "a place that can be written, got a directory at"),
        ("n" * 300 + ".csv", 5, "File name too long"),
    ],
)
def test_outputs_that_cannot_be_written(sentire, remarks, tmp_path, output, code, said):
    (tmp_path / "folder.csv").mkdir()
    before = remarks.read_bytes()
    ran = sentire("analyze", "-i", remarks, "-o", tmp_path / output)
    assert (ran.code, ran.out) == (code, b"")
    assert said in ran.err
    assert names(tmp_path) == ["folder.csv", "remarks.csv"]
    assert names(tmp_path / "folder.csv") == []
    assert remarks.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_permission(sentire, remarks, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    ran = sentire("analyze", "-i", remarks, "-o", tmp_path / "closed" / "out.csv")
    assert (ran.code, "Permission denied" in ran.err) == (5, True)


def test_strict_reading_stops_with_file_and_row(sentire, tmp_path):
    (tmp_path / "x.csv").write_text("id,text\n1,fine\n2,one,too many\n3,fine\n")
    ran = sentire("analyze", "-i", tmp_path / "x.csv", "--strict", "-o", tmp_path / "out.csv")
    assert (ran.code, ran.out) == (3, b"")
    assert f"wrong number of fields (expected 2, got 3) at {tmp_path / 'x.csv'}:3; mend the row" in ran.err
    assert names(tmp_path) == ["x.csv"]


def test_too_many_unusable_rows_stop_with_advice(sentire, tmp_path):
    (tmp_path / "x.txt").write_bytes(b"caf\xe9\n" * 30)
    ran = sentire("analyze", "-i", tmp_path / "x.txt")
    assert ran.code == 3
    assert "at most 50% of the rows to be rejected, got 20 of 20" in ran.err
    assert "name its --encoding or --format, or mend the file" in ran.err
    assert sentire("analyze", "-i", tmp_path / "x.txt", "--encoding", "latin-1").code == 0


def test_standard_input(sentire):
    texts = "\n".join(TEXTS).encode()
    for arguments in ([], ["-i", "-"]):
        ran = sentire("analyze", *arguments, "--json", stdin=texts)
        assert [(row["id"], row["text"]) for row in ran.rows] == [(f"{i}", text) for i, text in enumerate(TEXTS, 1)]
    ran = sentire("analyze", "-i", "-", "--format", "csv", "--json", stdin=b'n,text\n1,"a\nb"\n')
    assert [row["text"] for row in ran.rows] == ["a\nb"]


def test_all_output_formats_say_the_same(sentire, remarks, tmp_path):
    columns = ["--id-column", "nr", "--context-column", "before"]
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        ran = sentire("analyze", "-i", remarks, *columns, "-o", tmp_path / f"out.{suffix}")
        assert ran.code == 0
        assert f"wrote {tmp_path / f'out.{suffix}'}" in ran.err
    nested = [orjson.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert nested == sentire("analyze", "-i", remarks, *columns, "--json").rows
    expected = [answer.as_dict() for answer in package.analyze(TEXTS, context=["Hm?"] * 3)]
    assert nested == orjson.loads(orjson.dumps([{"id": f"r{i}"} | row for i, row in enumerate(expected)]))
    tables = {"parquet": pq.read_table(tmp_path / "out.parquet").to_pylist()}
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        with (tmp_path / f"out.{suffix}").open(newline="") as file:
            tables[suffix] = list(csv.DictReader(file, delimiter=delimiter))
    for table in tables.values():
        assert [list(row)[:5] for row in table] == [["id", "text", "context", "labels", "flags"]] * 3
        for row, answer in zip(table, nested, strict=True):
            assert (row["id"], row["text"], row["context"]) == (answer["id"], answer["text"], answer["context"])
            assert row["labels"].split(";") == answer["labels"]
            for emotion in answer["emotions"]:
                assert float(row[emotion["label"]]) == pytest.approx(emotion["proba"], abs=1e-7)


def test_the_summary_adds_up(sentire, tmp_path):
    texts = [f"{TEXTS[i % 3]} {i}" for i in range(30)] + ["", "qqzx"]
    rows = b"\n".join(orjson.dumps({"text": text}) for text in texts)
    (tmp_path / "in.jsonl").write_bytes(rows + b'\n{"text": 1}\n')
    ran = sentire("analyze", "-m", "linear", "-i", tmp_path / "in.jsonl", "--json", "-o", tmp_path / "out.jsonl")
    summary = ran.json
    answers = [orjson.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert summary["n_rows"] == len(answers) == 32
    assert summary["rows"]["n_read"] == summary["rows"]["n_accepted"] + summary["rows"]["n_rejected"] == 33
    shares = {}
    for answer in answers:
        for label in answer["labels"]:
            shares[label] = shares.get(label, 0) + 1 / 32
    assert summary["shares"] == pytest.approx(shares, abs=1e-6)
    assert summary["n_without_label"] == sum(not answer["labels"] for answer in answers)
    assert summary["flags"] == {"empty": 1, "unknown_words": 1}
    assert summary["texts_per_second"] > 0
    shown = sentire("analyze", "-m", "linear", "-i", tmp_path / "in.jsonl").text
    assert shown.splitlines()[0] == "32 texts · model linear · 28 labels (goemotions.v1)"
    for label, share in shares.items():
        (line,) = [line for line in shown.splitlines() if line.split()[:1] == [label]]
        assert f"{share:.1%}" in line
    assert "! 1 rows: there is no text to judge" in shown


def test_some_rows_are_shown_one_by_one(sentire, remarks):
    ran = sentire("analyze", "-i", remarks, "--rows", 2, "--id-column", "nr", "--context-column", "before")
    assert f"r1  {TEXTS[1]}" in ran.text.splitlines()
    assert f"r2  {TEXTS[2]}" not in ran.text.splitlines()
    assert "  after: Hm?" in ran.text.splitlines()


def test_blank_lines_are_counted(sentire, tmp_path):
    (tmp_path / "x.csv").write_text("text\n\nthank you\n\nso awful\n")
    ran = sentire("analyze", "-i", tmp_path / "x.csv", "--json")
    assert [row["id"] for row in ran.rows] == ["3", "5"]
    assert "2 blank lines were passed over" in ran.err
    assert "blank" not in sentire("analyze", "-i", "-", "--json", stdin=b"thank you\n").err


def test_the_note_on_context_comes_with_answers_only(sentire, remarks):
    note = "does not use context"
    assert note in sentire("analyze", "-m", "linear", "-i", remarks, "--context-column", "before").err
    for arguments in (
        ["-i", remarks, "--context-column", "befor"],
        [TEXTS[0], "--context", "Hm?", "--label-space", "x"],
    ):
        ran = sentire("analyze", *arguments)
        assert ran.code != 0
        assert note not in ran.err


def test_a_column_in_other_capitals_is_named(sentire, remarks):
    ran = sentire("analyze", "-i", remarks, "--id-column", "NR")
    assert (ran.code, 'did you mean "nr"?' in ran.err) == (3, True)


def show_answers(answers):
    from io import StringIO

    from rich.console import Console

    file = StringIO()
    print_answers(Console(file=file, width=20_000), answers)
    return file.getvalue()


def test_the_table_shows_digits_that_agree_with_the_mark():
    (answer,) = package.analyze([TEXTS[0]], model="linear")
    gratitude = answer.space.space.index("gratitude")
    cutoff = answer.space.listed_thresholds[gratitude]
    shown = {}
    for proba, labels in ((cutoff, ("gratitude",)), (round(cutoff - 1e-4, 4), ())):
        changed = [proba if column == gratitude else 0.0 for column in range(len(answer.proba))]
        lines = show_answers([replace(answer, proba=changed, labels=labels)]).splitlines()
        (line,) = [line for line in lines if "gratitude" in line]
        shown[labels] = line.split("gratitude")[1].split()[-3:]
    assert shown == {("gratitude",): ["0.51", "cut-off", "0.51"], (): [f"{cutoff - 1e-4:.4f}", "cut-off", f"{cutoff}"]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("thank you", "thank you"),
        ("a" * LONGEST_TEXT_CHARS, "a" * LONGEST_TEXT_CHARS),
        ("a" * (LONGEST_TEXT_CHARS + 1), "a" * (LONGEST_TEXT_CHARS - 1) + "…"),
        (" \n" * LONGEST_TEXT_CHARS * 5 + "thank you\n", "thank you"),
        ("thank" + " " * LONGEST_TEXT_CHARS * 9 + "you", "thank…"),
        ("thank you" + " " * LONGEST_TEXT_CHARS * 9, "thank you"),
    ],
)
def test_of_a_long_text_the_beginning_is_shown(text, shown):
    answers = package.analyze([text], model="linear")
    assert show_answers(answers).splitlines()[0] == shown


@pytest.mark.parametrize(
    ("context", "shown"),
    [
        ("You won.", "You won."),
        (["You won.", "Did I?"], "You won. Did I?"),
        ("a" * LONGEST_TEXT_CHARS, "a" * LONGEST_TEXT_CHARS),
        ("b" + "a" * LONGEST_TEXT_CHARS, "…" + "a" * (LONGEST_TEXT_CHARS - 1)),
        ("so " * 7000 + "\nYou won.", "…" + "so " * 97 + "You won."),
        ("You won.\n" + " \n" * LONGEST_TEXT_CHARS * 5, "You won."),
        ("You" + " " * LONGEST_TEXT_CHARS * 9 + "won.", "…won."),
    ],
)
def test_of_a_long_context_the_end_is_shown(context, shown):
    answers = package.analyze(["thank you"], context=[context], model="linear")
    assert show_answers(answers).splitlines()[1] == f"  after: {shown}"


def test_a_context_of_white_space_is_not_shown():
    assert "after" not in show_answers(package.analyze(["thank you"], context=[" \n"], model="linear"))


def test_formulas_are_harmless_in_a_table(sentire, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(
        orjson.dumps({"n": "=cmd()", "text": '=HYPERLINK("x")', "before": "@a"})
        + b"\n"
        + orjson.dumps({"n": "+1+A1", "text": "-2-A1", "before": "fine"})
    )
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        path = tmp_path / f"out.{suffix}"
        columns = ["--id-column", "n", "--context-column", "before"]
        assert sentire("analyze", "-i", tmp_path / "in.jsonl", *columns, "-o", path).code == 0
        with path.open(newline="") as file:
            _, *rows = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE if suffix == "tsv" else 0)
        assert [row[0] for row in rows] == ["'=cmd()", "'+1+A1"]
        assert [row[2] for row in rows] == ["'@a", "fine"]
        assert not any(
            cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row[:5]
        )  # figures may be below 0


def test_the_examples_in_the_package(sentire, tmp_path):
    from pathlib import Path

    path = Path(__file__).parents[2] / "examples" / "feedback.csv"
    columns = ["--text-column", "text", "--context-column", "context", "--id-column", "id"]
    ran = sentire("analyze", "--input", path, *columns, "--output", tmp_path / "out.csv", "--json")
    assert (ran.code, ran.json["rows"]["n_rejected"]) == (0, 0)
    assert ran.json["n_rows"] >= 80
    assert len(ran.json["shares"]) >= 15
