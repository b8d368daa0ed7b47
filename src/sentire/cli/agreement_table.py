"""The tables of ``sentire annotate score``."""

from collections.abc import Mapping
from math import isnan

from rich.table import Table

from sentire.annotation.rewriting_scores import RewritingScores
from sentire.annotation.scoring import Agreement
from sentire.cli.console import make_console
from sentire.metrics.bootstrap import Estimate

_Rows = list[tuple[str, Estimate | None]]


def print_agreement(found: Agreement) -> None:
    """Print how far people agree on what is expressed, with one another and with the data."""
    rows = _list_agreement(found)
    rows += [
        ("the data is right where all agree, decisions", found.unanimous_accuracy),
        ("the data is right where most agree, decisions", found.majority_accuracy),
    ]
    console = make_console()
    console.print(_count_done(found.n_items, found.annotators))
    console.print(_make_table("agreement on picks, option by option", rows))
    console.print(f"distractor picked: {found.distractor_rate:.1%}; none of these: {found.none_rate:.1%}")
    _print_context_rate(found.context_rate)


def print_rewriting_scores(found: RewritingScores) -> None:
    """Print how often people judge a rewriting less emotional than its original, and how far they agree."""
    rows: _Rows = []
    everybody = list(found.shares.items())
    if found.majority is not None:
        everybody.append(("the majority", found.majority))
    for name, shares in everybody:
        rows += [(f"less emotional, {name}", shares.less)]
        rows += [(f"both alike, {name}", shares.alike), (f"more emotional, {name}", shares.more)]
    if found.no_majority is not None:
        rows.append(("no majority", found.no_majority))
    has_agreement = len(found.annotators) > 1
    console = make_console()
    console.print(_count_done(found.n_items, found.annotators))
    console.print(
        _make_table("the rewriting is, share of items", rows + (_list_agreement(found) if has_agreement else []))
    )
    if not has_agreement:
        console.print("agreement is not defined: one annotator has nobody to agree with")
    first = ", ".join(f"{alias} {'-' if rate is None else f'{rate:.1%}'}" for alias, rate in found.first_rates.items())
    console.print(f"the first one picked, of picks of either: {first}")
    _print_context_rate(found.context_rate)


def _list_agreement(found: Agreement | RewritingScores) -> _Rows:
    rows: _Rows = [(f"Cohen's kappa, {pair}", one) for pair, one in found.cohen.items()]
    return [*rows, ("Fleiss' kappa, of all, items", found.fleiss), ("Krippendorff's alpha, items", found.alpha)]


def _count_done(n_items: int, annotators: Mapping[str, int]) -> str:
    return f"{n_items} items; done by {', '.join(f'{alias} {n}' for alias, n in annotators.items())}"


def _make_table(title: str, rows: _Rows) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title)
    for name in ("value", "95% interval", "n"):
        table.add_column(name, justify="right")
    for name, one in rows:
        if one is None:
            table.add_row(name, "-", "", "0")
        elif isnan(one.value):
            table.add_row(name, "-", "", f"{one.n:,}")
        else:
            table.add_row(name, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}", f"{one.n:,}")
    return table


def _print_context_rate(rate: float | None) -> None:
    if rate is not None:
        make_console().print(f"context asked for: {rate:.1%} of the items that have one")
