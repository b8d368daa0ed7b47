"""Texts that were found, as a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sentire.cli.one_line import one_line, shorten

if TYPE_CHECKING:
    from sentire.representations.index import Found

LONGEST_TEXT_CHARS = 300
LONGEST_ID_CHARS = 24


def print_found(console: Console, query: str, found: Sequence["Found"]) -> None:
    """Print what was looked for, and a line for each text that was found: similarity, id, text."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    # An id of any length may come: it must not leave the text without a place.
    table.add_column("similarity", no_wrap=True, justify="right", min_width=len("similarity"))
    table.add_column("id", no_wrap=True, overflow="ellipsis", max_width=LONGEST_ID_CHARS)
    table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
    for one in found:
        table.add_row(
            f"{one.similarity:.3f}", Text(one_line(one.id), style="dim"), Text(shorten(one.text, LONGEST_TEXT_CHARS))
        )
    console.print(Text(shorten(query, LONGEST_TEXT_CHARS), style="bold"))
    console.print(table)
    console.print()
