"""The shelf of a suite: vectors as they are, made once, and never from a damaged file."""

import numpy as np
import pytest

from tiny_training import invent_rows, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")

from sentire.core.config import parse_config
from sentire.core.errors import ArtifactError
from sentire.data.registry import load_dataset
from sentire.representations.load import load_torch_encoder
from sentire.representations.save import save_encoder
from sentire.representations.sentence_encoder import SentenceEncoder
from sentire.reproduce import shelf as module
from sentire.reproduce.shelf import PRETRAINED, Base, Shelf, list_revisions
from sentire.training.representation_recipe import RepresentationRecipe

TEXTS = [row["text"] for row in invent_rows(12, seed=4)]


@pytest.fixture
def make_shelf(tmp_path):
    """A shelf whose base says that its vectors are to be scaled to length 1."""
    encoder = load_torch_encoder(str(write_tiny_encoder(tmp_path / "tiny")), max_tokens=24)
    encoder.is_normalised = True
    save_encoder(tmp_path / "unit", encoder, card="")

    def make(recipes=None):
        base = Base(name=str(tmp_path / "unit"), revision="", pooling="mean", max_tokens=24)
        return Shelf(tmp_path / "work", base=base, recipes=recipes or {})

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


def make_recipe(**sections):
    data = {"train": "goemotions:train", "dev": "goemotions:dev"}
    table = {"recipe": "representation", "name": "one", "data": data, "classification": {"weight": 1.0}}
    return parse_config(RepresentationRecipe, table | sections)


@pytest.mark.parametrize("changed", ["revision", "recipe", "method", "base"])
def test_an_encoder_is_trained_again_when_what_determines_it_changes(make_shelf, tmp_path, monkeypatch, changed):
    trained = []

    def train(recipe, folder, **_):
        trained.append(recipe)
        folder.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(module, "train_representation", train)
    for _ in range(2):
        assert make_shelf({"one": make_recipe()}).find("one") == str(tmp_path / "work" / "encoders" / "one")
    assert len(trained) == 1
    if changed == "revision":
        monkeypatch.setitem(vars(load_dataset("goemotions").card), "revision", "another")
    if changed == "method":
        monkeypatch.setattr(module, "METHOD_VERSION", module.METHOD_VERSION + 1)
    if changed == "base":
        monkeypatch.setattr(Shelf, "describe_base", lambda _: {"weights_sha256": "another"})
    recipe = make_recipe(seed=5) if changed == "recipe" else make_recipe()
    for _ in range(2):
        make_shelf({"one": recipe}).find("one")
    assert trained == [make_recipe(), recipe]


def test_the_revisions_are_those_of_all_data_of_a_recipe():
    both = make_recipe(
        data={"train": "goemotions:train", "dev": "goemotions:dev", "further_train": "sst-2:train"},
        classification={"weight": 1.0, "further_weight": 1.0},
    )
    rated = make_recipe(data={"affect_train": [{"data": "emobank:train"}], "affect_dev": "emobank:dev"})
    for recipe, names in ((make_recipe(), ["goemotions"]), (both, ["goemotions", "sst-2"]), (rated, ["emobank"])):
        assert list_revisions(recipe) == {name: load_dataset(name).card.revision for name in names}


def test_an_encoder_that_is_there_needs_no_data(make_shelf, monkeypatch):
    monkeypatch.setattr(module, "train_representation", lambda _, folder, **__: folder.mkdir(parents=True))
    by_words = make_recipe(
        data={"affect_train": [{"data": "goemotions:train", "ratings": "labels"}], "affect_dev": "emobank:dev"}
    )
    shelf = make_shelf({"one": make_recipe(), "words": by_words})
    assert shelf.list_data(PRETRAINED) == []
    assert {card.name for card in shelf.list_data("one")} == {"goemotions"}
    assert {card.name for card in shelf.list_data("words")} == {"goemotions", "emobank", "glasgow-norms"}
    shelf.find("one")
    assert shelf.list_data("one") == []
    assert shelf.list_data("words") != []
