"""How far annotators agree beyond what chance would bring: Cohen's and Fleiss' kappa, Krippendorff's alpha.

All three are 1 - (disagreement seen) / (disagreement expected), 1 where all agree and 0 where they agree no more often
than chance. They differ in what chance is: Cohen lets each of two annotators have habits of their own, Fleiss and
Krippendorff let all share one habit; Krippendorff also takes items that not everybody judged, and corrects for small
samples.

Each is computed from sums over items, for any number of weightings of the items at once, so that bootstrap intervals
cost a matrix product.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, ShapeError, UnknownNameError
from sentire.metrics.inputs import FloatArray

Level = Literal["nominal", "interval"]

MISSING = -1
"""Stands for an item that an annotator did not judge, among categories; among numbers NaN does."""

_DISTANCES: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "nominal": lambda values: (values[:, None] != values[None, :]).astype(np.float64),
    "interval": lambda values: (values[:, None] - values[None, :]) ** 2,
}


class CohenKappa:
    """Cohen's kappa of two annotators: (p_o - p_e) / (1 - p_e), with p_e from each annotator's own shares.

    **Source** Cohen 1960, A Coefficient of Agreement for Nominal Scales, equation 1.

    Args:
        first: Category of each of N items, shape (N,), any integers but ``MISSING``.
        second: The other annotator's, shape (N,).

    Raises:
        ShapeError: The two are not of one length.
        DataError: There is no item, or one that is no number or ``MISSING``; Krippendorff's alpha takes such items.
    """

    name = "cohen_kappa"
    centred_names: frozenset[str] = frozenset()

    def __init__(self, first: ArrayLike, second: ArrayLike) -> None:
        one, other = np.asarray(first), np.asarray(second)
        if one.ndim != 1 or one.shape != other.shape:
            raise ShapeError(expected="two rows of equal length", got=f"{one.shape} and {other.shape}")
        if not len(one):
            raise DataError(expected="items that both annotators judged", got="none")
        _refuse_missing(_is_missing(one) | _is_missing(other))
        categories = np.unique(np.concatenate([one, other]))
        self.n_examples = len(one)
        self._agree = (one == other).astype(np.float64)
        self._first = (one[:, None] == categories).astype(np.float64)
        self._second = (other[:, None] == categories).astype(np.float64)

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """Return kappa for weights of shape (N, R), shape (R,); NaN where both gave one category to everything."""
        total = weights.sum(axis=0)
        seen = self._agree @ weights / total
        expected = ((self._first.T @ weights / total) * (self._second.T @ weights / total)).sum(axis=0)
        return {self.name: _beyond_chance(1 - seen, 1 - expected)}


class FleissKappa:
    """Fleiss' kappa of several annotators who judged all items; who gave which judgement does not matter.

    **Source** Fleiss 1971, Measuring Nominal Scale Agreement Among Many Raters, equations 2 to 7.

    Args:
        categories: Shape (A, N): the category that each of A annotators gave to each item.

    Raises:
        ShapeError: It is no table of two annotators or more.
        DataError: An item is missing; Krippendorff's alpha takes such tables.
    """

    name = "fleiss_kappa"
    centred_names: frozenset[str] = frozenset()

    def __init__(self, categories: ArrayLike) -> None:
        table = _check_table(categories)
        _refuse_missing(_is_missing(table))
        n_annotators = table.shape[0]
        known = np.unique(table)
        self.n_examples = table.shape[1]
        counts = (table[:, :, None] == known).sum(axis=0).astype(np.float64)
        self._agree = (counts * (counts - 1)).sum(axis=1) / (n_annotators * (n_annotators - 1))
        self._shares = counts / n_annotators

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """Return kappa for weights of shape (N, R), shape (R,)."""
        total = weights.sum(axis=0)
        seen = self._agree @ weights / total
        expected = ((self._shares.T @ weights / total) ** 2).sum(axis=0)
        return {self.name: _beyond_chance(1 - seen, 1 - expected)}


class KrippendorffAlpha:
    """Krippendorff's alpha of several annotators, each of whom may have left items out.

    Items that fewer than two judged say nothing and count nowhere.

    **Source** Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, sections C and E: 1 - D_o / D_e from the
    matrix of coincidences, each item weighing as much as it has judgements.

    Args:
        values: Shape (A, N): categories, NaN or ``MISSING`` where there is none; or with ``level="interval"`` numbers,
            NaN where there is none.
        level: ``nominal``: any two categories differ alike; ``interval``: by the square of their distance.

    Raises:
        ShapeError: It is no table of two annotators or more.
        UnknownNameError: No such level.
        DataError: No item was judged twice; or ``MISSING`` stands among numbers, where nobody could tell it from one.
    """

    name = "krippendorff_alpha"
    centred_names: frozenset[str] = frozenset()

    def __init__(self, values: ArrayLike, *, level: Level = "nominal") -> None:
        if level not in _DISTANCES:
            raise UnknownNameError.among("level of measurement", level, _DISTANCES)
        table = _check_table(values).astype(np.float64)
        is_there = ~np.isnan(table)
        if level == "nominal":
            is_there &= table != MISSING
        elif n_unclear := int((table == MISSING).sum()):
            raise DataError(
                expected="numbers, and NaN where there is none",
                got=f"{n_unclear} values of {MISSING}, which stands for a missing category",
                hint="write NaN for what is missing; alpha is the same for any shift of all numbers",
            )
        known = np.unique(table[is_there])
        counts = ((table[:, :, None] == known) & is_there[:, :, None]).sum(axis=0).astype(np.float64)
        n_judged = counts.sum(axis=1)
        counts = np.where((n_judged >= 2)[:, None], counts, 0.0)
        if not counts.any():
            raise DataError(expected="items that two annotators judged", got="none")
        self.n_examples = table.shape[1]
        self._distances = _DISTANCES[level](known)
        self._counts = counts
        per_pair = np.maximum(n_judged - 1, 1)
        self._disagree = np.einsum("nc,ck,nk->n", counts, self._distances, counts) / per_pair

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """Return alpha for weights of shape (N, R), shape (R,); NaN where only one value was ever given."""
        sums = self._counts.T @ weights
        n = sums.sum(axis=0)
        seen = np.divide(self._disagree @ weights, n, out=np.full_like(n, np.nan), where=n > 0)
        pairs = np.einsum("cr,ck,kr->r", sums, self._distances, sums)
        expected = np.divide(pairs, n * (n - 1), out=np.full_like(pairs, np.nan), where=n > 1)
        return {self.name: _beyond_chance(seen, expected)}


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Return Cohen's kappa of two annotators; see ``CohenKappa``.

    Example:
        >>> cohen_kappa([0, 0, 1, 1], [0, 1, 1, 1])
        0.5
    """
    return _compute(CohenKappa(first, second))


