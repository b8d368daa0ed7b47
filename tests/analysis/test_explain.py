"""Explanations: the effects are those of a slow loop and of planted weights, and the spans are where they say."""

import math
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sentire
from sentire.analysis.answers import AnswerSpace
from sentire.analysis.explain import (
    FEWEST_SPANS,
    MOST_JUDGED_CHARS,
    MOST_SPANS,
    SMALLEST_PROBA,
    ExplainingWriter,
    explain,
    find_words,
    leave_out,
)
from sentire.core.errors import LabelError, UsageError
from sentire.core.label_maps import load_label_map
from sentire.core.labels import EKMAN
from sentire.runtime.calibration import Uncalibrated
from sentire.runtime.judgement import Judgement
from sentire.runtime.linear import LinearScorer
from sentire.runtime.model_folder import ModelConfig
from sentire.runtime.texts import LONGEST_CONTEXT_CHARS, LONGEST_TEXT_CHARS
from sentire.runtime.tfidf import TfidfFeatures
from sentire.runtime.tfidf_model import TfidfModel

TEXTS = [
    "Thank you so much, you saved my evening!",
    "This is the worst service I have ever met, and I am furious :(",
    "no no no",
    "",
    " \t\n",
    "\U0001f602\U0001f602 \U0001f469‍\U0001f467 \U0001f1e9\U0001f1ea 3️⃣",
    "שלום, תודה רבה לך!",
    "I miss her\nevery day\u2028and cannot stop crying.",
]
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


class AdditiveModel:
    """Log-odds are the sum of what each word is worth, in the text and, by half, in the context."""

    name = "additive"
    has_vad = True
    label_space = EKMAN
    thresholds = np.full(len(EKMAN), 0.5)

    def __init__(self, weights, *, uses_context=True):
        self.projected_thresholds = {}
        self.weights = {word: np.asarray(worth) for word, worth in weights.items()}
        self.uses_context = uses_context
        self.n_unread = 0
        self.calls = []

    def _sum(self, text):
        text = text if isinstance(text, str) else " ".join(text)
        counts = Counter(text.lower().split())
        return sum((counts[word] * worth for word, worth in self.weights.items()), np.zeros(len(EKMAN)))

    def find_context_start(self, context):  # noqa: ARG002  the shape of a model
        return self.n_unread

    def judge(self, texts, *, context=None):
        self.calls.append((list(texts), context))
        said_in = context if context is not None and self.uses_context else [None] * len(texts)
        sums = [self._sum(text) + self._sum(said or "") / 2 for text, said in zip(texts, said_in, strict=True)]
        logits = np.clip(np.array(sums).reshape(len(texts), len(EKMAN)), -50, 50)
        vad = np.clip(logits[:, :3] / 10, -1, 1)
        yes = np.ones(len(texts), np.bool_)
        return Judgement(proba=1 / (1 + np.exp(-logits)), vad=vad, is_known=yes, is_english=yes)


@pytest.fixture
def additive():
    rng = np.random.default_rng(3)
    words = ["glad", "cold", "soup", "really", "no", "it"]
    return AdditiveModel({word: rng.normal(size=len(EKMAN)) for word in words})


def make_bag_model(weights):
    """A linear model of single words with round probabilities."""
    words = sorted(weights)
    return TfidfModel(
        config=ModelConfig(name="bag", label_space=EKMAN, thresholds=np.full(len(EKMAN), 0.5), threshold_method="none"),
        features=TfidfFeatures(
            tokeniser="social", terms=words, idf=np.linspace(1, 2, len(words)).astype(np.float32), is_sublinear=True
        ),
        scorer=LinearScorer(
            weights=np.array([weights[word] for word in words], dtype=np.float32),
            bias=np.linspace(-1, 1, len(EKMAN)).astype(np.float32),
        ),
        calibrator=Uncalibrated(),
    )


@pytest.fixture
def bag():
    rng = np.random.default_rng(4)
    return make_bag_model({word: rng.normal(size=len(EKMAN)) for word in ("cold", "glad", "no", "soup", "!!!", ":)")})


