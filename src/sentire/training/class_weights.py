"""Weights on the positive part of a loss, so that rare labels are not drowned by the texts without them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import UnknownNameError, UsageError
from sentire.losses.targets import check_targets

Counts = NDArray[np.float64]

EFFECTIVE_NUMBER_BETA = 0.999
"""Share of a further text that is new (Cui et al. 2019 try .9 to .9999)."""


def _weigh_none(n_positive: Counts, n_negative: Counts) -> Counts:  # noqa: ARG001  one shape for all methods
    return np.ones_like(n_positive)


def _weigh_balanced(n_positive: Counts, n_negative: Counts) -> Counts:
    return _divide(n_negative, n_positive)


def _weigh_sqrt_balanced(n_positive: Counts, n_negative: Counts) -> Counts:
    return np.sqrt(_divide(n_negative, n_positive))


def _weigh_effective_number(n_positive: Counts, n_negative: Counts) -> Counts:
    # The common factor 1 / (1 - beta) cancels out. expm1 keeps the digits of small counts.
    log_beta = np.log(EFFECTIVE_NUMBER_BETA)
    return _divide(-np.expm1(n_negative * log_beta), -np.expm1(n_positive * log_beta))


def _divide(above: Counts, below: Counts) -> Counts:
    ratio: Counts = np.divide(above, below, out=np.full_like(above, np.inf), where=below > 0)
    return ratio


CLASS_WEIGHTS: Mapping[str, Callable[[Counts, Counts], Counts]] = MappingProxyType(
    {
        "none": _weigh_none,
        "balanced": _weigh_balanced,
        "sqrt-balanced": _weigh_sqrt_balanced,
        "effective-number": _weigh_effective_number,
    }
)
"""The methods by their names in configurations, before limits."""


def make_positive_weights(method: str, targets: ArrayLike, *, most: float = 50.0) -> NDArray[np.float32]:
    """Return the weight of each label's positive part in a loss.

    With n positives among N texts: ``none`` 1; ``balanced`` (N - n) / n, with which both parts weigh the same;
    ``sqrt-balanced`` the root of it; ``effective-number`` E(N - n) / E(n) with ``E(n) = (1 - beta ** n) / (1 - beta)``.

    Source: Cui et al. 2019, Class-balanced loss based on effective number of samples, proposition 1, for
    ``effective-number``; beta is ``EFFECTIVE_NUMBER_BETA``.
    Departures: a label's weight is relative to its own negatives, not to the other labels.

    Args:
        method: A key of ``CLASS_WEIGHTS``.
        targets: Shape (N, C), from 0 to 1; of soft targets n is the sum.
        most: At least 1: weights lie from 1 / most to most. A label without positives gets the highest.

    Returns:
        Shape (C,).

    Raises:
        UnknownNameError: No such method.
        UsageError: ``most`` is below 1.
        ShapeError: The targets do not have shape (N, C).
        DataError: A target is NaN or not from 0 to 1.

    Example:
        >>> make_positive_weights("balanced", [[1, 0], [0, 1], [0, 1], [0, 1], [0, 1]]).tolist()
        [4.0, 0.25]
    """
    if method not in CLASS_WEIGHTS:
        raise UnknownNameError.among("class weighting", method, CLASS_WEIGHTS)
    if not most >= 1:
        raise UsageError(expected="a highest weight of 1 or more", got=f"{most:g}", where="most")
    checked = check_targets(targets)
    n_positive = checked.sum(axis=0, dtype=np.float64)
    weights = CLASS_WEIGHTS[method](n_positive, len(checked) - n_positive)
    return np.clip(weights, 1 / most, most).astype(np.float32)
