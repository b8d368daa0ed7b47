"""From probabilities to labels."""

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ShapeError
from sentire.core.labels import LabelSpace


def decide(proba: NDArray[np.floating], thresholds: NDArray[np.float64], label_space: LabelSpace) -> NDArray[np.bool_]:
    """Choose the labels of N texts.

    In a multi-label space, every label whose probability reaches its cut-off, which may be none at all. In a
    single-label space, the likeliest label, whatever the cut-offs.

    Args:
        proba: Shape (N, C).
        thresholds: Shape (C,).
        label_space: Of the C columns.

    Returns:
        Shape (N, C), True where the label is chosen.
    """
    if proba.ndim != 2 or proba.shape[1] != len(label_space) or thresholds.shape != (len(label_space),):
        raise ShapeError(
            expected=f"probabilities (N, {len(label_space)}) and cut-offs ({len(label_space)},)",
            got=f"shapes {proba.shape} and {thresholds.shape}",
        )
    if label_space.task == "single-label":
        chosen = np.zeros(proba.shape, dtype=np.bool_)
        chosen[np.arange(len(proba)), proba.argmax(axis=1)] = True
        return chosen
    reached: NDArray[np.bool_] = proba >= thresholds
    return reached
