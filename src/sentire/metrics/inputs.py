"""What every measure makes sure of before it counts: shapes that fit, values that are numbers."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, ShapeError

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

SEVERAL_LABELS_HINT = "several labels a text: give an indicator of shape (N, C)"
"""For measures that take either one class a text or an indicator of labels."""

SMALLEST_NORM = 1e-30
"""A vector shorter than this has no direction that single precision could tell."""


def check_indicator(values: ArrayLike, *, name: str) -> BoolArray:
    """Return a truth for every example and label as a boolean array of shape (N, C).

    Args:
        values: Shape (N, C) with N and C at least 1; booleans, or numbers that are all 0 or 1.
        name: What the values are, for messages.

    Raises:
        ShapeError: Not two axes, rows of different lengths, or an axis is empty.
        DataError: A value is neither 0 nor 1.
    """
    array = _as_matrix(values, name)
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf" or not np.isin(array, (0, 1)).all():
        raise DataError(expected="only true and false, or 1 and 0", got=f"other values of {array.dtype}", where=name)
    return array.astype(np.bool_)


def check_decisions(targets: ArrayLike, decisions: ArrayLike) -> tuple[BoolArray, BoolArray]:
    """Return targets and decisions as boolean arrays of the same shape (N, C).

    Raises:
        ShapeError: The shapes differ, or are not (N, C).
        DataError: A value is neither 0 nor 1.
    """
    true, decided = check_indicator(targets, name="targets"), check_indicator(decisions, name="decisions")
    _check_same_shape(true, decided, "decisions")
    return true, decided


def check_scores(targets: ArrayLike, scores: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """Return targets and finite scores of the same shape (N, C).

    Raises:
        ShapeError: The shapes differ, or are not (N, C).
        DataError: A target is neither 0 nor 1, or a score is NaN or infinite.
    """
    true, finite = check_indicator(targets, name="targets"), check_finite(scores, name="scores")
    _check_same_shape(true, finite, "scores")
    return true, finite


def check_proba(targets: ArrayLike, proba: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """Return targets and probabilities of the same shape (N, C).

    Raises:
        ShapeError: The shapes differ, or are not (N, C).
        DataError: A target is neither 0 nor 1, or a probability is not a number from 0 to 1.
    """
    true, values = check_scores(targets, proba)
    wrong = (values < 0) | (values > 1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            expected="probabilities from 0 to 1",
            got=f"{values[row, column]:g}",
            where=f"row {row}, column {column}",
        )
    return true, values


def check_paired_scores(predicted: ArrayLike, targets: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return predicted and true continuous scores of the same shape (N, D).

    Raises:
        ShapeError: The shapes differ, or are not (N, D).
        DataError: A value is NaN or infinite.
    """
    guessed, true = check_finite(predicted, name="predicted"), check_finite(targets, name="targets")
    _check_same_shape(true, guessed, "predicted")
    return guessed, true


def check_finite(values: ArrayLike, *, name: str) -> FloatArray:
    """Return a float array of shape (N, C) without NaN and infinity.

    Raises:
        ShapeError: Not two axes, rows of different lengths, or an axis is empty.
        DataError: A value is NaN, infinite or no number.
    """
    array = _as_matrix(values, name)
    if array.dtype.kind not in "biuf":
        raise DataError(expected="numbers", got=f"values of {array.dtype}", where=name)
    floats = array.astype(np.float64)
    wrong = ~np.isfinite(floats)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            expected="finite numbers", got=f"{floats[row, column]:g}", where=f"{name}, row {row}, column {column}"
        )
    return floats