def effects_by_place(spans):
    return {(span.part, span.start, span.end): span.effect for span in spans}


def log_odds(proba):
    kept = min(max(float(proba), SMALLEST_PROBA), 1 - SMALLEST_PROBA)
    return math.log(kept / (1 - kept))


def test_planted_weights_are_recovered(additive):
    text = "It is Really really cold soup"
    (explanation,) = explain([text], model=additive, labels=EKMAN.labels)
    assert list(explanation.labels) == list(EKMAN.labels)
    for column, label in enumerate(EKMAN.labels):
        spans = explanation.labels[label]
        assert len(spans) == 6
        for span in spans:
            planted = additive.weights.get(span.text.lower(), np.zeros(len(EKMAN)))[column]
            assert span.effect == pytest.approx(planted, abs=1e-9)
        assert [abs(span.effect) for span in spans] == sorted((abs(span.effect) for span in spans), reverse=True)
    for column, dimension in enumerate(("valence", "arousal", "dominance")):
        for span in explanation.vad[dimension]:
            planted = additive.weights.get(span.text.lower(), np.zeros(3))[column] / 10
            assert span.effect == pytest.approx(planted, abs=1e-9)


def test_the_context_is_explained_where_it_is_used(additive):
    asked = [None, "no cold", ["glad", "no it"]]
    explanations = explain(["soup"] * 3, context=asked, model=additive, labels=["joy"])
    joy = EKMAN.index("joy")
    for said_in, explanation in zip((None, "no cold", "glad\nno it"), explanations, strict=True):
        assert explanation.context == said_in
        spans = [span for span in explanation.labels["joy"] if span.part == "context"]
        assert sorted(span.text for span in spans) == sorted((said_in or "").split())
        for span in spans:
            assert said_in[span.start : span.end] == span.text
            assert span.effect == pytest.approx(additive.weights[span.text][joy] / 2, abs=1e-9)
        (own,) = [span for span in explanation.labels["joy"] if span.part == "text"]
        assert own.effect == pytest.approx(additive.weights["soup"][joy], abs=1e-9)
    shown = explanations[1].as_dict()["explanation"]["labels"]["joy"]
    assert sorted(span.get("part", "") for span in shown) == ["", "context", "context"]
    additive.uses_context = False
    (ignored,) = explain(["soup"], context=["no cold"], model=additive, labels=["joy"])
    assert [span.text for span in ignored.labels["joy"]] == ["soup"]
    assert (ignored.context, additive.calls[-1][1]) == ("no cold", None)


def slow_tfidf_logits(model, text):
    """The logits of one text from the formulas, a word at a time."""
    counts = {}
    for word in re.findall(r"[a-z]+|!+|:\)", text.lower()):
        counts[word] = counts.get(word, 0) + 1
    weights = {
        column: (1 + math.log(counts[term])) * float(model.features.idf[column])
        for column, term in enumerate(model.features.terms)
        if term in counts
    }
    norm = math.sqrt(sum(weight * weight for weight in weights.values()))
    return [
        float(bias) + sum(weight / norm * float(model.scorer.weights[row, label]) for row, weight in weights.items())
        for label, bias in enumerate(model.scorer.bias)
    ]


def test_effects_in_a_linear_model_are_those_of_the_formulas(bag):
    text = "No no soup so glad!!! unknown cold :)"
    (explanation,) = explain([text], model=bag, labels=EKMAN.labels)
    whole = slow_tfidf_logits(bag, text)
    for column, label in enumerate(EKMAN.labels):
        for span in explanation.labels[label]:
            rest = slow_tfidf_logits(bag, f"{text[: span.start]} {text[span.end :]}")
            assert span.effect == pytest.approx(whole[column] - rest[column], abs=2e-6)


