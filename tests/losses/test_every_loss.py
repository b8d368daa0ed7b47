"""What every loss module promises, whatever it measures; a new one without a case here is a failure."""

import importlib
import pkgutil
from dataclasses import dataclass

import numpy as np
import pytest

from sentire.core.errors import DataError, ShapeError

pytest.importorskip("torch")

import torch
from torch import nn
from torch.nn.functional import normalize

import sentire.losses

LENGTHS = {"A": 2, "B": 8, "C": 4, "D": 6, "K": 5, "T": 7, "V": 3}


def draw(letters, kind, seed):
    rng = np.random.default_rng(seed)
    shape = [LENGTHS[letter] for letter in letters]
    if kind == "unit rows":
        return normalize(torch.tensor(rng.normal(size=shape)), dim=1)
    if kind == "truths":
        values = rng.random(shape) < 0.6
        values[np.arange(LENGTHS["B"]), (np.arange(LENGTHS["B"]) + 1) % shape[1]] = True  # no row without any
        return torch.tensor(values)
    return torch.tensor(rng.random(shape) if kind == "shares" else rng.normal(size=shape))


@dataclass(frozen=True)
class Case:
    """The axes of inputs and output as letters, and what kind of numbers the inputs are."""

    inputs: tuple[tuple[str, str], ...]
    output: str

    def make(self):
        return [draw(letters, kind, seed) for seed, (letters, kind) in enumerate(self.inputs)]


PER_LABEL = Case((("BC", "numbers"), ("BC", "shares")), "BC")
CASES = {
    "AffectLoss": Case((("BV", "numbers"), ("BV", "numbers")), "B"),
    "AsymmetricLoss": PER_LABEL,
    "BinaryCrossEntropy": PER_LABEL,
    "FocalLoss": PER_LABEL,
    "MomentumContinuousContrastiveLoss": Case(
        (("BD", "unit rows"), ("KD", "unit rows"), ("BA", "numbers"), ("KA", "numbers")), "B"
    ),
    "SpacePreservationLoss": Case((("BD", "numbers"), ("BD", "numbers")), "B"),
    "SupervisedContrastiveLoss": Case((("BD", "unit rows"), ("BB", "truths")), "B"),
    "TokenDetectionLoss": Case((("BT", "numbers"), ("BT", "shares"), ("BT", "truths")), "B"),
}


def find_modules():
    names = [info.name for info in pkgutil.iter_modules(sentire.losses.__path__, prefix="sentire.losses.")]
    modules = [importlib.import_module(name) for name in names]
    things = [thing for module in modules for thing in vars(module).values() if isinstance(thing, type)]
    return {
        thing.__name__: thing
        for thing in things
        if issubclass(thing, nn.Module) and thing.__module__.startswith("sentire.losses.")
    }


MODULES = find_modules()
every_loss = pytest.mark.parametrize("name", CASES)


def cast(tensors, dtype):
    return [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in tensors]


def test_every_loss_has_a_case():
    assert set(CASES) == set(MODULES)


@every_loss
def test_it_has_settings_and_no_state(name):
    module = MODULES[name]()
    assert list(module.parameters()) == []
    assert module.state_dict() == {}


@every_loss
def test_its_values_are_those_of_the_axes_it_states(name):
    case = CASES[name]
    values = MODULES[name]()(*case.make())
    assert values.shape == tuple(LENGTHS[letter] for letter in case.output)
    assert values.dtype == torch.float64
    assert torch.isfinite(values).all()
    assert (values > 0).all()


@every_loss
@pytest.mark.parametrize("letter", LENGTHS)
def test_the_order_along_an_axis_does_not_matter(name, letter):
    case, module = CASES[name], MODULES[name]()
    if not any(letter in letters for letters, _ in case.inputs):
        assert letter not in case.output
        return
    order = torch.tensor(np.random.default_rng(4).permutation(LENGTHS[letter]))

    def shuffle(tensor, letters):
        for axis, one in enumerate(letters):
            tensor = tensor.index_select(axis, order) if one == letter else tensor
        return tensor

    inputs = case.make()
    shuffled = [shuffle(tensor, letters) for tensor, (letters, _) in zip(inputs, case.inputs, strict=True)]
    torch.testing.assert_close(module(*shuffled), shuffle(module(*inputs), case.output))


@every_loss
def test_half_precision_is_computed_in_float32(name):
    inputs = cast(CASES[name].make(), torch.bfloat16)
    module = MODULES[name]()
    values = module(*inputs)
    assert values.dtype == torch.float32
    torch.testing.assert_close(values, module(*cast(inputs, torch.float32)))


@every_loss
def test_the_first_input_gets_a_finite_gradient(name):
    first, *rest = CASES[name].make()
    assert torch.autograd.gradcheck(lambda x: MODULES[name]()(x, *rest), (first.requires_grad_(True),))


@every_loss
def test_no_axis_is_broadcast(name):
    case, module = CASES[name], MODULES[name]()
    n_tried = 0
    for number, (letters, _) in enumerate(case.inputs):
        for axis, letter in enumerate(letters):
            if sum(other.count(letter) for other, _ in case.inputs) < 2:
                continue
            inputs = case.make()
            inputs[number] = inputs[number].narrow(axis, 0, 1)
            with pytest.raises(ShapeError, match="shape"):
                module(*inputs)
            n_tried += 1
        inputs = case.make()
        inputs[number] = inputs[number].unsqueeze(0)
        with pytest.raises(ShapeError, match="shape"):
            module(*inputs)
    assert n_tried >= 3


OF_EMBEDDINGS = {
    "MomentumContinuousContrastiveLoss": ("queries", "keys", "queries", "keys"),
    "SpacePreservationLoss": ("embeddings", "fixed"),
    "SupervisedContrastiveLoss": ("embeddings",),
    "TokenDetectionLoss": ("logits", "targets"),
}


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
@pytest.mark.parametrize(("wrong", "shown"), [(float("nan"), "nan"), (float("inf"), "inf"), (-float("inf"), "-inf")])
def test_a_number_that_is_none_is_named_and_never_becomes_the_loss_of_its_batch(name, wrong, shown):
    module, case = MODULES[name](), CASES[name]
    for number, called in enumerate(OF_EMBEDDINGS[name]):
        inputs = case.make()
        inputs[number][4, 1] = wrong
        if name == "TokenDetectionLoss":
            inputs[2][4, 1] = True  # what does not count may be anything
        with pytest.raises(DataError, match=f"finite numbers, got {shown} at {called}, row 4, column 1"):
            module(*inputs)
