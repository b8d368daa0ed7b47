"""What the vectors of texts are worth on dev, now and then during their training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, DataError, MissingExtraError, TrainingError
from sentire.metrics.classification import macro_f1
from sentire.metrics.regression import pearson_r
from sentire.metrics.retrieval import DEFAULT_K, measure_queries
from sentire.representations.sentence_encoder import SentenceEncoder

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error

N_NEIGHBOURS = 20
"""Of ``neighbour_affect``."""

_BLOCK_CELLS = 1 << 24


@dataclass(frozen=True, kw_only=True)
class RepresentationDev:
    """What is measured on; either part may be empty.

    Attributes:
        texts: With one label each.
        classes: Their labels, shape (N,).
        rated_texts: With ratings.
        affect: Their valence and arousal, shape (M, 2).
    """

    texts: list[str]
    classes: NDArray[np.int64]
    rated_texts: list[str]
    affect: NDArray[np.float32]


def check_dev(dev: RepresentationDev) -> None:
    """Make sure, before the training, that what is measured on dev can tell good vectors from bad ones.

    Args:
        dev: What is measured on.

    Raises:
        DataError: There are too few texts; all labelled ones have one class, so that every vector finds it, or none has
            that of another; or all rated ones have the same valence or arousal.
    """
    if dev.texts:
        sizes = np.unique(dev.classes, return_counts=True)[1]
        if len(dev.texts) <= DEFAULT_K or len(sizes) < 2 or sizes.max() < 2:
            raise DataError(
                expected=f"more than {DEFAULT_K} dev texts with one label each, of two classes or more",
                got=f"{len(dev.texts)} texts of {len(sizes)} classes",
                where="data.dev",
                hint="take more of dev, or another metric and no data.dev",
            )
    if dev.rated_texts:
        # With no more texts, all others are everybody's neighbours, and what they say is against everybody.
        if len(dev.rated_texts) <= N_NEIGHBOURS + 1:
            raise DataError(
                expected=f"more than {N_NEIGHBOURS + 1} dev texts with ratings",
                got=str(len(dev.rated_texts)),
                where="data.affect_dev",
            )
        if not np.ptp(dev.affect, axis=0).all():
            raise DataError(
                expected="dev texts that differ in valence and in arousal",
                got="the same of one of them in all texts",
                where="data.affect_dev",
            )


def measure_representation(
    encoder: SentenceEncoder, label_head: nn.Module | None, dev: RepresentationDev
) -> dict[str, float]:
    """Measure retrieval by label, the classification head where there is one, and affect by the nearest texts.

    Args:
        encoder: Around the network that is trained.
        label_head: Gives logits of shape (N, C) from its vectors, or None.
        dev: What is measured on.

    Returns:
        ``map_at_r``, ``p_at_1`` and ``mrr`` where there are labelled texts, ``macro_f1`` with a head, and
        ``neighbour_affect`` where there are rated ones.

    Raises:
        TrainingError: A vector is not finite or has length 0.
    """
    measured: dict[str, float] = {}
    if dev.texts:
        vectors = encode_finite(encoder, dev.texts)
        found = measure_queries(vectors, dev.classes)
        measured = {
            "map_at_r": float(found.average_precision_at_r.mean()),
            "p_at_1": float(found.precision_at_1.mean()),
            "mrr": float(found.reciprocal_rank.mean()),
        }
        if label_head is not None:
            measured["macro_f1"] = _measure_head(label_head, vectors, dev.classes)
    if dev.rated_texts:
        vectors = encode_finite(encoder, dev.rated_texts)
        measured["neighbour_affect"] = correlate_with_neighbours(vectors, dev.affect)
    return measured


def encode_finite(encoder: SentenceEncoder, texts: list[str]) -> NDArray[np.float32]:
    """Return the vectors of N texts, shape (N, D).

    Raises:
        TrainingError: A vector is not finite, or has length 0 and so no direction.
    """
    try:
        vectors = encoder.encode(texts)
    except ArtifactError as error:  # of an encoder that is loaded; this one is being trained
        raise _refuse_vectors(error.got) from error
    n_short = int((~vectors.any(axis=1)).sum())
    if n_short:
        raise _refuse_vectors(f"{n_short} of {len(vectors)} of length 0")
    return vectors


def _refuse_vectors(got: str) -> TrainingError:
    return TrainingError(
        expected="finite vectors with a direction",
        got=got,
        hint="what was written before stays; lower the learning rate",
    )


def correlate_with_neighbours(vectors: NDArray[np.float32], affect: NDArray[np.float32]) -> float:
    """Return the mean correlation of valence and arousal with the means of the nearest other texts, by cosine.

    Args:
        vectors: Shape (N, D), none of them 0; N above ``N_NEIGHBOURS``.
        affect: Shape (N, 2).

    Returns:
        From -1 to 1; NaN where all texts have the same neighbours' means.

    Cost:
        A matrix product of N x N x D and a partial sort of each row; memory for about 16 million similarities at a
        time, never N x N.
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    n = len(unit)
    n_nearest = min(N_NEIGHBOURS, n - 1)
    said = np.empty_like(affect)
    step = max(_BLOCK_CELLS // n, 1)
    for start in range(0, n, step):
        distance = unit[start : start + step] @ unit.T
        np.negative(distance, out=distance)
        own = np.arange(len(distance))
        distance[own, start + own] = np.inf
        nearest = np.argpartition(distance, n_nearest - 1, axis=1)[:, :n_nearest]
        said[start : start + step] = affect[nearest].mean(axis=1)
    return float(pearson_r(said, affect).mean())


@torch.no_grad()
def _measure_head(head: nn.Module, vectors: NDArray[np.float32], classes: NDArray[np.int64]) -> float:
    device = next(head.parameters()).device
    logits = head(torch.from_numpy(vectors).to(device)).cpu().numpy()
    every = np.arange(logits.shape[1])
    return macro_f1(classes[:, None] == every, logits.argmax(axis=1)[:, None] == every)
