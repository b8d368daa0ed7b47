"""Precision, recall and F1 of decisions, per label and averaged, and exact match.

Convention of this module: a ratio whose denominator is 0 is 0. A label that is never decided has precision 0, a
label without positives has recall 0, and a label with neither has F1 0, so that macro averages run over all labels.

**Source** Sokolova and Lapalme 2009, A systematic analysis of performance measures for classification tasks, Table 3
(micro and macro averages).
**Departures** Macro-F1 is the mean of the labels' F1 (as scikit-learn computes it), not the F1 of macro precision
and macro recall; the two differ (Opitz and Burst 2019, Macro F1 and Macro F1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.metrics.inputs import FloatArray, check_decisions, check_indicator

FREQUENT_MIN_POSITIVES = 50
"""A label with at least so many positives counts as frequent: its F1 is known within about a tenth."""


@dataclass(frozen=True, kw_only=True)
class OutcomeCounts:
    """How often decisions were right and wrong, by label, for one or for many weightings of the examples.

    Attributes:
        tp: Decided and true, shape (..., C).
        fp: Decided and not true, shape (..., C).
        fn: True and not decided, shape (..., C).
    """

    tp: FloatArray
    fp: FloatArray
    fn: FloatArray

    @property
    def support(self) -> FloatArray:
        """Positives of each label, shape (..., C)."""
        return self.tp + self.fn

    def pooled(self) -> "OutcomeCounts":
        """Return the counts summed over the labels, shape (..., 1)."""
        tp, fp, fn = (count.sum(axis=-1, keepdims=True) for count in (self.tp, self.fp, self.fn))
        return OutcomeCounts(tp=tp, fp=fp, fn=fn)

    def precision(self) -> FloatArray:
        """Return ``TP / (TP + FP)``, shape (..., C)."""
        return _ratio(self.tp, self.tp + self.fp)

    def recall(self) -> FloatArray:
        """Return ``TP / (TP + FN)``, shape (..., C)."""
        return _ratio(self.tp, self.tp + self.fn)

    def f1(self) -> FloatArray:
        """Return ``2 TP / (2 TP + FP + FN)``, shape (..., C)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def by_measure(self) -> dict[str, FloatArray]:
        """Return precision, recall and F1 by name, each of shape (..., C)."""
        return {"precision": self.precision(), "recall": self.recall(), "f1": self.f1()}

    def weigh(self, values: FloatArray) -> FloatArray:
        """Average values of shape (..., C) over the labels with the supports as weights; 0 without positives."""
        return _ratio((values * self.support).sum(axis=-1), self.support.sum(axis=-1))


def count_outcomes(targets: ArrayLike, decisions: ArrayLike) -> OutcomeCounts:
    """Count right and wrong decisions by label; each count has shape (C,)."""
    true, decided = check_decisions(targets, decisions)
    tp = (true & decided).sum(axis=0).astype(np.float64)
    return OutcomeCounts(tp=tp, fp=decided.sum(axis=0) - tp, fn=true.sum(axis=0) - tp)


def count_support(targets: ArrayLike) -> NDArray[np.int64]:
    """Count the positives of each label, shape (C,)."""
    support: NDArray[np.int64] = check_indicator(targets, name="targets").sum(axis=0, dtype=np.int64)
    return support


def precision_per_label(targets: ArrayLike, decisions: ArrayLike) -> FloatArray:
    """Compute ``TP / (TP + FP)`` for each label, shape (C,); 0 where the label is never decided."""
    return count_outcomes(targets, decisions).precision()


def recall_per_label(targets: ArrayLike, decisions: ArrayLike) -> FloatArray:
    """Compute ``TP / (TP + FN)`` for each label, shape (C,); 0 where the label has no positives."""
    return count_outcomes(targets, decisions).recall()


def f1_per_label(targets: ArrayLike, decisions: ArrayLike) -> FloatArray:
    """Compute ``2 TP / (2 TP + FP + FN)`` for each label, shape (C,); 0 where all three counts are 0.

    Example:
        >>> f1_per_label([[1, 0], [1, 1]], [[1, 0], [0, 1]]).round(3).tolist()
        [0.667, 1.0]
    """
    return count_outcomes(targets, decisions).f1()


def micro_precision(targets: ArrayLike, decisions: ArrayLike) -> float:
    """Compute precision over all decisions pooled."""
    return float(count_outcomes(targets, decisions).pooled().precision()[0])


def micro_recall(targets: ArrayLike, decisions: ArrayLike) -> float:
    """Compute recall over all decisions pooled."""
    return float(count_outcomes(targets, decisions).pooled().recall()[0])


