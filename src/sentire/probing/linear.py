"""What a straight line can read from frozen embeddings: logistic regression, for one class or several labels a text.

With standardised embeddings x and weights W, b,

    one class a text:  minimise  C Σ_i log loss of softmax(W x_i + b)  + ½ ‖W‖²
    labels:            minimise  C Σ_i Σ_c log loss of sigmoid(w_c x_i + b_c)  + ½ ‖W‖²

**Source** Alain and Bengio 2016, Understanding intermediate layers using linear classifier probes.
**Departures** The labels' problems are independent of one another (one against the rest) and minimised together, since
one matrix product for all labels costs little more than for one; the optimum is the same as scikit-learn's for each
label alone. Strengths of the penalty are tried from the strongest, each from the solution of the one before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import MissingExtraError, UsageError
from sentire.metrics.bootstrap import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES
from sentire.metrics.inputs import BoolArray, Float32Array, FloatArray
from sentire.probing.splits import (
    Cutoffs,
    EmbeddedSplit,
    ProbeQuality,
    check_splits,
    fit_cutoffs,
    judge_decisions,
)

try:
    from scipy.optimize import minimize
    from scipy.special import expit, log_softmax, softmax
except ImportError as error:
    raise MissingExtraError(extra="classical", needed_for="linear probes") from error

STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0)
"""Candidates of C, the inverse strength of the penalty, in scikit-learn's units."""

LARGEST_ITERATIONS = 300
TOLERANCE = 1e-4
"""Largest slope of the mean loss at which the fit has come to rest."""


@dataclass(frozen=True, kw_only=True)
class LinearWeights:
    """A fitted linear map from embeddings to logits.

    Attributes:
        mean: Of the training embeddings, shape (D,).
        scale: Their standard deviations, shape (D,); 1 where a number never changes.
        weights: Shape (D, C).
        bias: Shape (C,).
        is_single_label: Whether probabilities add up to 1 over the classes.
        n_iterations: Of the solver.
    """

    mean: Float32Array
    scale: Float32Array
    weights: Float32Array
    bias: Float32Array
    is_single_label: bool
    n_iterations: int

    def predict_proba(self, embeddings: ArrayLike) -> FloatArray:
        """Return probabilities, shape (N, C)."""
        logits = ((np.asarray(embeddings, dtype=np.float32) - self.mean) / self.scale) @ self.weights + self.bias
        wide = logits.astype(np.float64)
        return np.asarray(softmax(wide, axis=1) if self.is_single_label else expit(wide))


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """How well logistic regression reads the classes from frozen embeddings.

    Attributes:
        quality: On test.
        C: The strength chosen on dev.
        dev_macro_f1: Of each strength on dev; by cross-fitting where there are cut-offs.
        thresholds: The labels' cut-offs, chosen on dev; None where the likeliest class is decided.
        n_train: Texts learned from.
        n_dev: Texts chosen on.
        n_iterations: Of the solver, at the chosen strength.
    """

    quality: ProbeQuality
    C: float
    dev_macro_f1: dict[str, float]
    thresholds: tuple[float, ...] | None
    n_train: int
    n_dev: int
    n_iterations: int