def fleiss_kappa(categories: ArrayLike) -> float:
    """Return Fleiss' kappa of A annotators and N items, shape (A, N); see ``FleissKappa``.

    Example:
        >>> round(fleiss_kappa([[0, 0, 1], [0, 1, 1], [0, 1, 1]]), 3)
        0.55
    """
    return _compute(FleissKappa(categories))


def krippendorff_alpha(values: ArrayLike, *, level: Level = "nominal") -> float:
    """Return Krippendorff's alpha of A annotators and N items, shape (A, N); see ``KrippendorffAlpha``.

    Example:
        >>> round(krippendorff_alpha([[0, 0, 1, -1], [0, 1, 1, 1], [0, 1, 1, 1]]), 3)
        0.643
    """
    return _compute(KrippendorffAlpha(values, level=level))


def _compute(statistic: CohenKappa | FleissKappa | KrippendorffAlpha) -> float:
    return float(statistic(np.ones((statistic.n_examples, 1)))[statistic.name][0])


def _check_table(values: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(values)
    if table.ndim != 2 or table.shape[0] < 2:
        raise ShapeError(expected="shape (A, N) with two annotators or more", got=f"shape {table.shape}")
    if not table.shape[1]:
        raise DataError(expected="judged items", got="none")
    return np.asarray(table)


def _is_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    is_missing: NDArray[np.bool_] = values == MISSING
    if values.dtype.kind == "f":
        is_missing |= np.isnan(values)
    return is_missing


def _refuse_missing(is_missing: NDArray[np.bool_]) -> None:
    if is_missing.any():
        raise DataError(
            expected="a judgement of every item by every annotator",
            got=f"{int(is_missing.sum())} missing",
            hint="Krippendorff's alpha takes them",
        )


def _beyond_chance(seen: FloatArray, expected: FloatArray) -> FloatArray:
    # Where chance alone agrees on everything, there is nothing to be better than.
    is_defined = expected > 1e-12
    return 1.0 - np.divide(seen, expected, out=np.full_like(seen, np.nan), where=is_defined)
