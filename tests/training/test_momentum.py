"""The momentum encoder and the queue: by hand, against slow loops, and resumed from a checkpoint."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from torch import nn

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.training.momentum import KeyQueue, MomentumCopy


def make_module(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))


def set_weight(module, value):
    with torch.no_grad():
        module.weight.fill_(value)


def test_the_copy_follows_by_hand():
    online = nn.Linear(1, 1, bias=False)
    set_weight(online, 1.0)
    copied = MomentumCopy(online)
    set_weight(online, 2.0)
    copied.update(online, 0.75)
    assert copied.module.weight.item() == 1.25  # .75 · 1 + .25 · 2
    set_weight(online, -1.0)
    copied.update(online, 0.75)
    assert copied.module.weight.item() == 0.6875  # .75 · 1.25 - .25
    assert online.weight.item() == -1.0


@pytest.mark.parametrize("momentum", [0.0, 0.4, 0.999, 1.0])
def test_the_copy_is_that_of_a_slow_loop(momentum):
    online = make_module().double()
    copied = MomentumCopy(online)
    expected = {name: value.detach().numpy().copy() for name, value in online.named_parameters()}
    first = {name: value.detach().clone() for name, value in online.named_parameters()}
    for step in range(20):
        generator = torch.Generator().manual_seed(step)
        with torch.no_grad():
            for parameter in online.parameters():
                parameter += torch.randn(parameter.shape, generator=generator)
        online(torch.randn(5, 4, generator=generator).double())  # moves the running averages
        copied.update(online, momentum)
        for name, value in online.named_parameters():
            expected[name] = momentum * expected[name] + (1 - momentum) * value.detach().numpy()
    for name, value in copied.module.named_parameters():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-12, atol=1e-14)
        if momentum == 0:
            assert torch.equal(value, online.get_parameter(name))
        if momentum == 1:
            assert torch.equal(value, first[name])
    for name, buffer in online.named_buffers():
        assert torch.equal(copied.module.get_buffer(name), buffer), name
    assert copied.module[1].num_batches_tracked.item() == 20


def test_the_copy_takes_no_gradient_and_shares_nothing():
    online = make_module()
    copied = MomentumCopy(online)
    assert all(parameter.requires_grad for parameter in online.parameters())
    assert not any(parameter.requires_grad for parameter in copied.parameters())
    answers = copied(torch.randn(5, 4).requires_grad_(True))
    assert not answers.requires_grad
    own = {parameter.data_ptr() for parameter in online.parameters()}
    assert not own & {parameter.data_ptr() for parameter in copied.parameters()}


def test_a_copy_resumes_from_its_state():
    online = make_module()
    copied = MomentumCopy(online)
    copied.update(make_module(seed=1), 0.5)
    resumed = MomentumCopy(make_module(seed=2))
    resumed.load_state_dict(copied.state_dict())
    for one in (copied, resumed):
        one.update(make_module(seed=3), 0.9)
    for name, value in copied.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_a_copy_refuses_another_module_and_stays_as_it_is():
    copied = MomentumCopy(make_module())
    before = {name: value.clone() for name, value in copied.state_dict().items()}
    for other, named in (
        (nn.Sequential(make_module()), "0.0.bias, 0.0.weight"),
        (nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)), "0.weight at online; pass the module itself"),
    ):
        with pytest.raises(UsageError, match=f"the module that was copied, got other names or shapes for {named}"):
            copied.update(other, 0.5)
    assert all(torch.equal(value, before[name]) for name, value in copied.state_dict().items())


@pytest.mark.parametrize("momentum", [-0.1, 1.1, float("nan")])
def test_a_momentum_out_of_range(momentum):
    module = make_module()
    with pytest.raises(UsageError, match=f"a momentum from 0 to 1, got {momentum:g} at momentum"):
        MomentumCopy(module).update(module, momentum)


def number(*values):
    return torch.tensor([[float(value)] for value in values])


def test_the_queue_by_hand():
    queue = KeyQueue(n_keys=3, n_dimensions=1, n_labels=1)
    keys, labels = queue.read()
    assert (keys.shape, labels.shape) == ((0, 1), (0, 1))
    queue.push(number(1, 2), number(10, 20))
    assert [part.flatten().tolist() for part in queue.read()] == [[1, 2], [10, 20]]
    queue.push(number(3, 4), number(30, 40))  # 1 is the oldest and goes
    assert [part.flatten().tolist() for part in queue.read()] == [[4, 2, 3], [40, 20, 30]]
    queue.push(number(5), number(50))
    assert [part.flatten().tolist() for part in queue.read()] == [[4, 5, 3], [40, 50, 30]]
    queue.push(number(6, 7, 8), number(60, 70, 80))
    assert [part.flatten().tolist() for part in queue.read()] == [[7, 8, 6], [70, 80, 60]]


@given(st.integers(1, 7), st.lists(st.integers(0, 7), max_size=12))
def test_the_queue_holds_the_last_keys(n_keys, sizes):
    queue = KeyQueue(n_keys=n_keys, n_dimensions=2, n_labels=3)
    pushed = []
    for size in (min(size, n_keys) for size in sizes):
        new = list(range(len(pushed), len(pushed) + size))
        pushed += new
        values = torch.tensor(new, dtype=torch.float64).reshape(-1, 1)
        queue.push(values.expand(-1, 2), -values.expand(-1, 3))
        keys, labels = queue.read()
        assert sorted(keys[:, 0].tolist()) == pushed[-n_keys:]
        assert torch.equal(labels[:, 2], -keys[:, 1])
        assert keys.dtype == torch.float32
    assert int(queue.n_filled) == min(n_keys, len(pushed))


def test_the_queue_resumes_from_its_state():
    queue, resumed = (KeyQueue(n_keys=5, n_dimensions=1, n_labels=1) for _ in range(2))
    queue.push(number(1, 2, 3), number(1, 2, 3))
    queue.push(number(4, 5, 6), number(4, 5, 6))
    assert set(queue.state_dict()) == {"keys", "labels", "n_filled", "position"}
    resumed.load_state_dict({name: value.clone() for name, value in queue.state_dict().items()})
    for one in (queue, resumed):
        one.push(number(7, 8), number(7, 8))
    assert all(torch.equal(*parts) for parts in zip(queue.read(), resumed.read(), strict=True))


def test_what_was_read_stays_and_has_no_gradient():
    queue = KeyQueue(n_keys=2, n_dimensions=1, n_labels=1)
    queue.push(number(1, 2).requires_grad_(True), number(1, 2))
    keys, labels = queue.read()
    query = torch.ones(1, 1, requires_grad=True)
    value = (query @ keys.T).exp().sum()
    queue.push(number(8, 9), number(8, 9))
    value.backward()
    assert query.grad.item() == pytest.approx(np.exp(1) + 2 * np.exp(2))
    assert labels.flatten().tolist() == [1, 2]
    assert not keys.requires_grad
    assert list(queue.parameters()) == []


def test_what_the_queue_refuses_changes_nothing():
    queue = KeyQueue(n_keys=3, n_dimensions=2, n_labels=1)
    queue.push(torch.ones(2, 2), torch.ones(2, 1))
    before = {name: value.clone() for name, value in queue.state_dict().items()}
    for keys, labels, error, message in (
        (torch.ones(4, 2), torch.ones(4, 1), ShapeError, "at most 3 keys, as many as the queue holds, got 4 at keys"),
        (torch.ones(2, 3), torch.ones(2, 1), ShapeError, r"shape \(2, 2\), got shape \(2, 3\) at keys"),
        (torch.ones(2, 2), torch.ones(1, 1), ShapeError, r"shape \(2, 1\), got shape \(1, 1\) at labels"),
        (torch.ones(2), torch.ones(2, 1), ShapeError, r"shape \(2, 2\), got shape \(2,\) at keys"),
        (torch.full((1, 2), torch.nan), torch.ones(1, 1), DataError, "finite numbers, got NaN or infinity at keys"),
        (torch.ones(1, 2), torch.full((1, 1), torch.inf), DataError, "got NaN or infinity at labels"),
    ):
        with pytest.raises(error, match=message):
            queue.push(keys, labels)
    assert all(torch.equal(value, before[name]) for name, value in queue.state_dict().items())


@pytest.mark.parametrize("name", ["n_keys", "n_dimensions", "n_labels"])
def test_a_queue_without_room(name):
    with pytest.raises(UsageError, match=f"a whole number of 1 or more, got 0 at {name}"):
        KeyQueue(**{"n_keys": 2, "n_dimensions": 2, "n_labels": 2} | {name: 0})
