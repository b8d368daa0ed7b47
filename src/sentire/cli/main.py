"""The ``sentire`` command: its subcommands, and how errors become messages and exit codes."""

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from sentire._version import __version__
from sentire.cli.analyze import analyze
from sentire.cli.compare import compare
from sentire.cli.data import app as data_app
from sentire.cli.evaluate import evaluate
from sentire.cli.train import train
from sentire.core.errors import SentireError

INTERRUPTED = 130
TERMINATED = 143

app = typer.Typer(
    name="sentire",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Understand the emotions in text: offline, at once, with calibrated probabilities.",
    epilog="Exit codes: 0 done, 2 usage or configuration, 3 data, 4 model or result file, 5 output, 6 missing extra, "
    "7 download, 130 interrupted.",
)
app.command()(analyze)
app.command()(train)
app.command()(evaluate)
app.command()(compare)
app.add_typer(data_app, name="data")


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    """Understand the emotions in text: offline, at once, with calibrated probabilities."""
    if version:
        typer.echo(f"sentire {__version__}")
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line and exit with the code that the outcome has."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except SentireError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            typer.echo("stopped by the user; no output was left half-written", err=True)
        raise
    sys.exit(0)


def _terminate(signal_number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  the shape of a handler
    # Leaving by SystemExit lets half-written files be removed on the way out.
    sys.exit(TERMINATED)


if __name__ == "__main__":
    main()
