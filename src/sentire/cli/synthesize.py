"""``sentire synthesize``: training data from a language model and a folder of stories."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sentire.synthesis.config import SynthesisConfig
    from sentire.synthesis.run import Site

ACTIONS = ("run", "status", "retry-failed", "export")


def synthesize(
    config: Annotated[Path, typer.Argument(help="The synthesis, a TOML file.")],
    action: Annotated[
        str,
        typer.Argument(
            help="run: make all calls that were not made yet, then write the data set. status: what the ledger says. "
            "retry-failed: let calls that failed be made again. export: write the data set as far as it is."
        ),
    ] = "run",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of ledger and data set; by default runs/NAME.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, wins over the file; may be repeated.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Make no call: say what the whole takes in calls, tokens, hours, money.")
    ] = False,
    stories: Annotated[int, typer.Option(help="With --estimate: as if there were so many stories.", min=0)] = 0,
    rate: Annotated[
        float | None, typer.Option(help="With --estimate: tokens of replies a second that the server makes.", min=0.001)
    ] = None,
) -> None:
    """Make training data with a language model: utterances of characters, their emotions, contexts; resumable."""
    from sentire.core.config import read_config
    from sentire.core.errors import UnknownNameError, UsageError
    from sentire.synthesis.config import SynthesisConfig, check_synthesis

    if action not in ACTIONS:
        raise UnknownNameError.among("thing to do with a synthesis", action, ACTIONS)
    if (stories or rate) and not estimate:
        raise UsageError(expected="--stories and --rate with --estimate", got="no --estimate", where="--stories")
    chosen = read_config(SynthesisConfig, config, settings or ())
    check_synthesis(chosen)
    folder = output or Path("runs") / chosen.name
    if estimate:
        _estimate(chosen, config.parent, folder, stories, rate)
    elif action == "status":
        _print_status(folder)
    elif action == "retry-failed":
        _retry_failed(chosen, folder)
    else:
        _run(chosen, config.parent, folder, is_export=action == "export")


def _run(chosen: "SynthesisConfig", base: Path, folder: Path, *, is_export: bool) -> None:
    from sentire.cli.console import say, show_progress
    from sentire.cli.synthesis_tables import print_counts, print_rows
    from sentire.core.config import dump_config
    from sentire.storage.atomic import make_directory, write_json
    from sentire.storage.ledger import open_ledger, read_ledger
    from sentire.synthesis.run import Site, describe_run, run_synthesis

    site = Site(settings=chosen, base=base)
    if is_export:
        with read_ledger(folder) as ledger:
            print_rows(_export(site, folder, ledger))
        return
    make_directory(folder)
    with open_ledger(folder, job=chosen.name) as ledger:
        write_json(folder / "settings.json", dump_config(chosen))
        try:
            with show_progress(chosen.name) as on_progress:
                report = run_synthesis(site, ledger, on_progress=on_progress)
        finally:
            if counts := ledger.count():
                print_counts(counts)
        say(describe_run(report))
        if report.signal:
            say("stopped; what was under way was finished and is recorded: run it again to go on")
            raise typer.Exit(128 + report.signal)
        print_rows(_export(site, folder, ledger))


def _export(site: "Site", folder: Path, ledger: object) -> dict[str, object]:
    from typing import cast

    from sentire.cli.console import say, show_progress
    from sentire.core.errors import MissingExtraError
    from sentire.representations.load import load_encoder
    from sentire.storage.ledger import LedgerReader
    from sentire.synthesis.export import Draw, export_synthesis

    encoder = load_encoder("default")
    draw: Draw | None = None
    try:
        from sentire.synthesis.pictures import draw_synthesis

        draw = draw_synthesis
    except MissingExtraError as missing:
        say(f"note: no pictures, {missing}")
    with show_progress("export") as on_progress:
        statistics = export_synthesis(
            site,
            cast("LedgerReader", ledger),
            folder / "data",
            encode=lambda texts: encoder.encode(list(texts)),
            encoder_name=encoder.name,
            draw=draw,
            on_progress=on_progress,
        )
    say(f"wrote {folder / 'data'}; its README.md tells what is in it")
    return statistics


def _print_status(folder: Path) -> None:
    from sentire.cli.synthesis_tables import print_counts
    from sentire.storage.ledger import read_ledger

    with read_ledger(folder) as ledger:
        print_counts(ledger.count())


def _retry_failed(chosen: "SynthesisConfig", folder: Path) -> None:
    from sentire.cli.console import say
    from sentire.storage.ledger import open_ledger, read_ledger

    with read_ledger(folder):
        pass  # there is one: a new one has nothing that failed
    with open_ledger(folder, job=chosen.name) as ledger:
        n = ledger.retry_failed()
    say(f"{n:,} calls that failed will be made again by the next run")


def _estimate(chosen: "SynthesisConfig", base: Path, folder: Path, n_stories: int, rate: float | None) -> None:
    from sentire.cli.synthesis_tables import print_estimate
    from sentire.storage.ledger import LEDGER_NAME, TaskCount, read_ledger
    from sentire.synthesis.definitions import load_label_guide
    from sentire.synthesis.desk import Desk
    from sentire.synthesis.estimate import estimate_synthesis
    from sentire.synthesis.run import Site

    measured: list[TaskCount] = []
    if (folder / LEDGER_NAME).is_file():
        with read_ledger(folder) as ledger:
            measured = ledger.count()
    found = estimate_synthesis(
        Desk(chosen, load_label_guide(chosen)),
        list(Site(settings=chosen, base=base).iterate_stories()),
        measured=measured,
        n_stories=n_stories,
        output_tokens_per_second=rate,
    )
    print_estimate(found, has_prices=bool(chosen.budget.input_price or chosen.budget.output_price))
