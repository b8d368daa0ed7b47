"""Calibrated probabilities from logits. Fitting is elsewhere; here they are applied and written down.

Each calibrator is monotone in every label, so it never turns round the order of two texts under one label.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, UnknownNameError, quote

LOGISTIC_SHARE = np.float32(0.02)
"""How much of the plain logistic function is mixed into an isotonic curve."""

_LARGEST = float(np.finfo(np.float32).max)
_SMALLEST = float(np.finfo(np.float32).tiny)


class Calibrator(Protocol):
    """A map from logits to probabilities."""

    @property
    def method(self) -> str:
        """Registered name."""

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities in [0, 1], same shape (N, C)."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data from which ``parse_calibrator`` makes an equal calibrator."""


@dataclass(frozen=True, slots=True)
class Uncalibrated:
    """``p = sigmoid(z)``."""

    method = "none"

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logistic function of the logits."""
        return sigmoid(logits)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"method": self.method}


@dataclass(frozen=True, slots=True)
class TemperatureScaling:
    """``p = sigmoid(z / T)`` with one T > 0 for all labels.

    Source: Guo et al. 2017, On calibration of modern neural networks, section 4.2.
    Departures: sigmoid instead of softmax, since labels are not exclusive.
    """

    temperature: float
    method = "temperature"

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logistic function of the cooled logits."""
        return sigmoid(logits / np.float32(self.temperature))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"method": self.method, "temperature": self.temperature}


@dataclass(frozen=True, slots=True)
class PlattScaling:
    """``p = sigmoid(a_c z + b_c)`` for each label c.

    Source: Platt 1999, Probabilistic outputs for support vector machines.
    """

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    method = "platt"

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logistic function of the moved and stretched logits."""
        slopes, offsets = np.asarray(self.slopes, np.float32), np.asarray(self.offsets, np.float32)
        return sigmoid(logits * slopes + offsets)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"method": self.method, "slopes": list(self.slopes), "offsets": list(self.offsets)}


@dataclass(frozen=True, slots=True)
class IsotonicCalibration:
    """A non-decreasing, piecewise linear function of the logit for each label.

    Source: Zadrozny and Elkan 2002, Transforming classifier scores into accurate multiclass probability estimates.
    Departures: linear between the steps instead of steps, and mixed with a fiftieth of the plain logistic function,
        ``p = .98 curve(z) + .02 sigmoid(z)``. A plain isotonic curve is flat over long stretches, which makes texts
        equal that the model tells apart and leaves no room for a cut-off between them; the mixture is strictly
        increasing, so rankings and areas under curves stay those of the logits.

    Attributes:
        knots: For each label, ascending logits.
        values: For each label, the probability at each knot, non-decreasing.
    """

    knots: tuple[tuple[float, ...], ...]
    values: tuple[tuple[float, ...], ...]
    method = "isotonic"

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the interpolated probabilities."""
        proba = np.empty(logits.shape, dtype=np.float32)
        for column, (knots, values) in enumerate(zip(self.knots, self.values, strict=True)):
            proba[:, column] = np.interp(logits[:, column], knots, values)
        return (1 - LOGISTIC_SHARE) * proba + LOGISTIC_SHARE * sigmoid(logits)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "method": self.method,
            "knots": [list(knots) for knots in self.knots],
            "values": [list(values) for values in self.values],
        }


CALIBRATION_METHODS = ("none", "temperature", "platt", "isotonic")


def parse_calibrator(data: Mapping[str, Any], n_labels: int) -> Calibrator:
    """Make a calibrator from plain data, checking that it fits the labels and is monotone.

    Raises:
        ArtifactError: The data is incomplete, not finite, not monotone, or for another number of labels.
        UnknownNameError: No such method.
    """
    method = data.get("method")
    if method not in CALIBRATION_METHODS:
        raise UnknownNameError.among("calibration method", str(method), CALIBRATION_METHODS)
    try:
        if method == "temperature":
            (temperature,) = _floats([data["temperature"]])
            _check(temperature >= _SMALLEST, "a temperature above 0", temperature)
            return TemperatureScaling(temperature)
        if method == "platt":
            slopes, offsets = _floats(data["slopes"], n_labels), _floats(data["offsets"], n_labels)
            _check(min(slopes) >= 0, "slopes of at least 0", min(slopes))
            return PlattScaling(slopes, offsets)
        if method == "isotonic":
            _check(len(data["knots"]) == len(data["values"]) == n_labels, f"{n_labels} curves", len(data["knots"]))
            knots = tuple(_floats(curve) for curve in data["knots"])
            values = tuple(_floats(curve, len(knots[column])) for column, curve in enumerate(data["values"]))
            for curve in (*knots, *values):
                _check(len(curve) > 0 and list(curve) == sorted(curve), "ascending curves", curve)
            for curve in values:
                _check(curve[0] >= 0 and curve[-1] <= 1, "probabilities between 0 and 1", curve)
            return IsotonicCalibration(knots, values)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            expected=f"numbers of {method} calibration", got=repr(error), where="config.json"
        ) from error
    return Uncalibrated()


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logistic function, without overflow at either end."""
    shrunk = np.exp(-np.abs(logits))
    return (np.where(logits >= 0, 1.0, shrunk) / (1.0 + shrunk)).astype(np.float32)


def _floats(numbers: Any, n_expected: int | None = None) -> tuple[float, ...]:
    parsed = tuple(float(number) for number in numbers)
    _check(n_expected in (None, len(parsed)), f"{n_expected} numbers", len(parsed))
    _check(all(abs(number) <= _LARGEST for number in parsed), "finite numbers of float32", parsed)
    return parsed


def _check(is_right: bool | np.bool_, expected: str, got: object) -> None:
    if not is_right:
        raise ArtifactError(expected=expected, got=quote(got), where="the calibration in config.json")
