"""The table of ``sentire annotate score``."""

from rich.table import Table

from sentire.annotation.scoring import Agreement
from sentire.cli.console import make_console
from sentire.metrics.bootstrap import Estimate


def print_agreement(found: Agreement) -> None:
    """Print how far people agree with one another and with the data."""
    console = make_console()
    done = ", ".join(f"{alias} {n}" for alias, n in found.annotators.items())
    console.print(f"{found.n_items} items; done by {done}")
    table = Table(box=None, pad_edge=False)
    table.add_column("agreement on picks, option by option")
    for title in ("value", "95% interval", "n"):
        table.add_column(title, justify="right")
    rows: list[tuple[str, Estimate | None]] = [(f"Cohen's kappa, {pair}", one) for pair, one in found.cohen.items()]
    rows += [
        ("Fleiss' kappa, of all, items", found.fleiss),
        ("Krippendorff's alpha, items", found.alpha),
        ("the data is right where all agree, decisions", found.unanimous_accuracy),
        ("the data is right where most agree, decisions", found.majority_accuracy),
    ]
    for title, one in rows:
        if one is None:
            table.add_row(title, "-", "", "0")
        else:
            table.add_row(title, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}", f"{one.n:,}")
    console.print(table)
    console.print(f"distractor picked: {found.distractor_rate:.1%}; none of these: {found.none_rate:.1%}")
    if found.context_rate is not None:
        console.print(f"context asked for: {found.context_rate:.1%} of the items that have one")
