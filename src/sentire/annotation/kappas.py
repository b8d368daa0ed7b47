"""Cohen's and Fleiss' kappa and Krippendorff's alpha of annotators' decisions, with intervals over items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire.metrics.agreement import MISSING, CohenKappa, FleissKappa, KrippendorffAlpha
from sentire.metrics.bootstrap import Estimate, bootstrap
from sentire.metrics.inputs import FloatArray


@dataclass(frozen=True, kw_only=True)
class Kappas:
    """How far annotators agree beyond chance.

    Attributes:
        cohen: Cohen's kappa of every pair, over the decisions on items that both have done; None where there is none.
        fleiss: Of all, over the items that all have done; None where there is none, or one annotator.
        alpha: Krippendorff's alpha of all decisions that two have made; None where there is none.
    """

    cohen: Mapping[str, Estimate | None]
    fleiss: Estimate | None
    alpha: Estimate | None


class _ByItem:
    """A statistic of decisions, weighted by the items that they belong to."""

    def __init__(self, inner: Any, item_of: NDArray[np.int64], n_items: int) -> None:
        self._inner, self._item_of = inner, item_of
        self.n_examples = n_items
        self.centred_names: frozenset[str] = inner.centred_names

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        found: Mapping[str, FloatArray] = self._inner(weights[self._item_of])
        return found


def measure_kappas(
    table: NDArray[np.int64],
    item_of: NDArray[np.int64],
    aliases: Sequence[str],
    *,
    generator: np.random.Generator,
    n_resamples: int,
) -> Kappas:
    """Measure the agreement of annotators.

    Args:
        table: Decisions by annotator, shape (A, U); ``MISSING`` where one was not made.
        item_of: Number of the item of each decision, shape (U,).
        aliases: Of the A annotators.
        generator: Of the resamples.
        n_resamples: Of the bootstrap over items.
    """

    def estimate(inner: Any, chosen: NDArray[np.bool_]) -> Estimate:
        statistic, n_items = weigh_by_item(inner, item_of[chosen])
        return bootstrap(statistic, generator=generator, n_resamples=n_resamples)[inner.name].estimate(n=n_items)

    cohen: dict[str, Estimate | None] = {}
    for one, other in combinations(range(len(aliases)), 2):
        both = (table[one] != MISSING) & (table[other] != MISSING)
        statistic = CohenKappa(table[one, both], table[other, both]) if both.any() else None
        cohen[f"{aliases[one]}, {aliases[other]}"] = None if statistic is None else estimate(statistic, both)
    is_there = table != MISSING
    by_all, by_two = is_there.all(axis=0), is_there.sum(axis=0) >= 2
    has_fleiss = len(aliases) > 1 and by_all.any()
    return Kappas(
        cohen=cohen,
        fleiss=estimate(FleissKappa(table[:, by_all]), by_all) if has_fleiss else None,
        alpha=estimate(KrippendorffAlpha(table[:, by_two]), by_two) if by_two.any() else None,
    )


def weigh_by_item(inner: Any, item_of: NDArray[np.int64]) -> tuple[_ByItem, int]:
    """Return a statistic of decisions as one of the items that occur, numbered anew, and how many these are.

    Args:
        inner: A statistic of U decisions.
        item_of: Number of the item of each, shape (U,).
    """
    known, places = np.unique(item_of, return_inverse=True)
    return _ByItem(inner, places.reshape(-1).astype(np.int64), len(known)), len(known)
