"""An encoder model answers what its parts give when computed by hand, alone as in company, and whatever it is given."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoder import TinyEncoder, tokens_of

from sentire.core.errors import DataError, UsageError
from sentire.core.labels import make_label_space
from sentire.core.protocols import Predictor
from sentire.runtime import batches, encoder_batches
from sentire.runtime.calibration import Uncalibrated
from sentire.runtime.load import load

SENTENCES = [
    "so glad , thank you !",
    "the soup was cold and i am angry",
    "",
    "we waited in the queue and the soup was never so very cold",
    "not glad",
    "zzz qqq",
    "thank you",
]
LONG = "the soup was cold , and we waited in the queue ; so angry . never in it ! thank you , very very glad ."

word = st.sampled_from(["so", "glad", "sad", "!", "soup", "cold", "zzz", "the", "queue", "we", "😀", "."])
some_text = st.lists(word, max_size=30).map(" ".join)
some_context = st.one_of(st.none(), st.just(""), some_text, st.lists(some_text, max_size=3))
some_rows = st.lists(st.tuples(some_text, some_context), max_size=8)


@pytest.fixture(scope="module")
def tiny():
    return TinyEncoder()


@pytest.fixture(scope="module")
def model(tiny, tmp_path_factory):
    return load(tiny.write(tmp_path_factory.mktemp("models") / "tiny"), n_threads=2)


def test_it_offers_what_every_model_offers(model, tiny):
    assert isinstance(model, Predictor)
    assert (model.name, model.label_space, model.uses_context, model.has_vad) == ("tiny", tiny.label_space, True, True)
    assert len(model.fingerprint) == 16
    assert np.array_equal(model.thresholds, np.linspace(0.3, 0.6, 7))
    assert model.projected_thresholds == {}
    assert model.config.training == {"seed": 11}
    assert model.calibrator == tiny.calibrator
    assert model.n_dimensions == 8
    assert (model.settings.max_tokens, model.settings.pooling) == (12, "mean")


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("context", ["", "i am sad"])
def test_short_texts_get_what_a_loop_over_their_tokens_gives(tmp_path, pooling, context):
    tiny = TinyEncoder(pooling=pooling)
    model = load(tiny.write(tmp_path / "m"))
    texts = ["so glad , thank you", "not", "", "soup zzz !"]
    expected = [tiny.compute_text(tokens_of(text), tokens_of(context)) for text in texts]
    judgement = model.judge(texts, context=[context] * 4)
    logits = np.array([one["logits"] for one in expected])
    np.testing.assert_allclose(model.predict_logits(texts, context=[context] * 4), logits, atol=1e-5)
    np.testing.assert_allclose(judgement.proba, 1 / (1 + np.exp(-logits / 0.7)), atol=1e-6)
    np.testing.assert_allclose(judgement.vad, [one["vad"] for one in expected], atol=1e-5)
    embeddings = model.embed(texts, [context] * 4)
    np.testing.assert_allclose(embeddings, [one["embedding"] for one in expected], atol=1e-5)
    assert (embeddings.dtype, judgement.proba.dtype, judgement.vad.dtype) == (np.float32,) * 3
    assert np.abs(judgement.vad).max() == 1  # without clipping it would be more
    assert np.array_equal(model.predict_proba(texts, context=[context] * 4), judgement.proba)
    assert np.array_equal(model.predict(texts, context=[context] * 4), judgement.proba >= model.thresholds)
    assert judgement.course is None


@pytest.mark.parametrize("context", [(), (7, 9)])
def test_a_long_text_gets_the_mean_of_its_windows_by_their_tokens(model, tiny, context):
    text = tokens_of("the soup was cold and we waited in the queue and i am not so glad it was never very cold")
    said = "i so" if context else None
    room = 12 - 2 - (len(context) + 1 if context else 0)
    starts = [*range(0, len(text) - room, 6), len(text) - room]
    windows = [tiny.compute_text(text[start : start + room], context) for start in starts]
    counts = [sum(start <= place < start + room for start in starts) for place in range(len(text))]
    assert min(counts) >= 1
    proba, vad = np.zeros(7), np.zeros(3)
    for start, window in zip(starts, windows, strict=True):
        for place in range(start, start + room):
            proba += 1 / (1 + np.exp(-window["logits"] / 0.7)) / counts[place] / len(text)
            vad += window["vad"] / counts[place] / len(text)
    words = "the soup was cold and we waited in the queue and i am not so glad it was never very cold"
    judgement = model.judge([words, "glad"], context=None if said is None else [said, None])
    np.testing.assert_allclose(judgement.proba[0], proba, atol=1e-6)
    np.testing.assert_allclose(judgement.vad[0], vad, atol=1e-6)
    course, nothing = judgement.course
    assert nothing is None
    np.testing.assert_allclose(course.proba, [1 / (1 + np.exp(-one["logits"] / 0.7)) for one in windows], atol=1e-6)
    np.testing.assert_allclose(course.vad, [one["vad"] for one in windows], atol=1e-5)
    for (start, end), first in zip(course.spans.tolist(), starts, strict=True):
        assert tokens_of(words[start:end]) == text[first : first + room]


def test_a_text_that_just_fits_is_no_long_text(model):
    fits, one_more = "so " * 10, "so " * 11
    assert model.judge([fits]).course is None
    assert len(model.judge([one_more]).course[0].spans) == 2
    assert model.judge(["so " * 7], context=["i am"]).course is None
    assert len(model.judge(["so " * 8], context=["i am"]).course[0].spans) == 2


def test_places_are_counted_in_characters_of_the_text_as_it_is_judged(model):
    text = "  Thé\u0301 SOUP 😀😀 was\ncold\x00, " + "so very glad ! " * 5
    (course,) = model.judge([text]).course
    spans = course.spans.tolist()
    assert spans[0][0] == 2
    assert spans[-1][1] == len(text.rstrip())
    assert all(a[0] < b[0] <= a[1] + 1 for a, b in pairwise(spans))


@settings(max_examples=60)
@given(rows=some_rows, data=st.data())
def test_a_text_gets_the_same_answer_alone_and_in_company(model, rows, data):
    """Not bit by bit: in this graph, unlike in real ones, onnxruntime multiplies a lone row in a way of its own."""
    texts, contexts = [text for text, _ in rows], [context for _, context in rows]
    together = model.judge(texts, context=contexts)
    order = data.draw(st.permutations(range(len(rows))))
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(batches, "MOST_TEXTS", data.draw(st.integers(1, 4)))
        changed.setattr(encoder_batches, "MOST_TOKENS_AT_ONCE", data.draw(st.integers(1, 40)))
        changed.setattr(encoder_batches, "FEWEST_BATCH_TOKENS", 1)
        changed.setattr(model, "n_threads", data.draw(st.integers(1, 3)))
        shuffled = model.judge([texts[place] for place in order], context=[contexts[place] for place in order])
        embeddings = model.embed(texts, contexts)
    for place, row in enumerate(order):
        alone = model.judge([texts[row]], context=[contexts[row]])
        for other, position in ((shuffled, place), (together, row)):
            np.testing.assert_allclose(other.proba[position], alone.proba[0], rtol=0, atol=1e-6)
            np.testing.assert_allclose(other.vad[position], alone.vad[0], rtol=0, atol=5e-6)
            assert other.is_known[position] == alone.is_known[0]
            assert other.is_english[position] == alone.is_english[0]
            assert other.is_context_cut[position] == alone.is_context_cut[0]
            courses = [one.course[at] if one.course else None for one, at in ((other, position), (alone, 0))]
            assert (courses[0] is None) == (courses[1] is None)
            if courses[0] is not None:
                np.testing.assert_array_equal(courses[0].spans, courses[1].spans)
                np.testing.assert_allclose(courses[0].proba, courses[1].proba, rtol=0, atol=1e-6)
        np.testing.assert_allclose(embeddings[row], model.embed([texts[row]], [contexts[row]])[0], rtol=0, atol=5e-6)


def test_one_thread_and_several_give_the_same_and_the_same_twice(model, monkeypatch):
    texts = [f"{SENTENCES[number % 7]} {'so ' * (number % 5)}" for number in range(900)]
    several = model.predict_proba(texts)
    assert np.array_equal(several, model.predict_proba(texts))
    monkeypatch.setattr(model, "n_threads", 1)
    np.testing.assert_allclose(model.predict_proba(texts), several, rtol=0, atol=1e-6)


def test_the_end_of_a_context_is_what_counts(model):
    last = model.predict_proba(["glad"], context=["the soup was cold"])
    for longer in (
        "so so so the soup was cold",
        ["so so", "so the soup", "was", "cold"],
        "so\n" * 9 + "the soup was cold",
    ):
        assert np.array_equal(model.predict_proba(["glad"], context=[longer]), last)
        assert model.judge(["glad"], context=[longer]).is_context_cut.tolist() == [True]
    assert model.judge(["glad"], context=["the soup was cold"]).is_context_cut.tolist() == [False]
    assert not np.array_equal(model.predict_proba(["glad"], context=["the soup was not"]), last)
    huge = "so " * 1_000_000 + "the soup was cold"
    assert np.array_equal(model.predict_proba(["glad"], context=[huge]), last)


def test_no_context_is_an_empty_context(model):
    without = model.predict_proba(["so glad"])
    for nothing in (None, "", [], [""], " \n ", ("", " ")):
        assert np.array_equal(model.predict_proba(["so glad"], context=[nothing]), without)
    assert model.judge(["so glad"]).is_context_cut is None


def test_a_model_without_context_does_not_look_at_it(tmp_path):
    model = load(TinyEncoder(uses_context=False).write(tmp_path / "m"))
    assert model.uses_context is False
    judgement = model.judge(["so glad"], context=["i am sad and angry and cold"])
    assert np.array_equal(judgement.proba, model.predict_proba(["so glad"]))
    assert judgement.is_context_cut is None
    with pytest.raises(UsageError, match="expected 1 contexts, one a text, got 2 contexts"):
        model.predict(["so glad"], context=["a", "b"])
    with pytest.raises(DataError, match=r"got int 5 at context\[0\]"):
        model.predict(["so glad"], context=[5])


def test_a_model_without_affect(tmp_path):
    model = load(TinyEncoder(has_vad=False).write(tmp_path / "m"))
    judgement = model.judge([LONG, "glad"])
    assert model.has_vad is False
    assert judgement.vad is None
    assert judgement.course[0].vad is None


def test_labels_of_your_own_of_which_one_holds(tmp_path):
    space = make_label_space("moods", ["calm", "tense", "low"], task="single-label", neutral="calm")
    model = load(TinyEncoder(label_space=space, calibrator=Uncalibrated()).write(tmp_path / "m"))
    assert model.label_space.labels == ("calm", "tense", "low")
    assert (model.predict([*SENTENCES, LONG]).sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("text", "is_known"),
    [
        ("so glad", True),
        ("zzz qqq", False),
        ("", False),
        ("   ", False),
        ("zzz zzz zzz zzz glad", False),
        ("zzz zzz zzz glad", True),
        ("!", True),
        ("...", False),
        (": )", False),
        (":)", True),
        ("- -", False),
    ],
)
def test_what_it_knows_nothing_of(model, text, is_known):
    assert model.judge([text]).is_known.tolist() == [is_known]


def test_special_tokens_in_a_text_are_letters_like_any_other(model, tiny):
    expected = tiny.compute_text(tokens_of("[ sep ] glad"))["logits"]
    np.testing.assert_allclose(model.predict_logits(["[SEP] glad"])[0], expected, atol=1e-5)


def test_no_texts(model):
    judgement = model.judge([])
    assert (judgement.proba.shape, judgement.vad.shape, judgement.is_known.shape) == ((0, 7), (0, 3), (0,))
    assert judgement.is_english.shape == (0,)
    assert judgement.course is None
    assert model.predict([]).shape == (0, 7)
    assert model.predict_logits([]).shape == (0, 7)
    assert model.embed([]).shape == (0, 8)


def test_texts_may_come_one_by_one_and_what_is_no_text_is_refused(model):
    assert np.array_equal(model.predict_proba(text for text in SENTENCES), model.predict_proba(SENTENCES))
    for ask in (model.judge, model.predict_proba, model.predict, model.predict_logits, model.embed):
        for texts, message in (("glad", "got one string"), (["a", None], r"NoneType None at texts\[1\]")):
            with pytest.raises(DataError, match=message):
                ask(texts)


NASTY = {
    "ten megabytes": "glad " * 2_000_000,
    "one word": "a" * 1_000_000,
    "combining marks": "e" + "\u0301" * 1_000_000,
    "a token a character": "!" * 1_000_000,
    "emoji": "😀" * 1_000_000,
    "blanks": " " * 1_000_000,
    "NUL": "\x00" * 50,
    "surrogates": "\ud800\udfff",
    "right to left": "\u202eglad\u200f שלום",
    "joiners": "👩\u200d👩\u200d👧" * 100,
    "markup": "<b>glad</b> [CLS] [SEP] [PAD] [MASK]" * 20,
}


@pytest.mark.parametrize("kind", NASTY)
def test_whatever_a_text_holds_it_is_answered(model, kind):
    text = NASTY[kind]
    judgement = model.judge([text, "glad", text], context=[text, text, None])
    assert judgement.proba.shape == (3, 7)
    assert np.isfinite(judgement.proba).all()
    assert ((judgement.proba >= 0) & (judgement.proba <= 1)).all()
    assert np.isfinite(judgement.vad).all()
    if judgement.course and judgement.course[2]:
        # A hundred thousand characters are a hundred thousand tokens at most, six to a new window.
        assert len(judgement.course[2].spans) <= 100_000 / 6 + 1
        assert judgement.course[2].spans.max() <= min(len(text), 100_000)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=()), max_size=80), some_context), max_size=4))
def test_any_text_is_answered(model, rows):
    judgement = model.judge([text for text, _ in rows], context=[context for _, context in rows])
    assert np.isfinite(judgement.proba).all()
    assert len(judgement.proba) == len(rows)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_that_is_none(tiny, tmp_path, wrong):
    folder = tiny.write(tmp_path / "m")
    with pytest.raises(UsageError, match=r"at least 1 thread, or None for one a core, got .* at n_threads"):
        load(folder, n_threads=wrong)


def run_program(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_libraries_are_loaded_at_the_moment_of_use_and_print_nothing(model, tiny, tmp_path):
    folder = tiny.write(tmp_path / "m")
    program = f"""
import sys
def loaded():
    return sorted({{"onnxruntime", "tokenizers", "onnx", "torch", "transformers"}} & set(sys.modules))
from sentire.runtime.load import load
import sentire.analysis.analyze
print(loaded())
load("linear").predict_proba(["glad"])
print(loaded())
load({str(folder)!r}).predict_proba(["glad"] * 300 + ["so glad"])
print(loaded())
"""
    assert run_program(program).splitlines() == ["[]", "[]", "['onnxruntime', 'tokenizers']"]


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork")
def test_a_process_that_forks_after_an_answer_goes_on_in_both(model, tiny, tmp_path):
    folder = tiny.write(tmp_path / "m")
    program = f"""
import os, signal, warnings
warnings.simplefilter("ignore")
from sentire.runtime.load import load
model = load({str(folder)!r}, n_threads=3)
texts = ["so glad", "soup", "the soup was cold"] * 200
before = model.predict_proba(texts)
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(0 if (model.predict_proba(texts) == before).all() else 1)
print(os.waitpid(child, 0)[1], (model.predict_proba(texts) == before).all())
"""
    assert run_program(program) == "0 True"
