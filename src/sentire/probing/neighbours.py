"""Exact nearest neighbours by cosine, and the classifier that asks them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import ShapeError, UnknownNameError, UsageError
from sentire.metrics.bootstrap import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES
from sentire.metrics.inputs import BoolArray, Float32Array, FloatArray, check_unit_rows
from sentire.probing.splits import (
    Cutoffs,
    EmbeddedSplit,
    ProbeQuality,
    check_splits,
    fit_cutoffs,
    judge_decisions,
)

Vote = Literal["majority", "similarity"]

NEIGHBOUR_COUNTS = (1, 5, 10, 20, 50)
"""Candidates of k."""

VOTE_TEMPERATURE = 0.07
"""A neighbour's vote falls by e where its similarity falls by this (Wu et al. 2018, section 3.4)."""

_BLOCK_CELLS = 1 << 24


def nearest(queries: ArrayLike, collection: ArrayLike, k: int) -> tuple[NDArray[np.int64], Float32Array]:
    """Find the k texts of a collection that are most similar to each query, exactly.

    Args:
        queries: Shape (Q, D).
        collection: Shape (N, D); a query that is in it finds itself first, unless others point the same way: those are
            equally similar.
        k: From 1 to N.

    Returns:
        Positions in the collection, shape (Q, k), and cosine similarities, shape (Q, k), from -1 to 1, falling; of
        equally similar texts the earlier first, up to which of them are among the k.

    Raises:
        ShapeError: The arrays are not (Q, D) and (N, D).
        DataError: A vector is not finite or all zeros.
        UsageError: ``k`` is below 1 or above N.

    Cost:
        A matrix product of Q x N x D in single precision and a partition of each row; memory for about 16 million
        similarities at a time, never Q x N. For one query after another, scale the collection once and use
        ``CosineIndex``.

    Example:
        >>> places, similarities = nearest([[1.0, 1.0]], [[0.0, 2.0], [3.0, 3.0], [-1.0, 0.0]], 2)
        >>> places.tolist(), similarities.round(3).tolist()
        ([[1, 0]], [[1.0, 0.7070000171661377]])
    """
    return CosineIndex(collection).nearest(queries, k)


