import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from sentire.core.errors import ArtifactError, UsageError
from sentire.training.averaging import WeightAverage


def make_module(seed=0):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.BatchNorm1d(3))
    module[1].bias.requires_grad_(False)
    return module


def change(module, step):
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter += torch.randn(parameter.shape, generator=generator)


def copy_state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999])
def test_the_average_is_that_of_a_slow_loop(decay):
    module = make_module()
    average = WeightAverage(module, decay=decay)
    expected = {name: parameter.detach().double().numpy() for name, parameter in module.named_parameters()}
    used = []
    for n in range(30):
        change(module, n)
        average.update()
        used.append(min(decay, (1 + n) / (10 + n)))
        for name, parameter in module.named_parameters():
            expected[name] = used[-1] * expected[name] + (1 - used[-1]) * parameter.detach().double().numpy()
    if decay == 0.3:
        assert used[:4] == [0.1, pytest.approx(2 / 11), 0.25, 0.3]  # the warm-up ends
    assert average.n_updates == 30
    with average.applied():
        for name, parameter in module.named_parameters():
            np.testing.assert_allclose(parameter.detach().numpy(), expected[name], rtol=1e-5, atol=1e-6)


def test_constant_weights_are_their_own_average():
    module = make_module()
    average = WeightAverage(module, decay=0.99)
    before = copy_state(module)
    for _ in range(50):
        average.update()
    with average.applied():
        for name, value in module.state_dict().items():
            torch.testing.assert_close(value, before[name])


def test_the_own_weights_come_back_bit_by_bit():
    module = make_module()
    average = WeightAverage(module, decay=0.9)
    change(module, 1)
    average.update()
    own, kept = copy_state(module), {name: one.clone() for name, one in average.tensors().items()}
    places = [parameter.data_ptr() for parameter in module.parameters()]
    with average.applied():
        assert not torch.equal(module[0].weight, own["0.weight"])
        assert all(torch.equal(module.get_parameter(name), one) for name, one in kept.items() if name != "n_updates")
        module(torch.zeros(2, 4))  # in evaluation
    for name, value in module.state_dict().items():
        if "running" not in name and "tracked" not in name:
            assert torch.equal(value, own[name]), name
    assert places == [parameter.data_ptr() for parameter in module.parameters()]
    assert all(torch.equal(one, kept[name]) for name, one in average.tensors().items())


def test_the_own_weights_come_back_after_an_error():
    module = make_module()
    average = WeightAverage(module, decay=0.9)
    change(module, 1)
    own = copy_state(module)
    with pytest.raises(KeyError, match="evaluation"), average.applied():
        raise KeyError("evaluation")
    assert all(torch.equal(value, own[name]) for name, value in module.state_dict().items())
    average.update()  # and training goes on


def test_what_is_loaded_continues_bit_by_bit():
    module = make_module()
    average = WeightAverage(module, decay=0.9)
    for step in range(4):
        change(module, step)
        average.update()
    checkpoint = {name: one.clone() for name, one in average.tensors().items()}
    assert {one.dtype for name, one in checkpoint.items() if name != "n_updates"} == {torch.float32}
    resumed_module = make_module(seed=9)
    resumed_module.load_state_dict(module.state_dict())
    resumed = WeightAverage(resumed_module, decay=0.9)
    resumed.load(checkpoint)
    for step in range(4, 9):
        for one_module, one in ((module, average), (resumed_module, resumed)):
            change(one_module, step)
            one.update()
    assert average.tensors().keys() == resumed.tensors().keys()
    for name, one in average.tensors().items():
        assert torch.equal(one, resumed.tensors()[name]), name
    assert resumed.n_updates == 9


def test_only_trained_parameters_are_averaged():
    assert set(WeightAverage(make_module(), decay=0.9).tensors()) == {
        *("0.weight", "0.bias", "1.weight", "2.weight", "2.bias"),
        "n_updates",
    }


def test_half_precision_weights_have_an_average_in_float32():
    module = nn.Linear(8, 8).to(torch.bfloat16)
    average = WeightAverage(module, decay=0.999)
    start = average.tensors()["weight"].clone()
    with torch.no_grad():
        module.weight += 1
    for _ in range(3):
        average.update()
    # d = .1, 2/11, .25: what is left of the start is their product.
    left = 0.1 * 2 / 11 * 0.25
    expected = left * start + (1 - left) * module.weight.detach().float()
    torch.testing.assert_close(average.tensors()["weight"], expected)
    with average.applied():
        assert module.weight.dtype == torch.bfloat16


def test_nothing_is_averaged_while_the_averages_are_applied():
    average = WeightAverage(make_module(), decay=0.9)
    with average.applied():
        with pytest.raises(UsageError, match=r"the module's own weights in it, got the averaged ones; leave the block"):
            average.update()
        with pytest.raises(UsageError, match="got the averaged ones"), average.applied():
            pass
    average.update()


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_decay_out_of_range(decay):
    with pytest.raises(UsageError, match=f"a decay from 0 to below 1, got {decay:g} at decay"):
        WeightAverage(make_module(), decay=decay)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda tensors: tensors.pop("0.bias"), "0.bias"),
        (lambda tensors: tensors.pop("n_updates"), "n_updates"),
        (lambda tensors: tensors.update({"3.weight": torch.zeros(1)}), "3.weight"),
        (lambda tensors: tensors.update({"0.weight": torch.zeros(4, 3)}), "0.weight"),
    ],
)
def test_the_averages_of_another_module_change_nothing(damage, named):
    average = WeightAverage(make_module(), decay=0.9)
    before = {name: one.clone() for name, one in average.tensors().items()}
    foreign = {name: one + 1 for name, one in average.tensors().items()}
    damage(foreign)
    with pytest.raises(ArtifactError, match=f"got other names or shapes for {named}; resume with the configuration"):
        average.load(foreign)
    assert all(torch.equal(one, before[name]) for name, one in average.tensors().items())