def test_a_slow_loop_over_the_embedded_model_says_the_same(linear):
    for text in TEXTS:
        for label, spans in explain([text], model=linear, labels=["joy", "anger", "gratitude"])[0].labels.items():
            column = linear.label_space.index(label)
            whole = log_odds(linear.judge([text]).proba[0, column])
            for span in spans:
                rest = f"{text[: span.start]} {text[span.end :]}"
                assert span.effect == pytest.approx(whole - log_odds(linear.judge([rest]).proba[0, column]), abs=1e-12)


def test_a_word_that_a_bag_of_words_does_not_know_has_no_effect_at_all(bag):
    (explanation,) = explain(["qqzx glad wvvk, soup zyxx?"], model=bag, labels=EKMAN.labels)
    for spans in explanation.labels.values():
        effects = {span.text: span.effect for span in spans}
        assert {word: effects[word] for word in ("qqzx", "wvvk", ",", "zyxx", "?")} == dict.fromkeys(
            ("qqzx", "wvvk", ",", "zyxx", "?"), 0.0
        )
        assert effects["glad"] != 0.0


@given(worth=st.floats(-4, 4).filter(lambda worth: abs(worth) > 1e-3))
def test_a_word_works_in_the_direction_of_its_weight(worth):
    model = make_bag_model({"glad": [worth] * len(EKMAN), "soup": [0.0] * len(EKMAN), "cold": [0.0] * len(EKMAN)})
    (explanation,) = explain(["glad cold soup"], model=model, labels=["joy"])
    first, *others = explanation.labels["joy"]
    assert (first.text, math.copysign(1, first.effect)) == ("glad", math.copysign(1, worth))
    assert [span.effect for span in others] == [0.0, 0.0] or all(
        abs(span.effect) < abs(first.effect) for span in others
    )


def test_occlusion_agrees_with_gradients():
    """Leaving one word out of a mean moves it by a first-order step, which the gradient foretells."""
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(7)
    vocabulary = [f"word{number}" for number in range(40)]
    vectors = torch.randn(40, 16, generator=generator, dtype=torch.float64)
    inner = torch.randn(16, 16, generator=generator, dtype=torch.float64) / 4
    outer = torch.randn(16, len(EKMAN), generator=generator, dtype=torch.float64)

    def read(text):
        return vectors[[vocabulary.index(word) for word in text.split()]]

    class Neural(AdditiveModel):
        def _sum(self, text):
            return (torch.tanh(read(text).mean(0) @ inner) @ outer).numpy() if text else np.zeros(len(EKMAN))

    text = " ".join(vocabulary)
    (explanation,) = explain([text], model=Neural({}), labels=["joy"])
    effects = {span.text: span.effect for span in explanation.labels["joy"]}
    embedded = read(text).requires_grad_()
    (torch.tanh(embedded.mean(0) @ inner) @ outer)[EKMAN.index("joy")].backward()
    centred = embedded.detach() - embedded.detach().mean(0)
    foretold = (embedded.grad * centred).sum(1) * len(vocabulary) / (len(vocabulary) - 1)
    measured = np.array([effects[word] for word in vocabulary])
    assert np.corrcoef(measured, foretold.numpy())[0, 1] > 0.99
    assert np.abs(measured - foretold.numpy()).max() < 0.1 * np.abs(measured).max()


def test_other_labels_are_explained_in_their_own_probabilities(linear):
    text = "I hate this awful thing but thank you"
    (explanation,) = explain([text], model=linear, label_space="ekman", labels=["anger"])
    to_ekman = load_label_map("goemotions", "ekman")
    column = to_ekman.target.index("anger")
    whole = log_odds(to_ekman.project_proba(linear.predict_proba([text]))[0, column])
    for span in explanation.labels["anger"]:
        rest = linear.predict_proba([leave_out(text, span.start, span.end)])
        assert span.effect == pytest.approx(whole - log_odds(to_ekman.project_proba(rest)[0, column]), abs=1e-12)
    assert explanation.labels["anger"][0].text in ("hate", "awful")


