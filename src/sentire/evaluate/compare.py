"""The comparison of two models by their results on the same examples."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire.core.errors import UsageError, quote
from sentire.core.seeding import make_generator
from sentire.evaluate.changes import Changes, find_changes
from sentire.evaluate.measures import REGRESSION_METRICS, name_regression_metric
from sentire.evaluate.result import ContextUse, DataFacts, EvaluationResult, LabelRows, ModelFacts, ScoreRows
from sentire.metrics.bootstrap import (
    DEFAULT_CONFIDENCE,
    Difference,
    JointStatistic,
    PairedIntervals,
    Statistic,
    paired_bootstrap,
)
from sentire.metrics.classification import FREQUENT_MIN_POSITIVES, ClassificationStatistic
from sentire.metrics.multiple_testing import holm
from sentire.metrics.ranking import RankingStatistic
from sentire.metrics.regression import RegressionStatistic

COMPARED_METRICS = (
    "micro_f1",
    "macro_f1",
    "weighted_f1",
    f"macro_f1_min{FREQUENT_MIN_POSITIVES}",
    "exact_match",
    "macro_roc_auc",
)

DEFAULT_COMPARISON_RESAMPLES = 5000
"""Enough that a label can still be told apart after the correction for 28 of them: 28 · 2 / 5,001 = 0.011."""


_Resample = Callable[[Statistic, Statistic], dict[str, PairedIntervals]]


@dataclass(frozen=True, kw_only=True)
class LabelDifference:
    """What one label's F1 gains from A to B.

    Attributes:
        f1: The difference; its ``n`` are the label's positives.
        p_holm: The p-value corrected for the number of labels (Holm 1979).
    """

    f1: Difference
    p_holm: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What model B gains over model A on the same examples.

    Attributes:
        model_a: Which is measured against.
        model_b: Which is measured.
        protocol_a: How A's cut-offs were chosen.
        protocol_b: How B's cut-offs were chosen.
        context_a: Whether A was told what the texts were said in.
        context_b: Whether B was.
        data: What both were measured on, as A's result says it.
        label_map_b: What ``data.label_map`` is for A: the map that was applied to B's targets or answers, or None.
        cautions_a: Reasons to read A's figures with care.
        cautions_b: Reasons to read B's.
        seed: Of the resamples.
        n_resamples: Of the paired bootstrap.
        confidence: Of the intervals.
        smallest_p_value: What so many resamples can show at best.
        metrics: Differences B - A by name, measured on the rows of the results.
        per_label: Differences for each label; empty for affect scores.
        changes: The answers that changed; None for affect scores.
    """

    model_a: ModelFacts
    model_b: ModelFacts
    protocol_a: str
    protocol_b: str
    context_a: ContextUse
    context_b: ContextUse
    data: DataFacts
    label_map_b: str | None
    cautions_a: tuple[str, ...]
    cautions_b: tuple[str, ...]
    seed: int
    n_resamples: int
    confidence: float
    smallest_p_value: float
    metrics: dict[str, Difference]
    per_label: dict[str, LabelDifference]
    changes: Changes | None

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values for JSON, with None for what is undefined."""
        plain: dict[str, Any] = orjson.loads(orjson.dumps(self))
        return plain


def compare_results(
    a: EvaluationResult,
    b: EvaluationResult,
    *,
    seed: int = 0,
    n_resamples: int = DEFAULT_COMPARISON_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
) -> Comparison:
    """Compare two results by a paired bootstrap over their common examples.

    Rows are aligned by id, so that the order in which the two models were asked makes no difference.

    Args:
        a: The result to measure against.
        b: The result to measure; differences are ``b - a``.
        seed: Of the resamples.
        n_resamples: Of the paired bootstrap.
        confidence: Of the intervals.

    Raises:
        UsageError: A result has no rows, or the two were not measured on the same examples and labels; the message
            says what differs.
    """
    rows_a, rows_b = _require_rows(a, "A"), _require_rows(b, "B")
    _check_same_data(a, b)
    order_a, order_b = _sort_by_id(rows_a), _sort_by_id(rows_b)
    _check_same_targets(rows_a, rows_b, order_a, order_b)
    resample = partial(
        paired_bootstrap,
        generator=make_generator(seed, "paired bootstrap"),
        n_resamples=n_resamples,
        confidence=confidence,
    )
    metrics: dict[str, Difference]
    per_label: dict[str, LabelDifference] = {}
    changes: Changes | None = None
    if isinstance(rows_a, LabelRows) and isinstance(rows_b, LabelRows):
        metrics, per_label, changes = _compare_labels(rows_a, rows_b, order_a, order_b, a.data, resample)
    else:
        metrics = _compare_scores(rows_a, rows_b, order_a, order_b, a.data, resample)
    return Comparison(
        model_a=a.model,
        model_b=b.model,
        protocol_a=a.settings.protocol,
        protocol_b=b.settings.protocol,
        context_a=a.settings.context,
        context_b=b.settings.context,
        data=a.data,
        label_map_b=b.data.label_map,
        cautions_a=a.data.cautions,
        cautions_b=b.data.cautions,
        seed=seed,
        n_resamples=n_resamples,
        confidence=confidence,
        smallest_p_value=min(2 / (n_resamples + 1), 1.0),
        metrics=metrics,
        per_label=per_label,
        changes=changes,
    )


def _compare_labels(
    rows_a: LabelRows,
    rows_b: LabelRows,
    order_a: list[int],
    order_b: list[int],
    data: DataFacts,
    resample: _Resample,
) -> tuple[dict[str, Difference], dict[str, LabelDifference], Changes]:
    n_labels = len(data.labels)
    targets = _indicate(rows_a.targets, order_a, n_labels)
    decisions_a = _indicate(rows_a.predictions, order_a, n_labels)
    decisions_b = _indicate(rows_b.predictions, order_b, n_labels)
    found = resample(
        _make_statistic(targets, decisions_a, np.array(rows_a.proba)[order_a]),
        _make_statistic(targets, decisions_b, np.array(rows_b.proba)[order_b]),
    )
    support, adjusted = targets.sum(axis=0), holm(found["f1"].p_value)
    metrics = {name: found[name].difference(n=data.n) for name in COMPARED_METRICS}
    per_label = {
        label: LabelDifference(
            f1=found["f1"].difference(n=int(support[column]), column=column), p_holm=float(adjusted[column])
        )
        for column, label in enumerate(data.labels)
    }
    ids = [rows_a.ids[row] for row in order_a]
    return metrics, per_label, find_changes(ids, data.labels, targets, decisions_a, decisions_b)


def _make_statistic(
    targets: NDArray[np.bool_], decisions: NDArray[np.bool_], proba: NDArray[np.float64]
) -> JointStatistic:
    return JointStatistic(
        ClassificationStatistic(targets, decisions),
        RankingStatistic(targets, proba, has_micro=False, has_average_precision=False),
    )


def _compare_scores(
    rows_a: LabelRows | ScoreRows,
    rows_b: LabelRows | ScoreRows,
    order_a: list[int],
    order_b: list[int],
    data: DataFacts,
    resample: _Resample,
) -> dict[str, Difference]:
    targets = np.array(rows_a.targets)[order_a]
    found = resample(
        RegressionStatistic(np.array(rows_a.predictions)[order_a], targets),
        RegressionStatistic(np.array(rows_b.predictions)[order_b], targets),
    )
    # The baseline knows no model: it is the same for both.
    measures = [measure for measure in REGRESSION_METRICS if measure != "rmse_mean_baseline"]
    return {
        name_regression_metric(measure, dimension): found[measure].difference(n=data.n, column=column)
        for measure in measures
        for column, dimension in enumerate(data.labels)
    }


def _require_rows(result: EvaluationResult, which: str) -> LabelRows | ScoreRows:
    if result.rows is None:
        raise UsageError(
            expected="results that keep their rows",
            got="none",
            where=f"result {which} ({result.model.name})",
            hint="evaluate again and keep the rows",
        )
    return result.rows


def _check_same_data(a: EvaluationResult, b: EvaluationResult) -> None:
    for what, in_a, in_b in (
        ("task", a.task, b.task),
        ("data", a.data.name, b.data.name),
        ("revision", a.data.revision, b.data.revision),
        ("split", a.data.split, b.data.split),
        ("label space", a.data.label_space, b.data.label_space),
        ("labels", a.data.labels, b.data.labels),
    ):
        if in_a != in_b:
            raise UsageError(
                expected=f"two results with the same {what}",
                got=f"{quote(in_a)} in A and {quote(in_b)} in B",
                hint="evaluate both models on the same split and labels",
            )


def _sort_by_id(rows: LabelRows | ScoreRows) -> list[int]:
    return sorted(range(len(rows.ids)), key=rows.ids.__getitem__)


def _check_same_targets(
    rows_a: LabelRows | ScoreRows, rows_b: LabelRows | ScoreRows, order_a: list[int], order_b: list[int]
) -> None:
    only_a, only_b = set(rows_a.ids) - set(rows_b.ids), set(rows_b.ids) - set(rows_a.ids)
    if only_a or only_b:
        example = quote(min(only_a or only_b))
        raise UsageError(
            expected="two results on the same examples",
            got=f"{len(only_a)} ids in A only and {len(only_b)} in B only, such as {example}",
            hint="evaluate both models on the same examples",
        )
    for row_a, row_b in zip(order_a, order_b, strict=True):
        if rows_a.targets[row_a] != rows_b.targets[row_b]:
            raise UsageError(
                expected="two results with the same targets",
                got=f"other targets for {quote(rows_a.ids[row_a])}",
                hint="the data or the label map changed between the two; evaluate both again",
            )


def _indicate(rows: tuple[tuple[int, ...], ...], order: list[int], n_labels: int) -> NDArray[np.bool_]:
    indicator = np.zeros((len(order), n_labels), dtype=np.bool_)
    for place, row in enumerate(order):
        indicator[place, list(rows[row])] = True
    return indicator
