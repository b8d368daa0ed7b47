"""Answers to texts: what is said, in which labels, and that nothing a text may hold brings it down."""

import json
import math

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sentire
from sentire.analysis.analyze import analyze, join_context
from sentire.core.errors import DataError, UnknownNameError, UsageError
from sentire.core.label_maps import load_label_map
from sentire.core.labels import make_label_space
from sentire.runtime.judgement import Judgement
from sentire.runtime.texts import LONGEST_TEXT_CHARS, prepare_contexts

TEXTS = [
    "Thank you so much, you saved my evening!",
    "This is the worst service I have ever met, and I am furious.",
    "The shop opens at nine.",
    "I miss her every day and cannot stop crying.",
    "",
    "qqzx wvvk zzyx",
    "Wow!!! I did not see that coming :D",
]
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
KEYS = ["text", "labels", "emotions", "vad", "flags", "model"]


def config_file():
    from importlib.resources import files

    return json.loads((files("sentire") / "assets" / "linear" / "config.json").read_text())


def test_labels_are_those_that_reach_their_cut_off(linear):
    thresholds = config_file()["thresholds"]
    answers = analyze(TEXTS, model="linear")
    for text, answer in zip(TEXTS, answers, strict=True):
        proba = dict(zip(linear.label_space.labels, linear.predict_proba([text])[0].tolist(), strict=True))
        expected = {label for label, chance in proba.items() if chance >= thresholds[label]} if text else set()
        assert set(answer.labels) == expected
        ranks = [proba[label] for label in answer.labels]
        assert ranks == sorted(ranks, reverse=True)
        assert list(answer.proba) == [round(chance, 4) for chance in proba.values()]
        assert {one.label: one.threshold for one in answer.emotions} == {
            label: round(cutoff, 4) for label, cutoff in thresholds.items()
        }
    assert answers[0].labels == ("gratitude",)
    assert "anger" in answers[1].labels or "annoyance" in answers[1].labels or "disgust" in answers[1].labels
    assert "sadness" in answers[3].labels
    assert all(answer.model == "linear" and answer.vad is None for answer in answers)


def test_a_loaded_model_gives_arrays(linear):
    proba = sentire.load("linear").predict_proba(TEXTS)
    assert (proba.shape, proba.dtype) == ((len(TEXTS), 28), np.float32)
    assert ((proba >= 0) & (proba <= 1)).all()
    assert np.array_equal(sentire.load("linear").predict(TEXTS), proba >= linear.thresholds)
    assert sentire.load().label_space.name == "goemotions"
    assert linear.predict_proba([]).shape == (0, 28)


def test_a_dictionary_has_the_documented_keys(affect_model):
    (bare,) = analyze(TEXTS[:1])
    assert list(bare.as_dict()) == KEYS
    (whole,) = analyze(TEXTS[:1], context=["You asked for help."], model=affect_model)
    shown = json.loads(orjson.dumps(whole.as_dict()))
    assert list(shown) == ["text", "context", *KEYS[1:]]
    assert shown["vad"] == {"valence": 0.5, "arousal": -0.25, "dominance": 0.3333}
    assert (shown["context"], shown["labels"], shown["model"]) == ("You asked for help.", ["gratitude"], "affective")
    assert [list(one) for one in shown["emotions"]] == [["label", "proba", "threshold"]] * 28
    chances = [one["proba"] for one in shown["emotions"]]
    assert chances == sorted(chances, reverse=True)


@pytest.mark.parametrize("space", ["ekman", "sentiment"])
def test_other_labels_are_cut_at_the_models_own_cut_offs(linear, space):
    stored = config_file()["projected_thresholds"][space]
    label_map = load_label_map("goemotions", space)
    for text, answer in zip(TEXTS, analyze(TEXTS, model="linear", label_space=space), strict=True):
        proba = dict(zip(linear.label_space.labels, linear.predict_proba([text])[0].astype(float), strict=True))
        expected = {
            label: 1 - math.prod(1 - proba[member] for member in members) for label, members in label_map.groups.items()
        }
        shown = {one.label: one for one in answer.emotions}
        assert {label: one.threshold for label, one in shown.items()} == {k: round(v, 4) for k, v in stored.items()}
        assert {label: one.proba for label, one in shown.items()} == pytest.approx(expected, abs=6e-5)
        given = {label for label, chance in expected.items() if chance >= stored[label]} if text else set()
        assert set(answer.labels) == given


def test_a_single_label_space_gives_the_likeliest_label():
    answers = analyze(TEXTS, label_space="isear")
    for answer in answers:
        assert all(one.threshold is None for one in answer.emotions)
        assert sum(answer.proba) == pytest.approx(1, abs=5e-4)
        assert answer.labels == (() if "empty" in answer.flags else (answer.emotions[0].label,))
    assert [answer.labels for answer in answers[:1] + answers[3:4]] == [("joy",), ("sadness",)]


