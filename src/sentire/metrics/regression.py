"""How close continuous scores come to the truth: correlations, concordance, errors, and the error of knowing nothing.

For predictions x and targets y of one dimension, with means, variances and covariance over the n examples (1/n):

    Pearson r   = cov(x, y) / (sd(x) sd(y))
    Spearman    = Pearson r of the ranks, equal values sharing their mean rank
    concordance = 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))²)
    RMSE        = sqrt(mean (x - y)²),   MAE = mean |x - y|
    RMSE of the mean = sqrt(mean (c - y)²), c = the mean of the training targets, or of the targets themselves

Every function takes ``predicted`` and ``targets`` of the same shape (N, D), N at least 1, one column a dimension, and
raises a ShapeError where they are of another, and a DataError where a value is NaN, infinite or no number.

**Source** Lin 1989, A concordance correlation coefficient to evaluate reproducibility, Biometrics 45, section 2.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from sentire.core.errors import ShapeError
from sentire.metrics.inputs import FloatArray, check_finite, check_paired_scores

_SMALLEST_RELATIVE_SD = 1e-12
_SMALLEST_RELATIVE_VARIANCE = 1e-12


def pearson_r(predicted: ArrayLike, targets: ArrayLike) -> FloatArray:
    """Compute Pearson's correlation of each column, shape (D,), from -1 to 1; NaN where one side is constant."""
    return _measure(predicted, targets)["pearson"]


def spearman_r(predicted: ArrayLike, targets: ArrayLike) -> FloatArray:
    """Compute Spearman's rank correlation of each column, shape (D,), from -1 to 1; NaN where one side is constant."""
    return _measure(predicted, targets)["spearman"]


def concordance(predicted: ArrayLike, targets: ArrayLike) -> FloatArray:
    """Compute Lin's concordance of each column, shape (D,), from -1 to 1; NaN where both are the same constant."""
    return _measure(predicted, targets)["concordance"]


def rmse(predicted: ArrayLike, targets: ArrayLike) -> FloatArray:
    """Compute the root of the mean squared error of each column, shape (D,)."""
    return _measure(predicted, targets)["rmse"]


def mae(predicted: ArrayLike, targets: ArrayLike) -> FloatArray:
    """Compute the mean absolute error of each column, shape (D,)."""
    return _measure(predicted, targets)["mae"]


def rmse_of_mean(targets: ArrayLike, *, train_mean: ArrayLike | None = None) -> FloatArray:
    """Compute the RMSE of always answering the mean, shape (D,).

    Args:
        targets: Truths, shape (N, D).
        train_mean: The mean of the training targets, shape (D,); without it the best constant for ``targets``
            themselves, whose error is their standard deviation.

    Raises:
        ShapeError: The targets are not (N, D), or the means not (D,).
        DataError: A value is not finite.

    Example:
        >>> rmse_of_mean([[1.0], [3.0]]).tolist(), rmse_of_mean([[1.0], [3.0]], train_mean=[1.0]).round(3).tolist()
        ([1.0], [1.414])
    """
    true = check_finite(targets, name="targets")
    found = RegressionStatistic(true, true, train_mean=train_mean)(np.ones((len(true), 1)))
    return found["rmse_mean_baseline"].reshape(-1)


