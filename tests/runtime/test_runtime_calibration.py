from math import exp

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentire.core.errors import ArtifactError, UnknownNameError
from sentire.metrics.ranking import roc_auc_per_label
from sentire.runtime.calibration import (
    CALIBRATION_METHODS,
    IsotonicCalibration,
    PlattScaling,
    TemperatureScaling,
    Uncalibrated,
    parse_calibrator,
    sigmoid,
)

CALIBRATORS = [
    Uncalibrated(),
    TemperatureScaling(1.7),
    PlattScaling((0.5, 2.25, 0.0), (-1.0, 0.1, 3.0)),
    IsotonicCalibration(((-2.0, 0.1, 3.3), (0.0,), (-1.0, 1.0)), ((0.01, 0.3, 0.3), (0.7,), (0.0, 1.0))),
]
LOGITS = np.array(
    [[-30.0, -1.5, 0.0], [0.0, 0.5, 2.0], [2.5, 30.0, -0.25], [-88.0, 88.0, 1e-3], [-1e4, 1e4, 5.0]], dtype=np.float32
)


def logistic(z):
    return 1 / (1 + exp(-z)) if z >= 0 else exp(z) / (1 + exp(z))


def interpolate(z, knots, values):
    if z <= knots[0]:
        return values[0]
    for low, high, at_low, at_high in zip(knots, knots[1:], values, values[1:], strict=False):
        if z <= high:
            return at_low + (at_high - at_low) * (z - low) / (high - low)
    return values[-1]


def follow_formula(calibrator, z, column):
    match calibrator:
        case TemperatureScaling():
            return logistic(z / calibrator.temperature)
        case PlattScaling():
            return logistic(calibrator.slopes[column] * z + calibrator.offsets[column])
        case IsotonicCalibration():
            return 0.98 * interpolate(z, calibrator.knots[column], calibrator.values[column]) + 0.02 * logistic(z)
    return logistic(z)


def test_every_method_is_tried_here():
    assert [one.method for one in CALIBRATORS] == list(CALIBRATION_METHODS)


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda one: one.method)
def test_probabilities_equal_the_formula(calibrator):
    proba = calibrator.apply(LOGITS)
    expected = [[follow_formula(calibrator, float(z), column) for column, z in enumerate(row)] for row in LOGITS]
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba, expected, rtol=0, atol=3e-7)


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda one: one.method)
def test_probabilities_rise_with_the_logit_and_stay_within_0_and_1(calibrator):
    logits = np.repeat(np.linspace(-40, 40, 20_001, dtype=np.float32)[:, None], 3, axis=1)
    proba = calibrator.apply(logits)
    assert proba.min() >= 0
    assert proba.max() <= 1
    assert np.diff(proba.astype(np.float64), axis=0).min() >= -1.2e-7  # one step of float32 below 1
    assert calibrator.apply(np.zeros((0, 3), np.float32)).shape == (0, 3)


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda one: one.method)
def test_written_down_and_read_again_it_is_the_same_bit_by_bit(calibrator):
    again = parse_calibrator(orjson.loads(orjson.dumps(calibrator.as_dict())), 3)
    assert again == calibrator
    assert again.as_dict() == calibrator.as_dict()
    assert np.array_equal(again.apply(LOGITS), calibrator.apply(LOGITS))


@settings(deadline=None)
@given(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=6), st.data())
def test_any_isotonic_curve_survives_being_written(numbers, data):
    knots = tuple(sorted(numbers))
    values = tuple(sorted(data.draw(st.lists(st.floats(0, 1), min_size=len(knots), max_size=len(knots)))))
    calibrator = IsotonicCalibration((knots,), (values,))
    assert parse_calibrator(orjson.loads(orjson.dumps(calibrator.as_dict())), 1) == calibrator


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_isotonic_is_strictly_increasing_so_that_ranks_stay(seed, n_knots):
    rng = np.random.default_rng(seed)
    # Steps of a hundredth within ±4, where float32 tells the neighbours apart.
    logits = (rng.permutation(801)[:300] / 100 - 4).astype(np.float32)[:, None]
    knots = tuple(np.sort(rng.normal(size=n_knots)).tolist())
    values = tuple(np.sort(rng.choice([0.0, 0.2, 0.2001, 0.9, 1.0], size=n_knots)).tolist())
    proba = IsotonicCalibration((knots,), (values,)).apply(logits)
    assert np.array_equal(np.argsort(proba[:, 0], kind="stable"), np.argsort(logits[:, 0], kind="stable"))
    assert len(np.unique(proba)) == len(logits)
    targets = rng.random((300, 1)) < 0.3
    assert roc_auc_per_label(targets, proba)[0] == pytest.approx(
        roc_auc_per_label(targets, sigmoid(logits))[0], abs=1e-12
    )