def test_the_models_own_space_may_be_named():
    named = [
        answer.as_dict() for name in ("goemotions", "goemotions.v1") for answer in analyze(TEXTS, label_space=name)
    ]
    assert named == [answer.as_dict() for answer in analyze(TEXTS)] * 2


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("", ("empty",)),
        (" \t\n ", ("empty",)),
        ("qqzx wvvk zzyx", ("unknown_words",)),
        ("…", ("unknown_words",)),
        ("thank you", ()),
        ("lovely " * 1_500_000, ("cut",)),
        (" " * 200_000, ("empty", "cut")),
        ("\x00", ("unknown_words",)),
    ],
)
def test_flags(text, flags):
    (answer,) = analyze([text], model="linear")
    assert answer.flags == flags
    assert not ("empty" in flags and answer.labels)
    assert answer.text == text[:100_000].replace("\x00", "\ufffd")


def test_an_unknown_word_gets_what_an_empty_text_gets(linear):
    empty, unknown = linear.predict_proba(["", "qqzx wvvk zzyx"])
    assert np.array_equal(empty, unknown)


def test_what_no_file_can_hold_is_replaced():
    (answer,) = analyze(["thank \ud800you\x00\udfff"], context=[["be\udc80fore", "th\x00en"]])
    assert (answer.text, answer.context) == ("thank \ufffdyou\ufffd\ufffd", "be\ufffdfore\nth\ufffden")
    assert json.loads(orjson.dumps(answer.as_dict()))["context"] == "be\ufffdfore\nth\ufffden"


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(ANY_TEXT, st.one_of(st.none(), ANY_TEXT, st.lists(ANY_TEXT, max_size=3))), max_size=5))
def test_any_text_is_answered_and_can_be_written(linear, rows):
    texts, context = [text for text, _ in rows], [before for _, before in rows]
    answers = analyze(texts, context=context, model=linear)
    assert len(answers) == len(texts)
    for text, answer in zip(texts, answers, strict=True):
        shown = json.loads(orjson.dumps(answer.as_dict()))
        assert shown["labels"] == list(answer.labels)
        assert len(shown["text"]) == len(text)
        assert sorted(shown["labels"]) == sorted(
            one["label"] for one in shown["emotions"] if one["label"] in answer.labels
        )
        assert (not text.strip()) == ("empty" in shown["flags"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(ANY_TEXT, st.sampled_from(TEXTS)), min_size=1, max_size=8))
def test_a_text_gets_the_same_answer_alone_and_in_a_batch(linear, texts):
    together = [answer.as_dict() for answer in analyze(texts, model=linear)]
    assert together == [analyze([text], model=linear)[0].as_dict() for text in texts]


def test_many_texts_keep_their_order(linear):
    texts = [f"{TEXTS[number % len(TEXTS)]} {number}" for number in range(9000)]
    answers = analyze(texts, model=linear)
    assert [answer.text for answer in answers] == texts
    for position in (0, 4095, 4096, 8192, 8999):
        assert answers[position].as_dict() == analyze([texts[position]], model=linear)[0].as_dict()


def test_any_iterable_of_texts_is_taken(linear):
    expected = [answer.labels for answer in analyze(TEXTS)]
    for texts in (tuple(TEXTS), (text for text in TEXTS), np.array(TEXTS, dtype=object), dict.fromkeys(TEXTS).keys()):
        assert [answer.labels for answer in analyze(texts)] == expected
    assert analyze([]) == []


def test_any_iterable_of_contexts_is_taken(affect_model):
    given = ["It rained.", ["One.", "Two."], None]
    answers = analyze(TEXTS[:3], context=(before for before in given), model=affect_model)
    assert [answer.context for answer in answers] == ["It rained.", "One.\nTwo.", None]
    assert affect_model.asked == [given]


class Halfway:
    """A model that gives one text a probability of choice and every other label none."""

    uses_context = has_vad = False
    name = "halfway"

    def __init__(self, proba, cutoff):
        self.label_space = make_label_space("two", ["calm", "stir"])
        self.thresholds = np.array([0.9, cutoff])
        self.projected_thresholds = {}
        self._proba = proba

    def judge(self, texts, *, context=None):  # noqa: ARG002  the shape of a model
        proba = np.array([[0.0, self._proba]] * len(texts), dtype=np.float32)
        yes = np.ones(len(texts), dtype=np.bool_)
        return Judgement(proba=proba, vad=None, is_known=yes, is_english=yes)


def check_agreement(proba, cutoff):
    (answer,) = analyze(["x"], model=Halfway(proba, cutoff))
    assert ("stir" in answer.labels) == (float(np.float32(proba)) >= cutoff)
    for one in answer.as_dict()["emotions"]:
        assert (one["proba"] >= one["threshold"]) == (one["label"] in answer.labels), one
        assert one["proba"] == round(one["proba"], 4) >= 0
        assert one["threshold"] == round(one["threshold"], 4)
    shown = {one.label: one for one in answer.emotions}["stir"]
    assert abs(shown.proba - proba) < 1.6e-4
    assert abs(shown.threshold - cutoff) <= 1e-4
    return shown


