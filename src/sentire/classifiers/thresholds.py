"""Cut-offs on probabilities: one for all labels or one a label, chosen on dev and judged by cross-fitting.

A cut-off that maximises F1 on few positives fits their noise. The per-label cut-offs are therefore drawn towards those
that calibrated probabilities promise to be best, which rest on all texts instead of the few positives: the more the
rarer the label, and how strongly is itself chosen by cross-fitting.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sentire.classifiers.folds import CalibratedFold
from sentire.metrics.classification import macro_f1, micro_f1

Targets = NDArray[np.bool_]
Proba = NDArray[np.floating]

SWEEP = np.round(np.arange(0.05, 0.951, 0.01), 2)
"""Candidates of the global cut-off (Emo Pillars, section 4: .05 to .95 by .01)."""

SHRINKAGES = (0.0, 3.0, 10.0, 30.0, 100.0)
"""Candidates of the shrinkage: at k positives, the label's own cut-off counts one half."""

_EDGE = 1e-6


@dataclass(frozen=True, kw_only=True)
class ThresholdFit:
    """Chosen cut-offs and how they were found.

    Attributes:
        thresholds: Shape (C,).
        method: ``fixed``, ``global``, ``per-label`` or ``likeliest label``.
        shrinkage: Of the per-label cut-offs; None for the others.
        cross_fitted: macro- and micro-F1 on texts that the cut-offs were not chosen on.
    """

    thresholds: NDArray[np.float64]
    method: str
    shrinkage: float | None
    cross_fitted: dict[str, float]


def find_best_threshold(targets: Targets, proba: Proba) -> float:
    """Return the cut-off that maximises F1 of one label, found exactly.

    F1 changes only between neighbouring values of the sorted probabilities, so every distinct decision is tried.
    The cut-off is the middle between the lowest accepted and the highest refused probability.

    Args:
        targets: Shape (N,).
        proba: Shape (N,).

    Returns:
        A number in [0, 1]; 1 where no text has the label, since then every choice would be a mistake.
    """
    if not targets.any():
        return 1.0
    order = np.argsort(-proba, kind="stable")
    ranked = proba[order].astype(np.float64)
    n_true = np.cumsum(targets[order])
    n_chosen = np.arange(1, len(ranked) + 1)
    f1 = 2 * n_true / (n_chosen + targets.sum())
    return _cut_best(ranked, f1)


def find_promised_threshold(proba: Proba) -> float:
    """Return the cut-off of one label that maximises the F1 to be expected if the probabilities are right.

    With probabilities p, the cut-off t with the largest ``2 Σ_{p ≥ t} p / (|{p ≥ t}| + Σ p)``; no label is looked at.

    Source: Lewis 1995, Evaluating and optimizing autonomous text classification systems, section 4, whose expected F1
    is here the ratio of the expected counts.

    Args:
        proba: Shape (N,), calibrated.

    Returns:
        A number in [0, 1], the middle between the lowest accepted and the highest refused probability.
    """
    ranked = np.sort(proba.astype(np.float64))[::-1]
    promised = 2 * np.cumsum(ranked) / (np.arange(1, len(ranked) + 1) + ranked.sum())
    return _cut_best(ranked, promised)


def fit_global_threshold(targets: Targets, proba: Proba) -> float:
    """Return the one cut-off of ``SWEEP`` that maximises macro-F1; the lowest of equals."""
    scores = [macro_f1(targets, proba >= cutoff) for cutoff in SWEEP]
    return float(SWEEP[int(np.argmax(scores))])


def fit_label_thresholds(targets: Targets, proba: Proba, *, shrinkage: float) -> NDArray[np.float64]:
    """Return one cut-off a label, drawn towards the one that its probabilities promise to be best.

    With n positives of the label, its own best cut-off t and the promised one q,
    ``logit(cut-off) = (n logit(t) + k logit(q)) / (n + k)``.

    Source: ours; the idea is the shrinkage of James and Stein 1961.

    Args:
        targets: Shape (N, C).
        proba: Shape (N, C), calibrated.
        shrinkage: k >= 0, in positives.

    Returns:
        Shape (C,).
    """
    own = np.array([find_best_threshold(targets[:, c], proba[:, c]) for c in range(targets.shape[1])])
    promised = np.array([find_promised_threshold(proba[:, c]) for c in range(targets.shape[1])])
    n_positive = targets.sum(axis=0)
    weight = n_positive / np.maximum(n_positive + shrinkage, 1.0)
    return _expit(weight * _logit(own) + (1 - weight) * _logit(promised))


