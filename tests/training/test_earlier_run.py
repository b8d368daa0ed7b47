"""A training that starts from the weights of an earlier one."""

import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from tiny_training import make_recipe, write_data, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from sentire.core.config import parse_config
from sentire.core.errors import ArtifactError, ConfigError, LabelError
from sentire.runtime.load import load
from sentire.storage.atomic import make_directory, write_json
from sentire.training.checkpoints import read_checkpoint
from sentire.training.earlier_data import find_earlier_data
from sentire.training.earlier_run import identify_start, mix_with_start
from sentire.training.representation import train_representation
from sentire.training.representation_recipe import RepresentationRecipe
from sentire.training.train import train_encoder

RESTING = {"n_epochs": 1, "learning_rate": 1e-12, "warmup_fraction": 0.0}
"""So small that the weights stay as they are."""


@pytest.fixture(scope="module")
def earlier(tmp_path_factory, encoder, data):
    folder = tmp_path_factory.mktemp("earlier") / "model"
    train_encoder(make_recipe(data, encoder), folder)
    return folder


def test_it_begins_where_the_earlier_one_was_best(tmp_path, encoder, data, earlier):
    train_encoder(make_recipe(data, encoder, encoder={"start": str(earlier)}, optimisation=RESTING), tmp_path / "on")
    train_encoder(make_recipe(data, encoder, optimisation=RESTING), tmp_path / "anew")
    texts = ["so glad at the station", "how late", "my exam on monday"]
    begun, on, anew = (load(folder).predict_logits(texts) for folder in (earlier, tmp_path / "on", tmp_path / "anew"))
    np.testing.assert_allclose(on, begun, atol=1e-5)
    assert np.abs(anew - begun).max() > 1e-3
    assert "goes on from the weights of model" in (tmp_path / "on" / "README.md").read_text()


def test_the_start_may_keep_a_share_of_the_weights(tmp_path, encoder, data, earlier):
    fast = {"n_epochs": 1, "learning_rate": 0.05}
    folders = {}
    for share in (0.0, 0.25, 1 - 1e-7):
        folders[share] = tmp_path / f"{share}"
        start = {"start": str(earlier), "start_share": share}
        train_encoder(make_recipe(data, encoder, encoder=start, optimisation=fast), folders[share])
    before, _ = read_checkpoint(earlier / "checkpoints/best.safetensors")
    after, _ = read_checkpoint(folders[0.0] / "checkpoints/best.safetensors")
    mixed = mix_with_start(after, earlier, 0.25)
    for name, tensor in mixed.items():
        torch.testing.assert_close(tensor, 0.75 * after[name] + 0.25 * before[name])
    texts = ["so glad at the station", "how late", "my exam on monday"]
    alone, some, all_of_it = (load(folder).predict_logits(texts) for folder in folders.values())
    np.testing.assert_allclose(all_of_it, load(earlier).predict_logits(texts), atol=1e-4)
    assert np.abs(some - alone).max() > 1e-3
    assert np.abs(some - all_of_it).max() > 1e-3
    with pytest.raises(ConfigError, match=r"an earlier run whose weights have a share.* at encoder\.start of tiny"):
        train_encoder(make_recipe(data, encoder, encoder={"start_share": 0.5}), tmp_path / "none")


def test_of_a_start_that_was_mixed_the_mixture_has_the_share(tmp_path, encoder, data, earlier):
    fast = {"n_epochs": 1, "learning_rate": 0.05}
    second, third = tmp_path / "second", tmp_path / "third"
    for folder, start in ((second, earlier), (third, second)):
        start = {"start": str(start), "start_share": 0.25}
        train_encoder(make_recipe(data, encoder, encoder=start, optimisation=fast), folder)
    first_weights, second_weights, third_weights = (
        read_checkpoint(folder / "checkpoints/best.safetensors")[0] for folder in (earlier, second, third)
    )
    mixed = mix_with_start(third_weights, second, 0.5)
    for name, tensor in mixed.items():
        made = 0.25 * first_weights[name] + 0.75 * second_weights[name]
        torch.testing.assert_close(tensor, 0.5 * third_weights[name] + 0.5 * made)


