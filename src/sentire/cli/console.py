"""Where the command line writes: answers to standard output, news to standard error and only to a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from sentire.core.progress import OnProgress, stay_quiet

PIPE_WIDTH = 120
"""Columns of a table that goes into a pipe or a file."""


def make_console(*, is_error: bool = False) -> Console:
    """Make the console of one command; without a terminal it is plain and of a fixed width."""
    console = Console(stderr=is_error, highlight=False, soft_wrap=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def say(message: str) -> None:
    """Tell the user something that is not the answer, on standard error."""
    sys.stderr.write(f"{message}\n")


@contextmanager
def show_progress(title: str) -> Iterator[OnProgress]:
    """Show a progress bar with rate, time and time left on standard error while the block runs; quiet in a pipe."""
    console = make_console(is_error=True)
    if not console.is_terminal:
        yield stay_quiet
        return
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def update(n_done: int, n_total: int | None, note: str) -> None:
            progress.update(task, completed=n_done, total=n_total, description=f"{title}: {note}")

        yield update
