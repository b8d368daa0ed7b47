"""What becomes of an encoder's answers: the course of long texts, affect, reasons for caution, contexts in turns."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import orjson
import pytest

from sentire.analysis.analyze import analyze
from sentire.analysis.answers import FLAG_MEANINGS, AnswerSpace
from sentire.analysis.explain import MOST_SPANS, explain, find_words, leave_out
from sentire.analysis.files import analyze_file
from sentire.core.labels import GOEMOTIONS
from sentire.runtime.load import load
from sentire.runtime.text_rows import Source

LONG = "the soup was cold , and we waited in the queue ; so angry . never in it ! thank you , very very glad ."


def load_tiny_encoder():
    path = Path(__file__).parents[1] / "runtime" / "tiny_encoder.py"
    spec = importlib.util.spec_from_file_location("tiny_encoder_of_runtime", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pytest.importorskip("onnx")
    import sys

    module = load_tiny_encoder()
    sys.modules.setdefault(module.__name__, module)
    tiny = module.TinyEncoder(label_space=GOEMOTIONS)
    return load(tiny.write(tmp_path_factory.mktemp("models") / "tiny"))


def test_a_long_text_has_a_course_that_agrees_with_the_judgement(model):
    answer, short = analyze([LONG, "so glad"], model=model)
    (course, _) = model.judge([LONG, "so glad"]).course
    assert short.course == ()
    assert len(answer.course) == len(course.spans) > 1
    labels = GOEMOTIONS.labels
    for window, span, proba, vad in zip(answer.course, course.spans, course.proba, course.vad, strict=True):
        assert [window.start, window.end] == span.tolist()
        np.testing.assert_allclose(window.proba, proba, atol=1.6e-4)
        reached = [
            label for label, chance, cutoff in zip(labels, proba, model.thresholds, strict=True) if chance >= cutoff
        ]
        assert sorted(window.labels) == sorted(reached)
        shown = [window.proba[labels.index(label)] for label in window.labels]
        assert shown == sorted(shown, reverse=True)
        assert list(window.vad) == ["valence", "arousal", "dominance"]
        np.testing.assert_allclose(list(window.vad.values()), vad, atol=6e-5)
    assert len({window.labels for window in answer.course}) > 1


def test_a_part_says_what_it_says_alone(model):
    (answer,) = analyze([LONG], model=model)
    alone = analyze([LONG[window.start : window.end] for window in answer.course], model=model)
    for window, one in zip(answer.course, alone, strict=True):
        assert (window.labels, window.proba, window.vad) == (one.labels, one.proba, one.vad)


def test_a_course_is_in_the_labels_that_were_asked_for(model):
    (answer,) = analyze([LONG], model=model, label_space="isear")
    for window in answer.course:
        assert len(window.labels) == 1
        assert sum(window.proba) == pytest.approx(1, abs=5e-4)
    space = AnswerSpace(model, "isear")
    (course,) = model.judge([LONG]).course
    proba, _ = space.project(course.proba)
    np.testing.assert_allclose([window.proba for window in answer.course], proba, atol=6e-5)


def test_a_dictionary_has_the_course_of_long_texts_only(model):
    keys = ["text", "labels", "emotions", "vad", "flags", "model"]
    answer, short = (json.loads(orjson.dumps(one.as_dict())) for one in analyze([LONG, "so glad"], model=model))
    assert list(short) == keys
    assert list(answer) == [*keys[:5], "course", "model"]
    for window in answer["course"]:
        assert list(window) == ["start", "end", "labels", "proba", "vad"]
        assert list(window["proba"]) == list(GOEMOTIONS.labels)
        assert set(window["labels"]) <= set(window["proba"])
    assert answer["course"][0]["start"] == 0
    assert answer["course"][-1]["end"] == len(LONG)
    assert list(answer["vad"]) == ["valence", "arousal", "dominance"]
    assert all(-1 <= score <= 1 for score in answer["vad"].values())


@pytest.mark.parametrize(
    ("text", "context", "flags"),
    [
        ("so glad", None, ()),
        ("so glad", "we waited", ()),
        ("so glad", "the soup was so cold", ("context_cut",)),
        ("", "the soup was so cold", ("empty", "context_cut")),
        ("so glad", "cold" + " " * 4100, ("context_cut",)),
        ("so glad", ["cold", " " * 2500, "we waited" + " " * 2500], ("context_cut",)),
        ("so glad", [" " * 5000, "we waited"], ()),
        ("zzz qqq", None, ("unknown_words",)),
        ("Ich habe heute keine Zeit für dich", None, ("unknown_words", "not_english")),
        ("большое спасибо", None, ("unknown_words", "not_english")),
        (LONG, None, ("windows",)),
        ("glad " * 30_000, ["we", "waited"], ("windows", "cut")),
        (" " * 200_000, None, ("empty", "cut")),
        ("so glad " * 5 + "und das ist nicht gut für mich", None, ("not_english", "windows")),
    ],
)
def test_flags(model, text, context, flags):
    (answer,) = analyze([text], context=[context], model=model)
    assert answer.flags == flags
    assert set(flags) <= set(FLAG_MEANINGS)


def test_flags_of_a_linear_model(linear):
    texts = ["Ich habe heute keine Zeit für dich", "I have no time for you today", "lovely " * 300]
    answers = analyze(texts, context=["so " * 100] * 3, model=linear)
    assert ["not_english" in answer.flags for answer in answers] == [True, False, False]
    assert not any({"windows", "context_cut"} & set(answer.flags) for answer in answers)
    assert [answer.course for answer in answers] == [()] * 3


def test_turns_of_a_context_reach_the_model_one_by_one(model, affect_model, tmp_path):
    rows = [
        {"text": "so glad", "turns": ["the soup was cold", "we waited"]},
        {"text": "so glad", "turns": "the soup was cold\nwe waited"},
        {"text": "so glad", "turns": []},
        {"text": "so glad", "turns": None},
    ]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    source = Source(path=path, context_column="turns")
    answers = analyze_file(source, model, n_first=4).first_answers
    assert answers[0].proba == answers[1].proba != answers[2].proba == answers[3].proba
    assert [answer.context for answer in answers] == ["the soup was cold\nwe waited"] * 2 + [None, None]
    analyze_file(source, affect_model)
    assert affect_model.asked == [[["the soup was cold", "we waited"], "the soup was cold\nwe waited", None, None]]


def test_answers_of_a_file_hold_the_course_and_its_summary_the_flags(model, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps({"text": text}) for text in [LONG, "so glad", LONG, ""]))
    output = tmp_path / "out.jsonl"
    analysis = analyze_file(Source(path=path), model, output=output)
    written = [orjson.loads(line) for line in output.read_bytes().splitlines()]
    assert [len(row.get("course", ())) for row in written] == [len(model.judge([LONG]).course[0].spans), 0] * 2
    assert analysis.summary.flag_counts == {"windows": 2, "empty": 1}
    table = tmp_path / "out.csv"
    analyze_file(Source(path=path), model, output=table)
    assert table.read_text().splitlines()[0].split(",")[:6] == ["id", "text", "labels", "flags", "valence", "arousal"]


def test_a_file_is_answered_as_its_texts_are(model, tmp_path):
    texts = [f"{'so ' * (number % 23)}glad {'!' * (number % 3)}" for number in range(500)]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps({"text": text}) for text in texts))
    output = tmp_path / "out.jsonl"
    analyze_file(Source(path=path), model, output=output)
    written = [orjson.loads(line) for line in output.read_bytes().splitlines()]
    for row, answer in zip(written, analyze(texts, model=model), strict=True):
        row.pop("id")
        assert row == orjson.loads(orjson.dumps(answer.as_dict()))


@pytest.mark.parametrize("n_more", [0, 1, MOST_SPANS])
def test_a_long_context_takes_no_explanation_from_the_text(model, n_more):
    """Words of the context that the model does not read are not explained: by a slow loop, they have no effect."""
    text, said_in = "so glad , thank you", "the queue was cold ; " * n_more + "never in it ! we waitedly"
    (explanation,) = explain([text], context=[said_in], model=model, labels=["joy"])
    column = GOEMOTIONS.index("joy")
    variants = [said_in, *(leave_out(said_in, *span) for span in find_words(said_in))]
    proba = model.judge([text] * len(variants), context=variants).proba[:, column].astype(np.float64)
    effects = np.log(proba / (1 - proba))
    slow = dict(zip(find_words(said_in), effects[0] - effects[1:], strict=True))
    spans = {(span.start, span.end): span.effect for span in explanation.labels["joy"] if span.part == "context"}
    assert {said_in[start:end] for start, end in spans} == {"!", "we", "waitedly"}
    assert explanation.words_per_span == 1
    for place, effect in slow.items():
        assert effect == pytest.approx(spans.get(place, 0.0), abs=1e-5)