class RegressionStatistic:
    """All measures of this module, for any number of weightings of the same examples at once.

    Args:
        predicted: Shape (N, D), finite.
        targets: Shape (N, D), finite.
        train_mean: The constant answer to compare with, shape (D,); without it the mean of the weighted targets.

    Raises:
        ShapeError: The shapes do not fit together.
        DataError: A value is not finite.
    """

    centred_names: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, predicted: ArrayLike, targets: ArrayLike, *, train_mean: ArrayLike | None = None) -> None:
        guessed, true = check_paired_scores(predicted, targets)
        self.n_examples, n_dimensions = true.shape
        self._constant: FloatArray | None = None
        if train_mean is not None:
            constant = check_finite(np.atleast_2d(np.asarray(train_mean)), name="train_mean")
            if constant.shape != (1, n_dimensions):
                raise ShapeError(
                    expected=f"shape ({n_dimensions},)", got=f"shape {np.shape(train_mean)}", where="train_mean"
                )
            self._constant = constant[0]
        # Around their own means, sums of squares lose no digits and a constant column has none but rounding.
        self._centre_x, self._centre_y = guessed.mean(axis=0), true.mean(axis=0)
        x, y, gap = guessed - self._centre_x, true - self._centre_y, guessed - true
        moments = [x, y, x * x, y * y, x * y, gap, np.square(gap), np.abs(gap)]
        self._moments = np.stack(moments).transpose(0, 2, 1)
        largest = np.stack([np.abs(guessed).max(axis=0), np.abs(true).max(axis=0)])
        self._floor_x, self._floor_y = np.square(_SMALLEST_RELATIVE_SD * largest)
        self._ranks = [(_Ranks(guessed[:, column]), _Ranks(true[:, column])) for column in range(n_dimensions)]

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """Compute the measures.

        Args:
            weights: How often each example counts, shape (N, R): one column a weighting.

        Returns:
            ``pearson``, ``spearman``, ``concordance``, ``rmse``, ``mae`` and ``rmse_mean_baseline``, each (R, D).
        """
        n = weights.sum(axis=0)
        x, y, xx, yy, xy, gap, squared, absolute = ((moment @ weights / n).T for moment in self._moments)
        variance_x, variance_y = _variance(x, xx, self._floor_x), _variance(y, yy, self._floor_y)
        covariance = np.where((variance_x > 0) & (variance_y > 0), xy - x * y, 0.0)
        bias = np.where(np.square(gap) > self._floor_x + self._floor_y, np.square(gap), 0.0)
        spread = variance_x + variance_y + bias
        distance = 0.0 if self._constant is None else np.square(y + self._centre_y - self._constant)
        return {
            "pearson": _correlate(covariance, variance_x, variance_y),
            "spearman": np.stack([_rank_correlation(a, b, weights, n) for a, b in self._ranks], axis=1),
            "concordance": np.divide(2 * covariance, spread, out=np.full_like(spread, np.nan), where=spread > 0),
            "rmse": np.sqrt(squared),
            "mae": absolute,
            "rmse_mean_baseline": np.sqrt(variance_y + distance),
        }


class _Ranks:
    """The mean ranks of one column, for any weighting of its examples."""

    def __init__(self, values: FloatArray) -> None:
        self._order = np.argsort(values, kind="stable")
        _, self._group_of, sizes = np.unique(values, return_inverse=True, return_counts=True)
        self._starts = np.cumsum(sizes) - sizes

    def rank(self, weights: FloatArray) -> FloatArray:
        """Return each example's mean rank as if it stood there as often as it weighs, shape (N, R)."""
        of_group = np.add.reduceat(weights[self._order], self._starts, axis=0)
        means = np.cumsum(of_group, axis=0) - (of_group - 1) / 2
        ranks: FloatArray = means[self._group_of]
        return ranks


def _rank_correlation(first: _Ranks, second: _Ranks, weights: FloatArray, n: FloatArray) -> FloatArray:
    # The ranks 1..n have the mean (n + 1) / 2 whatever their ties.
    x, y = (ranks.rank(weights) - (n + 1) / 2 for ranks in (first, second))
    variance_x, variance_y, covariance = (np.einsum("nr,nr,nr->r", weights, a, b) for a, b in ((x, x), (y, y), (x, y)))
    return _correlate(covariance, variance_x, variance_y)


def _variance(mean: FloatArray, mean_of_squares: FloatArray, floor: FloatArray) -> FloatArray:
    variance = mean_of_squares - np.square(mean)
    # What is left of a constant column is rounding, not spread.
    is_varied = variance > np.maximum(floor, _SMALLEST_RELATIVE_VARIANCE * mean_of_squares)
    return np.where(is_varied, variance, 0.0)


def _correlate(covariance: FloatArray, variance_x: FloatArray, variance_y: FloatArray) -> FloatArray:
    # One root of each variance: the product of two tiny variances could underflow.
    scale = np.sqrt(variance_x) * np.sqrt(variance_y)
    quotient: FloatArray = np.divide(covariance, scale, out=np.full_like(covariance, np.nan), where=scale > 0)
    return quotient.clip(-1.0, 1.0)


def _measure(predicted: ArrayLike, targets: ArrayLike) -> dict[str, FloatArray]:
    statistic = RegressionStatistic(predicted, targets)
    return {name: values[0] for name, values in statistic(np.ones((statistic.n_examples, 1))).items()}
