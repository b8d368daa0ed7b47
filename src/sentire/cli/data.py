"""``sentire data``: the corpora, what is known of them, what is wrong with them, and how to get them."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Corpora: list, show, check, fetch.")

Name = Annotated[str, typer.Argument(help="Name of a corpus, or a TOML file that describes data of your own.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the same as JSON.")]
Root = Annotated[
    Path | None,
    typer.Option("--root", help="Where the corpora are; by default SENTIRE_DATA or ~/.local/share/sentire."),
]


@app.command("list")
def list_datasets(as_json: AsJson = False, root: Root = None) -> None:
    """List the corpora, and which of them are at hand."""
    from sentire.cli.console import make_console
    from sentire.cli.data_tables import print_datasets
    from sentire.data.listing import list_known

    known = list_known(root)
    if as_json:
        _print_json([entry.as_dict() for entry in known])
    else:
        print_datasets(make_console(), known)


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show the card of a corpus: source, licence, splits, labels, known defects."""
    from sentire.cli.console import make_console
    from sentire.cli.data_tables import print_card
    from sentire.data.listing import card_as_dict
    from sentire.data.registry import load_dataset

    card = load_dataset(name).card
    if as_json:
        _print_json(card_as_dict(card))
    else:
        print_card(make_console(), card)


@app.command()
def check(
    name: Name,
    splits: Annotated[list[str] | None, typer.Option("--split", help="Check this split only; may be repeated.")] = None,
    root: Root = None,
    no_near_duplicates: Annotated[
        bool, typer.Option("--no-near-duplicates", help="Do not search for texts that differ in a few characters.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for broken rows, duplicates, leaks between splits and texts with conflicting labels."""
    from sentire.cli.console import make_console, show_progress
    from sentire.cli.data_tables import print_check
    from sentire.core.errors import MissingExtraError
    from sentire.data.inspect import inspect_dataset
    from sentire.data.registry import load_dataset

    try:
        with show_progress(f"checking {name}") as on_progress:
            checked = inspect_dataset(
                load_dataset(name),
                splits=splits or (),
                root=root,
                with_near_duplicates=not no_near_duplicates,
                is_strict=strict,
                on_progress=on_progress,
            )
    except MissingExtraError as error:
        if "near-duplicates" not in error.needed_for:
            raise
        raise MissingExtraError(
            extra=error.extra, needed_for=error.needed_for, otherwise="leave the search out with --no-near-duplicates"
        ) from error
    if as_json:
        _print_json(checked.as_dict())
    else:
        print_check(make_console(), checked)


@app.command()
def fetch(
    name: Name,
    root: Root = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ from the public release.")] = False,
    as_json: AsJson = False,
) -> None:
    """Download a corpus from its own public address and verify it; say what to put where when that is not possible."""
    from sentire.cli.console import make_console, show_progress
    from sentire.cli.data_tables import print_fetched
    from sentire.data.fetch import FetchProgress, fetch_dataset
    from sentire.data.registry import load_dataset
    from sentire.data.root import find_data_root

    folder = root if root is not None else find_data_root()
    with show_progress(f"fetching {name}") as on_progress:

        def tell(progress: FetchProgress) -> None:
            on_progress(progress.n_received, progress.n_total, progress.path)

        report = fetch_dataset(load_dataset(name).card, folder, is_forced=force, on_progress=tell)
    if as_json:
        _print_json(report.as_dict())
    else:
        print_fetched(make_console(), report, folder)


def _print_json(value: Any) -> None:
    import orjson

    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
