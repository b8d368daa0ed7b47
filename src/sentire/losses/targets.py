"""What the losses ask of their targets: values once, before training; shapes at every step."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, ShapeError


def check_targets(targets: ArrayLike, *, where: str = "targets") -> NDArray[np.float32]:
    """Return hard or soft targets as numbers from 0 to 1; call it once, before training.

    Args:
        targets: Shape (N, C); truths, or numbers from 0 to 1.
        where: What the targets are, for messages.

    Raises:
        ShapeError: Not two axes, or one of them is empty.
        DataError: A target is NaN, below 0, above 1 or no number.
    """
    array = np.asarray(targets)
    if array.ndim != 2 or 0 in array.shape:
        raise ShapeError(expected="shape (N, C) with N and C at least 1", got=f"shape {array.shape}", where=where)
    if array.dtype.kind not in "biuf":
        raise DataError(expected="targets from 0 to 1", got=f"values of {array.dtype}", where=where)
    wrong = ~((array >= 0) & (array <= 1))  # in this form NaN is wrong, too
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            expected="targets from 0 to 1",
            got=f"{array[row, column]:g}",
            where=f"{where}, row {row}, column {column}",
            hint="a soft label is the share of raters, or the probability, and never above 1",
        )
    return array.astype(np.float32)


def check_shapes(logits: Sequence[int], targets: Sequence[int], positive_weights: Sequence[int] | None = None) -> None:
    """Make sure that the shapes of one step fit together, since broadcasting would hide it where they do not.

    Args:
        logits: Must be (B, C).
        targets: Must be (B, C).
        positive_weights: Must be (C,), where there are any.

    Raises:
        ShapeError: They differ.
    """
    if len(logits) != 2:
        raise ShapeError(expected="logits of shape (B, C)", got=f"shape {tuple(logits)}")
    if tuple(targets) != tuple(logits):
        raise ShapeError(
            expected=f"targets of shape {tuple(logits)}, as the logits have", got=f"shape {tuple(targets)}"
        )
    if positive_weights is not None and tuple(positive_weights) != (logits[1],):
        raise ShapeError(
            expected=f"positive weights of shape ({logits[1]},), one a label", got=f"shape {tuple(positive_weights)}"
        )
