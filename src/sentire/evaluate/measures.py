"""Which measures a result holds, under which names, from arrays of answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentire.core.seeding import make_generator
from sentire.metrics.bootstrap import Estimate, Intervals, JointStatistic, bootstrap
from sentire.metrics.calibration import CalibrationStatistic
from sentire.metrics.classification import FREQUENT_MIN_POSITIVES, ClassificationStatistic
from sentire.metrics.ranking import RankingStatistic
from sentire.metrics.regression import RegressionStatistic

CLASSIFICATION_METRICS = (
    "micro_f1",
    "macro_f1",
    "weighted_f1",
    f"macro_f1_min{FREQUENT_MIN_POSITIVES}",
    "micro_precision",
    "micro_recall",
    "macro_precision",
    "macro_recall",
    "weighted_precision",
    "weighted_recall",
    "exact_match",
    "macro_roc_auc",
    "micro_roc_auc",
    "macro_average_precision",
    "micro_average_precision",
    "micro_ece",
    "macro_ece",
    "micro_brier",
    "log_loss",
)

LABEL_METRICS = ("precision", "recall", "f1", "roc_auc", "average_precision", "ece")

REGRESSION_METRICS = ("pearson", "spearman", "concordance", "rmse", "mae", "rmse_mean_baseline")


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals are made: seed, number of resamples, confidence."""

    seed: int
    n_resamples: int
    confidence: float

    def apply(self, statistic: JointStatistic | RegressionStatistic, *, purpose: str) -> dict[str, Intervals]:
        """Measure with intervals; each purpose has resamples of its own."""
        generator = make_generator(self.seed, purpose)
        return bootstrap(statistic, generator=generator, n_resamples=self.n_resamples, confidence=self.confidence)


@dataclass(frozen=True, kw_only=True)
class ClassificationAnswers:
    """Truths, decisions and probabilities of the same examples and labels, each of shape (N, C)."""

    targets: NDArray[np.bool_]
    decisions: NDArray[np.bool_]
    proba: NDArray[np.float64]

    def select(self, rows: NDArray[np.bool_]) -> "ClassificationAnswers":
        """Keep the examples marked, shape (N,)."""
        return ClassificationAnswers(targets=self.targets[rows], decisions=self.decisions[rows], proba=self.proba[rows])

    def measure(self, resampling: Resampling, *, purpose: str) -> dict[str, Intervals]:
        """Compute every measure of decisions and probabilities with its interval."""
        statistic = JointStatistic(
            ClassificationStatistic(self.targets, self.decisions),
            RankingStatistic(self.targets, self.proba),
            CalibrationStatistic(self.targets, self.proba),
        )
        return resampling.apply(statistic, purpose=purpose)


def gather_averages(found: Mapping[str, Intervals], *, n: int) -> dict[str, Estimate]:
    """Take the averages of a classification, in the order in which results show them."""
    return {name: found[name].estimate(n=n) for name in CLASSIFICATION_METRICS}


def gather_labels(
    found: Mapping[str, Intervals],
    labels: Sequence[str],
    *,
    support: NDArray[np.int64],
    n: int,
    thresholds: Mapping[str, float],
) -> dict[str, dict[str, Estimate]]:
    """Take the measures of each label.

    Args:
        found: The measures.
        labels: Names of the columns.
        support: Positives of each label, shape (C,): what its quality rests on.
        n: Examples: what its calibration rests on.
        thresholds: The cut-offs by label, where there are any.
    """
    gathered: dict[str, dict[str, Estimate]] = {}
    for column, label in enumerate(labels):
        n_positives = int(support[column])
        gathered[label] = {
            name: found[name].estimate(n=n if name == "ece" else n_positives, column=column) for name in LABEL_METRICS
        }
        if label in thresholds:
            gathered[label]["threshold"] = Estimate(
                value=thresholds[label], low=float("nan"), high=float("nan"), n=n_positives
            )
    return gathered


def name_regression_metric(measure: str, dimension: str) -> str:
    """Name a measure of one dimension by its initial: ``pearson_v``, ``rmse_v_mean_baseline``."""
    stem, separator, rest = measure.partition("_")
    return f"{stem}_{dimension[0]}{separator}{rest}"
