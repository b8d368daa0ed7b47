"""Files in, answers out: nothing lost, nothing half-written, the same in every format."""

import csv
import json
from datetime import date
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentire.analysis.analyze import analyze
from sentire.analysis.files import analyze_file
from sentire.core.errors import DataError, OutputError, UsageError
from sentire.core.labels import LABEL_SPACES, make_label_space
from sentire.runtime.text_rows import Source
from sentire.storage.report import ReadReport

ROWS = [
    ("a1", "Thank you, that helped!", "We mended it."),
    ("a2", "=1+1 is what I hate, awful", ""),
    ("a3", "", "Silence."),
    ("a4", 'He said "no",\nthen left; so sad', "two\nlines"),
    ("a5", "\u4f60\u597d \U0001f622 qqzx", "x"),
]


def write_csv(path: Path, rows=ROWS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["nr", "text", "before"])
        writer.writerows(rows)
    return path


@pytest.fixture
def source(tmp_path) -> Source:
    path = write_csv(tmp_path / "in.csv")
    return Source(path=path, id_column="nr", context_column="before")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def expected_answers(linear, rows=ROWS):
    texts, context = [text for _, text, _ in rows], [before or None for _, _, before in rows]
    return analyze(texts, context=context, model=linear)


def test_jsonl_holds_what_the_python_call_says(linear, source, tmp_path):
    analyze_file(source, linear, output=tmp_path / "out.jsonl")
    shown = [orjson.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    expected = [{"id": row[0]} | answer.as_dict() for row, answer in zip(ROWS, expected_answers(linear), strict=True)]
    assert shown == json.loads(orjson.dumps(expected))
    assert [row.get("context") for row in shown] == [before or None for _, _, before in ROWS]


def read_flat(path: Path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    header, *lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
@pytest.mark.parametrize("space", ["", "sentiment"])
def test_tables_hold_what_the_python_call_says(linear, source, tmp_path, suffix, space):
    path = tmp_path / f"out.{suffix}"
    analyze_file(source, linear, output=path, label_space=space)
    rows = read_flat(path)
    labels = (LABEL_SPACES[space] if space else linear.label_space).labels
    texts = [text for _, text, _ in ROWS]
    expected = analyze(texts, model=linear, label_space=space)
    assert [list(row) for row in rows] == [["id", "text", "context", "labels", "flags", *labels]] * len(ROWS)
    for row, answer, given in zip(rows, expected, ROWS, strict=True):
        assert row["id"] == given[0]
        assert row["labels"] == ";".join(answer.labels)
        assert row["flags"] == ";".join(answer.flags)
        assert [float(row[label]) for label in labels] == list(answer.proba)  # single precision would not do
        if suffix == "parquet":
            assert (row["text"], row["context"]) == given[1:]
        elif suffix == "csv":
            assert (row["text"].removeprefix("'"), row["context"]) == given[1:]
        else:
            assert row["text"].removeprefix("'") == " ".join(given[1].split())
    assert rows[1]["text"].startswith("=" if suffix == "parquet" else "'=1+1")


def test_affect_has_columns_where_the_model_knows_it(affect_model, source, tmp_path):
    analyze_file(source, affect_model, output=tmp_path / "out.csv")
    first = read_flat(tmp_path / "out.csv")[0]
    assert list(first)[5:9] == ["valence", "arousal", "dominance", "admiration"]
    assert [first[name] for name in ("valence", "arousal", "dominance")] == ["0.5", "-0.25", "0.3333"]
    assert affect_model.asked == [[before or None for _, _, before in ROWS]]


def test_rows_are_numbered_where_no_column_names_them(linear, tmp_path):
    (tmp_path / "in.txt").write_text("Thank you\n\nAwful\n")
    analysis = analyze_file(Source(path=tmp_path / "in.txt"), linear, n_first=5)
    assert [(answer.id, answer.text, answer.context) for answer in analysis.first_answers] == [
        ("1", "Thank you", None),
        ("3", "Awful", None),
    ]
    assert (analysis.report.n_read, analysis.report.n_blank) == (2, 1)


def number_from_summary(analysis):
    return {
        row.text: (row.row, row.id) for label in analysis.summary.shares for row in analysis.summary.strongest(label)
    }


def test_ids_summary_and_rejections_count_the_same_lines(linear, tmp_path):
    """Blank lines, a record over two lines and rows that are rejected lie between the rows."""
    content = 'note,text\n\nx,"Thank you,\ntruly"\nx,one,too many\nx,I hate this awful thing\n'
    (tmp_path / "in.csv").write_text(content)
    analysis = analyze_file(Source(path=tmp_path / "in.csv"), linear, n_first=5)
    assert [(answer.id, answer.row) for answer in analysis.first_answers] == [("3", 3), ("6", 6)]
    assert [rejection.row for rejection in analysis.report.first_rejections] == [5]
    assert number_from_summary(analysis) == {"Thank you,\ntruly": (3, "3"), "I hate this awful thing": (6, "6")}
    assert analysis.report.n_blank == 1
    assert "row" not in analysis.first_answers[0].as_dict()

    (tmp_path / "in.jsonl").write_text('{"text": 1}\n\n{"text": "Thank you", "n": "a"}\n{"text": "so awful"}\n')
    analysis = analyze_file(Source(path=tmp_path / "in.jsonl", id_column="n"), linear)
    assert number_from_summary(analysis) == {"Thank you": (3, "a"), "so awful": (4, "")}
    assert [rejection.row for rejection in analysis.report.first_rejections] == [1]


def test_parquet_counts_rows(linear, tmp_path):
    pq.write_table(pa.table({"text": [None, "Thank you", None, "so awful", "Thank you!"]}), tmp_path / "in.parquet")
    analysis = analyze_file(Source(path=tmp_path / "in.parquet"), linear, n_first=3)
    assert [(answer.id, answer.row) for answer in analysis.first_answers] == [("2", 2), ("4", 4), ("5", 5)]
    assert number_from_summary(analysis)["so awful"] == (4, "4")
    assert [rejection.row for rejection in analysis.report.first_rejections] == [1, 3]


def test_a_jsonl_row_without_the_text_is_one_rejected_row_wherever_it_stands(linear, tmp_path):
    rows = [b'{"note": "x"}', b'{"text": "fine"}', b'{"text": "so awful"}']
    for place in range(3):
        (tmp_path / "in.jsonl").write_bytes(b"\n".join([*rows[1 : place + 1], rows[0], *rows[place + 1 :]]))
        analysis = analyze_file(Source(path=tmp_path / "in.jsonl"), linear)
        assert (analysis.summary.n_rows, dict(analysis.report.reasons)) == (2, {"no text": 1})
        assert [rejection.row for rejection in analysis.report.first_rejections] == [place + 1]


@pytest.mark.parametrize("n_rows", [1, 3, 40])
@pytest.mark.parametrize("is_strict", [False, True])
def test_a_text_column_that_no_jsonl_row_has(linear, tmp_path, n_rows, is_strict):
    (tmp_path / "in.jsonl").write_bytes(b'{"Texts": "fine", "n": 1}\n' * n_rows)
    report = ReadReport("in.jsonl", is_strict=is_strict)
    with pytest.raises(
        DataError, match=r"a column 'text', got the columns Texts, n at .*did you mean .Texts."
    ) as caught:
        analyze_file(Source(path=tmp_path / "in.jsonl"), linear, report=report, output=tmp_path / "out.csv")
    assert "rejected" not in str(caught.value)
    assert names(tmp_path) == ["in.jsonl"]


def test_only_the_first_answers_are_kept(linear, source):
    assert len(analyze_file(source, linear, n_first=2).first_answers) == 2
    assert analyze_file(source, linear).first_answers == ()


def test_rows_read_are_answers_and_rejected_ones(linear, tmp_path):
    good = [{"text": f"thank you {number}", "turns": ["One.", "Two."]} for number in range(30)]
    bad = [{"text": None}, {"text": 7}, {"note": "x"}, {"text": "so", "turns": 5}, {"text": "so", "turns": ["a", 1]}]
    lines = [orjson.dumps(row) for row in [*good, *bad]]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([*lines, rb'{"text": "lone \ud800"}', b'{"text": "half a li']))
    source = Source(path=tmp_path / "in.jsonl", context_column="turns")
    analysis = analyze_file(source, linear, output=tmp_path / "out.jsonl", n_first=1)
    report = analysis.report
    assert (report.n_read, report.n_accepted, report.n_rejected) == (37, 30, 7)
    assert report.reasons == {"no text": 3, "context that is no text": 2, "not JSON": 2}
    assert [rejection.row for rejection in report.first_rejections] == [31, 32, 33, 34, 35, 36, 37]
    assert analysis.summary.n_rows == len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 30
    assert analysis.first_answers[0].context == "One.\nTwo."
    assert analysis.as_dict()["rows"]["n_rejected"] == 7
    assert analysis.texts_per_second > 0


def test_parquet_rows_with_nulls_are_rejected(linear, tmp_path):
    table = pa.table({"text": ["thank you", None, "awful", None, ""], "n": [1, 2, None, 4, 5]})
    pq.write_table(table, tmp_path / "in.parquet")
    analysis = analyze_file(Source(path=tmp_path / "in.parquet", id_column="n"), linear, n_first=9)
    assert [(answer.id, answer.text) for answer in analysis.first_answers] == [
        ("1", "thank you"),
        ("", "awful"),
        ("5", ""),
    ]
    assert (analysis.report.n_read, dict(analysis.report.reasons)) == (5, {"no text": 2})
    assert [str(one) for one in analysis.report.first_rejections] == [
        f"{tmp_path / 'in.parquet'}:{row}: no text (text is NoneType)" for row in (2, 4)
    ]


def test_batches_change_nothing(linear, tmp_path, monkeypatch):
    rows = [(str(number), f"{ROWS[number % 5][1]} {number}", "") for number in range(50)]
    source = Source(path=write_csv(tmp_path / "in.csv", rows), id_column="nr")
    analyze_file(source, linear, output=tmp_path / "one.jsonl")
    monkeypatch.setattr("sentire.runtime.text_rows.MOST_TEXTS", 7)
    seen = []
    analyze_file(
        source,
        linear,
        output=tmp_path / "many.jsonl",
        on_progress=lambda done, total, note: seen.append((done, total, note)),
    )
    monkeypatch.setattr("sentire.runtime.text_rows.MOST_CHARS", 40)
    analyze_file(source, linear, output=tmp_path / "chars.jsonl")
    one = (tmp_path / "one.jsonl").read_bytes()
    assert one == (tmp_path / "many.jsonl").read_bytes() == (tmp_path / "chars.jsonl").read_bytes()
    assert seen == [(done, None, "texts") for done in (7, 14, 21, 28, 35, 42, 49, 50)]


def test_a_sink_takes_the_answers_as_plain_data(linear, source):
    class Sink:
        def __init__(self):
            self.rows = []

        def write(self, rows):
            self.rows.extend(rows)

    sink = Sink()
    analyze_file(source, linear, answer_sink=sink)
    assert [row["id"] for row in sink.rows] == [row[0] for row in ROWS]


@pytest.mark.parametrize(
    ("column", "near"),
    [("txt", 'did you mean "text"'), ("befor", 'did you mean "before"'), ("zzz", "nr, text, before")],
)
@pytest.mark.parametrize("role", ["text_column", "context_column", "id_column"])
def test_an_unknown_column(linear, tmp_path, role, column, near):
    source = Source(path=write_csv(tmp_path / "in.csv"), **{role: column})
    with pytest.raises(DataError, match=f"a column '{column}', got the columns nr, text, before at .*in.csv") as caught:
        analyze_file(source, linear, output=tmp_path / "out.csv")
    assert near in str(caught.value)
    assert names(tmp_path) == ["in.csv"]


@pytest.mark.parametrize("role", ["context_column", "id_column"])
def test_a_column_that_no_jsonl_row_has(linear, tmp_path, role):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"text": "a", "before": "x"}\n{"text": "b", "nr": "2", "before": "y"}\n')
    with pytest.raises(
        DataError, match=r"a column 'befor', got the columns text, nr, before .*did you mean \"before\""
    ):
        analyze_file(Source(path=path, **{role: "befor"}), linear, output=tmp_path / "out.jsonl")
    assert names(tmp_path) == ["in.jsonl"]
    assert analyze_file(Source(path=path, **{role: "nr"}), linear).summary.n_rows == 2  # one row has it


