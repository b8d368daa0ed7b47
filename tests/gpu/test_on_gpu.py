"""What runs on a GPU says what the processor says: losses, vectors, trainings, and what they write."""

import numpy as np
import pytest

from tiny_training import make_recipe, write_data, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from sentire.core.config import parse_config
from sentire.encoders.device import describe_device, find_device
from sentire.losses.supervised_contrastive import supcon_loss
from sentire.losses.weighted_contrastive import affect_weights, weighted_contrastive_loss
from sentire.pairing.positives import same_label
from sentire.representations.load import load_torch_encoder
from sentire.runtime.load import load
from sentire.training.gradient_cache import backward_through_cache
from sentire.training.momentum import KeyQueue
from sentire.training.representation import train_representation
from sentire.training.representation_recipe import RepresentationRecipe
from sentire.training.train import train_encoder

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

TEXTS = ["so glad at the station", "no soup again", "what if", "", "I dread it on monday with the tea"] * 7
DETECTION = {"momentum": {"weight": 1.0}, "token_detection": {"weight": 1.0}}
METHODS = {
    "retrofit": {"contrast": {"weight": 1.0, "sampler": "stratified"}, "preservation": {"weight": 1.0}},
    "cached": {"contrast": {"weight": 1.0, "sampler": "stratified"}, "optimisation": {"is_cached": True}},
    "tlearn": {"classification": {"weight": 1.0}, "optimisation": {"metric": "macro_f1"}},
    "carl": DETECTION,
    "no-queue": DETECTION | {"momentum": {"weight": 1.0, "queue_size": 0}},
}


@pytest.fixture
def encoder(tmp_path):
    return write_tiny_encoder(tmp_path / "encoder")


def make_representation_recipe(data, encoder, method):
    is_by_affect = "momentum" in method
    table = {
        "recipe": "representation",
        "name": "tiny",
        "data": {"affect_train": [{"data": f"{data}:train"}], "affect_dev": f"{data}:dev"}
        if is_by_affect
        else {"train": f"{data}:train", "dev": f"{data}:dev"},
        "encoder": {"name": str(encoder), "max_tokens": 24, "inner_dropout": 0.1},
        "momentum": {"queue_size": 20},
        "optimisation": {
            "n_epochs": 2,
            "batch_size": 16,
            "learning_rate": 0.003,
            "texts_per_part": 6,
            "metric": "neighbour_affect" if is_by_affect else "map_at_r",
        },
    }
    for name, section in method.items():
        table[name] = {**table.get(name, {}), **section}
    return parse_config(RepresentationRecipe, table)


def test_the_gpu_is_found_and_named():
    assert find_device().type == "cuda"
    assert describe_device()["device"] == torch.cuda.get_device_name(0)


def test_vectors_are_those_of_the_processor(encoder):
    made = load_torch_encoder(str(encoder))
    assert next(made.model.parameters()).is_cuda
    here, mark = made.encode(TEXTS), made.fingerprint
    made.model.to("cpu")
    assert np.allclose(here, made.encode(TEXTS), atol=1e-5)
    assert load_torch_encoder(str(encoder)).fingerprint == mark


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_are_those_of_the_processor(dtype):
    drawn = torch.Generator().manual_seed(2)
    z = torch.nn.functional.normalize(torch.randn(24, 6, generator=drawn, dtype=dtype), dim=1)
    keys = torch.nn.functional.normalize(torch.randn(40, 6, generator=drawn, dtype=dtype), dim=1)
    affect, of_keys = torch.randn(24, 2, generator=drawn), torch.randn(40, 2, generator=drawn)
    positives = torch.from_numpy(same_label(np.arange(24) % 5))

    def measure(device):
        weights = affect_weights(affect.to(device), of_keys.to(device), bandwidth=0.5)
        return (
            supcon_loss(z.to(device), positives.to(device), temperature=0.1).cpu(),
            weighted_contrastive_loss(z.to(device), keys.to(device), weights, temperature=0.1).cpu(),
        )

    for here, there in zip(measure("cuda"), measure("cpu"), strict=True):
        assert torch.allclose(here, there, atol=1e-5 if dtype is torch.float32 else 1e-6)


def test_a_cached_gradient_draws_the_same_dropout_twice():
    torch.manual_seed(0)  # of the processor and the GPU
    network = torch.nn.Sequential(torch.nn.Linear(5, 9), torch.nn.Dropout(0.5), torch.nn.Linear(9, 4)).cuda()
    chunks = list(torch.randn(12, 5, device="cuda").split(5))
    torch.manual_seed(1)
    expected = torch.cat([network(chunk) for chunk in chunks]).square().sum()
    expected.backward()
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    torch.manual_seed(1)
    value = backward_through_cache(network, chunks, lambda vectors: vectors.square().sum())
    assert torch.allclose(value, expected.detach(), rtol=1e-5)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_a_queue_keeps_the_newest_keys():
    queue = KeyQueue(n_keys=3, n_dimensions=2, n_labels=1).cuda()
    for number in range(5):
        queue.push(torch.full((1, 2), float(number), device="cuda"), torch.full((1, 1), float(number), device="cuda"))
    keys, labels = queue.read()
    assert keys.is_cuda
    assert sorted(labels[:, 0].tolist()) == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_representation_learns_there_and_is_saved_for_anywhere(tmp_path, encoder, method):
    data = write_data(tmp_path / "data", is_single=True)
    finished = train_representation(make_representation_recipe(data, encoder, method), tmp_path / "run")
    assert all(np.isfinite(row["loss"]) for row in finished.report["evaluations"])
    assert finished.report["shift_on_dev"] > 0
    loaded = load_torch_encoder(str(tmp_path / "run"))
    assert np.allclose(loaded.encode(TEXTS), finished.encoder.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_a_model_learns_there_and_answers_here(tmp_path, encoder, precision):
    data = write_data(tmp_path / "data")
    recipe = make_recipe(
        data,
        encoder,
        data={"affect_train": f"{data}:train", "affect_dev": f"{data}:dev"},
        optimisation={"n_epochs": 8, "learning_rate": 0.03, "precision": precision, "average_decay": 0.9},
    )
    finished = train_encoder(recipe, tmp_path / "run")
    losses = [row["loss"] for row in finished.report["evaluations"]]
    assert losses[-1] < losses[0]
    proba = load(tmp_path / "run").predict_proba(["so glad", "no soup again"])
    assert proba.shape == (2, 3)
    assert np.isfinite(proba).all()
