"""From probabilities to labels."""

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ShapeError
from sentire.core.label_maps import LabelMap
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


def project_answers(
    label_map: LabelMap,
    proba: NDArray[np.floating],
    decisions: NDArray[np.bool_],
    thresholds: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Turn answers in a map's source space into answers in its target space.

    In a single-label target the likeliest label is chosen. In a multi-label one, every label that reaches the cut-off
    that was chosen for it on dev; without such cut-offs, every label that a chosen source label stands for.

    Args:
        label_map: From the C source labels to the D target labels.
        proba: Shape (N, C).
        decisions: Shape (N, C).
        thresholds: Cut-offs on the projected probabilities, shape (D,), or None.

    Returns:
        Projected probabilities and decisions, both of shape (N, D).
    """
    projected = np.clip(label_map.project_proba(proba), 0.0, 1.0)
    if label_map.target.task == "single-label" or thresholds is not None:
        cutoffs = np.zeros(len(label_map.target)) if thresholds is None else thresholds
        return projected, decide(projected, cutoffs, label_map.target)
    return projected, label_map.project_indicator(decisions)
