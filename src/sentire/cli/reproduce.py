"""``sentire reproduce``: the experiments of a paper, from the pre-trained encoder to the tables."""

from pathlib import Path
from typing import Annotated

import typer


def reproduce(
    suite: Annotated[str, typer.Argument(help="retrofit or carl.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the small result files; by default runs/reproduce/SUITE."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder of encoders and vectors, gigabytes that can be made again; by default OUTPUT/work."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A size of minutes, on a part of the data.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value of the suite's settings; may be repeated.")
    ] = None,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Run nothing: write the page of what is done.")
    ] = False,
) -> None:
    """Run every experiment of a paper that is not done yet, and write its tables; stopped, it goes on where it was."""
    import sys

    from sentire.cli.console import say, show_progress
    from sentire.core.config import read_overrides
    from sentire.reproduce.suites import get_suite, make_settings, render_finished, run_suite

    chosen = make_settings(get_suite(suite), is_quick=quick, overrides=read_overrides(settings or ()))
    results = output or Path("runs") / "reproduce" / (f"{suite}-quick" if quick else suite)
    if tables_only:
        page = render_finished(suite, chosen, results, on_missing=say)
    else:
        with show_progress(f"reproduce {suite}") as on_progress:
            page = run_suite(suite, chosen, results, work or results / "work", on_progress=on_progress)
    sys.stdout.write(page)
    say(f"wrote {results / 'README.md'}")
