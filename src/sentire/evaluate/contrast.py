"""Whether a model uses context: the same words in contexts that change their labels.

In a contrast set the labels of one utterance's contexts have nothing in common. Whoever does not look at the context
gives all of them one answer, which is right in one of them at most. With the likeliest label as the answer,

    accuracy        share of contexts in which it is one of the labels
    ceiling         what one answer an utterance reaches at most: of each, the label that most of its contexts have
    pair accuracy   share of pairs of contexts of one utterance in which both answers are right: 0 without context

Where coarser labels are measured, such as Ekman's, some contexts of an utterance may come to share a label: the ceiling
counts them, and such a pair is none. An utterance without a pair is left out.

**Source** Gardner et al. 2020, Evaluating Models' Local Decision Boundaries via Contrast Sets, for the idea and for
measuring whole sets; pairs instead of sets, so that utterances with three contexts ask no more than those with two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentire.core.seeding import make_generator
from sentire.metrics.bootstrap import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES, Estimate, bootstrap
from sentire.metrics.inputs import BoolArray, FloatArray


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """What a contrast set says of a model; intervals over utterances.

    Attributes:
        accuracy: Share of contexts whose likeliest label is right.
        pair_accuracy: Share of pairs of contexts of one utterance, without a label in common, in which both are right.
        ceiling: The highest accuracy that a model can have that does not look at the context.
        n_utterances: With such a pair.
        n_contexts: Of these.
    """

    accuracy: Estimate
    pair_accuracy: Estimate
    ceiling: float
    n_utterances: int
    n_contexts: int


class _RatioStatistic:
    """Sums over utterances, divided by sums over utterances."""

    centred_names: frozenset[str] = frozenset()

    def __init__(self, ratios: Mapping[str, tuple[FloatArray, FloatArray]]) -> None:
        self._ratios = ratios
        self.n_examples = len(next(iter(ratios.values()))[0])

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        return {name: (above @ weights) / (below @ weights) for name, (above, below) in self._ratios.items()}


def measure_contrast(
    groups: Sequence[str],
    targets: BoolArray,
    proba: NDArray[np.floating],
    *,
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
) -> Contrast | None:
    """Measure a model's answers on a contrast set.

    Args:
        groups: Of each of N rows, its utterance.
        targets: Its labels, shape (N, C).
        proba: The model's probabilities, shape (N, C); of equal ones the first column is the answer.
        seed: Of the resamples.
        n_resamples: Of the bootstrap over utterances.
        confidence: Of the intervals.

    Returns:
        None where no utterance has a pair of contexts without a label in common.
    """
    is_right = targets[np.arange(len(targets)), proba.argmax(axis=1)]
    rows_of: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows_of.setdefault(group, []).append(row)
    counts = []
    for rows in rows_of.values():
        said = targets[rows].astype(np.int64)
        has_labels = said.any(axis=1)
        is_pair = np.triu((said @ said.T == 0) & np.outer(has_labels, has_labels), k=1)
        if is_pair.any():
            is_both_right = is_pair & np.outer(is_right[rows], is_right[rows])
            counts.append((len(rows), is_right[rows].sum(), said.sum(axis=0).max(), is_pair.sum(), is_both_right.sum()))
    if not counts:
        return None
    n_contexts, n_right, n_alike, n_pairs, n_both = np.array(counts, dtype=np.float64).T
    ratios = {"accuracy": (n_right, n_contexts), "pair_accuracy": (n_both, n_pairs)}
    found = bootstrap(
        _RatioStatistic(ratios),
        generator=make_generator(seed, "bootstrap of a contrast set"),
        n_resamples=n_resamples,
        confidence=confidence,
    )
    return Contrast(
        accuracy=found["accuracy"].estimate(n=int(n_contexts.sum())),
        pair_accuracy=found["pair_accuracy"].estimate(n=int(n_pairs.sum())),
        ceiling=float(n_alike.sum() / n_contexts.sum()),
        n_utterances=len(counts),
        n_contexts=int(n_contexts.sum()),
    )
