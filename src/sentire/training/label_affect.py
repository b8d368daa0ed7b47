"""Valence and arousal of a text whose labels alone are known: the mean of the norms of the words for its labels."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.affect import VAD_1_9, VAD_DIMENSIONS, VAD_UNIT
from sentire.core.errors import LabelError, ShapeError, list_names
from sentire.core.labels import LabelSpace
from sentire.data.reading import Reading
from sentire.data.registry import parse_split_name

NORMS = "glasgow-norms:all"

LABEL_WORDS_VERSION = 1
LABEL_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "admiration": "admire",
        "caring": "care",
        "curiosity": "curious",
        "disappointment": "disappointed",
        "disapproval": "reject",
        "nervousness": "nervous",
        "pride": "pride (feeling)",
        "realization": "realize",
        "relief": "relieved",
    }
)
"""The entry of the norms that stands for a label whose own name is no entry, or is one of several senses. Ours."""


def read_label_affect(space: LabelSpace, data_root: Path | None = None) -> NDArray[np.float64]:
    """Return valence, arousal and dominance of each label on the scale -1 to 1, shape (C, 3).

    Source: Scott et al. 2019, The Glasgow Norms; means over raters, from 1 to 9.
    Departures: 9 of GoEmotions' 28 labels have no entry of their own or one of several senses, and take the entry of a
    word of the family or near it (``LABEL_WORDS``); that of disapproval, *reject*, is the furthest from its label.

    Raises:
        LabelError: A label has no entry.
        DataError: The norms are not at hand.
    """
    dataset, split = parse_split_name(NORMS)
    norms = {
        example.id.casefold(): [example.scores[dimension] for dimension in VAD_DIMENSIONS]
        for example in dataset.iter_split(split, root=data_root, reading=Reading())
    }
    words = [LABEL_WORDS.get(label, label) for label in space.labels]
    missing = [word for word in words if word.casefold() not in norms]
    if missing:
        raise LabelError(
            expected=f"labels that are words of {NORMS}",
            got=list_names(missing),
            where=space.id,
            hint="take the ratings of people or of a model",
        )
    return VAD_1_9.convert([norms[word.casefold()] for word in words], VAD_UNIT)


def mix_label_affect(degrees: ArrayLike, coordinates: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the affect of each text as the mean of its labels', weighed by their degrees.

    Args:
        degrees: Of the labels, 0 or more, shape (N, C).
        coordinates: Of the labels, shape (C, 3).

    Returns:
        Shape (N, 3), and which texts have a label at all, shape (N,); those without one are 0.

    Raises:
        ShapeError: The shapes do not fit together.

    Example:
        >>> mix_label_affect([[1, 1], [0, 0]], [[1.0, 0.0, 0.0], [0.0, 0.5, 0.0]])[0].tolist()
        [[0.5, 0.25, 0.0], [0.0, 0.0, 0.0]]
    """
    weights, places = np.asarray(degrees, np.float64), np.asarray(coordinates, np.float64)
    if weights.ndim != 2 or places.shape != (weights.shape[1], len(VAD_DIMENSIONS)):
        raise ShapeError(expected="degrees (N, C) and coordinates (C, 3)", got=f"{weights.shape} and {places.shape}")
    total = weights.sum(axis=1, keepdims=True)
    mixed = np.divide(weights @ places, total, out=np.zeros((len(weights), len(VAD_DIMENSIONS))), where=total > 0)
    return mixed.astype(np.float32), total[:, 0] > 0
