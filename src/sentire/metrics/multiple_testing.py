"""What p-values are worth when many questions are asked at once."""

import numpy as np
from numpy.typing import ArrayLike

from sentire.core.errors import DataError, ShapeError
from sentire.metrics.inputs import FloatArray


def holm(p_values: ArrayLike) -> FloatArray:
    """Adjust p-values so that the chance of even one false finding among them stays below the level.

    With the p-values sorted, ``adjusted_(k) = max over j <= k of min(1, (m - j + 1) p_(j))``.

    **Source** Holm 1979, A simple sequentially rejective multiple test procedure.

    Args:
        p_values: Shape (m,), from 0 to 1. NaN stands for a question that could not be asked: it stays NaN and does
            not count towards m.

    Returns:
        Adjusted p-values in the given order, shape (m,).

    Raises:
        ShapeError: Not one axis.
        DataError: A value lies outside 0 to 1.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1:
        raise ShapeError(expected="shape (m,)", got=f"shape {values.shape}", where="p_values")
    asked = np.flatnonzero(~np.isnan(values))
    if ((values[asked] < 0) | (values[asked] > 1)).any():
        raise DataError(expected="p-values from 0 to 1", got="others", where="p_values")
    order = asked[np.argsort(values[asked], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted = np.full_like(values, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * values[order]), 1.0)
    return adjusted
