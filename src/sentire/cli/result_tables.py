"""Results and comparisons as tables."""

from collections.abc import Mapping, Sequence
from math import isnan
from statistics import mean, stdev

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sentire.evaluate.compare import Comparison
from sentire.evaluate.contrast import Contrast
from sentire.evaluate.measures import name_regression_metric
from sentire.evaluate.result import ContextUse, EvaluationResult
from sentire.metrics.bootstrap import Estimate

LABEL_METRICS = ("precision", "recall", "f1", "roc_auc", "average_precision", "ece", "threshold")
AFFECT_METRICS = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "concordance": "concordance",
    "rmse": "RMSE",
    "rmse_mean_baseline": "RMSE of the mean",
}
"""Measures of affect scores that are shown, and their titles."""

CONTEXT_NOTES: dict[ContextUse, str] = {"given": "with context", "withheld": "without context", "none": ""}
SIGNIFICANT = 0.05
UNDEFINED = "-"
"""Stands for a figure that the data does not define, such as the ROC-AUC of a label without positives."""


def print_result(console: Console, result: EvaluationResult) -> None:
    """Print the figures with their intervals, those without leaked rows beside them, and reasons for caution."""
    data = result.data
    notes = (f"{data.n:,} texts", result.settings.protocol, CONTEXT_NOTES[result.settings.context])
    console.print(
        Text(result.model.name, style="bold")
        + Text(f" on {data.name}:{data.split}", style="bold")
        + Text("".join(f" · {note}" for note in notes if note), style="dim")
    )
    if result.task == "affect":
        console.print(_make_affect_table(result))
    else:
        console.print(_make_averages_table(result))
        console.print()
        labels = _table("label", "n", "precision", "recall", "F1", "interval", "ROC-AUC", "AP", "ECE", "cut-off")
        for label, metrics in result.per_label.items():
            labels.add_row(label, *_label_cells(metrics))
        console.print(labels)
    if result.contrast is not None:
        _print_contrast(console, result.contrast)
    for caution in data.cautions:
        console.print(Text(f"! {caution}", style="yellow"))
    if data.n_rejected:
        console.print(Text(f"! {data.n_rejected:,} rows could not be read; see sentire data check", style="yellow"))
    if data.n_unscored:
        lacking = (
            f"they do not carry all of {', '.join(data.labels)}"
            if result.task == "affect"
            else "they carry not exactly one label that can be measured"
            if result.task == "single-label"
            else "they carry no label that can be measured"
        )
        console.print(Text(f"{data.n_unscored:,} texts were not measured: {lacking}", style="yellow"))


def _print_contrast(console: Console, contrast: Contrast) -> None:
    console.print()
    table = _table("use of context", "value", "interval", "n")
    for title, one in (
        ("likeliest label is right", contrast.accuracy),
        ("right in both of two contexts", contrast.pair_accuracy),
    ):
        table.add_row(title, f"{one.value:.4f}", f"{one.low:.4f} to {one.high:.4f}", f"{one.n:,}")
    table.add_row("most that a model without context can reach", f"{contrast.ceiling:.4f} and 0", "", "")
    console.print(table)