def linear_probe(
    train: EmbeddedSplit,
    dev: EmbeddedSplit,
    test: EmbeddedSplit,
    *,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
) -> LinearProbe:
    """Fit on train, choose the penalty (and for labels the cut-offs) on dev, measure on test.

    Args:
        train: To learn from.
        dev: To choose on.
        test: To measure on.
        strengths: Candidates of C, above 0; of equals on dev the strongest penalty is taken.
        seed: Of the folds that judge the cut-offs, and of the resamples.
        n_resamples: Of the bootstrap.
        confidence: Of the intervals.

    Raises:
        ShapeError: The splits do not fit together.
        DataError: A value is not finite, train has one class only, or dev has too few texts for cut-offs.
        UsageError: No strength, or one that is not above 0.

    Cost:
        36,000 embeddings of 384 numbers with 28 labels and five strengths take less than a minute on one core.
    """
    if not strengths or not all(np.isfinite(strength) and strength > 0 for strength in strengths):
        raise UsageError(expected="strengths above 0", got=str(list(strengths)), where="strengths")
    splits = check_splits(train, dev, test)
    best: tuple[LinearWeights, Cutoffs, float] | None = None
    by_strength: dict[str, float] = {}
    fitted: LinearWeights | None = None
    for strength in sorted(strengths):
        fitted = fit_linear(
            splits.embeddings[0],
            splits.targets[0],
            C=strength,
            is_single_label=splits.is_single_label,
            start=fitted,
        )
        cutoffs = fit_cutoffs(
            fitted.predict_proba(splits.embeddings[1]),
            splits.targets[1],
            is_single_label=splits.is_single_label,
            seed=seed,
        )
        by_strength[f"{strength:g}"] = cutoffs.dev_macro_f1
        if best is None or cutoffs.dev_macro_f1 > best[1].dev_macro_f1:
            best = fitted, cutoffs, strength
    assert best is not None  # noqa: S101  there is at least one strength
    chosen, cutoffs, strength = best
    decisions = cutoffs.decide(chosen.predict_proba(splits.embeddings[2]))
    return LinearProbe(
        quality=judge_decisions(
            splits.targets[2],
            decisions,
            splits.classes,
            is_single_label=splits.is_single_label,
            seed=seed,
            n_resamples=n_resamples,
            confidence=confidence,
        ),
        C=strength,
        dev_macro_f1=by_strength,
        thresholds=None if cutoffs.thresholds is None else tuple(cutoffs.thresholds.tolist()),
        n_train=len(splits.targets[0]),
        n_dev=len(splits.targets[1]),
        n_iterations=chosen.n_iterations,
    )


def fit_linear(
    embeddings: Float32Array,
    targets: BoolArray,
    *,
    C: float,
    is_single_label: bool,
    start: LinearWeights | None = None,
    tolerance: float = TOLERANCE,
) -> LinearWeights:
    """Fit logistic regression on standardised embeddings.

    Args:
        embeddings: Shape (N, D), finite.
        targets: Shape (N, C).
        C: Inverse strength of the penalty, above 0; the biases are not penalised.
        is_single_label: Softmax over the classes, or one sigmoid a label.
        start: A solution to start from, for the same embeddings.
        tolerance: Largest slope of the mean loss at which to stop.
    """
    n, n_features = embeddings.shape
    n_classes = targets.shape[1]
    mean = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = embeddings.std(axis=0, dtype=np.float64).astype(np.float32)
    # What is left of a constant column is rounding, not spread.
    is_constant = spread <= 1e-6 * np.abs(mean)
    scale = np.where(is_constant | (spread == 0), np.float32(1), spread)
    standard = np.where(is_constant, np.float32(0), (embeddings - mean) / scale)
    truth = targets.astype(np.float32)
    penalty = 1.0 / (C * n)

    def evaluate(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = _unpack(flat, n_features, n_classes)
        logits = standard @ weights.astype(np.float32) + bias.astype(np.float32)
        if is_single_label:
            loss = -float((log_softmax(logits, axis=1) * truth).sum(dtype=np.float64)) / n
            residual = softmax(logits, axis=1) - truth
        else:
            # log(1 + exp(z)) - t z, without overflow on either side.
            decay = np.exp(-np.abs(logits))
            loss = float((np.maximum(logits, 0) + np.log1p(decay) - truth * logits).sum(dtype=np.float64)) / n
            residual = np.where(logits >= 0, 1, decay) / (1 + decay) - truth
        slope = standard.T @ residual / np.float32(n) + np.float32(penalty) * weights.astype(np.float32)
        gradient = np.concatenate((slope.ravel(), residual.mean(axis=0, dtype=np.float64))).astype(np.float64)
        return loss + 0.5 * penalty * float(np.square(weights).sum()), gradient

    first = np.zeros((n_features + 1) * n_classes)
    if start is not None:
        first = np.concatenate((start.weights.ravel(), start.bias)).astype(np.float64)
    found = minimize(
        evaluate,
        first,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": LARGEST_ITERATIONS, "gtol": tolerance, "ftol": 0.0, "maxcor": 10},
    )
    weights, bias = _unpack(found.x, n_features, n_classes)
    return LinearWeights(
        mean=mean,
        scale=scale,
        weights=weights.astype(np.float32),
        bias=bias.astype(np.float32),
        is_single_label=is_single_label,
        n_iterations=int(found.nit),
    )


def _unpack(flat: NDArray[np.float64], n_features: int, n_classes: int) -> tuple[FloatArray, FloatArray]:
    split = n_features * n_classes
    return flat[:split].reshape(n_features, n_classes), flat[split:]