def test_what_was_given_is_explained_or_else_the_likeliest():
    given_labels, none_given, unknown, empty = explain(
        ["I am glad and thankful, thank you!", "The shop opens.", "qqzx", " "], model="linear"
    )
    answers = sentire.analyze(["I am glad and thankful, thank you!", "The shop opens."], model="linear")
    assert tuple(given_labels.labels) == answers[0].labels
    assert len(answers[0].labels) >= 1
    assert tuple(none_given.labels) == (answers[1].labels or (answers[1].emotions[0].label,))
    ((label, spans),) = unknown.labels.items()
    assert label == "neutral"
    assert [(span.text, span.effect) for span in spans] == [("qqzx", 0.0)]
    assert (empty.labels, empty.vad, empty.text) == ({}, None, " ")


def test_labels_are_checked():
    with pytest.raises(LabelError, match=r"expected a label of goemotions.v1, got 'joi' at labels; did you mean"):
        explain(["a"], labels=["joi"])
    with pytest.raises(LabelError, match=r"expected a label of ekman.v1, got 'gratitude' at labels"):
        explain(["a"], labels=["gratitude"], label_space="ekman")
    with pytest.raises(UsageError, match=r"expected a sequence of labels, got one string at labels"):
        explain(["a"], labels="joy")
    assert list(explain(["a"], labels=("joy", "joy"))[0].labels) == ["joy"]
    assert explain([], labels=("joy",)) == []


@pytest.mark.parametrize("is_known", [True, False])
def test_the_neighbours_change_nothing(linear, additive, is_known):
    model = linear if is_known else additive
    together = explain(TEXTS, model=model)
    alone = [explain([text], model=model)[0] for text in TEXTS]
    assert together == alone
    assert explain(TEXTS[::-1], model=model) == alone[::-1]


def test_many_texts_are_judged_at_once(additive):
    explain(["glad cold soup", "no"], model=additive)
    first, second = additive.calls
    assert first == (["glad cold soup", "no"], None)
    assert second == (["glad cold soup", "cold soup", "glad soup", "glad cold", "no", ""], None)