def test_a_file_without_rows(linear, tmp_path):
    for name, content, got in (
        ("empty.csv", b"", "a header row, got an empty file"),
        ("head.csv", b"text\n", "at least one row, got a file without rows"),
        ("empty.txt", b"", "at least one row, got a file without rows"),
        ("blank.jsonl", b"\n \n", "at least one row, got a file without rows"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=got):
            analyze_file(Source(path=tmp_path / name), linear, output=tmp_path / "out.csv")
        (tmp_path / name).unlink()
        assert names(tmp_path) == []


def test_too_many_rejected_rows_leave_no_output(linear, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(b'{"text": "fine"}\n' + b'{"text": 1}\n' * 40)
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(
        DataError, match=r"at most 50% of the rows to be rejected, got 20 of 21, most often for: no text"
    ):
        analyze_file(Source(path=tmp_path / "in.jsonl"), linear, output=tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "old"
    assert names(tmp_path) == ["in.jsonl", "out.csv"]


def test_strict_reading_stops_at_the_first_bad_row(linear, tmp_path):
    (tmp_path / "in.jsonl").write_bytes(b'{"text": "fine"}\n{"text": 1}\n{"text": "so"}\n')
    report = ReadReport("in.jsonl", is_strict=True)
    with pytest.raises(DataError, match=r"no text \(text is int\) at in.jsonl:2; mend the row"):
        analyze_file(Source(path=tmp_path / "in.jsonl"), linear, report=report)


def test_the_output_must_not_be_the_input(linear, source, tmp_path):
    before = source.path.read_bytes()
    (tmp_path / "link.csv").symlink_to(source.path)
    (tmp_path / "hard.csv").hardlink_to(source.path)
    for name in ("in.csv", "link.csv", "hard.csv"):
        with pytest.raises(OutputError, match="an output that is not the input"):
            analyze_file(source, linear, output=tmp_path / name)
    assert source.path.read_bytes() == before


def test_outputs_that_cannot_be(linear, source, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match=r"a directory|Is a directory"):
        analyze_file(source, linear, output=tmp_path / "folder.csv")
    with pytest.raises(OutputError, match=r"No such file or directory at .*missing"):
        analyze_file(source, linear, output=tmp_path / "missing" / "out.csv")
    with pytest.raises(UsageError, match=r"ends in .csv, .tsv, .jsonl, .parquet, got 'out.txt' at --output"):
        analyze_file(source, linear, output=tmp_path / "out.txt")
    with pytest.raises(UsageError, match=r"ends in .csv, .tsv, .jsonl, .parquet, got 'out.xls' at") as caught:
        analyze_file(source, linear, output=tmp_path / "out.xls")
    assert ".txt" not in str(caught.value)
    (tmp_path / "plain").mkdir()
    with pytest.raises(OutputError, match=r"can be written, got a directory at .*plain; name a file"):
        analyze_file(source, linear, output=tmp_path / "plain")
    (tmp_path / "plain").rmdir()
    assert names(tmp_path) == ["folder.csv", "in.csv"]


def test_a_directory_is_no_file_of_texts(linear, tmp_path):
    for path in (tmp_path, tmp_path / "x.csv"):
        path.mkdir(exist_ok=True)
        with pytest.raises(DataError, match="a file of texts, got a directory at"):
            analyze_file(Source(path=path), linear)


def name_labels(model, *first):
    model.label_space = make_label_space("odd", [*first, *model.label_space.labels[len(first) :]])


def test_a_label_named_as_a_column_is_no_table(affect_model, source, tmp_path):
    name_labels(affect_model, "text", "arousal")
    columns = "id, text, context, labels, flags, valence, arousal, dominance"
    with pytest.raises(UsageError, match=f"{columns}, got text, arousal at --output; write .jsonl"):
        analyze_file(source, affect_model, output=tmp_path / "out.csv")
    analyze_file(source, affect_model, output=tmp_path / "out.jsonl")
    assert names(tmp_path) == ["in.csv", "out.jsonl"]


def test_a_label_may_be_named_as_a_score_that_the_model_does_not_give(affect_model, source, tmp_path):
    affect_model.has_vad = False
    name_labels(affect_model, "arousal")
    analyze_file(source, affect_model, output=tmp_path / "out.csv")
    assert list(read_flat(tmp_path / "out.csv")[0])[4:6] == ["flags", "arousal"]


def test_a_label_with_the_sign_between_labels_is_no_table(affect_model, source, tmp_path):
    name_labels(affect_model, "joy;anger", "calm")
    for name in ("out.csv", "out.tsv", "out.parquet"):
        with pytest.raises(UsageError, match=r"labels without ;, .*, got joy;anger at --output; write .jsonl"):
            analyze_file(source, affect_model, output=tmp_path / name)
    analyze_file(source, affect_model, output=tmp_path / "out.jsonl")
    assert names(tmp_path) == ["in.csv", "out.jsonl"]


def test_an_id_is_a_text_or_a_number_that_is_not_rounded(linear, tmp_path):
    whole = [0, -7, 2**53 + 1, 2**63, 2**64 - 1, -(2**63), 1.5, "x", ""]
    odd = [2**64, 2**64 + 1, -(2**63) - 1, 1e300, {"n": 1}, [1], True]
    lines = [json.dumps({"text": "Thank you", "n": one}) for one in [*whole, None, *odd]]
    (tmp_path / "in.jsonl").write_text("\n".join([*lines, '{"text": "no id"}']))
    analysis = analyze_file(Source(path=tmp_path / "in.jsonl", id_column="n"), linear, n_first=99)
    assert [answer.id for answer in analysis.first_answers] == [*map(str, whole), "", ""]
    assert analysis.report.reasons == {"id that is no text or number": 3, "number too large for an id": 4}
    assert [rejection.row for rejection in analysis.report.first_rejections] == list(range(11, 18))
    assert analysis.report.first_rejections[4].detail == "n is dict"


def test_ids_of_parquet(linear, tmp_path):
    table = pa.table({"text": ["Thank you"] * 3, "f": [1.0, None, 2.0**53], "day": [date(2026, 1, 2)] * 3})
    pq.write_table(table, tmp_path / "in.parquet")
    analysis = analyze_file(Source(path=tmp_path / "in.parquet", id_column="day"), linear, n_first=9)
    assert [answer.id for answer in analysis.first_answers] == ["2026-01-02"] * 3
    report = ReadReport("in.parquet", max_rejected_fraction=1.0)
    analysis = analyze_file(Source(path=tmp_path / "in.parquet", id_column="f"), linear, report=report, n_first=9)
    assert [answer.id for answer in analysis.first_answers] == ["1.0", ""]
    assert report.reasons == {"number too large for an id": 1}
