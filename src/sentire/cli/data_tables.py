"""Corpora, their cards and their defects as tables."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sentire.data.cards import DatasetCard
from sentire.data.check_result import DatasetCheck
from sentire.data.fetch import FetchReport
from sentire.data.listing import KnownDataset

_SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "dim"}


def print_datasets(console: Console, known: Sequence[KnownDataset]) -> None:
    """Print one line a corpus."""
    table = _table("name", "title", "splits", "labels", "weights may ship", "at hand")
    for entry in known:
        card = entry.card
        space = card.label_space.name if card.label_space else "-"
        table.add_row(
            card.name, card.title, _list_splits(card), space, card.weights_may_ship, "yes" if entry.is_at_hand else ""
        )
    console.print(table)


def print_card(console: Console, card: DatasetCard) -> None:
    """Print everything that is known of a corpus."""
    console.print(Text(card.title, style="bold") + Text(f" ({card.name}, revision {card.revision})", style="dim"))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("citation", card.citation)
    facts.add_row("homepage", card.homepage)
    facts.add_row("licence", card.licence)
    facts.add_row("weights may ship", card.weights_may_ship)
    if card.label_space:
        facts.add_row("labels", f"{card.label_space.id}: {', '.join(card.label_space.labels)}")
    if card.affect_scale:
        facts.add_row("scale", f"{card.affect_scale.id}: {card.affect_scale.low:g} to {card.affect_scale.high:g}")
    facts.add_row("splits", _list_splits(card))
    if card.grouped_by:
        facts.add_row("grouped by", card.grouped_by)
    for title, lines in (("defects", card.defects), ("changes", card.changes)):
        for number, line in enumerate(lines):
            facts.add_row(title if number == 0 else "", line)
    for file in (*card.files, *card.optional_files):
        facts.add_row("file", f"{file.path}{f'  from {file.url}' if file.url else ''}")
    if card.access:
        facts.add_row("access", card.access)
    console.print(facts)


def print_check(console: Console, checked: DatasetCheck) -> None:
    """Print what a check found: rows, splits, overlaps, and every finding in a sentence."""
    console.print(Text(checked.dataset, style="bold") + Text(f" · revision {checked.revision}", style="dim"))
    files = _table("file", "split", "rows read", "used", "rejected", "why")
    for rows in checked.files:
        why = ", ".join(f"{reason} ({n:,})" for reason, n in rows.reasons.items())
        files.add_row(rows.file, rows.split, f"{rows.n_read:,}", f"{rows.n_accepted:,}", f"{rows.n_rejected:,}", why)
    console.print(files)
    console.print()
    columns = ("examples", "groups", "one word", "words median", "max", "single label", "duplicates", "conflicts")
    splits = _table("split", *columns)
    for split in checked.splits:
        words = ("", "") if split.words is None else (str(split.words.median), f"{split.words.max:,}")
        splits.add_row(
            split.split,
            f"{split.n_examples:,}",
            f"{split.n_groups:,}" if split.n_groups else "",
            f"{split.n_one_word:,}",
            *words,
            f"{split.n_single_label:,}",
            f"{split.n_duplicate_texts:,}",
            f"{split.n_conflicting_groups:,}",
        )
    console.print(splits)
    _print_labels(console, checked)
    console.print()
    for finding in checked.findings:
        style = _SEVERITY_STYLES[finding.severity]
        console.print(Text(f"{finding.severity:<8}", style=style) + Text(finding.sentence))


def print_fetched(console: Console, report: FetchReport, root: Path) -> None:
    """Print what became of each file of a corpus."""
    table = _table("file", "status", "verified")
    for file in report.files:
        table.add_row(file.path, file.status, "yes" if file.is_verified else "no hash is known")
    console.print(table)
    console.print(Text(f"in {root}", style="dim"))


def _list_splits(card: DatasetCard) -> str:
    return ", ".join(f"{split} {n:,}" if n else split for split, n in card.split_counts.items())


def _print_labels(console: Console, checked: DatasetCheck) -> None:
    labels = dict.fromkeys(label for split in checked.splits for label in split.label_counts)
    if labels:
        console.print()
        table = _table("label", *(split.split for split in checked.splits))
        for label in labels:
            table.add_row(label, *(f"{split.label_counts.get(label, 0):,}" for split in checked.splits))
        console.print(table)
    dimensions = dict.fromkeys(name for split in checked.splits for name in split.scores)
    if dimensions:
        console.print()
        table = _table("score", *(f"{split.split}, mean (sd)" for split in checked.splits))
        for name in dimensions:
            cells = []
            for split in checked.splits:
                spread = split.scores.get(name)
                is_known = spread is not None and spread.mean is not None and spread.sd is not None
                cells.append(f"{spread.mean:.2f} ({spread.sd:.2f})" if spread and is_known else "")
            table.add_row(name, *cells)
        console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