def test_what_is_shown_agrees_with_what_was_decided():
    """Both round to .1268, and only the second reaches its cut-off."""
    missed, reached = check_agreement(0.12678, 0.12682), check_agreement(0.12682, 0.12678)
    assert (missed.proba, missed.threshold) == (0.1267, 0.1268)
    assert (reached.proba, reached.threshold) == (0.1268, 0.1268)
    assert check_agreement(0.00001, 0.00002).proba == 0.0
    assert check_agreement(0.00003, 0.00002).proba == 0.0001
    assert check_agreement(0.0, 0.0).threshold == 0.0
    assert check_agreement(0.99998, 0.99999).proba == 0.9999


@settings(max_examples=300, deadline=None)
@given(st.floats(0, 1), st.floats(-2e-4, 2e-4))
def test_what_is_shown_always_agrees_with_what_was_decided(cutoff, distance):
    check_agreement(min(1.0, max(0.0, cutoff + distance)), cutoff)


def test_the_model_gets_the_context_as_it_was_given(affect_model):
    context = ["It rained.", ["One.", "Two."], None]
    answers = analyze(TEXTS[:3], context=context, model=affect_model)
    assert affect_model.asked == [context]
    assert [answer.context for answer in answers] == ["It rained.", "One.\nTwo.", None]
    assert "context" not in answers[2].as_dict()


def test_a_context_that_the_model_does_not_use_changes_nothing():
    context = ["Somebody died."] * len(TEXTS)
    plain, said = analyze(TEXTS, model="linear"), analyze(TEXTS, context=context, model="linear")
    assert [answer.proba for answer in plain] == [answer.proba for answer in said]


def test_wrong_arguments_are_refused():
    with pytest.raises(DataError, match=r"a sequence of texts, got one string at texts; put it in a list"):
        analyze("Thank you!")
    for texts, got in ((None, "NoneType None"), (5, "int 5"), ({"a"}, "set {'a'}"), ({"a": 1}, "dict {'a': 1}")):
        with pytest.raises(DataError, match=f"a sequence of texts, got {got} at texts"):
            analyze(texts)
    with pytest.raises(DataError, match=r"a text \(str\), got int 5 at texts\[1\]"):
        analyze(["fine", 5])
    with pytest.raises(DataError, match=r"got bytes b'x' at texts\[0\]"):
        analyze([b"x"])
    with pytest.raises(DataError, match=r"got NoneType None at texts\[2\]"):
        analyze(["a", "b", None])
    with pytest.raises(UsageError, match="expected 2 contexts, one a text, got 1 contexts at context"):
        analyze(["a", "b"], context=["one"])
    with pytest.raises(UsageError, match="expected 3 contexts, one a text, got one string"):
        analyze(["a", "b", "c"], context="one")
    with pytest.raises(UsageError, match="expected 1 contexts, one a text, got int 5 at context"):
        analyze(["a"], context=5)
    with pytest.raises(UsageError, match=r"expected 1 contexts, one a text, got dict {'a': 'b'} at context"):
        analyze(["a"], context={"a": "b"})
    with pytest.raises(DataError, match=r"got bytes b'x' at context\[0\]"):
        analyze(["a"], context=[b"x"])
    for model, got in ((5, "int 5"), (None, "NoneType None"), (b"linear", "bytes b'linear'")):
        with pytest.raises(UsageError, match=f"the name of a model or the folder of a trained one, got {got}"):
            analyze(["a"], model=model)
    with pytest.raises(DataError, match=r"got int 7 at context\[1\]"):
        analyze(["a", "b"], context=["fine", 7])
    with pytest.raises(DataError, match=r"got NoneType None at context\[0\]"):
        analyze(["a"], context=[["turn", None]])


def test_unknown_names_come_with_near_matches():
    with pytest.raises(UnknownNameError, match=r"got 'lineer'.*did you mean .linear"):
        analyze(["a"], model="lineer")
    with pytest.raises(UnknownNameError, match=r"ekmann.*ekman"):
        analyze(["a"], label_space="ekmann")
    with pytest.raises(UnknownNameError, match=r"goemotions.*sst"):
        analyze(["a"], label_space="sst-2")


def test_a_context_is_shown_as_one_text():
    assert [join_context(one) for one in (None, "", "one", [], ["a", "b"], ("c",))] == [
        None,
        "",
        "one",
        "",
        "a\nb",
        "c",
    ]


@pytest.mark.parametrize("n_more", [0, 1, 5000])
def test_what_is_shown_of_a_long_turn_ends_as_what_is_read(n_more):
    turn = "".join(f"{place} " for place in range(LONGEST_TEXT_CHARS))[: LONGEST_TEXT_CHARS + n_more]
    for context in (turn, [turn, "and so on"], ["well", turn]):
        shown = join_context(context)
        assert prepare_contexts([shown], 1) == prepare_contexts([context], 1)
    assert join_context(turn) == turn[-LONGEST_TEXT_CHARS:]
