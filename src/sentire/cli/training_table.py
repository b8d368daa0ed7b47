"""The training report as tables."""

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
    for split, counts in report["left_out"].items():
        for reason, count in counts.items():
            if count:
                console.print(Text(f"{count:,} rows of {split} left out: {reason.replace('_', ' ')}", style="yellow"))
    if report["n_train_without_label"]:
        console.print(Text(f"{report['n_train_without_label']:,} texts of train carry no label", style="dim"))
    if report["search"]:
        search = _table("grid search (train, cross-validated)", "micro-F1")
        for cell in sorted(report["search"], key=lambda cell: -cell["mean_micro_f1"]):
            named = ", ".join(f"{name} {value}" for name, value in cell["settings"].items())
            search.add_row(named, f"{cell['mean_micro_f1']:.4f}")
        console.print(search)
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
