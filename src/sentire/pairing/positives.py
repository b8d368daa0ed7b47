"""Who is positive for whom: a truth for every pair of a batch, shape (B, B), symmetric, with a False diagonal.

An example that is like no other has a row without a truth; the losses leave such an anchor out.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, LabelError, ShapeError, UsageError
from sentire.pairing.labels import check_labels

BoolArray = NDArray[np.bool_]


def same_label(labels: ArrayLike) -> BoolArray:
    """Pair the examples of one class.

    Args:
        labels: Shape (B,), whole numbers of 0 or more.

    Raises:
        ShapeError: Not one axis, or no example.
        DataError: Not whole numbers.
        LabelError: A label is below 0.

    Example:
        >>> same_label([4, 1, 4]).astype(int).tolist()
        [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    """
    classes = check_labels(labels)
    return _without_diagonal(classes[:, None] == classes[None, :])


def share_any(targets: ArrayLike) -> BoolArray:
    """Pair the examples that have a label in common.

    Args:
        targets: Shape (B, C), truths.

    Raises:
        ShapeError: Not two axes, or one of them is empty.
        DataError: A target is neither true nor false.
    """
    return _without_diagonal(_count_shared(_check_truths(targets)) > 0)


def jaccard_at_least(targets: ArrayLike, threshold: float) -> BoolArray:
    """Pair the examples whose label sets overlap enough: ``|a ∩ b| / |a ∪ b| >= threshold``.

    Source: Jaccard 1912, The distribution of the flora in the alpine zone.
    Departures: two empty sets, 0/0, are no pair.

    Args:
        targets: Shape (B, C), truths.
        threshold: Above 0, at most 1, which asks for the same labels.

    Raises:
        ShapeError: Not two axes, or one of them is empty.
        DataError: A target is neither true nor false.
        UsageError: The threshold is out of its range.
    """
    if not 0 < threshold <= 1:
        raise UsageError(expected="a threshold above 0 and at most 1", got=f"{threshold:g}", where="threshold")
    truths = _check_truths(targets)
    shared = _count_shared(truths)
    n_labels = truths.sum(axis=1)
    joined = n_labels[:, None] + n_labels[None, :] - shared
    # A quotient, not threshold · joined: 3 of 5 is then exactly the .6 that was asked for.
    overlap = np.divide(shared, joined, out=np.zeros(joined.shape), where=joined > 0)
    return _without_diagonal(overlap >= threshold)


def same_group(targets: ArrayLike, groups: ArrayLike) -> BoolArray:
    """Pair the examples that have labels of one group, such as one of Ekman's six emotions.

    Args:
        targets: Shape (B, C), truths; an example with labels of several groups belongs to each of them.
        groups: The group of each label, shape (C,), from 0; -1 for a label outside of every group, which makes no
            pair, not even with itself.

    Raises:
        ShapeError: The shapes do not fit together.
        DataError: A target is neither true nor false, or a group is no whole number.
        LabelError: A group is below -1.
    """
    truths = _check_truths(targets)
    numbers = np.asarray(groups)
    if numbers.shape != (truths.shape[1],):
        raise ShapeError(
            expected=f"shape ({truths.shape[1]},), one group a label", got=f"shape {numbers.shape}", where="groups"
        )
    if numbers.dtype.kind not in "iu":
        raise DataError(expected="whole numbers, one group a label", got=f"values of {numbers.dtype}", where="groups")
    if (numbers < -1).any():
        label = int(np.argmax(numbers < -1))
        raise LabelError(
            expected="groups from 0, or -1 for none", got=str(numbers[label]), where=f"groups, label {label}"
        )
    members = numbers[:, None] == np.unique(numbers[numbers >= 0])[None, :]
    if members.shape[1] == 0:
        return np.zeros((len(truths), len(truths)), dtype=np.bool_)
    return share_any((truths.astype(np.float32) @ members.astype(np.float32)) > 0)


def near_affect(affect: ArrayLike, radius: float) -> BoolArray:
    """Pair the examples that lie no further apart than ``radius``.

    Args:
        affect: Valence and arousal, or any other coordinates, shape (B, A).
        radius: Above 0, on the scale of the coordinates; a distance of just the radius is a pair.

    Raises:
        ShapeError: Not two axes, or one of them is empty.
        DataError: A coordinate is NaN, infinite or no number.
        UsageError: The radius is no number above 0.
    """
    if not (math.isfinite(radius) and radius > 0):
        raise UsageError(expected="a radius above 0", got=f"{radius:g}", where="radius")
    points = np.asarray(affect)
    _check_matrix(points, "affect", "(B, A)")
    if points.dtype.kind not in "iuf":
        raise DataError(expected="finite numbers", got=f"values of {points.dtype}", where="affect")
    points = points.astype(np.float64)
    if not np.isfinite(points).all():
        row, column = np.argwhere(~np.isfinite(points))[0]
        raise DataError(
            expected="finite numbers", got=f"{points[row, column]:g}", where=f"affect, row {row}, column {column}"
        )
    gaps = points[:, None, :] - points[None, :, :]
    return _without_diagonal(np.linalg.norm(gaps, axis=2) <= radius)


def _count_shared(truths: BoolArray) -> NDArray[np.float32]:
    # Whole numbers up to 2 ** 24 are exact in float32, whose products are fast.
    numbers = truths.astype(np.float32)
    shared: NDArray[np.float32] = numbers @ numbers.T
    return shared


def _without_diagonal(pairs: BoolArray) -> BoolArray:
    np.fill_diagonal(pairs, False)
    return pairs


def _check_truths(targets: ArrayLike) -> BoolArray:
    array = np.asarray(targets)
    _check_matrix(array, "targets", "(B, C)")
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf" or not np.isin(array, (0, 1)).all():
        raise DataError(
            expected="only true and false, or 1 and 0", got=f"other values of {array.dtype}", where="targets"
        )
    return array.astype(np.bool_)


def _check_matrix(array: NDArray[np.generic], name: str, axes: str) -> None:
    if array.ndim != 2 or 0 in array.shape:
        raise ShapeError(expected=f"shape {axes}, none of them 0", got=f"shape {array.shape}", where=name)
