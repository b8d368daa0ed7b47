"""The identity-term audit as tables."""

from textwrap import shorten

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sentire.evaluate.identity_terms import IdentityAudit

_WORDY = ("words", "answer")
_LONGEST_WORDS_CHARS = 60


def print_audit(console: Console, audit: IdentityAudit, n_largest: int) -> None:
    """Print what each group of words changes, and the largest shifts."""
    console.print(
        Text(audit.model, style="bold")
        + Text(f" · {audit.n_templates} sentences, {audit.n_texts:,} with words for what somebody is", style="dim")
    )
    groups = _table("group", "texts", "mean shift", "other decision", "words")
    for one in audit.groups:
        share = f"{one.n_flipped_texts / one.n_texts:.1%}"
        words = shorten(", ".join(one.terms), _LONGEST_WORDS_CHARS, placeholder=" …")
        groups.add_row(one.group, str(one.n_texts), f"{one.mean_absolute_shift:.4f}", share, words)
    console.print(groups)
    for title, shifts in (("probability", audit.shifts), ("affect", audit.affect_shifts)):
        if not shifts or not n_largest:
            continue
        table = _table(f"largest shifts ({title})", "shift", f"{audit.confidence:.0%} interval", "answer")
        for shift in shifts[:n_largest]:
            interval = f"{shift.low:+.4f} to {shift.high:+.4f}"
            table.add_row(f"{shift.term} ({shift.group})", f"{shift.shift:+.4f}", interval, shift.answer)
        console.print()
        console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold")
    table.add_column(title)
    for column in columns:
        table.add_column(column, justify="left" if column in _WORDY else "right", no_wrap=True)
    return table