def fit_fixed(targets: Targets, folds: Sequence[CalibratedFold], value: float) -> ThresholdFit:
    """Take the same given cut-off for every label."""
    return ThresholdFit(
        thresholds=np.full(targets.shape[1], value),
        method="fixed",
        shrinkage=None,
        cross_fitted=_judge(targets, folds, lambda seen, proba: np.full(seen.shape[1], value)),  # noqa: ARG005
    )


def fit_likeliest(targets: Targets, folds: Sequence[CalibratedFold]) -> ThresholdFit:
    """Take the likeliest label of each text, as a single-label space asks; cut-offs are not read there."""
    decisions = np.zeros(targets.shape, dtype=np.bool_)
    for fold in folds:
        decisions[fold.judged, fold.proba[fold.judged].argmax(axis=1)] = True
    return ThresholdFit(
        thresholds=np.full(targets.shape[1], 0.5),
        method="likeliest label",
        shrinkage=None,
        cross_fitted=_score(targets, decisions),
    )


def fit_global(targets: Targets, proba: Proba, folds: Sequence[CalibratedFold]) -> ThresholdFit:
    """Choose one cut-off for all labels and judge the choice by cross-fitting.

    Args:
        targets: Shape (N, C).
        proba: Of the calibrator that was fitted on all N texts, shape (N, C).
        folds: What each fold knows of the same texts.
    """

    def choose(seen: Targets, seen_proba: Proba) -> NDArray[np.float64]:
        return np.full(seen.shape[1], fit_global_threshold(seen, seen_proba))

    return ThresholdFit(
        thresholds=choose(targets, proba),
        method="global",
        shrinkage=None,
        cross_fitted=_judge(targets, folds, choose),
    )


def fit_per_label(
    targets: Targets, proba: Proba, folds: Sequence[CalibratedFold], *, shrinkages: Sequence[float] = SHRINKAGES
) -> ThresholdFit:
    """Choose one cut-off a label, with the shrinkage that does best on texts it was not chosen on.

    Args:
        targets: Shape (N, C).
        proba: Of the calibrator that was fitted on all N texts, shape (N, C).
        folds: What each fold knows of the same texts.
        shrinkages: Candidates.
    """
    judged_by = {
        shrinkage: _judge(targets, folds, partial(fit_label_thresholds, shrinkage=shrinkage))
        for shrinkage in shrinkages
    }
    best = max(judged_by, key=lambda shrinkage: judged_by[shrinkage]["macro_f1"])
    return ThresholdFit(
        thresholds=fit_label_thresholds(targets, proba, shrinkage=best),
        method="per-label",
        shrinkage=best,
        cross_fitted=judged_by[best],
    )


def _judge(
    targets: Targets, folds: Sequence[CalibratedFold], choose: Callable[[Targets, Proba], NDArray[np.float64]]
) -> dict[str, float]:
    decisions = np.zeros(targets.shape, dtype=np.bool_)
    for fold in folds:
        cutoffs = choose(targets[fold.fitted_on], fold.proba[fold.fitted_on])
        decisions[fold.judged] = fold.proba[fold.judged] >= cutoffs
    return _score(targets, decisions)


def _score(targets: Targets, decisions: NDArray[np.bool_]) -> dict[str, float]:
    return {"macro_f1": macro_f1(targets, decisions), "micro_f1": micro_f1(targets, decisions)}


def _cut_best(ranked: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    # Equal probabilities are chosen or refused together: only the last of a tie is a possible cut.
    is_cut = np.append(ranked[1:] < ranked[:-1], True)
    best = int(np.argmax(np.where(is_cut, scores, -1.0)))
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)


def _logit(proba: NDArray[np.float64]) -> NDArray[np.float64]:
    bounded = np.clip(proba, _EDGE, 1 - _EDGE)
    logits: NDArray[np.float64] = np.log(bounded / (1 - bounded))
    return logits


def _expit(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    proba: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits))
    return proba
