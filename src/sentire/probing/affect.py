"""How much valence, arousal and dominance a straight line can read from frozen embeddings: ridge regression."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import MissingExtraError, ShapeError, UsageError
from sentire.core.seeding import make_generator
from sentire.metrics.bootstrap import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES, Estimate, bootstrap
from sentire.metrics.inputs import Float32Array, FloatArray, check_finite
from sentire.metrics.regression import RegressionStatistic, rmse
from sentire.probing.splits import EmbeddedSplit, check_same_size

try:
    from scipy.linalg import eigh
except ImportError as error:
    raise MissingExtraError(extra="classical", needed_for="the affect probe") from error

ALPHAS = tuple(float(10.0**power) for power in range(-2, 6))
"""Candidates of the penalty, in scikit-learn's units, on standardised embeddings."""

MEASURES = ("pearson", "spearman", "concordance", "rmse", "rmse_mean_baseline")


@dataclass(frozen=True, kw_only=True)
class AffectProbe:
    """How well ridge regression reads affect from frozen embeddings.

    Attributes:
        measures: By dimension, then by measure: Pearson, Spearman, concordance, RMSE, and the RMSE of always answering
            the mean of train (``rmse_mean_baseline``); on test.
        alpha: The penalty of each dimension, chosen on dev.
        dev_rmse: Of each dimension at that penalty.
        n_train: Texts learned from.
        n_dev: Texts chosen on.
        n_test: Texts measured on.
    """

    measures: dict[str, dict[str, Estimate]]
    alpha: dict[str, float]
    dev_rmse: dict[str, float]
    n_train: int
    n_dev: int
    n_test: int


def affect_probe(
    train: EmbeddedSplit,
    dev: EmbeddedSplit,
    test: EmbeddedSplit,
    *,
    dimensions: Sequence[str] = VAD_DIMENSIONS,
    alphas: Sequence[float] = ALPHAS,
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
) -> AffectProbe:
    """Fit on train, choose the penalty of each dimension on dev by RMSE, measure on test.

    Ridge regression of standardised embeddings: ``minimise ‖y - X w - b‖² + α ‖w‖²``, solved for all α from one
    decomposition of ``XᵀX``.

    Source: Hoerl and Kennard 1970, Ridge Regression: Biased Estimation for Nonorthogonal Problems.

    Args:
        train: To learn from; targets of shape (N, K), continuous.
        dev: To choose on.
        test: To measure on.
        dimensions: Names of the K columns.
        alphas: Candidates, above 0; of equals on dev the largest is taken.
        seed: Of the resamples.
        n_resamples: Of the bootstrap.
        confidence: Of the intervals.

    Raises:
        ShapeError: The splits and dimensions do not fit together.
        DataError: A value is not finite.
        UsageError: No alpha, or one that is not above 0.
    """
    if not alphas or not all(np.isfinite(alpha) and alpha > 0 for alpha in alphas):
        raise UsageError(expected="alphas above 0", got=str(list(alphas)), where="alphas")
    splits = {"train": train, "dev": dev, "test": test}
    embeddings = check_same_size({name: split.embeddings for name, split in splits.items()})
    targets = {name: check_finite(split.targets, name=f"{name} targets") for name, split in splits.items()}
    for name, values in targets.items():
        wanted = (len(embeddings[name]), len(dimensions))
        if values.shape != wanted:
            raise ShapeError(
                expected=f"targets of shape {wanted}", got=f"shape {values.shape}", where=f"{name} targets"
            )
    path = _RidgePath(embeddings["train"].astype(np.float64), targets["train"])
    ordered = sorted(alphas, reverse=True)
    errors = np.stack([rmse(path.predict(embeddings["dev"], alpha), targets["dev"]) for alpha in ordered])
    best = errors.argmin(axis=0)
    predicted = np.empty_like(targets["test"])
    for column, number in enumerate(best):
        predicted[:, column] = path.predict(embeddings["test"], ordered[number])[:, column]
    found = bootstrap(
        RegressionStatistic(predicted, targets["test"], train_mean=targets["train"].mean(axis=0)),
        generator=make_generator(seed, "bootstrap of the affect probe"),
        n_resamples=n_resamples,
        confidence=confidence,
    )
    n_test = len(predicted)
    return AffectProbe(
        measures={
            dimension: {measure: found[measure].estimate(n=n_test, column=column) for measure in MEASURES}
            for column, dimension in enumerate(dimensions)
        },
        alpha={dimension: ordered[number] for dimension, number in zip(dimensions, best, strict=True)},
        dev_rmse={
            dimension: float(errors[number, column])
            for column, (dimension, number) in enumerate(zip(dimensions, best, strict=True))
        },
        n_train=len(targets["train"]),
        n_dev=len(targets["dev"]),
        n_test=n_test,
    )


class _RidgePath:
    """Ridge regression for any penalty, from one decomposition."""

    def __init__(self, embeddings: FloatArray, targets: FloatArray) -> None:
        self._mean, spread = embeddings.mean(axis=0), embeddings.std(axis=0)
        # What is left of a constant column is rounding, not spread.
        self._scale = np.where(spread > 1e-6 * np.abs(self._mean), spread, np.inf)
        self._constant = targets.mean(axis=0)
        standard = self._standardise(embeddings)
        self._values, self._vectors = eigh(standard.T @ standard)
        self._right = self._vectors.T @ (standard.T @ (targets - self._constant))

    def predict(self, embeddings: FloatArray | Float32Array, alpha: float) -> FloatArray:
        """Return scores for embeddings of shape (N, D), shape (N, K)."""
        weights = self._vectors @ (self._right / (self._values.clip(0.0) + alpha)[:, None])
        scores: FloatArray = self._standardise(np.asarray(embeddings, dtype=np.float64)) @ weights + self._constant
        return scores

    def _standardise(self, embeddings: FloatArray) -> FloatArray:
        standard: FloatArray = (embeddings - self._mean) / self._scale
        return standard