def print_folds(console: Console, folds: Sequence[Mapping[str, float]]) -> None:
    """Print the figures of each fold of a cross-validation, their mean and their standard deviation.

    Args:
        console: Where to.
        folds: The same figures of each of at least two folds, by name.
    """
    table = _table("fold", *folds[0])
    for number, figures in enumerate(folds, start=1):
        table.add_row(str(number), *(f"{value:.4f}" for value in figures.values()))
    columns = [[figures[name] for figures in folds] for name in folds[0]]
    table.add_row("mean", *(f"{mean(column):.4f}" for column in columns), style="bold")
    table.add_row("standard deviation", *(f"{stdev(column):.4f}" for column in columns), style="dim")
    console.print()
    console.print(table)


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print how both were measured, the differences with their intervals, by label, too, and what changed."""
    name_a = _name_with_context(comparison.model_a.name, comparison.context_a)
    name_b = _name_with_context(comparison.model_b.name, comparison.context_b)
    console.print(
        Text(f"{name_a} → {name_b}", style="bold")
        + Text(f" on {comparison.data.name}:{comparison.data.split}, {comparison.data.n:,} texts", style="dim")
    )
    label_map_a = comparison.data.label_map
    _print_settings(console, "A", comparison.protocol_a, label_map_a)
    _print_settings(console, "B", comparison.protocol_b, comparison.label_map_b)
    columns = ("A", "B", "B - A", f"{comparison.confidence:.0%} interval", "p")
    table = _table("metric", *columns)
    for name, one in comparison.metrics.items():
        style = "bold" if one.p_value < SIGNIFICANT else ""
        cells = (f"{one.value_a:.4f}", f"{one.value_b:.4f}", f"{one.difference:+.4f}")
        table.add_row(name, *cells, f"{one.low:+.4f} to {one.high:+.4f}", f"{one.p_value:.4f}", style=style)
    console.print(table)
    if comparison.per_label:
        console.print()
        labels = _table("F1 by label", *columns, "p (Holm)")
        for label, difference in comparison.per_label.items():
            one = difference.f1
            style = "bold" if difference.p_holm < SIGNIFICANT else "dim"
            cells = (f"{one.value_a:.3f}", f"{one.value_b:.3f}", f"{one.difference:+.3f}")
            interval = f"{one.low:+.3f} to {one.high:+.3f}"
            labels.add_row(label, *cells, interval, f"{one.p_value:.4f}", f"{difference.p_holm:.4f}", style=style)
        console.print(labels)
    if comparison.changes is not None:
        changes = comparison.changes
        console.print(
            f"\n{changes.n_changed:,} of {changes.n:,} answers changed: {changes.n_mended:,} wrong ones became right, "
            f"{changes.n_broken:,} right ones wrong, {changes.n_still_wrong:,} are wrong in another way"
        )
    warnings = []
    if comparison.protocol_a != comparison.protocol_b:
        warnings.append("A and B do not choose labels alike, see above: part of a difference may be that")
    if label_map_a != comparison.label_map_b:
        warnings.append("other label maps were applied for A than for B, see above")
    warnings += [f"A: {caution}" for caution in comparison.cautions_a]
    warnings += [f"B: {caution}" for caution in comparison.cautions_b]
    for warning in warnings:
        console.print(Text(f"! {warning}", style="yellow"))


def _print_settings(console: Console, which: str, protocol: str, label_map: str | None) -> None:
    console.print(Text(f"{which}: {protocol}{f', label map {label_map}' if label_map else ''}", style="dim"))


def _make_averages_table(result: EvaluationResult) -> Table:
    unseen = result.without_leaked
    table = _table("metric", "value", f"{result.settings.confidence:.0%} interval")
    if unseen is not None:
        table.add_column(f"without {unseen.n_removed:,} leaked", justify="right")
    for name, estimate in result.metrics.items():
        row = [name, *_show(estimate)]
        table.add_row(*row, *([_show(unseen.metrics[name])[0]] if unseen is not None and unseen.metrics else []))
    return table


def _make_affect_table(result: EvaluationResult) -> Table:
    unseen = result.without_leaked
    table = _table("", *AFFECT_METRICS.values())
    for dimension in result.data.labels:
        names = [name_regression_metric(measure, dimension) for measure in AFFECT_METRICS]
        shown = [_show(result.metrics[name]) for name in names]
        table.add_row(dimension, *(value for value, _ in shown))
        table.add_row(f"  {result.settings.confidence:.0%} interval", *(interval for _, interval in shown), style="dim")
        if unseen is not None:
            values = [_show(unseen.metrics[name])[0] if unseen.metrics else UNDEFINED for name in names]
            table.add_row(f"  without {unseen.n_removed:,} leaked", *values, style="dim")
    return table


def _name_with_context(name: str, context: ContextUse) -> str:
    note = CONTEXT_NOTES[context]
    return f"{name} ({note})" if note else name


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _show(estimate: Estimate) -> tuple[str, str]:
    if isnan(estimate.value):
        return UNDEFINED, ""
    return f"{estimate.value:.4f}", f"{estimate.low:.4f} to {estimate.high:.4f}"


def _label_cells(metrics: Mapping[str, Estimate]) -> list[str]:
    shown = {
        name: "" if name not in metrics else UNDEFINED if isnan(metrics[name].value) else f"{metrics[name].value:.3f}"
        for name in LABEL_METRICS
    }
    f1 = metrics["f1"]
    return [
        str(f1.n),
        shown["precision"],
        shown["recall"],
        shown["f1"],
        f"{f1.low:.2f} to {f1.high:.2f}",
        shown["roc_auc"],
        shown["average_precision"],
        shown["ece"],
        shown["threshold"],
    ]
