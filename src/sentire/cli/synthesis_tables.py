"""The tables of ``sentire synthesize``: what the ledger counts, what was written, what a plan takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from sentire.cli.console import make_console
from sentire.storage.ledger import Spending, TaskCount
from sentire.synthesis.estimate import Estimate


def print_counts(counts: Sequence[TaskCount]) -> None:
    """Print the calls of a ledger by task, and why calls failed."""
    console = make_console()
    if not counts:
        console.print("no call was made yet")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("task", "answered", "failed", "open", "attempts", "tokens in", "tokens out", "money"):
        table.add_column(title, justify="left" if title == "task" else "right")
    tasks = list(dict.fromkeys(one.task for one in counts))
    for task in tasks:
        _add_row(table, task, [one for one in counts if one.task == task])
    _add_row(table, "all", counts)
    console.print(table)
    for one in counts:
        if one.state == "failed":
            console.print(f"failed: {one.n_calls:,} {one.task}, {one.failure}")


def _add_row(table: Table, title: str, counts: Sequence[TaskCount]) -> None:
    by_state = {
        state: sum(one.n_calls for one in counts if one.state == state)
        for state in ("done", "failed", "pending", "claimed")
    }
    spent = sum((one.spent for one in counts), Spending())
    table.add_row(
        title,
        f"{by_state['done']:,}",
        f"{by_state['failed']:,}",
        f"{by_state['pending'] + by_state['claimed']:,}",
        f"{spent.calls:,}",
        f"{spent.input_tokens:,}",
        f"{spent.output_tokens:,}",
        f"{spent.cost:,.4g}" if spent.cost_micros else "",
    )


def print_rows(statistics: Mapping[str, Any]) -> None:
    """Print the rows of a data set by split, and how many the rules left out."""
    console = make_console()
    table = Table(box=None, pad_edge=False)
    for title in ("set", "rows", "train", "dev", "test", "left out by rules"):
        table.add_column(title, justify="left" if title == "set" else "right")
    for name, sizes in statistics["splits"].items():
        refused = sum(statistics["refused"][name].values())
        table.add_row(name, f"{sum(sizes.values()):,}", *(f"{n:,}" for n in sizes.values()), f"{refused:,}")
    console.print(table)
    if not any(sum(sizes.values()) for sizes in statistics["splits"].values()):
        console.print("no row came of it: see which calls failed and which rules left rows out")
    if statistics["still_to_be_made"]:
        console.print(f"not finished: at least {statistics['still_to_be_made']:,} calls are still to be made")
    missing = statistics["quota"]["missing_in_the_end"]
    if missing:
        console.print("missing of the quota: " + ", ".join(f"{label} {n}" for label, n in missing.items()))


def print_estimate(found: Estimate, *, has_prices: bool) -> None:
    """Print what a synthesis will take."""
    console = make_console()
    table = Table(box=None, pad_edge=False)
    for title in ("task", "calls", "tokens in", "tokens out", "a call: in", "out", "by"):
        table.add_column(title, justify="left" if title in ("task", "by") else "right")
    for one in found.tasks:
        table.add_row(
            one.task,
            f"{one.n_calls:,.0f}",
            f"{one.input_tokens:,.0f}",
            f"{one.output_tokens:,.0f}",
            f"{one.input_tokens / max(one.n_calls, 1):,.0f}",
            f"{one.output_tokens / max(one.n_calls, 1):,.0f}",
            "measured" if one.is_measured else "expected",
        )
    table.add_row("all", f"{found.n_calls:,.0f}", f"{found.input_tokens:,.0f}", f"{found.output_tokens:,.0f}")
    console.print(table)
    console.print(f"stories and pieces: {found.n_stories:,}")
    if found.hours is None:
        console.print("hours: unknown; give --rate, the tokens of replies that the server makes a second")
    else:
        console.print(f"hours: {found.hours:,.1f} at {found.output_tokens_per_second:,.0f} tokens of replies a second")
    if has_prices:
        console.print(f"money: {found.money:,.2f} at the prices of [budget]")