def micro_f1(targets: ArrayLike, decisions: ArrayLike) -> float:
    """Compute F1 over all decisions pooled."""
    return float(count_outcomes(targets, decisions).pooled().f1()[0])


def macro_precision(targets: ArrayLike, decisions: ArrayLike) -> float:
    """Average precision over the labels, each label counting the same."""
    return float(precision_per_label(targets, decisions).mean())


def macro_recall(targets: ArrayLike, decisions: ArrayLike) -> float:
    """Average recall over the labels, each label counting the same."""
    return float(recall_per_label(targets, decisions).mean())


def macro_f1(targets: ArrayLike, decisions: ArrayLike, *, min_positives: int = 0) -> float:
    """Average F1 over the labels, each label counting the same.

    Args:
        targets: Truths, shape (N, C).
        decisions: Answers, shape (N, C).
        min_positives: Leave out labels with fewer positives than this among the targets.

    Returns:
        From 0 to 1; NaN where no label has so many positives.
    """
    counts = count_outcomes(targets, decisions)
    chosen = counts.f1()[counts.support >= min_positives]
    return float(chosen.mean()) if chosen.size else float("nan")


def weighted_precision(targets: ArrayLike, decisions: ArrayLike) -> float:
    """Average precision over the labels, each counting as often as it has positives; 0 without positives."""
    counts = count_outcomes(targets, decisions)
    return float(counts.weigh(counts.precision()))


def weighted_recall(targets: ArrayLike, decisions: ArrayLike) -> float:
    """Average recall over the labels, each counting as often as it has positives (equals micro recall)."""
    counts = count_outcomes(targets, decisions)
    return float(counts.weigh(counts.recall()))


def weighted_f1(targets: ArrayLike, decisions: ArrayLike) -> float:
    """Average F1 over the labels, each counting as often as it has positives; 0 without positives."""
    counts = count_outcomes(targets, decisions)
    return float(counts.weigh(counts.f1()))


def exact_match(targets: ArrayLike, decisions: ArrayLike) -> float:
    """Compute the share of examples whose labels are all right."""
    true, decided = check_decisions(targets, decisions)
    return float((true == decided).all(axis=1).mean())


class ClassificationStatistic:
    """All measures of this module, for any number of weightings of the same examples at once.

    The indicators of each example are laid down once; a weighting is then one column of a matrix product.

    Args:
        targets: Truths, shape (N, C).
        decisions: Answers, shape (N, C).
        min_positives: ``macro_f1_min<this>`` runs over the labels with at least so many positives in ``targets``;
            which labels these are does not change with the weighting.
    """

    centred_names: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, targets: ArrayLike, decisions: ArrayLike, *, min_positives: int = FREQUENT_MIN_POSITIVES
    ) -> None:
        true, decided = check_decisions(targets, decisions)
        self.n_examples, self._n_labels = true.shape
        self._frequent = true.sum(axis=0) >= min_positives
        self._frequent_name = f"macro_f1_min{min_positives}"
        is_exact = (true == decided).all(axis=1, keepdims=True)
        self._indicators = np.ascontiguousarray(
            np.hstack([true & decided, decided, true, is_exact]).T, dtype=np.float64
        )

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """Compute the measures.

        Args:
            weights: How often each example counts, shape (N, R): one column a weighting.

        Returns:
            Averages of shape (R,), and ``precision``, ``recall`` and ``f1`` of shape (R, C).
        """
        sums = (self._indicators @ weights).T
        n = self._n_labels
        tp, decided, positive = sums[:, :n], sums[:, n : 2 * n], sums[:, 2 * n : 3 * n]
        counts = OutcomeCounts(tp=tp, fp=decided - tp, fn=positive - tp)
        by_label = counts.by_measure()
        found: dict[str, FloatArray] = dict(by_label)
        for name, values in counts.pooled().by_measure().items():
            found[f"micro_{name}"] = values[:, 0]
        for name, values in by_label.items():
            found[f"macro_{name}"] = values.mean(axis=1)
            found[f"weighted_{name}"] = counts.weigh(values)
        if self._frequent.any():
            found[self._frequent_name] = by_label["f1"][:, self._frequent].mean(axis=1)
        else:
            found[self._frequent_name] = np.full(len(sums), np.nan)
        found["exact_match"] = _ratio(sums[:, -1], weights.sum(axis=0))
        return found


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    numerator = np.asarray(numerator, dtype=np.float64)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=np.asarray(denominator) > 0)
