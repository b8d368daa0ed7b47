"""The shelf of a suite: vectors as they are, made once, and never from a damaged file."""

import numpy as np
import pytest

from tiny_training import invent_rows, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")

from sentire.core.errors import ArtifactError
from sentire.representations.load import load_torch_encoder
from sentire.representations.save import save_encoder
from sentire.representations.sentence_encoder import SentenceEncoder
from sentire.reproduce.shelf import PRETRAINED, Base, Shelf

TEXTS = [row["text"] for row in invent_rows(12, seed=4)]


@pytest.fixture
def make_shelf(tmp_path):
    """A shelf whose base says that its vectors are to be scaled to length 1."""
    encoder = load_torch_encoder(str(write_tiny_encoder(tmp_path / "tiny")), max_tokens=24)
    encoder.is_normalised = True
    save_encoder(tmp_path / "unit", encoder, card="")

    def make():
        base = Base(name=str(tmp_path / "unit"), revision="", pooling="mean", max_tokens=24)
        return Shelf(tmp_path / "work", base=base, recipes={})

    return make


def test_vectors_keep_their_lengths_and_are_made_once(make_shelf, tmp_path, monkeypatch):
    plain = load_torch_encoder(str(tmp_path / "tiny"), max_tokens=24).encode(TEXTS)
    vectors = make_shelf().encode(PRETRAINED, TEXTS)
    np.testing.assert_allclose(vectors, plain, atol=1e-6)
    assert np.ptp(np.linalg.norm(vectors, axis=1)) > 1e-3
    monkeypatch.setattr(SentenceEncoder, "encode", None)
    np.testing.assert_array_equal(make_shelf().encode(PRETRAINED, TEXTS), vectors)


def test_a_damaged_file_of_vectors_is_refused(make_shelf, tmp_path):
    make_shelf().encode(PRETRAINED, TEXTS)
    (path,) = (tmp_path / "work" / "vectors").iterdir()
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ArtifactError, match=r"vectors that can be read.*delete the file"):
        make_shelf().encode(PRETRAINED, TEXTS)


def test_the_base_is_described_by_its_weights(make_shelf, tmp_path):
    before = make_shelf().describe_base()
    (tmp_path / "unit" / "README.md").write_text("other words")
    assert make_shelf().describe_base() == before
    weights = bytearray((tmp_path / "unit" / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "unit" / "model.safetensors").write_bytes(bytes(weights))
    assert make_shelf().describe_base() != before
