import math
from copy import deepcopy

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from sentire.core.errors import UnknownNameError, UsageError
from sentire.training.optimisers import OPTIMISERS, make_optimiser, scale_learning_rates

N_LAYERS = 3
SETTINGS = {"learning_rate": 1e-2, "weight_decay": 0.1}
every_optimiser = pytest.mark.parametrize("name", OPTIMISERS)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4)
        self.LayerNorm = nn.LayerNorm(4)


class Encoder(nn.Module):
    """The names of BERT (``encoder.layer``) or of DistilBERT (``transformer.layer``), and little else."""

    def __init__(self, stack):
        super().__init__()
        self.embeddings = nn.Module()
        self.embeddings.word_embeddings = nn.Embedding(6, 4)
        self.embeddings.LayerNorm = nn.LayerNorm(4)
        inner = nn.Module()
        inner.layer = nn.ModuleList(Layer() for _ in range(N_LAYERS))
        setattr(self, stack, inner)
        self.pooler = nn.Linear(4, 4)


class Model(nn.Module):
    def __init__(self, stack="encoder"):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = Encoder(stack)
        self.emotion_head = nn.Linear(4, 2)
        self.affect_head = nn.Linear(4, 3)


def find_settings(optimiser, model):
    """Look up the learning rate and the weight decay of each parameter by its name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for parameter in group["params"]
    }


@every_optimiser
def test_every_parameter_is_in_one_group(name):
    model = Model()
    optimiser = make_optimiser(name, model, **SETTINGS, layer_decay=0.5, head_learning_rate_factor=3.0)
    grouped = [id(parameter) for group in optimiser.param_groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())


@every_optimiser
def test_biases_and_layer_norms_do_not_decay(name):
    model = Model()
    settings = find_settings(make_optimiser(name, model, **SETTINGS), model)
    for one, (rate, decay) in settings.items():
        assert decay == (0.0 if one.endswith("bias") or "LayerNorm" in one else 0.1), one
        assert rate == 1e-2
    assert settings["encoder.embeddings.word_embeddings.weight"][1] == 0.1
    assert settings["emotion_head.weight"][1] == 0.1


@pytest.mark.parametrize("stack", ["encoder", "transformer"])
def test_lower_layers_learn_more_slowly(stack):
    model = Model(stack)
    optimiser = make_optimiser("adamw", model, **SETTINGS, layer_decay=0.5, head_learning_rate_factor=3.0)
    rates = {one: rate for one, (rate, _) in find_settings(optimiser, model).items()}
    expected = {
        "encoder.embeddings": 1e-2 / 8,
        f"encoder.{stack}.layer.0": 1e-2 / 4,
        f"encoder.{stack}.layer.1": 1e-2 / 2,
        f"encoder.{stack}.layer.2": 1e-2,
        "encoder.pooler": 1e-2,
        "emotion_head": 3e-2,
        "affect_head": 3e-2,
    }
    for one, rate in rates.items():
        (of_part,) = [value for part, value in expected.items() if one.startswith(f"{part}.")]
        assert rate == pytest.approx(of_part), one


def test_frozen_parameters_are_left_out_but_keep_their_place():
    model = Model()
    for one, parameter in model.encoder.named_parameters():
        parameter.requires_grad_(one.startswith(("embeddings.", "encoder.layer.0.")))
    settings = find_settings(make_optimiser("adamw", model, **SETTINGS, layer_decay=0.5), model)
    assert {one.split(".")[0] for one in settings} == {"encoder", "emotion_head", "affect_head"}
    assert settings["encoder.encoder.layer.0.dense.weight"][0] == pytest.approx(1e-2 / 4)
    assert not any("layer.1" in one or "layer.2" in one or "pooler" in one for one in settings)


def take_steps(optimiser, model, n_steps, *, first=0):
    for step in range(first, first + n_steps):
        generator = torch.Generator().manual_seed(step)
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimiser.step()


def take_slow_steps(name, values, n_steps, *, rate, decay):
    """AdamW (Loshchilov and Hutter 2019, algorithm 2) and RAdam (Liu et al. 2020, algorithm 2), in double."""
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8
    values = [value.detach().double().clone() for value in values]
    first = [torch.zeros_like(value) for value in values]
    second = [torch.zeros_like(value) for value in values]
    for step in range(1, n_steps + 1):
        generator = torch.Generator().manual_seed(step - 1)
        for i, value in enumerate(values):
            gradient = torch.randn(value.shape, generator=generator).double()
            first[i] = beta1 * first[i] + (1 - beta1) * gradient
            second[i] = beta2 * second[i] + (1 - beta2) * gradient**2
            value *= 1 - rate * (decay if value.ndim > 1 else 0)
            mean = first[i] / (1 - beta1**step)
            root = (second[i] / (1 - beta2**step)).sqrt()
            if name == "adamw":
                value -= rate * mean / (root + epsilon)
                continue
            limit = 2 / (1 - beta2) - 1
            length = limit - 2 * step * beta2**step / (1 - beta2**step)
            if length > 5:  # as in the published program and torch; the paper says 4
                rectified = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
                value -= rate * math.sqrt(rectified) * mean / (root + epsilon)
            else:
                value -= rate * mean
    return values


@every_optimiser
def test_the_steps_are_those_of_the_paper(name):
    model = Model()
    expected = take_slow_steps(name, list(model.parameters()), 12, rate=1e-2, decay=0.1)
    take_steps(make_optimiser(name, model, **SETTINGS), model, 12)
    for (one, parameter), value in zip(model.named_parameters(), expected, strict=True):
        torch.testing.assert_close(
            parameter.double(), value, rtol=1e-4, atol=1e-6, msg=lambda text, one=one: one + text
        )


@every_optimiser
def test_a_resumed_optimiser_goes_on_bit_by_bit(name):
    model = Model()
    optimiser = make_optimiser(name, model, **SETTINGS, layer_decay=0.5)
    take_steps(optimiser, model, 4)
    resumed_model = Model()
    resumed_model.load_state_dict(model.state_dict())
    resumed = make_optimiser(name, resumed_model, **SETTINGS, layer_decay=0.5)
    resumed.load_state_dict(deepcopy(optimiser.state_dict()))  # loading alone would share the tensors
    take_steps(optimiser, model, 4, first=4)
    take_steps(resumed, resumed_model, 4, first=4)
    for one, parameter in model.named_parameters():
        assert torch.equal(parameter, resumed_model.get_parameter(one)), one


@every_optimiser
def test_a_schedule_scales_every_group_from_its_first_rate(name):
    model = Model()
    optimiser = make_optimiser(name, model, **SETTINGS, layer_decay=0.5, head_learning_rate_factor=3.0)
    before = find_settings(optimiser, model)
    for factor in (0.0, 0.25, 1.0, 0.5):
        scale_learning_rates(optimiser, factor)
        for one, (rate, _) in find_settings(optimiser, model).items():
            assert rate == pytest.approx(before[one][0] * factor), one
    weights = {one: parameter.detach().clone() for one, parameter in model.named_parameters()}
    scale_learning_rates(optimiser, 0.0)
    take_steps(optimiser, model, 1)
    assert all(torch.equal(parameter, weights[one]) for one, parameter in model.named_parameters())


def test_an_optimiser_that_is_not_there():
    with pytest.raises(UnknownNameError, match=r"name of a training optimiser \(adamw, radam\), got 'adam'.*\"adamw\""):
        make_optimiser("adam", Model(), **SETTINGS)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rate": 0.0}, "a number above 0, got 0 at learning_rate"),
        ({"learning_rate": float("nan")}, "a number above 0, got nan at learning_rate"),
        ({"weight_decay": -0.1}, "a number of 0 or more, got -0.1 at weight_decay"),
        ({"layer_decay": 0.0}, "a number above 0, at most 1, got 0 at layer_decay"),
        ({"layer_decay": 1.1}, "a number above 0, at most 1, got 1.1 at layer_decay"),
        ({"head_learning_rate_factor": float("inf")}, "a number above 0, got inf at head_learning_rate_factor"),
    ],
)
def test_numbers_out_of_range(changed, message):
    with pytest.raises(UsageError, match=message):
        make_optimiser("adamw", Model(), **SETTINGS | changed)


def test_a_module_without_anything_to_train():
    with pytest.raises(UsageError, match="parameters to train, got a module whose parameters are all frozen, or none"):
        make_optimiser("adamw", Model().requires_grad_(False), **SETTINGS)
