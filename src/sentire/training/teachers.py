"""Teachers: trained models whose probabilities a student learns, alone or averaged."""

import os
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import LabelError
from sentire.core.labels import LabelSpace
from sentire.encoders.sources import find_encoder
from sentire.runtime.load import load
from sentire.training.sequence_classifier import SequenceClassifier

TRANSFORMERS = "transformers:"
"""Before a folder, or ``owner/name@revision`` of the hub: a sequence classifier in the format of transformers."""

TRANSFORMERS_SIGMOID = "transformers-sigmoid:"
"""The same, whose labels are read as independent whatever its configuration says."""

Ask = Callable[[Sequence[str]], NDArray[np.floating]]
"""From N texts to probabilities, shape (N, C)."""

_SMALLEST = 1e-6


def average_teachers(
    teachers: Sequence[str], weights: Sequence[float], space: LabelSpace, texts: Sequence[str]
) -> NDArray[np.float32]:
    """Return the probabilities of an ensemble: the logistic function of the weighted mean of the calibrated log-odds.

    Source: the idea of Hinton, Vinyals and Dean 2015, Distilling the knowledge in a neural network, section 2.
    Departures: independent labels instead of a softmax; the teachers' calibration takes the place of a temperature.
    Classifiers in the format of transformers have none and count as they are.

    Args:
        teachers: Names or folders of models that answer in the student's labels; ``transformers:FOLDER`` or
            ``transformers:owner/name@revision`` for a classifier in the format of transformers.
        weights: One a teacher; empty for equal ones.
        space: The student's labels.
        texts: N texts.

    Returns:
        Shape (N, C), from 0 to 1.

    Raises:
        LabelError: A teacher answers in other labels.
        UnknownNameError, UsageError, FetchError, ArtifactError: A teacher cannot be loaded.
    """
    shares = np.asarray(weights or [1.0] * len(teachers), np.float64)
    shares = shares / shares.sum()
    total = np.zeros((len(texts), len(space)))
    for name, share in zip(teachers, shares, strict=True):
        proba = np.clip(load_teacher(name, space)(texts).astype(np.float64), _SMALLEST, 1 - _SMALLEST)
        total += share * np.log(proba / (1 - proba))
    soft: NDArray[np.float32] = (1 / (1 + np.exp(-total))).astype(np.float32)
    return soft


def load_teacher(name: str, space: LabelSpace) -> Ask:
    """Load a teacher that answers in the labels of a space.

    Raises:
        LabelError: It answers in others.
        UnknownNameError, UsageError, FetchError, ArtifactError: It cannot be loaded.
    """
    for prefix in (TRANSFORMERS, TRANSFORMERS_SIGMOID):
        if name.startswith(prefix):
            place, revision = _split_revision(name.removeprefix(prefix))
            files = find_encoder(place, revision=revision)
            return SequenceClassifier(files, space, is_independent=prefix == TRANSFORMERS_SIGMOID).predict_proba
    teacher = load(name)
    if teacher.label_space.labels != space.labels:
        raise LabelError(
            expected=f"a teacher that answers in the labels of {space.id}",
            got=teacher.label_space.id,
            where=f"teacher {name}",
        )
    return teacher.predict_proba


def _split_revision(place: str) -> tuple[str, str]:
    if os.path.isdir(place):  # noqa: PTH112  a folder may have an @ in its name
        return place, ""
    name, _, revision = place.partition("@")
    return name, revision
