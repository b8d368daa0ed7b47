"""Whether the nearest texts share the query's emotion: MRR, P@1, P@k and MAP@R by cosine.

Each text is a query and all others are the collection, ordered by falling cosine similarity. With rel(i) = 1 where the
i-th text of that order is relevant to the query, and R = the number of relevant texts in the collection,

    reciprocal rank = 1 / (place of the first relevant text)
    P@k             = 1/k Σ_{i=1..k} rel(i)
    AP@R            = 1/R Σ_{i=1..R} rel(i) P@i
    MRR, P@k, MAP@R = the means over the queries

Relevant is what has the query's class or, where texts have several labels, shares one of them. A query without any
relevant text has no reciprocal rank and no AP@R: it is left out of all measures and counted.

**Source** Musgrave, Belongie and Lim 2020, A Metric Learning Reality Check, section 3.2 (MAP@R); Voorhees 1999, The
TREC-8 Question Answering Track Report (reciprocal rank).
**Departures** Similarities are rounded to 2⁻²², about what single precision tells apart, and of equally similar texts
the irrelevant stand first: an encoder that gives every text the same vector finds nothing. The intervals are over
queries; the collection stays the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.core.seeding import make_generator
from sentire.metrics.bootstrap import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES, Estimate, MeanStatistic, bootstrap
from sentire.metrics.inputs import (
    SEVERAL_LABELS_HINT,
    BoolArray,
    Float32Array,
    FloatArray,
    as_labels,
    check_classes,
    check_indicator,
    check_unit_rows,
)

DEFAULT_K = 10

_STEPS = 1 << 22
"""Similarities are told apart in so many steps from 0 to 1; twice as many, and one, are still exact in float32."""

_BELOW_ALL = np.float32(1 - (1 << 24))
"""The key of the query itself: below every other, and odd, as what is not relevant."""

_BLOCK_CELLS = 1 << 24


@dataclass(frozen=True, kw_only=True)
class QueryValues:
    """The measures of each query.

    Attributes:
        queries: Positions of the texts that were asked for and have a relevant text, shape (Q,).
        reciprocal_rank: Shape (Q,).
        precision_at_1: Shape (Q,).
        precision_at_k: Shape (Q,).
        average_precision_at_r: Shape (Q,).
        k: Of P@k.
        n_left_out: Queries that have no relevant text.
    """

    queries: NDArray[np.int64]
    reciprocal_rank: FloatArray
    precision_at_1: FloatArray
    precision_at_k: FloatArray
    average_precision_at_r: FloatArray
    k: int
    n_left_out: int


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """The measures with their intervals over queries.

    Attributes:
        mrr: Mean reciprocal rank.
        precision_at_1: P@1.
        precision_at_k: P@k.
        map_at_r: MAP@R.
        k: Of P@k.
        n_queries: Queries that the measures rest on.
        n_left_out: Queries that have no relevant text.
        n_texts: Size of the collection, the query included.
    """

    mrr: Estimate
    precision_at_1: Estimate
    precision_at_k: Estimate
    map_at_r: Estimate
    k: int
    n_queries: int
    n_left_out: int
    n_texts: int


class RetrievalStatistic:
    """The means over queries, for any number of weightings of the queries at once.

    Its names are ``mrr``, ``precision_at_1``, ``precision_at_k`` and ``map_at_r``; two encoders measured on the same
    texts and labels can be compared by ``paired_bootstrap``.

    Args:
        values: Of each query, from ``measure_queries``.
    """

    centred_names: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, values: QueryValues) -> None:
        self.n_examples = len(values.queries)
        self._mean = MeanStatistic(
            {
                "mrr": values.reciprocal_rank,
                "precision_at_1": values.precision_at_1,
                "precision_at_k": values.precision_at_k,
                "map_at_r": values.average_precision_at_r,
            }
        )

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """Compute the means for weights of shape (Q, R), each of shape (R,)."""
        return self._mean(weights)


def measure_queries(
    embeddings: ArrayLike, labels: ArrayLike, *, k: int = DEFAULT_K, max_queries: int | None = None, seed: int = 0
) -> QueryValues:
    """Compute the measures of each query against all other texts.

    Args:
        embeddings: Shape (N, D); compared by cosine.
        labels: One class a text, shape (N,), whole numbers or names; or an indicator of several labels, shape (N, C).
        k: Of P@k, at least 1 and below N.
        max_queries: Ask for at most so many texts, each equally likely to be drawn; None for all. The collection is
            always all texts, so that the measures stay the same up to the draw.
        seed: Of that draw.

    Raises:
        ShapeError: Fewer than two texts, or shapes that do not fit together.
        DataError: A vector is not finite or all zeros, the labels cannot be read, or no query has a relevant text.
        UsageError: ``k`` or ``max_queries`` makes no sense.

    Cost:
        A matrix product of Q x N x D and a partial sort of each row; memory for about 16 million similarities at a
        time, never N x N.

    Example:
        >>> found = measure_queries([[1, 0], [1, 0.1], [0, 1]], ["joy", "joy", "anger"], k=1)
        >>> found.queries.tolist(), found.average_precision_at_r.tolist(), found.n_left_out
        ([0, 1], [1.0, 1.0], 1)
    """
    unit = check_unit_rows(embeddings, n_at_least=2)
    n = len(unit)
    if not 1 <= k < n:
        raise UsageError(expected=f"a k from 1 to {n - 1}, the other texts", got=str(k), where="k")
    if max_queries is not None and max_queries < 1:
        raise UsageError(expected="at least 1 query", got=str(max_queries), where="max_queries")
    relevance = _Relevance(labels, n)
    asked = np.arange(n)
    if max_queries is not None and max_queries < n:
        asked = np.sort(make_generator(seed, "queries").choice(n, size=max_queries, replace=False))
    n_relevant = np.concatenate([relevance.of(block).sum(axis=1) - relevance.is_own(block) for block in _cut(asked, n)])
    queries, n_relevant = asked[n_relevant > 0], n_relevant[n_relevant > 0]
    if not len(queries):
        raise DataError(
            expected="texts that share a label",
            got=f"none among {len(asked)} queries and {n} texts",
            where="labels",
        )
    found = [np.empty(len(queries)) for _ in range(4)]
    place = 0
    scaled = unit * np.float32(np.sqrt(_STEPS))
    for block in _cut(queries, n):
        keys = scaled[block] @ scaled.T
        _make_keys(keys, relevance.of(block), block)
        for row, in_key in enumerate(keys):
            found_row = _measure_row(in_key, int(n_relevant[place + row]), k)
            for values, value in zip(found, found_row, strict=True):
                values[place + row] = value
        place += len(block)
    return QueryValues(
        queries=queries,
        reciprocal_rank=found[0],
        precision_at_1=found[1],
        precision_at_k=found[2],
        average_precision_at_r=found[3],
        k=k,
        n_left_out=len(asked) - len(queries),
    )


def retrieval(
    embeddings: ArrayLike,
    labels: ArrayLike,
    *,
    k: int = DEFAULT_K,
    max_queries: int | None = None,
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
) -> Retrieval:
    """Compute MRR, P@1, P@k and MAP@R with intervals over queries; arguments and errors as in ``measure_queries``."""
    values = measure_queries(embeddings, labels, k=k, max_queries=max_queries, seed=seed)
    n = len(values.queries)
    found = bootstrap(
        RetrievalStatistic(values),
        generator=make_generator(seed, "bootstrap of retrieval"),
        n_resamples=n_resamples,
        confidence=confidence,
    )
    return Retrieval(
        mrr=found["mrr"].estimate(n=n),
        precision_at_1=found["precision_at_1"].estimate(n=n),
        precision_at_k=found["precision_at_k"].estimate(n=n),
        map_at_r=found["map_at_r"].estimate(n=n),
        k=k,
        n_queries=n,
        n_left_out=values.n_left_out,
        n_texts=len(np.asarray(embeddings)),
    )


class _Relevance:
    """Which texts are relevant to which."""

    def __init__(self, labels: ArrayLike, n_texts: int) -> None:
        self._classes: NDArray[np.int32] | None = None
        array = as_labels(labels, hint=SEVERAL_LABELS_HINT)
        if array.ndim == 2:
            indicator = check_indicator(array, name="labels")
            if len(indicator) != n_texts:
                raise ShapeError(expected=f"labels of {n_texts} texts", got=str(len(indicator)), where="labels")
            self._shares = indicator.astype(np.float32)
            self._has_any: BoolArray = np.asarray(indicator.any(axis=1))
        else:
            self._classes = check_classes(array, n_texts=n_texts).astype(np.int32)

    def of(self, block: NDArray[np.int64]) -> BoolArray:
        """Mark the texts that share a label with each of the block, itself among them, shape (B, N)."""
        if self._classes is not None:
            return np.asarray(self._classes[block][:, None] == self._classes)
        return np.asarray(self._shares[block] @ self._shares.T > 0)

    def is_own(self, block: NDArray[np.int64]) -> NDArray[np.int64]:
        """Say whether each of the block is marked as relevant to itself: not where it has no label."""
        if self._classes is not None:
            return np.ones(len(block), dtype=np.int64)
        return self._has_any[block].astype(np.int64)


def _cut(queries: NDArray[np.int64], n_texts: int) -> Iterator[NDArray[np.int64]]:
    step = max(_BLOCK_CELLS // n_texts, 1)
    for start in range(0, len(queries), step):
        yield queries[start : start + step]


def _make_keys(similarities: Float32Array, is_relevant: BoolArray, block: NDArray[np.int64]) -> None:
    """Turn similarities into keys to sort by, in place: twice the step, and 1 more for what is not relevant.

    The relevance of a text then travels with its place in the order, and one sort of plain numbers is enough.
    """
    np.rint(similarities, out=similarities)
    similarities *= 2
    similarities += ~is_relevant
    similarities[np.arange(len(block)), block] = _BELOW_ALL


def _measure_row(keys: Float32Array, n_relevant: int, k: int) -> tuple[float, float, float, float]:
    n_needed = max(n_relevant, k)
    start = len(keys) - n_needed
    top = np.partition(keys, start)[start:]
    top.sort()
    is_hit = (top[::-1].astype(np.int32) & 1) == 0
    places = np.flatnonzero(is_hit) + 1
    if len(places):
        first = int(places[0])
    else:
        best = keys[(keys.astype(np.int32) & 1) == 0].max()
        first = int((keys > best).sum()) + 1
    within = places[: np.searchsorted(places, n_relevant, side="right")]
    average = float((np.arange(1, len(within) + 1) / within).sum()) / n_relevant
    return 1 / first, float(is_hit[0]), float(is_hit[:k].sum()) / k, average
