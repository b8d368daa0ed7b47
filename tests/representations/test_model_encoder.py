"""The vectors of the embedded model: without torch, the same alone and in any batch, near where it hears alike."""

import subprocess
import sys

import numpy as np
import pytest

from sentire.core.errors import DataError, UsageError
from sentire.representations.index import make_index, search
from sentire.representations.load import load_encoder
from sentire.runtime.load import load

TEXTS = [
    "thank you so much for the lift!",
    "I can't believe they threw my letter away",
    "what time does the ferry leave",
    "",
    "you were so kind to wait for us",
    "I am fuming, they lost it again",
]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("default")


def test_vectors_are_those_from_which_the_model_judges(encoder):
    told = []
    vectors = encoder.encode(TEXTS, on_progress=lambda *news: told.append(news))
    model = load("default")
    np.testing.assert_array_equal(vectors, model.embed(TEXTS))
    assert vectors.shape == (len(TEXTS), encoder.n_dimensions) == (6, 384)
    assert vectors.dtype == np.float32
    assert told[-1] == (6, 6, "texts")
    assert encoder.fingerprint == model.fingerprint
    assert (encoder.name, encoder.revision) == ("default", "")
    for row, text in enumerate(TEXTS):
        np.testing.assert_allclose(encoder.encode([text])[0], vectors[row], atol=1e-5)
    assert encoder.encode([]).shape == (0, 384)
    with pytest.raises(DataError, match=r"several texts|a list of texts|expected .*text"):
        encoder.encode("one string")


def test_what_feels_alike_is_found(encoder):
    index = make_index(encoder, TEXTS)
    assert search(index, "I really appreciate your help", top=2)[0].text in (TEXTS[0], TEXTS[4])
    assert search(index, "this makes me so angry", top=1)[0].text == TEXTS[5]


def test_models_without_vectors_and_settings_that_are_not_theirs_are_refused():
    with pytest.raises(UsageError, match=r"a model that has vectors, such as default.*got 'linear'"):
        load_encoder("linear")
    for setting in ({"pooling": "cls"}, {"max_tokens": 12}, {"revision": "0" * 40}):
        with pytest.raises(UsageError, match=r"no revision, pooling or max_tokens for a model.*at default"):
            load_encoder("default", **setting)


def test_texts_are_embedded_and_searched_without_torch(tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(text for text in TEXTS if text))
    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from sentire.cli.main import main\n"
        "sys.argv = ['sentire', *sys.argv[1:]]\n"
        "main()\n"
    )
    for arguments, said in (
        (("embed", "--input", tmp_path / "texts.txt", "--output", tmp_path / "out.npy"), "5 vectors of 384 numbers"),
        (("search", "I am so grateful", "--in", tmp_path / "texts.txt", "--top", "1"), "thank you so much"),
    ):
        ran = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stderr
        assert said in ran.stdout + ran.stderr
    assert np.load(tmp_path / "out.npy", allow_pickle=False).shape == (5, 384)
