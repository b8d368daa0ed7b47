"""A training that starts from the weights of an earlier one."""

import shutil

import numpy as np
import pytest

from tiny_training import make_recipe, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from sentire.core.errors import ArtifactError, ConfigError
from sentire.runtime.load import load
from sentire.training.checkpoints import read_checkpoint
from sentire.training.earlier_run import mix_with_start
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
