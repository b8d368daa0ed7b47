import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as their_log_loss

from sentire.core.errors import UsageError
from sentire.metrics import calibration
from sentire.metrics.calibration import CalibrationStatistic, make_reliability_table


def loop_ece(targets, proba, weights, n_bins=15):
    """Guo et al. 2017, equation 3, decision by decision."""
    total = weights.sum()
    error = 0.0
    for m in range(1, n_bins + 1):
        lower, upper = (m - 1) / n_bins, m / n_bins
        inside = [i for i in range(len(proba)) if lower < proba[i] <= upper or (m == 1 and proba[i] == 0)]
        weight = sum(weights[i] for i in inside)
        if weight:
            accuracy = sum(weights[i] * targets[i] for i in inside) / weight
            confidence = sum(weights[i] * proba[i] for i in inside) / weight
            error += weight / total * abs(accuracy - confidence)
    return error


@st.composite
def answered(draw):
    shape = (draw(st.integers(1, 25)), draw(st.integers(1, 3)))
    # Multiples of 1/30 hit every edge of 15 bins.
    edges = hnp.arrays(np.int64, shape, elements=st.integers(0, 30)).map(lambda array: array / 30)
    anywhere = hnp.arrays(np.float64, shape, elements=st.floats(0, 1))
    return draw(hnp.arrays(bool, shape)), draw(st.one_of(edges, anywhere))


def test_worked_example():
    # One bin holds .62 and .66: mean .64 against 1/2; the other .05 against 0.
    targets = np.array([[1], [0], [0], [0]], dtype=bool)
    proba = np.array([[0.62], [0.66], [0.05], [0.05]])
    assert calibration.ece_per_label(targets, proba)[0] == pytest.approx(0.5 * 0.14 + 0.5 * 0.05)
    assert calibration.micro_brier(targets, proba) == pytest.approx((0.38**2 + 0.66**2 + 2 * 0.05**2) / 4)
    expected = -(math.log(0.62) + math.log(0.34) + 2 * math.log(0.95)) / 4
    assert calibration.log_loss(targets, proba) == pytest.approx(expected)


def test_pooling_lets_labels_cancel_out_and_the_macro_average_does_not():
    targets = np.array([[1, 0], [1, 0]], dtype=bool)
    proba = np.full((2, 2), 0.5)
    assert calibration.micro_ece(targets, proba) == pytest.approx(0.0)
    assert calibration.macro_ece(targets, proba) == pytest.approx(0.5)


def test_edges_belong_to_the_bin_below_and_zero_to_the_first():
    table = make_reliability_table([[0], [1], [1], [1]], [[0.0], [0.2], [0.21], [1.0]], n_bins=5)
    assert table.n.tolist() == [2, 1, 0, 0, 1]
    np.testing.assert_allclose(table.mean_proba, [0.1, 0.21, np.nan, np.nan, 1.0])
    np.testing.assert_allclose(table.observed_fraction, [0.5, 1.0, np.nan, np.nan, 1.0])
    np.testing.assert_allclose(table.edges, [0, 0.2, 0.4, 0.6, 0.8, 1.0])


@settings(max_examples=100, deadline=None)
@given(answered(), st.integers(0, 2**32 - 1))
def test_equals_the_loop_over_decisions(case, seed):
    targets, proba = case
    weights = np.random.default_rng(seed).integers(0, 3, size=(len(targets), 3)).astype(float)
    weights[0] += 1
    found = CalibrationStatistic(targets, proba)(weights)
    n_labels = targets.shape[1]
    for column in range(3):
        one = weights[:, column]
        by_label = [loop_ece(targets[:, label], proba[:, label], one) for label in range(n_labels)]
        np.testing.assert_allclose(found["ece"][column], by_label, atol=1e-12)
        assert found["macro_ece"][column] == pytest.approx(np.mean(by_label))
        pooled = loop_ece(targets.ravel(), proba.ravel(), np.repeat(one, n_labels))
        assert found["micro_ece"][column] == pytest.approx(pooled, abs=1e-12)
        rows = np.repeat(np.arange(len(targets)), one.astype(int))
        assert found["micro_brier"][column] == pytest.approx(calibration.micro_brier(targets[rows], proba[rows]))
        assert found["log_loss"][column] == pytest.approx(calibration.log_loss(targets[rows], proba[rows]))


def test_equals_scikit_learn():
    generator = np.random.default_rng(3)
    proba = generator.random((400, 3))
    targets = generator.random((400, 3)) < proba**2
    flat = targets.ravel().astype(int), proba.ravel()
    assert calibration.micro_brier(targets, proba) == pytest.approx(brier_score_loss(*flat))
    assert calibration.log_loss(targets, proba) == pytest.approx(their_log_loss(*flat))
    observed, said = calibration_curve(*flat, n_bins=15, strategy="uniform")
    table = make_reliability_table(targets, proba)
    np.testing.assert_allclose(table.observed_fraction, observed)
    np.testing.assert_allclose(table.mean_proba, said)
    expected = (table.n / table.n.sum() * np.abs(observed - said)).sum()
    assert calibration.micro_ece(targets, proba) == pytest.approx(expected)


def test_certain_and_wrong_is_expensive_but_finite():
    assert calibration.log_loss([[1]], [[0.0]]) == pytest.approx(-math.log(1e-7))
    assert calibration.log_loss([[1]], [[1.0]]) == pytest.approx(0.0, abs=1e-6)
    assert calibration.log_loss(np.array([[1]]), np.array([[1.0]], dtype=np.float32)) < 1e-6


def test_a_bin_is_needed():
    with pytest.raises(UsageError, match="at least 1 bin, got 0"):
        calibration.micro_ece([[1]], [[0.5]], n_bins=0)
