"""The embedded encoder itself: small, free of torch, and with the same answer for a text wherever it stands."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sentire
from sentire.data.registry import load_dataset
from sentire.metrics.classification import micro_f1
from sentire.runtime.load import load

ASSETS = Path(sentire.__file__).parent / "assets" / "default"

PARTS = (
    "thank you so much", "I can't believe it", "lol", "😂😂", "no.", "what a day", "the shop opens at nine", "!!!",
    "[NAME]", "honestly I was scared half to death", "they moved the meeting again", "congrats on the new job",
    "¿qué?", "sorry",
    "my cat died last night", "is this still open?", "supercalifragilistic", "ok", "", "\u200f\u202e", "a" * 300,
)  # fmt: skip
TEXTS = st.lists(st.lists(st.sampled_from(PARTS), max_size=6).map(" ".join), min_size=1, max_size=24)
CONTEXTS = st.one_of(st.none(), st.sampled_from(PARTS), st.lists(st.sampled_from(PARTS), max_size=3))
DRIFT = 1e-6


@pytest.fixture(scope="module")
def model():
    return load("default")


def test_it_is_small_and_holds_no_pickle():
    files = [path for path in ASSETS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 25_000_000
    assert {path.suffix for path in files} == {".json", ".onnx", ".md"}


def test_it_answers_without_torch():
    program = (
        "import sys, sentire; (answer,) = sentire.analyze(['Thank you!']); assert answer.labels == ('gratitude',); "
        "print([name for name in ('torch', 'transformers', 'sklearn', 'scipy', 'onnx') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@settings(max_examples=25)
@given(texts=TEXTS, seed=st.integers(0, 2**16), data=st.data())
def test_a_text_has_one_answer_alone_in_any_batch_and_in_any_order(model, texts, seed, data):
    contexts = data.draw(st.lists(CONTEXTS, min_size=len(texts), max_size=len(texts)))
    together = model.judge(texts, context=contexts)
    order = np.random.default_rng(seed).permutation(len(texts))
    shuffled = model.judge([texts[row] for row in order], context=[contexts[row] for row in order])
    assert np.abs(shuffled.proba - together.proba[order]).max() <= DRIFT
    assert np.abs(shuffled.vad - together.vad[order]).max() <= DRIFT
    row = int(order[0])
    alone = model.judge([texts[row]], context=[contexts[row]])
    assert np.abs(alone.proba[0] - together.proba[row]).max() <= DRIFT
    assert np.abs(alone.vad[0] - together.vad[row]).max() <= DRIFT


def test_no_context_and_an_empty_one_are_the_same(model):
    texts = ["I can't believe it.", "well done"]
    bare = model.judge(texts)
    for context in ([None, None], ["", ()], [[], [""]]):
        assert np.array_equal(model.judge(texts, context=context).proba, bare.proba)


def test_one_thread_and_two_say_the_same(model):
    texts = [f"{part} {number}" for number in range(20) for part in PARTS[:12]]
    assert np.array_equal(
        load("default", n_threads=1).judge(texts).proba, load("default", n_threads=2).judge(texts).proba
    )


def test_affect_is_on_its_scale_and_knows_good_from_bad(model):
    vad = model.judge(["What a wonderful, wonderful day!", "This is a disgusting, hateful mess."]).vad
    assert ((vad >= -1) & (vad <= 1)).all()
    assert vad[0, 0] > 0.2 > 0 > vad[1, 0]


@pytest.mark.corpus
def test_it_keeps_its_word_on_a_part_of_dev(model, corpus_root):
    """Every fifth text: what a random or a broken file would never reach."""
    examples = load_dataset("goemotions").read_split("dev", root=corpus_root)[::5]
    targets = model.label_space.encode(example.labels for example in examples)
    decisions = model.predict([example.text for example in examples])
    assert len(examples) > 1000
    assert micro_f1(targets, decisions) > 0.55


@pytest.mark.slow
@pytest.mark.corpus
def test_it_keeps_its_word_on_dev(model, corpus_root):
    """The figure of its card: far above what a random or a broken file would reach."""
    from sentire.evaluate.run import evaluate_model

    result = evaluate_model(model, "goemotions:dev", data_root=corpus_root, n_resamples=10, keep_rows=False)
    assert result.metrics["micro_f1"].value > 0.57
    assert result.metrics["macro_f1"].value > 0.48
