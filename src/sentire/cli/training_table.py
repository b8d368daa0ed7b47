"""The training report as tables."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sentire.classifiers.train import TrainedModel


def print_training(console: Console, trained: TrainedModel) -> None:
    """Print what the training chose and what it measured on dev, all of it cross-fitted."""
    report = trained.report
    console.print(Text(trained.model.name, style="bold"))
    settings = ", ".join(f"{name} {value}" for name, value in report["classifier"].items())
    console.print(Text(f"{report['n_train']:,} texts, {report['n_features']:,} terms; {settings}", style="dim"))
    _print_left_out(console, report)
    if report["n_train_without_label"]:
        console.print(Text(f"{report['n_train_without_label']:,} texts of train carry no label", style="dim"))
    if report["search"]:
        search = _table("grid search (train, cross-validated)", "micro-F1")
        for cell in sorted(report["search"], key=lambda cell: -cell["mean_micro_f1"]):
            named = ", ".join(f"{name} {value}" for name, value in cell["settings"].items())
            search.add_row(named, f"{cell['mean_micro_f1']:.4f}")
        console.print(search)
    _print_dev_fit(console, report)


def print_encoder_training(console: Console, name: str, report: dict[str, Any]) -> None:
    """Print what a training of an encoder measured on dev, step by step, and what was chosen there."""
    console.print(Text(name, style="bold"))
    counts = ", ".join(f"{n:,} of {split}" for split, n in report["n_train"].items())
    console.print(Text(f"{counts}; ONNX {report['precision']}, {report['n_bytes'] / 1e6:.1f} MB", style="dim"))
    _print_left_out(console, report)
    _print_evaluations(console, "training (dev, cut-offs of each half from the other)", report)
    _print_dev_fit(console, report)
    if report["affect"] is not None:
        affect = _table(f"affect ({report['affect']['data']})", "Pearson r", "concordance")
        for dimension, row in report["affect"]["dimensions"].items():
            affect.add_row(dimension, f"{row['pearson']:.4f}", f"{row['concordance']:.4f}")
        console.print(affect)


def print_representation_training(console: Console, name: str, report: dict[str, Any]) -> None:
    """Print what a training of a representation measured on dev, step by step, and how far it moved the vectors."""
    console.print(Text(name, style="bold"))
    counts = ", ".join(f"{n:,} of {split}" for split, n in report["n_texts"].items())
    console.print(Text(f"{counts}; mean squared shift on dev {report['shift_on_dev']:.6f}", style="dim"))
    _print_left_out(console, report)
    _print_evaluations(console, "training (dev)", report)


def _print_left_out(console: Console, report: dict[str, Any]) -> None:
    for split, reasons in report["left_out"].items():
        for reason, count in reasons.items():
            if count:
                console.print(Text(f"{count:,} rows of {split} left out: {reason.replace('_', ' ')}", style="yellow"))


def _print_evaluations(console: Console, title: str, report: dict[str, Any]) -> None:
    measured = [key for key in report["evaluations"][-1] if key != "step"]
    steps = _table(title, *measured)
    for row in report["evaluations"]:
        mark = " ●" if row["step"] == report["best_step"] else ""
        cells = ("–" if row.get(key) is None else f"{row[key]:.4f}" for key in measured)
        steps.add_row(f"step {row['step']:,}{mark}", *cells)
    console.print(steps)


def _print_dev_fit(console: Console, report: dict[str, Any]) -> None:
    calibration = _table("calibration (dev, cross-fitted)", "ECE", "log loss")
    for name, row in report["calibration"]["cross_fitted_on_dev"].items():
        mark = " ●" if name == report["calibration"]["chosen"] else ""
        calibration.add_row(f"{name}{mark}", f"{row['micro_ece']:.4f}", f"{row['log_loss']:.4f}")
    console.print(calibration)
    cutoffs = _table("cut-offs (dev, cross-fitted)", "macro-F1", "micro-F1")
    for name, row in report["thresholds"]["cross_fitted_on_dev"].items():
        mark = f" ● {report['thresholds']['chosen']}" if name == "chosen" else ""
        cutoffs.add_row(f"{name}{mark}", f"{row['macro_f1']:.4f}", f"{row['micro_f1']:.4f}")
    console.print(cutoffs)


def _table(title: str, *figures: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold")
    table.add_column(title)
    for figure in figures:
        table.add_column(figure, justify="right")
    return table