@pytest.mark.parametrize(
    ("text", "most_spans"),
    [
        ("glad cold soup no " * 64, MOST_SPANS),
        ("glad cold soup no " * 64 + "it", MOST_SPANS),
        ("glad " * 10_000, MOST_SPANS),
        ("a " * (LONGEST_TEXT_CHARS // 2), MOST_SPANS),
        ("a" * LONGEST_TEXT_CHARS, 1),
        ("x" * 2 * LONGEST_TEXT_CHARS, 1),
        ("!?.," * (LONGEST_TEXT_CHARS // 4), MOST_SPANS),
    ],
)
def test_the_cost_of_a_long_text_is_bounded(additive, text, most_spans):
    (explanation,) = explain([text], model=additive, labels=["joy"])
    spans = sorted(explanation.labels["joy"], key=lambda span: span.start)
    n_words, size = len(find_words(explanation.text)), explanation.words_per_span
    assert len(spans) == -(-n_words // size) <= most_spans
    n_chars = sum(len(judged) for judged in additive.calls[-1][0])
    assert n_chars <= MOST_JUDGED_CHARS + len(explanation.text)
    assert (size == 1) == (n_words <= MOST_SPANS)
    assert len(spans) >= min(n_words, FEWEST_SPANS) // 2
    # Nothing of the text is left out of the spans.
    covered = "".join(span.text for span in spans)
    assert len(re.sub(r"\s", "", covered)) == len(re.sub(r"\s", "", explanation.text))


def test_a_span_of_several_words_has_the_effect_of_all():
    weights = {"glad": 0.5, "it": 0.002, "no": -0.003}
    model = AdditiveModel({word: [worth] * len(EKMAN) for word, worth in weights.items()})
    text = "glad " + "it no, " * 200
    (explanation,) = explain([text], model=model, labels=["joy"])
    assert explanation.words_per_span == 3
    assert explanation.labels["joy"][0].text == "glad it no"
    for span in explanation.labels["joy"]:
        # The additive model reads "no," as a word that it does not know, until its sign is left out.
        rest = f"{text[: span.start]} {text[span.end :]}"
        expected = sum(weights.get(word, 0) for word in text.split()) - sum(
            weights.get(word, 0) for word in rest.split()
        )
        assert span.effect == pytest.approx(expected, abs=1e-9)


def test_of_a_long_context_the_end_is_explained(additive):
    said_in = "no it " * LONGEST_CONTEXT_CHARS
    (explanation,) = explain(["soup"], context=[said_in], model=additive, labels=["joy"])
    starts = [span.start for span in explanation.labels["joy"] if span.part == "context"]
    assert (len(said_in) - LONGEST_CONTEXT_CHARS, len(said_in)) == pytest.approx((min(starts), max(starts)), abs=60)
    assert len(starts) <= MOST_SPANS


def test_of_a_context_of_many_turns_no_more_is_judged_than_is_read(additive):
    said_in = ["no it"] * LONGEST_CONTEXT_CHARS + ["glad"]
    (explanation,) = explain(["soup"], context=[said_in], model=additive, labels=["joy"])
    texts, contexts = additive.calls[-1]
    assert max(len(one) for one in contexts) <= LONGEST_CONTEXT_CHARS
    assert len(texts) == len(explanation.labels["joy"]) + 1
    for span in explanation.labels["joy"]:
        shown = explanation.context if span.part == "context" else explanation.text
        assert shown[span.start : span.end] == span.text
    assert max(span.end for span in explanation.labels["joy"]) == len(explanation.context)


def test_of_a_context_the_words_that_are_read_are_explained(additive):
    said_in = "glad " * 600 + "no cold"
    additive.n_unread = said_in.index("no") + 1  # the word at the edge is read in part, and so explained as a whole
    (explanation,) = explain(["it is cold soup"], context=[said_in], model=additive, labels=["joy"])
    spans = sorted(explanation.labels["joy"], key=lambda span: (span.part, span.start))
    assert [span.text for span in spans] == ["no", "cold", "it", "is", "cold", "soup"]
    assert explanation.words_per_span == 1
    assert [said_in[span.start : span.end] for span in spans[:2]] == ["no", "cold"]
    texts, contexts = additive.calls[-1]
    assert len(texts) == 7
    assert set(contexts) == {said_in, said_in.replace("no ", ""), said_in.removesuffix(" cold")}


def test_of_a_turn_beyond_all_bounds_the_end_is_explained(additive):
    said_in = "no " * LONGEST_TEXT_CHARS + "glad"
    (explanation,) = explain(["soup"], context=[said_in], model=additive, labels=["joy"])
    spans = [span for span in explanation.labels["joy"] if span.part == "context"]
    assert explanation.context == said_in[-LONGEST_TEXT_CHARS:]
    assert max(spans, key=lambda span: span.start).text.endswith("glad")


@settings(max_examples=150, deadline=None)
@given(text=ANY_TEXT)
def test_whatever_a_text_holds_its_words_are_found(text):
    spans = find_words(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    inside = {place for start, end in spans for place in range(start, end)}
    assert {place for place, sign in enumerate(text) if not sign.isspace()} <= inside
    assert all(not text[place].isspace() for place in inside)


@settings(max_examples=40, deadline=None)
@given(text=ANY_TEXT, context=ANY_TEXT | st.none())
def test_whatever_a_text_holds_it_is_explained(linear, text, context):
    (explanation,) = explain([text], context=[context], model=linear)
    (answer,) = sentire.analyze([text], context=[context], model=linear)
    assert (explanation.text, explanation.context) == (answer.text, answer.context)
    for spans in explanation.labels.values():
        assert sorted((span.start, span.end) for span in spans) == find_words(answer.text)
        for span in spans:
            assert answer.text[span.start : span.end] == span.text
            assert math.isfinite(span.effect)
    orjson.dumps(explanation.as_dict())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don’t know...", ["I", "don’t", "know", "..."]),
        ("well-known 'quoted'", ["well", "-", "known", "'", "quoted", "'"]),
        ("What?!!:) haha:D :-/ <3 http://x note:Done", "What ?!! :) haha :D :-/ <3 http :// x note : Done"),
        ("\U0001f602\U0001f602", ["\U0001f602", "\U0001f602"]),
        ("\U0001f44d\U0001f3fd❤️", ["\U0001f44d\U0001f3fd", "❤️"]),
        ("\U0001f469‍\U0001f467!", ["\U0001f469‍\U0001f467", "!"]),
        ("🇩🇪🇫🇷🇩", ["🇩🇪", "🇫🇷", "🇩"]),
        ("हिन्दी नमस्ते", ["हिन्दी", "नमस्ते"]),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("e\u0301te\u0301 3️⃣", ["e\u0301te\u0301", "3️⃣"]),
        ("我很高兴，谢谢", ["我很高兴", "，", "谢谢"]),
        (" \n\t\u2003", []),
    ],
)  # fmt: skip
def test_words(text, words):
    assert [text[start:end] for start, end in find_words(text)] == (words.split() if isinstance(words, str) else words)


@pytest.mark.parametrize(
    ("text", "span", "rest"),
    [
        ("so very glad", "very", "so glad"),
        ("so very", "so", "very"),
        ("so very", "very", "so"),
        ("good,bad", ",", "good bad"),
        ("glad! yes", "!", "glad yes"),
        ("(glad)", "glad", "( )"),
        ("one\ntwo\nthree", "two", "one\n\nthree"),
        ("one\ntwo three", "two", "one\nthree"),
        ("one two\nthree", "two", "one\nthree"),
        ("alone", "alone", ""),
    ],
)
def test_leaving_out(text, span, rest):
    start = text.index(span)
    assert leave_out(text, start, start + len(span)) == rest


def test_plain_data():
    (explanation,) = explain(["Thank you qqzx"], model="linear", labels=["gratitude"])
    shown = orjson.loads(orjson.dumps(explanation.as_dict()))
    assert list(shown) == ["explanation"]
    shown = shown["explanation"]
    assert {name: shown[name] for name in shown if name != "labels"} == {
        "method": "occlusion",
        "unit": "log-odds",
        "words_per_span": 1,
        "vad": None,
    }
    assert [list(span) for span in shown["labels"]["gratitude"]] == [["start", "end", "text", "effect"]] * 3
    assert [span["text"] for span in shown["labels"]["gratitude"]] == ["Thank", "you", "qqzx"]
    (whole,) = [span for span in explanation.labels["gratitude"] if span.text == "Thank"]
    assert shown["labels"]["gratitude"][0]["effect"] == round(whole.effect, 4)
    assert replace(whole, effect=-1e-9).as_dict()["effect"] == 0.0
    assert str(replace(whole, effect=-1e-9).as_dict()["effect"]) == "0.0"


def test_affect_is_explained(affect_model):
    (explanation,) = explain(["thank you"], model=affect_model)
    assert list(explanation.vad) == ["valence", "arousal", "dominance"]
    assert [(span.text, span.effect) for span in explanation.vad["valence"]] == [("thank", 0.0), ("you", 0.0)]
    assert list(explanation.as_dict()["explanation"]["vad"]) == ["valence", "arousal", "dominance"]


def test_the_writer_puts_the_explanation_beside_the_answer(linear):
    class Kept:
        def __init__(self):
            self.rows = []

        def write(self, rows):
            self.rows.extend(rows)

    texts = [f"{text} {number}".strip() for number in range(30) for text in TEXTS[:5]]
    answers = [answer.as_dict() for answer in sentire.analyze(texts, model=linear)]
    kept = Kept()
    ExplainingWriter(kept, linear, AnswerSpace(linear)).write(iter(answers))
    expected = explain(texts, model=linear)
    assert kept.rows == [{**row, **one.as_dict()} for row, one in zip(answers, expected, strict=True)]
