"""How well scores rank the texts that carry a label above those that do not: ROC-AUC and average precision.

Let ``w`` be the weights of the decisions, ``P`` and ``N`` the weights of all positives and negatives.

    ROC-AUC = 1/(P N) · sum over positives i, negatives j of  w_i w_j · (1 if s_i > s_j, 1/2 if s_i = s_j, else 0)
    AP      = sum over thresholds t, falling, of  (R_t - R_(t-1)) · precision_t

Equal scores are one threshold, so that the order of rows never matters.

**Source** Hanley and McNeil 1982, The meaning and use of the area under a ROC curve (the AUC as a probability);
Davis and Goadrich 2006, The relationship between Precision-Recall and ROC curves (why the curve is summed in
steps and not interpolated).
**Departures** Where a measure has no meaning it is NaN: the AUC of a label with one class only, and the average
precision of a label without positives (for which scikit-learn answers 0). Macro averages run over the defined labels.
A positive that a resample draws twice counts twice at its own rank, so that the average precision grows, most of all of
rare labels; its bootstrap intervals are moved back (``centred_names`` in ``metrics.bootstrap``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.metrics.inputs import BoolArray, FloatArray, check_scores

_BLOCK_CELLS = 1 << 22
_LARGEST_BLOCK_COLUMNS = 64
_LARGEST_EXACT_FLOAT32 = 1 << 24


@dataclass(frozen=True, kw_only=True)
class MacroAverage:
    """A mean over the labels for which a measure is defined.

    Attributes:
        value: The mean; NaN where no label is defined.
        n_defined: Labels that count.
        n_undefined: Labels that were left out because the measure has no meaning for them.
    """

    value: float
    n_defined: int
    n_undefined: int


def roc_auc_per_label(targets: ArrayLike, scores: ArrayLike) -> FloatArray:
    """Compute the area under the ROC curve of each label, shape (C,); NaN where it has one class only.

    Example:
        >>> roc_auc_per_label([[1], [0], [0]], [[0.7], [0.7], [0.1]]).tolist()
        [0.75]
    """
    return _measure(targets, scores, has_micro=False)["roc_auc"].reshape(-1)


def average_precision_per_label(targets: ArrayLike, scores: ArrayLike) -> FloatArray:
    """Compute the average precision of each label, shape (C,); NaN where it has no positives."""
    return _measure(targets, scores, has_micro=False)["average_precision"].reshape(-1)


def macro_roc_auc(targets: ArrayLike, scores: ArrayLike) -> MacroAverage:
    """Average the ROC-AUC over the labels that have both classes."""
    return _average(roc_auc_per_label(targets, scores))


def macro_average_precision(targets: ArrayLike, scores: ArrayLike) -> MacroAverage:
    """Average the average precision over the labels that have positives."""
    return _average(average_precision_per_label(targets, scores))


def micro_roc_auc(targets: ArrayLike, scores: ArrayLike) -> float:
    """Compute the ROC-AUC over all decisions pooled; NaN where they are all of one class."""
    return float(_measure(targets, scores, has_micro=True)["micro_roc_auc"][0])


def micro_average_precision(targets: ArrayLike, scores: ArrayLike) -> float:
    """Compute the average precision over all decisions pooled; NaN without positives."""
    return float(_measure(targets, scores, has_micro=True)["micro_average_precision"][0])


class RankingStatistic:
    """All measures of this module, for any number of weightings of the same examples at once.

    Decisions are sorted once. A weighting then sums its weights between the scores of the positives, which is all
    that the two measures ask of the negatives.

    Args:
        targets: Truths, shape (N, C).
        scores: Finite, higher where the label is likelier, shape (N, C).
        has_micro: Whether the pooled measures are wanted; they cost as much as all labels together.
        has_average_precision: Whether the average precision is wanted.
    """

    centred_names: ClassVar[frozenset[str]] = frozenset(
        {"average_precision", "macro_average_precision", "micro_average_precision"}
    )

    def __init__(
        self, targets: ArrayLike, scores: ArrayLike, *, has_micro: bool = True, has_average_precision: bool = True
    ) -> None:
        true, values = check_scores(targets, scores)
        self.n_examples, n_labels = true.shape
        self._has_average_precision = has_average_precision
        rows = np.arange(self.n_examples)
        self._labels = [
            _RankedDecisions(true[:, label], values[:, label], rows, self.n_examples) for label in range(n_labels)
        ]
        self._pooled = (
            _RankedDecisions(true.ravel(), values.ravel(), np.repeat(rows, n_labels), self.n_examples)
            if has_micro
            else None
        )

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """Compute the measures.

        Args:
            weights: How often each example counts, shape (N, R): one column a weighting.

        Returns:
            Averages of shape (R,), and ``roc_auc`` and ``average_precision`` of shape (R, C). In a weighting in which
            a label is not defined, the macro averages run over the other labels.
        """
        measured = [label.measure(weights) for label in self._labels]
        roc_auc, average_precision = (np.stack(values, axis=1) for values in zip(*measured, strict=True))
        found = {"roc_auc": roc_auc, "macro_roc_auc": _mean_of_defined(roc_auc)}
        if self._has_average_precision:
            found["average_precision"] = average_precision
            found["macro_average_precision"] = _mean_of_defined(average_precision)
        if self._pooled is not None:
            micro_roc_auc, micro_average_precision = self._pooled.measure(weights)
            found["micro_roc_auc"] = micro_roc_auc
            if self._has_average_precision:
                found["micro_average_precision"] = micro_average_precision
        return found


class _RankedDecisions:
    """Decisions sorted by score, each belonging to a row of the weights.

    With K different scores among the positives, best first, the negatives fall into bins: bin 2k lies above score k
    (and below score k-1), bin 2k+1 is tied with score k, and what lies below the last
    score is needed in the total only.
    """

    def __init__(self, targets: BoolArray, scores: FloatArray, rows: NDArray[np.int64], n_examples: int) -> None:
        positives, negatives = np.flatnonzero(targets), np.flatnonzero(~targets)
        positives = positives[np.argsort(-scores[positives], kind="stable")]
        keys, self._positive_starts = np.unique(-scores[positives], return_index=True)
        self._positive_rows = rows[positives]

        places = np.searchsorted(keys, -scores[negatives])
        is_tied = np.zeros(len(negatives), dtype=np.bool_)
        inside = places < len(keys)
        is_tied[inside] = keys[places[inside]] == -scores[negatives[inside]]
        bins = 2 * places + is_tied
        order = np.argsort(bins, kind="stable")[: int(inside.sum())]
        self._negative_rows = rows[negatives[order]]
        self._bins, self._negative_starts = np.unique(bins[order], return_index=True)
        self._n_bins = 2 * len(keys)
        self._n_negatives_of_row = np.bincount(rows[negatives], minlength=n_examples).astype(np.float64)
        self._n_decisions = len(targets)

    def measure(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ROC-AUC and average precision for each column of the weights, two arrays of shape (R,)."""
        n_columns = weights.shape[1]
        step = min(max(_BLOCK_CELLS // self._n_decisions, 1), _LARGEST_BLOCK_COLUMNS)
        blocks = [self._measure_block(weights[:, start : start + step]) for start in range(0, n_columns, step)]
        roc_auc, average_precision = zip(*blocks, strict=True)
        return np.concatenate(roc_auc), np.concatenate(average_precision)

    def _measure_block(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        n_columns = weights.shape[1]
        n_negatives = self._n_negatives_of_row @ weights
        if not len(self._positive_rows):
            return np.full(n_columns, np.nan), np.full(n_columns, np.nan)
        # Half the bytes to move; weights are counts, and sums of counts below 2^24 are exact in float32.
        is_small = self._n_decisions < _LARGEST_EXACT_FLOAT32
        light = np.ascontiguousarray(weights, dtype=np.float32 if is_small else np.float64)

        true = np.add.reduceat(light[self._positive_rows], self._positive_starts, axis=0).astype(np.float64)
        false = np.zeros((self._n_bins, n_columns))
        if len(self._negative_rows):
            false[self._bins] = np.add.reduceat(light[self._negative_rows], self._negative_starts, axis=0)
        n_true = np.cumsum(true, axis=0)
        n_false = np.cumsum(false, axis=0)
        n_positives = n_true[-1]
        n_false_above, n_false_down_to = n_false[0::2], n_false[1::2]

        n_lost_pairs = (true * (n_false_above + n_false_down_to)).sum(axis=0) / 2
        n_pairs = n_positives * n_negatives
        roc_auc = 1.0 - _divide(n_lost_pairs, n_pairs)
        precision = _divide(n_true, n_true + n_false_down_to)
        # A score that no drawn positive has adds no recall, and its precision may be 0/0.
        steps = np.where(true > 0, true * precision, 0.0).sum(axis=0)
        return roc_auc, _divide(steps, n_positives)


def _measure(targets: ArrayLike, scores: ArrayLike, *, has_micro: bool) -> Mapping[str, FloatArray]:
    statistic = RankingStatistic(targets, scores, has_micro=has_micro)
    return statistic(np.ones((statistic.n_examples, 1)))


def _average(values: FloatArray) -> MacroAverage:
    n_defined = int(np.isfinite(values).sum())
    return MacroAverage(
        value=float(_mean_of_defined(values[None, :])[0]), n_defined=n_defined, n_undefined=len(values) - n_defined
    )


def _mean_of_defined(values: FloatArray) -> FloatArray:
    is_defined = np.isfinite(values)
    sums = np.where(is_defined, values, 0.0).sum(axis=1)
    return _divide(sums, is_defined.sum(axis=1).astype(np.float64))


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
