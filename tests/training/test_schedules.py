from math import ceil, cos, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import UnknownNameError, UsageError
from sentire.training.schedules import SCHEDULES, make_schedule

every_schedule = pytest.mark.parametrize("name", SCHEDULES)


@pytest.mark.parametrize("n_steps", [1, 7, 40])
@pytest.mark.parametrize("warmup_fraction", [0.0, 0.1, 0.5, 1.0])
@every_schedule
def test_the_factors_are_those_of_transformers(name, warmup_fraction, n_steps):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    import torch

    n_warmup_steps = ceil(warmup_fraction * n_steps)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = {
        "linear": lambda: transformers.get_linear_schedule_with_warmup(optimiser, n_warmup_steps, n_steps),
        "cosine": lambda: transformers.get_cosine_schedule_with_warmup(optimiser, n_warmup_steps, n_steps),
        "constant": lambda: transformers.get_constant_schedule_with_warmup(optimiser, n_warmup_steps),
    }[name]()
    factor = make_schedule(name, n_steps=n_steps, warmup_fraction=warmup_fraction)
    for step in range(n_steps):
        assert factor(step) == pytest.approx(reference.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        reference.step()


def test_values_by_hand():
    linear = make_schedule("linear", n_steps=10, warmup_fraction=0.2)
    assert [linear(step) for step in (0, 1, 2, 6, 10)] == [0, 0.5, 1, 0.5, 0]
    cosine = make_schedule("cosine", n_steps=10, warmup_fraction=0.2)
    assert [cosine(step) for step in (0, 1, 2, 6, 10)] == [0, 0.5, 1, pytest.approx(0.5), 0]
    assert cosine(4) == pytest.approx((1 + cos(pi / 4)) / 2)
    constant = make_schedule("constant", n_steps=10, warmup_fraction=0.2)
    assert [constant(step) for step in (0, 1, 2, 10)] == [0, 0.5, 1, 1]


@every_schedule
@given(n_steps=st.integers(1, 500), warmup_fraction=st.floats(0, 1))
def test_it_rises_to_one_and_never_rises_again(name, n_steps, warmup_fraction):
    factor = make_schedule(name, n_steps=n_steps, warmup_fraction=warmup_fraction)
    factors = [factor(step) for step in range(n_steps + 3)]
    assert all(0 <= one <= 1 for one in factors)
    top = factors.index(max(factors))
    assert top <= ceil(warmup_fraction * n_steps)
    assert factors[top] == 1 or ceil(warmup_fraction * n_steps) == n_steps  # or it warms up to the very end
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert factors[n_steps:] == [1.0 if name == "constant" else 0.0] * 3


@pytest.mark.parametrize(
    ("n_steps", "fraction", "n_warmup_steps"), [(30, 0.1, 3), (70, 0.1, 7), (25, 0.1, 3), (9, 0, 0)]
)
def test_the_warmup_is_a_share_of_the_steps(n_steps, fraction, n_warmup_steps):
    # 0.1 * 30 and 0.1 * 70 are a little more than 3 and 7 in binary: no step must come of that.
    factor = make_schedule("constant", n_steps=n_steps, warmup_fraction=fraction)
    assert [factor(step) for step in range(n_steps)].count(1.0) == n_steps - n_warmup_steps


def test_a_schedule_that_is_not_there():
    with pytest.raises(UnknownNameError, match=r"learning-rate schedule \(constant, cosine, linear\), got 'cosin'"):
        make_schedule("cosin", n_steps=5, warmup_fraction=0.1)


@pytest.mark.parametrize(
    ("n_steps", "fraction", "message"),
    [
        (0, 0.1, "1 step or more, got 0 at n_steps"),
        (5, -0.1, "a share from 0 to 1, got -0.1 at warmup_fraction"),
        (5, 1.5, "a share from 0 to 1, got 1.5 at warmup_fraction"),
        (5, float("nan"), "a share from 0 to 1, got nan at warmup_fraction"),
    ],
)
def test_numbers_out_of_range(n_steps, fraction, message):
    with pytest.raises(UsageError, match=message):
        make_schedule("linear", n_steps=n_steps, warmup_fraction=fraction)
