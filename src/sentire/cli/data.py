"""``sentire data``: the corpora, what is known of them, what is wrong with them, and how to get them."""

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Corpora: list, show, check, fetch.")


@app.command("list")
def list_datasets() -> None:
    """List the corpora."""
