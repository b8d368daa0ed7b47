"""Whether probabilities mean what they say: expected calibration error, Brier score, log loss, reliability.

With the probabilities of n decisions in 15 bins of equal width, bin m being ``((m-1)/15, m/15]`` and 0 in the first,

    ECE = sum over bins m of  |B_m|/n · |mean of targets in B_m - mean of probabilities in B_m|

**Source** Guo, Pleiss, Sun and Weinberger 2017, On Calibration of Modern Neural Networks, section 2, equation 3
(15 bins as in their section 4.2).
**Departures** Guo et al. bin the confidence in the top class of a multi-class model. Here every label is a binary
question of its own: the probability that the label holds is compared with how often it does. ``micro_ece`` pools the
decisions on all labels, ``macro_ece`` is the mean of the labels' errors.

The ECE of a sample is larger than that of the population (chance differences in a bin never cancel out), and a
resample of a sample is larger again. Its bootstrap intervals are therefore moved back by that surplus, see
``centred_names`` in ``metrics.bootstrap``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import UsageError
from sentire.metrics.inputs import FloatArray, check_proba

N_BINS = 15

SMALLEST_PROBA = 1e-7
"""Log loss moves probabilities at least this far from 0 and 1: the step of float32 just below 1."""


@dataclass(frozen=True, kw_only=True)
class ReliabilityTable:
    """What was said and what was true, bin by bin, over the decisions on all labels given.

    Attributes:
        edges: Of the bins, shape (M + 1,).
        n: Decisions in each bin, shape (M,).
        mean_proba: What was said, shape (M,); NaN in an empty bin.
        observed_fraction: What was true, shape (M,); NaN in an empty bin.
    """

    edges: FloatArray
    n: NDArray[np.int64]
    mean_proba: FloatArray
    observed_fraction: FloatArray


def ece_per_label(targets: ArrayLike, proba: ArrayLike, *, n_bins: int = N_BINS) -> FloatArray:
    """Compute the expected calibration error of each label, shape (C,).

    Example:
        >>> ece_per_label([[1], [0]], [[0.8], [0.8]]).round(3).tolist()
        [0.3]
    """
    return _measure(targets, proba, n_bins)["ece"].reshape(-1)


def micro_ece(targets: ArrayLike, proba: ArrayLike, *, n_bins: int = N_BINS) -> float:
    """Compute the expected calibration error of all decisions pooled."""
    return float(_measure(targets, proba, n_bins)["micro_ece"][0])


def macro_ece(targets: ArrayLike, proba: ArrayLike, *, n_bins: int = N_BINS) -> float:
    """Average the labels' expected calibration errors."""
    return float(_measure(targets, proba, n_bins)["macro_ece"][0])


def micro_brier(targets: ArrayLike, proba: ArrayLike) -> float:
    """Compute the mean of ``(y - p)²`` over all decisions (Brier 1950, for binary events)."""
    true, values = check_proba(targets, proba)
    return float(np.mean(np.square(values - true)))


def log_loss(targets: ArrayLike, proba: ArrayLike) -> float:
    """Compute the mean of ``-(y log p + (1-y) log(1-p))`` over all decisions, p kept within 1e-7 of 0 and 1."""
    true, values = check_proba(targets, proba)
    return float(np.mean(_log_losses(true, values)))


def make_reliability_table(targets: ArrayLike, proba: ArrayLike, *, n_bins: int = N_BINS) -> ReliabilityTable:
    """Compare probabilities and truths bin by bin, over all decisions given."""
    true, values = check_proba(targets, proba)
    bins = _find_bins(values, n_bins).ravel()
    n = np.bincount(bins, minlength=n_bins)
    sums = [np.bincount(bins, weights=of.ravel(), minlength=n_bins) for of in (values, true.astype(np.float64))]
    said, held = (np.divide(of, n, out=np.full(n_bins, np.nan), where=n > 0) for of in sums)
    return ReliabilityTable(edges=_edges(n_bins), n=n, mean_proba=said, observed_fraction=held)


class CalibrationStatistic:
    """All measures of this module, for any number of weightings of the same examples at once.

    A decision stays in its bin whatever its weight, and in a bin the two means differ by the sum of ``y - p``; so an
    error is a sum of absolute values of a matrix product.

    Args:
        targets: Truths, shape (N, C).
        proba: Probabilities, shape (N, C).
        n_bins: M, at least 1.
    """

    centred_names: ClassVar[frozenset[str]] = frozenset({"ece", "micro_ece", "macro_ece"})

    def __init__(self, targets: ArrayLike, proba: ArrayLike, *, n_bins: int = N_BINS) -> None:
        true, values = check_proba(targets, proba)
        self.n_examples, self._n_labels = true.shape
        self._n_bins = n_bins
        self._bins = _find_bins(values, n_bins)
        self._gaps = true - values
        self._losses = np.stack([np.square(self._gaps).mean(axis=1), _log_losses(true, values).mean(axis=1)])

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """Compute the measures.

        Args:
            weights: How often each example counts, shape (N, R): one column a weighting.

        Returns:
            Averages of shape (R,), and ``ece`` of shape (R, C).
        """
        n = weights.sum(axis=0)
        rows = np.arange(self.n_examples)
        pooled = np.zeros((self._n_bins, weights.shape[1]))
        ece = np.empty((weights.shape[1], self._n_labels))
        for label in range(self._n_labels):
            # Laid out anew for each label: for all labels at once it would take M times the memory of the answers.
            gaps = np.zeros((self._n_bins, self.n_examples))
            gaps[self._bins[:, label], rows] = self._gaps[:, label]
            sums = gaps @ weights
            pooled += sums
            ece[:, label] = np.abs(sums).sum(axis=0) / n
        brier, log_losses = self._losses @ weights / n
        return {
            "ece": ece,
            "macro_ece": ece.mean(axis=1),
            "micro_ece": np.abs(pooled).sum(axis=0) / (n * self._n_labels),
            "micro_brier": brier,
            "log_loss": log_losses,
        }


def _measure(targets: ArrayLike, proba: ArrayLike, n_bins: int) -> Mapping[str, FloatArray]:
    statistic = CalibrationStatistic(targets, proba, n_bins=n_bins)
    return statistic(np.ones((statistic.n_examples, 1)))


def _edges(n_bins: int) -> FloatArray:
    if n_bins < 1:
        raise UsageError(expected="at least 1 bin", got=str(n_bins), where="n_bins")
    return np.arange(n_bins + 1) / n_bins


def _find_bins(proba: FloatArray, n_bins: int) -> NDArray[np.int64]:
    return np.searchsorted(_edges(n_bins)[1:-1], proba, side="left")


def _log_losses(true: NDArray[np.bool_], proba: FloatArray) -> FloatArray:
    of_truth = np.where(true, proba, 1.0 - proba)
    losses: FloatArray = -np.log(np.clip(of_truth, SMALLEST_PROBA, 1.0 - SMALLEST_PROBA))
    return losses
