"""The tables of ``sentire augment``."""

from collections.abc import Mapping
from statistics import mean
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sentire.cli.console import make_console

if TYPE_CHECKING:  # rows are made without what trains models
    from sentire.augmentation.experiment import Comparison


def print_courses(statistics: Mapping[str, Any]) -> None:
    """Print how each label fared, and what the rules left out."""
    console = make_console()
    table = Table(box=None, pad_edge=False)
    for title in ("label", "before", "made", "rounds", "end"):
        table.add_column(title, justify="right" if title in ("before", "made", "rounds") else "left")
    for label, course in statistics["labels"].items():
        table.add_row(label, f"{course['before']:,}", f"{course['made']:,}", str(course["rounds"]), course["end"])
    console.print(table)
    for title, kind in (("left out", "refused"), ("calls without a text", "failed")):
        counts: dict[str, int] = {}
        for course in statistics["labels"].values():
            for reason, n in course[kind].items():
                counts[reason] = counts.get(reason, 0) + n
        for reason, n in sorted(counts.items(), key=lambda one: -one[1]):
            if n:
                console.print(f"{title}: {n:,} {reason}")


def print_comparisons(found: "Mapping[str, Comparison]") -> None:
    """Print every figure without and with what was made."""
    console = make_console()
    table = Table(box=None, pad_edge=False)
    for title in ("", "before", "after", "difference", "interval over draws of rows only"):
        table.add_column(title, justify="left" if not title else "right")
    for name, one in found.items():
        table.add_row(
            name,
            f"{mean(one.before):.4f}",
            f"{mean(one.after):.4f}",
            f"{one.difference:+.4f}",
            f"{one.low:+.4f} to {one.high:+.4f}",
        )
    console.print(table)
    n = len(next(iter(found.values())).before)
    console.print(
        f"F1 on test over {n} seeds; the interval (95%) is that of the mean difference over the rows that were drawn, "
        "and over the chance in an encoder's training: the texts of the test are not in it"
    )
