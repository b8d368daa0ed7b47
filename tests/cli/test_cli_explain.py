"""``sentire analyze --explain``, affect and course: what a terminal, a pipe and a file show of them."""

import re
from dataclasses import replace
from io import StringIO

import numpy as np
import orjson
import pytest
from rich.console import Console

import sentire as package
from sentire.analysis.answers import AnswerWindow
from sentire.analysis.explain import Explanation, SpanEffect
from sentire.cli.answer_tables import COURSE_WIDTH, MOST_WINDOWS, print_answers
from sentire.cli.bars import draw_bar, draw_course, draw_signed_bar, format_signed
from sentire.cli.explanation_text import LONGEST_COLOURED_CHARS, MOST_LISTED, print_explanation

TEXTS = ["Thank you so much, this helped a lot!", "I hate this awful thing.", "The shop opens at nine.", "qqzx"]


def plain(value):
    return orjson.loads(orjson.dumps(value))


def explained(texts, **options):
    answers = package.analyze(texts, **options)
    return plain(
        [
            {**answer.as_dict(), **one.as_dict()}
            for answer, one in zip(answers, package.explain(texts, **options), strict=True)
        ]
    )


def show(render, *, is_coloured=False, width=120):
    file = StringIO()
    colours = {"force_terminal": True, "color_system": "standard", "no_color": False} if is_coloured else {}
    render(Console(file=file, width=width, highlight=False, markup=False, emoji=False, **colours))
    return file.getvalue()


def make_explanation(text, effects, *, context=None, context_effects=(), label="joy", words_per_span=1):
    spans = [
        SpanEffect(start=source.index(word), end=source.index(word) + len(word), text=word, effect=effect, part=part)
        for part, source, worths in (("text", text, effects), ("context", context or "", context_effects))
        for word, effect in worths
    ]
    ranked = tuple(sorted(spans, key=lambda span: -abs(span.effect)))
    return Explanation(text=text, context=context, labels={label: ranked}, words_per_span=words_per_span, model="m")


def test_json_holds_the_spans(sentire):
    ran = sentire("analyze", *TEXTS, "--explain", "--json")
    assert (ran.code, ran.err, ran.rows) == (0, "", explained(TEXTS))
    for row in ran.rows:
        for spans in row["explanation"]["labels"].values():
            assert all(row["text"][span["start"] : span["end"]] == span["text"] for span in spans)
    assert list(ran.rows[0]["explanation"]["labels"]) == ["gratitude"]
    (row,) = sentire("analyze", TEXTS[0], "--explain", "--json", "--label-space", "ekman").rows
    assert [row] == explained(TEXTS[:1], label_space="ekman")
    (row,) = sentire("analyze", TEXTS[0], "--json").rows
    assert "explanation" not in row


def test_a_pipe_shows_marks_and_figures(sentire):
    lines = sentire("analyze", TEXTS[0], "-m", "linear", "--explain").text.splitlines()
    assert "   why gratitude: Thank▲▲▲ you▲▲ so much, this helped a lot!" in lines
    figures = lines[lines.index("   why gratitude: Thank▲▲▲ you▲▲ so much, this helped a lot!") + 1]
    (row,) = explained(TEXTS[:1], model="linear")
    first, second, *_ = row["explanation"]["labels"]["gratitude"]
    assert figures == f"     Thank +{first['effect']:.2f} · you +{second['effect']:.2f}"
    assert "\x1b" not in "".join(lines)
    text = sentire("analyze", "qqzx wvvk", "-m", "linear", "--explain").text
    assert "why neutral: qqzx wvvk\n     no word alone moves it\n" in text
    assert "why" not in sentire("analyze", TEXTS[0]).text


@pytest.fixture
def remarks(tmp_path):
    path = tmp_path / "remarks.jsonl"
    rows = [{"nr": f"r{number}", "text": text, "before": "Hm?"} for number, text in enumerate([*TEXTS, ""])]
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return path


def test_files_are_explained_in_json_and_jsonl(sentire, remarks, tmp_path):
    columns = ["--id-column", "nr", "--context-column", "before"]
    shown = sentire("analyze", "-i", remarks, *columns, "--explain", "--json")
    assert shown.code == 0
    expected = explained([*TEXTS, ""], context=["Hm?"] * 5)
    assert shown.rows == [{"id": f"r{number}"} | row for number, row in enumerate(expected)]
    assert shown.rows[-1]["explanation"]["labels"] == {}
    output = tmp_path / "out.jsonl"
    ran = sentire("analyze", "-i", remarks, *columns, "--explain", "-o", output, "--json")
    assert (ran.code, ran.json["n_rows"]) == (0, 5)
    assert output.read_bytes() == shown.out
    assert f"wrote {output}" in ran.err
    ran = sentire("analyze", "-i", remarks, *columns, "--explain", "-o", output, "--rows", 1)
    assert output.read_bytes() == shown.out
    assert ran.text.count("why ") == 1
    assert re.search(r"why gratitude: .*Thank", ran.text)