def test_a_run_that_starts_from_other_weights_is_another_run(tmp_path, encoder, data, earlier):
    copy = tmp_path / "start"
    shutil.copytree(earlier, copy)
    recipe = make_recipe(data, encoder, encoder={"start": str(copy)}, optimisation=RESTING)
    train_encoder(recipe, tmp_path / "run")
    shutil.rmtree(copy)
    train_encoder(make_recipe(data, encoder, optimisation={"n_epochs": 1}), copy)
    with pytest.raises(ArtifactError, match="expected a checkpoint of this very recipe, data and version"):
        train_encoder(recipe, tmp_path / "run")


def test_what_does_not_fit_is_refused(tmp_path, encoder, data, earlier):
    def start(folder, encoder=encoder, **sections):
        recipe = make_recipe(data, encoder, encoder={"start": str(folder)}, **sections)
        train_encoder(recipe, tmp_path / "run")

    with pytest.raises(ArtifactError, match="none"):
        start(tmp_path / "none")
    with pytest.raises(ArtifactError, match=r"the same heads, got .*affect_head.* at .*best\.safetensors"):
        start(earlier, data={"affect_train": f"{data}:train", "affect_dev": f"{data}:dev"})
    other = write_tiny_encoder(tmp_path / "other", "distilbert")
    with pytest.raises(ArtifactError, match="weights of a network of the same shape"):
        start(earlier, other)
    broken = tmp_path / "broken"
    shutil.copytree(earlier, broken)
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"tokenizer\.json"):
        start(broken)
    (broken / "checkpoints/best.safetensors").write_bytes(b"cut off")
    shutil.copy(earlier / "tokenizer.json", broken)
    with pytest.raises(ArtifactError, match=r"a whole checkpoint, got .* at .*best\.safetensors"):
        start(broken)


def test_heads_of_other_labels_are_refused(tmp_path, encoder, earlier):
    other = write_data(tmp_path / "other")
    other.write_text(other.read_text().replace('["glad", "cross", "tense"]', '["tense", "glad", "cross"]'))
    recipe = make_recipe(other, encoder, encoder={"start": str(earlier), "start_share": 0.5})
    with pytest.raises(
        LabelError,
        match=r"labels of toy\.v1 in their order: tense, glad, cross, got toy\.v1: glad, cross, tense at .*config",
    ):
        train_encoder(recipe, tmp_path / "run")


def test_a_model_of_another_kind_is_no_start(tmp_path, encoder, data):
    linear = Path(str(files("sentire"))) / "assets" / "linear"
    with pytest.raises(ArtifactError, match=r"finished training of an encoder .* got a model of the kind .*tfidf.* at"):
        train_encoder(make_recipe(data, encoder, encoder={"start": str(linear)}), tmp_path / "run")


def test_weights_that_change_underneath_are_refused(tmp_path, encoder, data, earlier, monkeypatch):
    start = tmp_path / "start"
    shutil.copytree(earlier, start)
    other = tmp_path / "other"
    train_encoder(make_recipe(data, encoder, optimisation={"n_epochs": 1}), other)
    assert identify_start(start) == identify_start(earlier) != identify_start(other)
    recipe = make_recipe(data, encoder, encoder={"start": str(start), "start_share": 0.5}, optimisation=RESTING)

    def exchange(*news):
        if news[2].startswith("loss"):
            shutil.rmtree(start, ignore_errors=True)
            shutil.copytree(other, start)

    with pytest.raises(
        ArtifactError, match=r"weights from which the training started .* got others .*best\.safetensors"
    ):
        train_encoder(recipe, tmp_path / "run", on_progress=exchange)
    # The same before its first step, where the weights were identified and then exchanged.
    shutil.rmtree(start)
    shutil.copytree(other, start)
    monkeypatch.setattr("sentire.training.train.identify_start", lambda _: identify_start(earlier))
    with pytest.raises(ArtifactError, match="weights from which the training started"):
        train_encoder(recipe, tmp_path / "again")


def write_free(folder, name="free"):
    """Data whose licence allows everything."""
    path = write_data(folder)
    path.write_text(
        path.read_text().replace('name = "toy"', f'name = "{name}"\nlicence = "CC0"\nweights_may_ship = "yes"')
    )
    return path