class CosineIndex:
    """A collection scaled once, to be asked many times.

    Args:
        collection: Shape (N, D).

    Attributes:
        n_texts: N.
        n_features: D.
    """

    def __init__(self, collection: ArrayLike) -> None:
        self._unit = check_unit_rows(collection, name="collection")
        self.n_texts, self.n_features = self._unit.shape

    def nearest(self, queries: ArrayLike, k: int) -> tuple[NDArray[np.int64], Float32Array]:
        """Find the k most similar texts of each query; see the function ``nearest``."""
        asked = check_unit_rows(queries, name="queries")
        if asked.shape[1] != self.n_features:
            raise ShapeError(
                expected=f"queries of {self.n_features} numbers, as the collection has",
                got=str(asked.shape[1]),
                where="queries",
            )
        if not 1 <= k <= self.n_texts:
            raise UsageError(expected=f"a k from 1 to {self.n_texts}", got=str(k), where="k")
        places = np.empty((len(asked), k), dtype=np.int64)
        similarities = np.empty((len(asked), k), dtype=np.float32)
        step = max(_BLOCK_CELLS // self.n_texts, 1)
        for start in range(0, len(asked), step):
            rows = slice(start, start + step)
            block = asked[rows] @ self._unit.T
            found = np.sort(np.argpartition(block, self.n_texts - k, axis=1)[:, self.n_texts - k :], axis=1)
            values = np.take_along_axis(block, found, axis=1)
            order = np.argsort(-values, axis=1, kind="stable")
            places[rows] = np.take_along_axis(found, order, axis=1)
            similarities[rows] = np.take_along_axis(values, order, axis=1)
        return places, similarities.clip(-1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class NeighbourProbe:
    """How well the nearest neighbours in frozen embeddings tell the classes.

    Attributes:
        quality: On test.
        k: Chosen on dev.
        vote: Chosen on dev.
        dev_macro_f1: Of each vote and k on dev, such as ``majority 5``; by cross-fitting where there are cut-offs.
        thresholds: The labels' cut-offs, chosen on dev; None where the likeliest class is decided.
        n_train: Texts whose neighbours are looked for.
        n_dev: Texts chosen on.
    """

    quality: ProbeQuality
    k: int
    vote: Vote
    dev_macro_f1: dict[str, float]
    thresholds: tuple[float, ...] | None
    n_train: int
    n_dev: int


def neighbour_probe(
    train: EmbeddedSplit,
    dev: EmbeddedSplit,
    test: EmbeddedSplit,
    *,
    neighbour_counts: Sequence[int] = NEIGHBOUR_COUNTS,
    votes: Sequence[Vote] = ("majority", "similarity"),
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
) -> NeighbourProbe:
    """Let the nearest texts of train vote; choose k, the vote and the cut-offs on dev; measure on test.

    The score of a class is the share of the votes that it gets: each neighbour's vote counts 1 (``majority``; where
    classes are level, the one with the more similar neighbours) or ``exp(s / 0.07)`` at similarity s (``similarity``).

    Source: Wu, Xiong, Yu and Lin 2018, Unsupervised Feature Learning via Non-Parametric Instance Discrimination,
    section 3.4 (the second vote).

    Args:
        train: Whose texts vote.
        dev: To choose on.
        test: To measure on.
        neighbour_counts: Candidates of k, 1 or more; those above the size of train are left out.
        votes: Candidates: ``majority``, ``similarity``.
        seed: Of the folds that judge cut-offs, and of the resamples.
        n_resamples: Of the bootstrap.
        confidence: Of the intervals.

    Raises:
        ShapeError: The splits do not fit together.
        DataError: A vector is not finite or all zeros, train has one class only, or dev has too few texts for cut-offs.
        UsageError: No usable candidate, or one below 1.
        UnknownNameError: No such vote.
    """
    for vote in votes:
        if vote not in get_args(Vote):
            raise UnknownNameError.among("vote", vote, get_args(Vote))
    splits = check_splits(train, dev, test)
    n_train = len(splits.targets[0])
    usable = sorted({count for count in neighbour_counts if count <= n_train})
    if not usable or usable[0] < 1 or not votes:
        raise UsageError(
            expected=f"counts of neighbours from 1 to {n_train} and a vote",
            got=f"{list(neighbour_counts)} and {list(votes)}",
            where="neighbour_counts and votes",
        )
    index = CosineIndex(splits.embeddings[0])
    dev_found, test_found = (index.nearest(embeddings, usable[-1]) for embeddings in splits.embeddings[1:])
    best: tuple[int, Vote, Cutoffs] | None = None
    by_choice: dict[str, float] = {}
    for vote in votes:
        for k in usable:
            scores = _count_votes(splits.targets[0], *dev_found, k=k, vote=vote)
            cutoffs = fit_cutoffs(scores, splits.targets[1], is_single_label=splits.is_single_label, seed=seed)
            by_choice[f"{vote} {k}"] = cutoffs.dev_macro_f1
            if best is None or cutoffs.dev_macro_f1 > best[2].dev_macro_f1:
                best = k, vote, cutoffs
    assert best is not None  # noqa: S101  there is at least one candidate
    k, vote, cutoffs = best
    decisions = cutoffs.decide(_count_votes(splits.targets[0], *test_found, k=k, vote=vote))
    return NeighbourProbe(
        quality=judge_decisions(
            splits.targets[2],
            decisions,
            splits.classes,
            is_single_label=splits.is_single_label,
            seed=seed,
            n_resamples=n_resamples,
            confidence=confidence,
        ),
        k=k,
        vote=vote,
        dev_macro_f1=by_choice,
        thresholds=None if cutoffs.thresholds is None else tuple(cutoffs.thresholds.tolist()),
        n_train=n_train,
        n_dev=len(splits.targets[1]),
    )


_LEVEL_SHARE = 1e-6


def _count_votes(
    targets: BoolArray, places: NDArray[np.int64], similarities: Float32Array, *, k: int, vote: Vote
) -> FloatArray:
    near, similar = places[:, :k], similarities[:, :k].astype(np.float64)
    if vote == "similarity":
        weights = np.exp((similar - similar[:, :1]) / VOTE_TEMPERATURE)
    else:
        weights = 1.0 + _LEVEL_SHARE * similar
    weights /= weights.sum(axis=1, keepdims=True)
    scores = np.zeros((len(near), targets.shape[1]))
    for column in range(k):
        scores += targets[near[:, column]] * weights[:, [column]]
    return scores