def check_embeddings(values: ArrayLike, *, name: str = "embeddings", n_at_least: int = 1) -> Float32Array:
    """Return one finite vector a text, shape (N, D), in single precision.

    Args:
        values: Shape (N, D).
        name: What the values are, for messages.
        n_at_least: How many texts the measure needs.

    Raises:
        ShapeError: Not two axes, rows of different lengths, an empty axis, or fewer texts than the measure needs.
        DataError: A value is NaN, infinite, beyond single precision, or no number.
    """
    array = _as_matrix(values, name)
    if len(array) < n_at_least:
        raise ShapeError(expected=f"the vectors of at least {n_at_least} texts", got=str(len(array)), where=name)
    if array.dtype.kind not in "biuf":
        raise DataError(expected="numbers", got=f"values of {array.dtype}", where=name)
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(array, dtype=np.float32)
    is_wrong = ~np.isfinite(vectors).all(axis=1)
    if is_wrong.any():
        row = int(is_wrong.argmax())
        column = int((~np.isfinite(vectors[row])).argmax())
        raise DataError(
            expected="finite numbers", got=f"{array[row, column]:g}", where=f"{name}, row {row}, column {column}"
        )
    return vectors


def check_unit_rows(values: ArrayLike, *, name: str = "embeddings", n_at_least: int = 1) -> Float32Array:
    """Return one vector of length 1 a text, shape (N, D), in single precision.

    Raises:
        ShapeError: Not two axes, rows of different lengths, an empty axis, or fewer texts than the measure needs.
        DataError: A value is not finite, or a vector is all zeros and has no direction.
    """
    vectors = check_embeddings(values, name=name, n_at_least=n_at_least)
    # By the largest number first: the square of a very long or short vector is no number of single precision.
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    if (largest < SMALLEST_NORM).any():
        raise DataError(
            expected="vectors with a direction, since they are compared by cosine",
            got=f"{int((largest < SMALLEST_NORM).sum())} of {len(vectors)} that are all zeros",
            where=f"{name}, row {int(largest.argmin())}",
            hint="a text without any token has such a vector; leave it out",
        )
    scaled: Float32Array = vectors / largest
    scaled /= np.sqrt(np.einsum("nd,nd->n", scaled, scaled, dtype=np.float64))[:, None].astype(np.float32)
    return scaled


def as_labels(labels: ArrayLike, *, name: str = "labels", hint: str = "") -> NDArray[np.generic]:
    """Return labels as an array; names that are objects, as in a column of a table, become an array of text.

    Args:
        labels: One label a text, or an indicator.
        name: What the values are, for messages.
        hint: What to do with several labels a text, for messages.

    Raises:
        ShapeError: A text has a list of labels.
    """
    several = ShapeError(expected="one label a text", got="several in lists", where=name, hint=hint)
    try:
        array = np.asarray(labels)
    except ValueError as error:  # lists of different lengths
        raise several from error
    if array.dtype != object:
        return array
    items = array.ravel().tolist()
    if any(isinstance(item, list | tuple | set | frozenset | np.ndarray) for item in items):
        raise several
    return array.astype(np.str_) if all(isinstance(item, str) for item in items) else array


def check_classes(labels: ArrayLike, *, n_texts: int, name: str = "labels") -> NDArray[np.int64]:
    """Return the class of each text as a number from 0 to K - 1, in the order of the sorted labels, shape (N,).

    Args:
        labels: Shape (N,): whole numbers, booleans or names; names may be objects, as in a column of a table.
        n_texts: N.
        name: What the values are, for messages.

    Raises:
        ShapeError: Not one label a text.
        DataError: The labels are neither whole numbers nor names.
    """
    array = as_labels(labels, name=name)
    if array.shape != (n_texts,):
        raise ShapeError(expected=f"one label a text, shape ({n_texts},)", got=f"shape {array.shape}", where=name)
    if array.dtype.kind not in "biuU":
        raise DataError(expected="labels as whole numbers or names", got=f"values of {array.dtype}", where=name)
    classes: NDArray[np.int64] = np.unique(array, return_inverse=True)[1].astype(np.int64)
    return classes


def _as_matrix(values: ArrayLike, name: str) -> NDArray[Any]:
    expected = "shape (N, C) with N and C at least 1"
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ShapeError(expected=expected, got="rows of different lengths", where=name) from error
    if array.ndim != 2 or 0 in array.shape:
        raise ShapeError(expected=expected, got=f"shape {array.shape}", where=name)
    return array


def _check_same_shape(true: NDArray[np.generic], other: NDArray[np.generic], name: str) -> None:
    if true.shape != other.shape:
        raise ShapeError(expected=f"shape {true.shape}, as the targets have", got=f"shape {other.shape}", where=name)
