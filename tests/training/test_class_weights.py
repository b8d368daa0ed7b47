import numpy as np
import pytest

from sentire.core.errors import DataError, ShapeError, UnknownNameError, UsageError
from sentire.training.class_weights import CLASS_WEIGHTS, EFFECTIVE_NUMBER_BETA, make_positive_weights


def make_targets(n, counts):
    targets = np.zeros((n, len(counts)), bool)
    for column, count in enumerate(counts):
        targets[:count, column] = True
    return targets


COUNTS = [1000, 500, 200, 20]
TARGETS = make_targets(1000, COUNTS)


def sum_geometric(n):
    """The expected volume of n samples (Cui et al. 2019, eq. 1): each further sample adds beta times the last."""
    volume = 0.0
    for _ in range(n):
        volume = 1 + EFFECTIVE_NUMBER_BETA * volume
    return volume


def test_weights_by_hand():
    assert make_positive_weights("none", TARGETS).tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(make_positive_weights("balanced", TARGETS, most=100), [0.01, 1, 4, 49], rtol=1e-6)
    np.testing.assert_allclose(make_positive_weights("sqrt-balanced", TARGETS, most=100), [0.01, 1, 2, 7], rtol=1e-6)
    effective = [sum_geometric(1000 - count) / sum_geometric(count) for count in COUNTS]
    np.testing.assert_allclose(
        make_positive_weights("effective-number", TARGETS, most=100), [0.01, *effective[1:]], rtol=1e-6
    )


def test_balanced_weights_make_both_parts_weigh_the_same():
    rng = np.random.default_rng(0)
    targets = rng.random((400, 6)) < rng.uniform(0.05, 0.6, size=6)
    weights = make_positive_weights("balanced", targets, most=1e6)
    np.testing.assert_allclose((targets * weights).sum(axis=0), (~targets).sum(axis=0), rtol=1e-5)


def test_the_effective_number_lies_between_none_and_balanced():
    balanced = make_positive_weights("balanced", TARGETS)
    effective = make_positive_weights("effective-number", TARGETS)
    assert (effective[2:] > 1).all()
    assert (effective[2:] < balanced[2:]).all()


@pytest.mark.parametrize("method", CLASS_WEIGHTS)
def test_weights_lie_between_the_limits_and_are_finite(method):
    targets = make_targets(100, [0, 1, 50, 100])
    weights = make_positive_weights(method, targets, most=5)
    assert weights.dtype == np.float32
    assert weights.shape == (4,)
    assert np.isfinite(weights).all()
    assert (weights >= 1 / 5).all()
    assert (weights <= 5).all()
    if method != "none":
        assert weights.tolist() == [5, 5, pytest.approx(1), pytest.approx(1 / 5)]


@pytest.mark.parametrize("method", CLASS_WEIGHTS)
def test_a_soft_target_counts_its_share(method):
    soft = np.full((60, 2), [0.25, 0.5])
    hard = make_targets(60, [15, 30])
    np.testing.assert_allclose(make_positive_weights(method, soft), make_positive_weights(method, hard), rtol=1e-6)


def test_a_method_that_is_not_there():
    with pytest.raises(UnknownNameError, match=r"class weighting \(balanced, effective-number, none, sqrt-balanced\)"):
        make_positive_weights("balance", TARGETS)


def test_limits_and_targets_out_of_range():
    with pytest.raises(UsageError, match=r"a highest weight of 1 or more, got 0\.5 at most"):
        make_positive_weights("balanced", TARGETS, most=0.5)
    with pytest.raises(DataError, match="targets from 0 to 1, got nan at targets, row 0, column 1"):
        make_positive_weights("balanced", [[0.5, float("nan")]])
    with pytest.raises(ShapeError, match=r"got shape \(3,\) at targets"):
        make_positive_weights("balanced", [0, 1, 1])
