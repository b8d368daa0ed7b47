"""A search for settings as a table."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sentire.training.tune import Tuning, render_settings


def print_tuning(console: Console, tuning: Tuning) -> None:
    """Print the trials from best to worst, and the settings of the best one as options of ``sentire train``."""
    counts = ", ".join(f"{n} {state}" for state in ("complete", "pruned", "failed") if (n := tuning.count(state)))
    console.print(
        Text(tuning.name, style="bold") + Text(f" · {tuning.metric} on {tuning.data} · {counts} trials", style="dim")
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold")
    for title in ("trial", tuning.metric, "learning rate", "batch", "epochs"):
        table.add_column(title, justify="right")
    table.add_column("loss")
    for trial in tuning.ranking:
        settings = trial.settings
        gammas = ", ".join(
            f"{key.removeprefix('loss.').replace('_', ' ')} {value:.2f}"
            for key, value in settings.items()
            if "gamma" in key
        )
        name = settings["loss.name"]
        table.add_row(
            str(trial.number),
            trial.state if trial.score is None else f"{trial.score:.4f}",
            f"{settings['optimisation.learning_rate']:.2e}",
            str(settings["optimisation.batch_size"]),
            str(settings["optimisation.n_epochs"]),
            f"{name} ({gammas})" if gammas else str(name),
            style="" if trial.state == "complete" else "dim",
        )
    console.print(table)
    if tuning.best is not None:
        console.print("\nThe best settings, for sentire train:")
        for line in render_settings(tuning.best.settings):
            console.print(f"  --set {line}")
