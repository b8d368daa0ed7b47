"""The ``sentire`` command: its subcommands, and how errors become messages and exit codes."""

import gc
import io
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from sentire._version import __version__
from sentire.cli.analyze import analyze
from sentire.cli.annotate import app as annotate_app
from sentire.cli.audit import audit
from sentire.cli.augment import augment
from sentire.cli.compare import compare
from sentire.cli.crossvalidate import crossvalidate
from sentire.cli.data import app as data_app
from sentire.cli.embed import embed
from sentire.cli.evaluate import evaluate
from sentire.cli.reproduce import reproduce
from sentire.cli.search import search
from sentire.cli.synthesize import synthesize
from sentire.cli.train import train
from sentire.cli.tune import tune
from sentire.core.errors import OutputError, SentireError, describe

BROKEN_PIPE = 1
TERMINAL_CLOSED = 129
INTERRUPTED = 130
TERMINATED = 143

_OUTPUTS = (1, 2)  # descriptors

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Python looks for cycles after every 700 objects, hundreds of times while libraries load that leave none."""

app = typer.Typer(
    name="sentire",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Understand the emotions in text: offline, at once, with calibrated probabilities.",
    epilog="Exit codes: 0 done, 2 usage or configuration, 3 data, 4 model or result file, 5 output, 6 missing extra, "
    "7 download, 8 training, 9 language model, 10 budget, 129 terminal closed, 130 interrupted, 143 terminated.",
)
app.command()(analyze)
app.command()(embed)
app.command()(search)
app.command()(train)
app.command()(tune)
app.command()(synthesize)
app.command()(augment)
app.command()(crossvalidate)
app.command()(evaluate)
app.command()(compare)
app.command()(audit)
app.command()(reproduce)
app.add_typer(annotate_app, name="annotate")
app.add_typer(data_app, name="data")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"sentire {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Understand the emotions in text: offline, at once, with calibrated probabilities."""


def main() -> NoReturn:
    """Run the command line and exit with the code that the outcome has."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
    signal.signal(signal.SIGTERM, _terminate)
    _heed_hang_up()
    _mend_streams()
    try:
        code = _run()
        sys.stdout.flush()  # here, where a full disk still becomes a message and an exit code
    except SentireError as error:
        code = _report(error)
    except BrokenPipeError:  # the reader has seen enough
        code = BROKEN_PIPE
        _discard_output()
    except OSError as error:
        place = str(error.filename or "standard output")
        code = _report(OutputError(expected="a place that can be written", got=describe(error), where=place))
        _discard_output()
    sys.exit(code)


def _run() -> int | str | None:
    try:
        app()
    except SystemExit as stop:
        if stop.code in (TERMINAL_CLOSED, INTERRUPTED, TERMINATED):
            typer.echo("stopped by a signal; no output file was left half-written", err=True)
        return stop.code
    return 0


def _report(error: SentireError) -> int:
    typer.echo(f"error: {error}", err=True)
    return error.exit_code


def _mend_streams() -> None:
    # A stream that the caller closed is None, and a terminal may not know every character.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  open as long as the command runs
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _discard_output() -> None:
    # What is still buffered cannot be delivered; at exit the interpreter would try again and complain.
    with suppress(OSError):  # a stand-in for standard output has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(signal_number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  the shape of a handler
    # Leaving by SystemExit lets half-written files be removed on the way out.
    sys.exit(TERMINATED)


def _heed_hang_up() -> None:
    """Leave as at SIGTERM when the terminal is closed, unless that is ignored, as under ``nohup``."""
    if signal.getsignal(signal.SIGHUP) != signal.SIG_DFL:
        return
    terminals = [stream for stream in _OUTPUTS if os.isatty(stream)]  # what is closed is no terminal any more

    def hang_up(signal_number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  the shape of a handler
        # The system and the shell may both send it: the second must not disturb the way out.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for terminal in terminals:  # nor must what is still said to nobody
            os.dup2(os.open(os.devnull, os.O_WRONLY), terminal)
        sys.exit(TERMINAL_CLOSED)

    signal.signal(signal.SIGHUP, hang_up)


if __name__ == "__main__":
    main()