def test_the_terms_of_what_was_learned_before_are_kept(tmp_path, encoder, data, earlier):
    free = write_free(tmp_path / "free", name="toy")
    model, student, grandchild = (tmp_path / name for name in ("model", "student", "grandchild"))
    ship_not = "must **not** be given away"
    train_encoder(make_recipe(free, encoder, optimisation=RESTING), tmp_path / "alone")
    assert ship_not not in (tmp_path / "alone" / "README.md").read_text()
    assert "earlier_data" not in load(tmp_path / "alone").config.training
    on = make_recipe(free, encoder, encoder={"start": str(earlier)}, optimisation=RESTING)
    train_encoder(on, model)
    taught = make_recipe(free, encoder, distillation={"teachers": [str(model)]}, optimisation=RESTING)
    train_encoder(taught, student)
    train_encoder(make_recipe(free, encoder, encoder={"start": str(student)}, optimisation=RESTING), grandchild)
    for folder in (model, student, grandchild):
        card, training = (folder / "README.md").read_text(), load(folder).config.training
        assert ship_not in card
        assert f"The models that it comes from learned from `{data}:train`." in card
        assert training["earlier_data"] == {"labels": [f"{data}:train"]}
        assert training["data"]["licence"] == "CC0 and not stated"


def test_a_teacher_of_which_nothing_is_known_is_named(tmp_path, encoder, data, monkeypatch):
    monkeypatch.setattr("sentire.training.train.average_teachers", lambda *asked: np.full((len(asked[-1]), 3), 0.2))
    recipe = make_recipe(
        data, encoder, distillation={"teachers": ["transformers:somebody/taught@1"]}, optimisation=RESTING
    )
    train_encoder(recipe, tmp_path / "model")
    assert "It comes from `taught@1`, too, and what that" in (tmp_path / "model" / "README.md").read_text()
    assert load(tmp_path / "model").config.training["earlier_data"] == {"unknown": ["taught@1"]}


def test_what_moved_the_encoder_is_part_of_what_was_learned_before(tmp_path, encoder, data):
    moved, model = tmp_path / "moved", tmp_path / "model"
    table = {
        "recipe": "representation",
        "name": "moved",
        "data": {"train": f"{data}:train", "dev": f"{data}:dev"},
        "encoder": {"name": str(encoder), "max_tokens": 24},
        "contrast": {"weight": 1.0, "sampler": "stratified"},
        "optimisation": {"n_epochs": 1, "batch_size": 16},
    }
    train_representation(parse_config(RepresentationRecipe, table), moved)
    free = write_free(tmp_path / "free")
    train_encoder(make_recipe(free, moved, optimisation=RESTING), model)
    assert load(model).config.training["earlier_data"] == {"labels": [f"{data}:train"]}
    assert "must **not** be given away" in (model / "README.md").read_text()
    table |= {
        "data": {"train": f"{free}:train", "dev": f"{free}:dev"},
        "encoder": {"name": str(moved), "max_tokens": 24},
    }
    report = train_representation(parse_config(RepresentationRecipe, table), tmp_path / "further").report
    assert report["earlier_data"] == {"labels": [f"{data}:train"]}
    card = (tmp_path / "further" / "README.md").read_text()
    assert "must **not** be given away" in card
    assert f"learned from `{data}:train`." in card


def test_a_lexicon_that_gave_the_affect_is_part_of_what_was_learned_before(tmp_path):
    by_words = {"data": "goemotions:train", "ratings": "labels"}
    for folder, rated in (("by-words", by_words), ("by-people", {"data": "emobank:train", "ratings": "people"})):
        recipe = {"recipe": "representation", "data": {"affect_train": [rated]}}
        write_json(make_directory(tmp_path / folder) / "training.json", {"recipe": recipe})
    learned = find_earlier_data(encoder=str(tmp_path / "by-words"))
    assert [card.name for card in learned.cards] == ["goemotions", "glasgow-norms"]
    facts = learned.as_facts(beside={"affect": ["goemotions:train"]})
    assert facts == {"earlier_data": {"lexicons": ["glasgow-norms:all"]}}
    assert "learned from `glasgow-norms:all`, `goemotions:train`." in learned.describe(beside=())
    # And of whoever goes on from that: what was recorded is handed on.
    write_json(make_directory(tmp_path / "next") / "training.json", {"recipe": recipe, **facts})
    assert find_earlier_data(encoder=str(tmp_path / "next")).splits["lexicons"] == ("glasgow-norms:all",)
    assert "lexicons" not in find_earlier_data(encoder=str(tmp_path / "by-people")).splits
