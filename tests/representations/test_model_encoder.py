"""The vectors of the embedded model: without torch, the same alone and in any batch, near where it hears alike."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from sentire.core.errors import ArtifactError, DataError, SentireError, UnknownNameError, UsageError
from sentire.representations.index import make_index, search
from sentire.representations.load import MODELS_WITH_VECTORS, load_encoder
from sentire.representations.text_files import embed_file
from sentire.runtime.encoder_model import EncoderModel
from sentire.runtime.load import EMBEDDED_MODELS, load
from sentire.runtime.text_rows import Source

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
    index = make_index(encoder, [text for text in TEXTS if text])
    assert search(index, "I really appreciate your help", top=2)[0].text in (TEXTS[0], TEXTS[4])
    assert search(index, "this makes me so angry", top=1)[0].text == TEXTS[5]


def test_models_without_vectors_and_settings_that_are_not_theirs_are_refused():
    with pytest.raises(UsageError, match=r"a model that has vectors, such as default.*got 'linear'"):
        load_encoder("linear")
    for setting in ({"pooling": "cls"}, {"max_tokens": 12}, {"revision": "0" * 40}):
        with pytest.raises(UsageError, match=r"no revision, pooling or max_tokens for a model.*at default"):
            load_encoder("default", **setting)


def test_a_model_of_a_folder_may_be_named_by_a_path(encoder, tmp_path):
    folder = Path(str(files("sentire"))) / "assets" / "default"
    loaded = load_encoder(folder)
    assert (loaded.name, loaded.fingerprint) == (str(folder), encoder.fingerprint)
    (tmp_path / "texts.txt").write_text("so kind\n")
    assert embed_file(Source(path=tmp_path / "texts.txt"), loaded, tmp_path / "out.npy").n_texts == 1
    with pytest.raises(UnknownNameError, match=r"got './default'"):
        load_encoder(Path("default"))  # a path is never the name of what is embedded


@pytest.mark.parametrize("name", [None, 3, b"default", ["default"]])
def test_what_is_no_name_of_an_encoder(name):
    with pytest.raises(UsageError, match="the name or the folder of a model or an encoder, got"):
        load_encoder(name)


@pytest.mark.parametrize("name", ["a" * 300, "a" * 300 + "/b", "a\x00b", ""])
def test_names_that_no_folder_can_have(name):
    with pytest.raises(SentireError, match=r"on the (Hugging Face )?hub"):
        load_encoder(name)


@pytest.mark.parametrize("max_tokens", ["9", 2.5, True])
def test_a_number_of_tokens_that_is_none(max_tokens):
    with pytest.raises(UsageError, match=rf"a whole number, got {max_tokens!r} at max_tokens"):
        load_encoder("minilm", max_tokens=max_tokens)


def test_a_misspelt_name_is_told_what_there_is():
    known = (
        r"the name of a model or encoder \(default, minilm\), the folder of one, or owner/name on the Hugging Face hub"
    )
    with pytest.raises(UnknownNameError, match=rf"{known}, got 'defualt'; did you mean \"default\"\?"):
        load_encoder("defualt")
    with pytest.raises(UnknownNameError, match='did you mean "minilm"'):
        load_encoder("minilmm")


def test_models_with_vectors_are_those_that_can_be_loaded():
    assert [name for name in EMBEDDED_MODELS if isinstance(load(name), EncoderModel)] == list(MODELS_WITH_VECTORS)


def test_what_is_quickly_said_is_said_without_torch(tmp_path):
    """Who has the base install and misspells a name is not sent to fetch torch; who has none is, before a download."""
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "import sentire\n"
        "def fetch(*arguments): raise AssertionError('it asks the hub')\n"
        "from sentire.encoders import sources\n"
        "sources._fetch_from_hub = fetch\n"
        "for arguments in (['defualt'], ['minilm', ''], ['owner/name', '0' * 40]):\n"
        "    try: sentire.load_encoder(arguments[0], revision=''.join(arguments[1:]))\n"
        "    except sentire.SentireError as error: print(type(error).__name__)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.split() == ["UnknownNameError", "MissingExtraError", "MissingExtraError"], ran.stderr


def test_a_damaged_model_is_still_a_model(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": "sentire-model", "format_ver')
    with pytest.raises(ArtifactError, match=r"a manifest in JSON.*manifest\.json"):
        load_encoder(str(tmp_path))


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
