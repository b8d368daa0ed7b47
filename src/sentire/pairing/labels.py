"""What pairs and batches ask of labels: one class an example, numbered from 0."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, LabelError, ShapeError


def check_labels(labels: ArrayLike) -> NDArray[np.int64]:
    """Return the classes of examples as whole numbers.

    Args:
        labels: Shape (B,), whole numbers of 0 or more.

    Raises:
        ShapeError: Not one axis, or no example.
        DataError: Not whole numbers.
        LabelError: A label is below 0.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or len(array) == 0:
        raise ShapeError(expected="shape (B,) with B at least 1", got=f"shape {array.shape}", where="labels")
    if array.dtype.kind not in "iu":
        raise DataError(expected="whole numbers, one class an example", got=f"values of {array.dtype}", where="labels")
    if (array < 0).any():
        row = int(np.argmax(array < 0))
        raise LabelError(
            expected="labels of 0 or more",
            got=str(array[row]),
            where=f"labels, row {row}",
            hint="leave out the examples without a label first",
        )
    return array.astype(np.int64)
