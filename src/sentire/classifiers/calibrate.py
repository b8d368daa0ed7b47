"""Fit the map from a classifier's logits to probabilities, on data that the classifier has not seen."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sentire.classifiers.folds import CalibratedFold, make_folds
from sentire.core.errors import MissingExtraError, UnknownNameError
from sentire.metrics.calibration import log_loss, micro_ece
from sentire.runtime.calibration import (
    CALIBRATION_METHODS,
    Calibrator,
    IsotonicCalibration,
    PlattScaling,
    TemperatureScaling,
    Uncalibrated,
)

try:
    from scipy.optimize import minimize_scalar
    from scipy.special import expit, logit
    from sklearn.isotonic import IsotonicRegression
except ImportError as error:
    raise MissingExtraError(extra="classical", needed_for="fitting a calibration") from error

Logits = NDArray[np.float32]
Targets = NDArray[np.bool_]

_TEMPERATURE_BOUNDS = (0.05, 20.0)
_NEWTON_STEPS = 100
_SMALLEST_STEP = 1e-10
_SMALLEST_GRADIENT = 1e-12


def fit_uncalibrated(logits: Logits, targets: Targets) -> Uncalibrated:  # noqa: ARG001  one shape for all methods
    """Leave the logits as they are."""
    return Uncalibrated()


def fit_temperature(logits: Logits, targets: Targets) -> TemperatureScaling:
    """Find the one temperature that minimises the log loss over all labels.

    Args:
        logits: Shape (N, C).
        targets: Shape (N, C).
    """
    wide = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return _mean_log_loss(wide / np.exp(log_temperature), targets)

    found = minimize_scalar(loss, bounds=tuple(np.log(_TEMPERATURE_BOUNDS)), method="bounded")
    return TemperatureScaling(float(np.exp(found.x)))


def fit_platt(logits: Logits, targets: Targets) -> PlattScaling:
    """Find slope and offset for each label by maximum likelihood with Platt's smoothed targets.

    The targets are ``(n1 + 1) / (n1 + 2)`` and ``1 / (n0 + 2)`` for n1 texts with the label and n0 without, which
    keeps the probabilities of rare labels away from 0 and 1.

    Source: Platt 1999, section 2.2; minimised as in Lin, Lin and Weng 2007, A note on Platt's probabilistic outputs.
    Departures: slopes are kept at 0 or above, so that the order of texts is never turned round.
    """
    fitted = [_fit_platt_column(logits[:, c].astype(np.float64), targets[:, c]) for c in range(logits.shape[1])]
    return PlattScaling(tuple(slope for slope, _ in fitted), tuple(offset for _, offset in fitted))


def fit_isotonic(logits: Logits, targets: Targets) -> IsotonicCalibration:
    """Find the non-decreasing curve of each label by the pool-adjacent-violators algorithm (scikit-learn's).

    Departures: one text with and one without the label are added, at the highest and the lowest logit, so that no
    probability is exactly 0 or 1 because a label is rare.
    """
    knots, values = [], []
    for column in range(logits.shape[1]):
        scores = logits[:, column].astype(np.float64)
        ends = np.array([scores.min(), scores.max()])
        curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        curve.fit(
            np.concatenate((scores, ends, ends)),
            np.concatenate((targets[:, column].astype(np.float64), [0.0, 0.0, 1.0, 1.0])),
            np.concatenate((np.ones(len(scores)), [0.5] * 4)),
        )
        knots.append(tuple(curve.X_thresholds_.tolist()))
        values.append(tuple(np.clip(curve.y_thresholds_, 0.0, 1.0).tolist()))
    return IsotonicCalibration(tuple(knots), tuple(values))


_FITTERS: Mapping[str, Callable[[Logits, Targets], Calibrator]] = MappingProxyType(
    {"none": fit_uncalibrated, "temperature": fit_temperature, "platt": fit_platt, "isotonic": fit_isotonic}
)


def fit_calibrator(method: str, logits: Logits, targets: Targets) -> Calibrator:
    """Fit a calibrator by its registered name.

    Raises:
        UnknownNameError: No such method.
    """
    if method not in _FITTERS:
        raise UnknownNameError.among("calibration method", method, _FITTERS)
    return _FITTERS[method](logits, targets)


def make_calibrated_folds(
    method: str, logits: Logits, targets: Targets, *, n_folds: int, seed: int
) -> list[CalibratedFold]:
    """Fit a calibrator for each fold, so that whatever is chosen next can be judged on texts nobody has seen."""
    folds = []
    for fitted_on, judged in make_folds(len(logits), n_folds, seed):
        calibrator = fit_calibrator(method, logits[fitted_on], targets[fitted_on])
        proba = calibrator.apply(logits).astype(np.float64)
        folds.append(CalibratedFold(fitted_on=fitted_on, judged=judged, proba=proba))
    return folds


def compare_calibrations(logits: Logits, targets: Targets, *, n_folds: int, seed: int) -> dict[str, dict[str, float]]:
    """Measure every method on the texts it was not fitted on.

    Returns:
        For each method, ``micro_ece`` and ``log_loss``; ``none`` is the error before calibration.
    """
    measured = {}
    for method in CALIBRATION_METHODS:
        proba = np.zeros(logits.shape)
        for fold in make_calibrated_folds(method, logits, targets, n_folds=n_folds, seed=seed):
            proba[fold.judged] = fold.proba[fold.judged]
        measured[method] = {"micro_ece": micro_ece(targets, proba), "log_loss": log_loss(targets, proba)}
    return measured


def _fit_platt_column(scores: NDArray[np.float64], targets: Targets) -> tuple[float, float]:
    # Newton's method with backtracking (Lin, Lin and Weng 2007, algorithm 1), on standardised scores. The loss is
    # convex: where its minimum lies below slope 0, the best that is allowed lies at slope 0.
    n_positive = int(targets.sum())
    n_negative = len(targets) - n_positive
    smoothed = np.where(targets, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    middle, spread = scores.mean(), scores.std() or 1.0
    standard = (scores - middle) / spread
    slope, offset = 0.0, float(logit(smoothed.mean()))
    loss = _soft_log_loss(offset, smoothed)
    for _ in range(_NEWTON_STEPS):
        proba = expit(slope * standard + offset)
        residual, curvature = proba - smoothed, proba * (1 - proba)
        gradient = np.array([(residual * standard).mean(), residual.mean()])
        if np.abs(gradient).max() < _SMALLEST_GRADIENT:
            break
        across = (curvature * standard).mean()
        hessian = [[(curvature * standard * standard).mean(), across], [across, curvature.mean()]]
        step = _solve_2x2(hessian, gradient)
        size = 1.0
        while (tried := _soft_log_loss((slope - size * step[0]) * standard + offset - size * step[1], smoothed)) > loss:
            size /= 2
            if size < _SMALLEST_STEP:
                break
        if size < _SMALLEST_STEP:
            break
        slope, offset, loss = slope - size * step[0], offset - size * step[1], tried
    if slope <= 0:
        return 0.0, float(logit(smoothed.mean()))
    return float(slope / spread), float(offset - slope * middle / spread)


def _solve_2x2(matrix: Sequence[Sequence[float]], right: NDArray[np.float64]) -> tuple[float, float]:
    (a, b), (c, d) = matrix
    determinant = max(a * d - b * c, np.finfo(np.float64).tiny)
    return (d * right[0] - b * right[1]) / determinant, (a * right[1] - c * right[0]) / determinant


def _soft_log_loss(logits: NDArray[np.float64] | float, smoothed: NDArray[np.float64]) -> float:
    return float((np.logaddexp(0.0, logits) - smoothed * logits).mean())


def _mean_log_loss(logits: NDArray[np.float64], targets: Targets) -> float:
    return float((np.logaddexp(0.0, logits) - logits * targets).mean())