def test_the_logistic_function_does_not_overflow():
    extreme = np.array([[-np.inf, -1e38, -104, 0, 104, 1e38, np.inf]], dtype=np.float32)
    np.testing.assert_allclose(sigmoid(extreme), [[0, 0, 0, 0.5, 1, 1, 1]], atol=1e-44)
    assert sigmoid(np.array([[-80.0]], dtype=np.float32))[0, 0] == pytest.approx(exp(-80), rel=1e-5)


GOOD_CURVES = {"method": "isotonic", "knots": [[0, 1], [0]], "values": [[0.1, 0.2], [0.5]]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"method": "temperature", "temperature": 0}, "expected a temperature above 0, got 0.0 at the calibration in"),
        ({"method": "temperature", "temperature": -1.5}, "a temperature above 0, got -1.5"),
        ({"method": "temperature", "temperature": 1e-60}, "a temperature above 0, got 1e-60"),
        ({"method": "temperature", "temperature": float("nan")}, r"finite numbers of float32, got \(nan,\)"),
        ({"method": "temperature"}, "expected numbers of temperature calibration, got KeyError.'temperature'"),
        ({"method": "temperature", "temperature": None}, "numbers of temperature calibration, got TypeError"),
        ({"method": "temperature", "temperature": "warm"}, "numbers of temperature calibration, got ValueError"),
        ({"method": "platt", "slopes": [1, 2, 3], "offsets": [0, 0]}, "expected 2 numbers, got 3"),
        ({"method": "platt", "slopes": [1, 2], "offsets": [0]}, "expected 2 numbers, got 1"),
        ({"method": "platt", "slopes": [1, -0.5], "offsets": [0, 0]}, "slopes of at least 0, got -0.5"),
        ({"method": "platt", "slopes": [1, float("inf")], "offsets": [0, 0]}, r"finite numbers.*\(1.0, inf\)"),
        ({"method": "platt", "slopes": [1, 1e39], "offsets": [0, 0]}, r"finite numbers.*\(1.0, 1e\+39\)"),
        ({"method": "platt", "slopes": 1, "offsets": [0, 0]}, "numbers of platt calibration, got TypeError"),
        ({**GOOD_CURVES, "knots": [[0, 1]]}, "expected 2 curves, got 1"),
        ({**GOOD_CURVES, "values": [[0.1, 0.2]]}, "expected 2 curves"),
        ({**GOOD_CURVES, "values": [[0.1], [0.5]]}, "expected 2 numbers, got 1"),
        ({**GOOD_CURVES, "knots": [[1, 0], [0]]}, r"ascending curves, got \(1.0, 0.0\)"),
        ({**GOOD_CURVES, "values": [[0.2, 0.1], [0.5]]}, r"ascending curves, got \(0.2, 0.1\)"),
        ({**GOOD_CURVES, "values": [[-0.1, 0.2], [0.5]]}, r"probabilities between 0 and 1, got \(-0.1, 0.2\)"),
        ({**GOOD_CURVES, "values": [[0.1, 0.2], [1.5]]}, r"probabilities between 0 and 1, got \(1.5,\)"),
        ({**GOOD_CURVES, "values": [[0.1, float("nan")], [0.5]]}, "finite numbers"),
        ({**GOOD_CURVES, "knots": [[0, 1], []], "values": [[0.1, 0.2], []]}, r"ascending curves, got \(\)"),
    ],
)
def test_damaged_data_is_refused(data, message):
    with pytest.raises(ArtifactError, match=message):
        parse_calibrator(data, 2)


@pytest.mark.parametrize("method", ["isotonics", None, 3])
def test_an_unknown_method_is_refused(method):
    with pytest.raises(UnknownNameError, match=r"a calibration method \(isotonic, none, platt, temperature\)"):
        parse_calibrator({"method": method}, 2)