def test_rows_of_a_file_are_explained(sentire, remarks):
    ran = sentire("analyze", "-i", remarks, "--rows", 2, "--explain", "--label-space", "ekman")
    assert re.findall(r"why (\w+):", ran.text) == [
        label for row in explained(TEXTS[:2], label_space="ekman") for label in row["labels"]
    ]
    assert "5 texts" in ran.text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-o", "out.csv"], 2, "expected an output that ends in .jsonl together with --explain, got 'out.csv'"),
        (["-o", "out.tsv", "--json"], 2, "got 'out.tsv' at --output; an explanation has no place in the columns"),
        (["-o", "out.parquet", "--rows", "3"], 2, "got 'out.parquet' at --output"),
        (["-o", "out.txt"], 2, "an output that ends in .csv, .tsv, .jsonl, .parquet, got 'out.txt'"),
        ([], 2, "expected --explain together with --rows, --json or --output FILE.jsonl, got a file whose"),
        (["--rows", "0"], 2, "answers are not shown; --rows 10 shows ten rows"),
        (["-o", "remarks.jsonl"], 5, "an output that is not the input, got remarks.jsonl; choose another name"),
        (["-o", "missing/out.jsonl"], 5, "No such file or directory at missing"),
        (["-o", "n" * 300 + ".jsonl"], 5, "File name too long"),
        (["-o", "out.jsonl", "--label-space", "ekmen"], 2, 'did you mean "ekman"'),
        (["-o", "out.jsonl", "--text-column", "txt"], 3, "expected a column 'txt'"),
    ],
)
def test_what_cannot_be_done_is_said(sentire, remarks, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    before = remarks.read_bytes()
    ran = sentire("analyze", "-i", "remarks.jsonl", "--explain", *arguments)
    assert (ran.code, ran.out) == (code, b"")
    assert said in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["remarks.jsonl"]
    assert remarks.read_bytes() == before


def test_a_text_cannot_steer_the_terminal_through_its_explanation(sentire):
    ran = sentire("analyze", "thank \x1b]0;mine\x07 you\r\x1b[2J", "--explain")
    assert "\x1b" not in ran.text
    assert "\x07" not in ran.text


def test_marks_follow_the_effects():
    text = "so glad\nand   not sad at all it"
    effects = [("glad", 3.0), ("so", 1.2), ("and", 0.4), ("not", -2.5), ("sad", -1.5), ("at", -0.31), ("all", 0.2)]
    shown = show(lambda console: print_explanation(console, make_explanation(text, effects), "goemotions"))
    assert shown.splitlines() == [
        "   why joy: so▲▲ glad▲▲▲ and▲ not▼▼▼ sad▼▼ at▼ all it",
        "     glad +3.00 · not −2.50 · sad −1.50 · so +1.20 · and +0.40",
    ]
    assert shown.splitlines()[1].count("·") == MOST_LISTED - 1
    faint = make_explanation("so glad", [("so", 0.04), ("glad", -0.049)])
    assert show(lambda console: print_explanation(console, faint, "goemotions")).splitlines() == [
        "   why joy: so glad",
        "     no word alone moves it",
    ]


def test_colours_follow_the_effects():
    codes = {"green": "32", "red": "31", "blue": "34"}
    effects = [("glad", 3.0), ("so", 1.2), ("and", 0.4), ("not", -2.5), ("sad", -0.4)]
    for label, colour in (("joy", "green"), ("anger", "red")):
        explanation = make_explanation("so glad and not sad", effects, label=label)
        shown = show(lambda console, e=explanation: print_explanation(console, e, "goemotions"), is_coloured=True)
        first, _ = shown.splitlines()
        styled = {word: set(style.split(";")) for style, word in re.findall(r"\x1b\[([\d;]+)m([^\x1b]+)\x1b", first)}
        assert styled["glad"] == {"1", "7", codes[colour]}
        assert styled["so"] == {"1", codes[colour]}
        assert styled["and"] == {codes[colour]}
        assert styled["not"] == {"1", "9", codes["blue"]}
        assert styled["sad"] == {"2", "9", codes["blue"]}
        assert re.sub(r"\x1b\[[\d;]*m", "", first) == f"   why {label}: so glad and not sad"


def test_without_colours_a_terminal_shows_marks_too():
    file = StringIO()
    console = Console(file=file, width=120, force_terminal=True, color_system="standard", no_color=True)
    print_explanation(console, make_explanation("so glad", [("glad", 3.0)]), "goemotions")
    assert "glad▲▲▲" in file.getvalue()


def test_words_of_the_context_are_shown():
    explanation = make_explanation(
        "so glad", [("glad", 3.0), ("so", 0.1)], context="you won\nthe race", context_effects=[("won", 1.5)]
    )
    shown = show(lambda console: print_explanation(console, explanation, "goemotions"))
    assert shown.splitlines() == [
        "   why joy: so glad▲▲▲",
        "     after: you won▲▲ the race",
        "     glad +3.00 · (before) won +1.50",
    ]
    without = make_explanation("so glad", [("glad", 3.0)], context="you won")
    assert "after" not in show(lambda console: print_explanation(console, without, "goemotions"))


def test_of_a_long_text_the_strongest_spans_are_listed():
    text = "very glad " + "and so on " * (LONGEST_COLOURED_CHARS // 10)
    explanation = make_explanation(text, [("very glad and so on", 3.0)], words_per_span=5)
    shown = show(lambda console: print_explanation(console, explanation, "goemotions"))
    assert shown == "   why joy: (in spans of 5 words) very glad and so on +3.00\n"
    short = make_explanation(text[:40], [("very glad and so on", 3.0)], words_per_span=5)
    shown = show(lambda console: print_explanation(console, short, "goemotions"))
    assert shown.splitlines()[1] == "     (in spans of 5 words) very glad and so on +3.00"


def test_affect_is_shown():
    (answer,) = package.analyze(TEXTS[:1], model="linear")
    affective = replace(answer, vad={"valence": 0.42, "arousal": -0.1, "dominance": 0.0004})
    (line,) = [
        line for line in show(lambda console: print_answers(console, [affective])).splitlines() if "valence" in line
    ]
    assert re.sub(r"[│█▌▎▍▏▐ ]+", " ", line).split() == ["valence", "+0.42", "arousal", "−0.10", "dominance", "0.00"]
    assert f"valence {draw_signed_bar(0.42, 5)} +0.42" in line
    assert "valence" not in show(lambda console: print_answers(console, [answer]))


def make_course(answer, strengths):
    joy, n_labels = answer.space.space.index("joy"), len(answer.space.space)
    windows = []
    for number, strength in enumerate(strengths):
        proba = np.full(n_labels, 0.01, np.float64)
        proba[joy] = strength
        labels = ("joy", "love") if strength > 0.5 else ()
        windows.append(AnswerWindow(start=3 * number, end=3 * number + 6, labels=labels, proba=proba.tolist()))
    return tuple(windows)


def test_the_course_of_a_long_text_is_shown():
    (answer,) = package.analyze(["ab cd ef gh ij kl mn op qr st uv wx yz ab cd ef gh"])
    answer = replace(answer, labels=("joy",))
    course = make_course(answer, [0.9, 0.2, 0.6])
    lines = show(lambda console: print_answers(console, [replace(answer, course=course)])).splitlines()
    start = lines.index("   course over 3 windows")
    assert [line.split() for line in lines[start + 1 : start + 5]] == [
        ["joy", "█▂▅"],
        ["1", "ab", "cd", "joy,", "love"],
        ["2", "cd", "ef", "–"],
        ["3", "ef", "gh", "joy,", "love"],
    ]
    assert [line for line in lines if "course" in line] == ["   course over 3 windows"]
    with_affect = tuple(replace(window, vad={"valence": -0.5, "arousal": 0, "dominance": 0}) for window in course)
    shown = show(lambda console: print_answers(console, [replace(answer, course=with_affect)]))
    assert shown.count("valence −0.50") == 3
    assert "course" not in show(lambda console: print_answers(console, [answer]))


def test_a_very_long_course_is_shortened():
    (answer,) = package.analyze(["ab " * 400])
    answer = replace(answer, labels=("joy",))
    strengths = [0.1] * 250
    strengths[200] = 1.0
    course = make_course(answer, strengths)
    lines = show(lambda console: print_answers(console, [replace(answer, course=course)])).splitlines()
    assert f"     … and {250 - MOST_WINDOWS} more" in lines
    (drawn,) = [line.split()[1] for line in lines if line.startswith("     joy ")]
    assert len(drawn) == COURSE_WIDTH
    assert drawn.index("█") == 200 * COURSE_WIDTH // 250
    assert drawn.count("█") == 1


def test_signed_bars():
    for width in (1, 4, 7):
        for score in np.linspace(-1.5, 1.5, 61).tolist():
            drawn = draw_signed_bar(score, width)
            assert len(drawn) == 2 * width + 1
            left, right = drawn.split("│")
            assert right.rstrip() == (draw_bar(score, width).rstrip() if score >= 0 else "")
            n_halves = 2 * left.count("█") + left.count("▐")
            assert n_halves == (round(min(1, -score) * 2 * width) if score < 0 else 0)
            assert left == left.strip().rjust(width)


def test_courses():
    assert draw_course([], 5) == ""
    assert draw_course([0.0, 1.0, 2.0, -1.0], 5) == "▁██▁"
    rng = np.random.default_rng(8)
    fractions = rng.random(173).tolist()
    for width in (1, 7, 60, 173, 200):
        drawn = draw_course(fractions, width)
        assert len(drawn) == min(width, 173)
        # No height is lost: the highest of all is the highest that is drawn.
        assert max(drawn) == draw_course([max(fractions)], 1)


def test_signed_figures():
    shown = [format_signed(score) for score in (0, -0.0, 0.004, -0.004, 0.006, -0.006, 1, -1)]
    assert shown == ["0.00", "0.00", "0.00", "0.00", "+0.01", "−0.01", "+1.00", "−1.00"]
