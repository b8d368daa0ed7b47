"""``sentire augment``: rare labels made richer, and whether it helped."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sentire.augmentation.rounds import Augmented

ACTIONS = ("run", "status", "retry-failed", "experiment")


def augment(
    config: Annotated[Path, typer.Argument(help="The augmentation, a TOML file.")],
    action: Annotated[
        str,
        typer.Argument(
            help="run: make rows for rare labels. status: what the ledger says. retry-failed: let calls that failed "
            "be made again. experiment: train without and with them, several seeds, and compare on test."
        ),
    ] = "run",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of ledger, rows and models; by default runs/NAME.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, wins over the file; may be repeated.")
    ] = None,
) -> None:
    """Make rows for the rare labels of a data set, under rules that are counted; resumable."""
    from sentire.augmentation.config import AugmentationConfig, check_augmentation
    from sentire.core.config import read_config
    from sentire.core.errors import UnknownNameError

    if action not in ACTIONS:
        raise UnknownNameError.among("thing to do with an augmentation", action, ACTIONS)
    chosen = read_config(AugmentationConfig, config, settings or ())
    check_augmentation(chosen)
    folder = output or Path("runs") / chosen.name
    if action == "status":
        from sentire.cli.synthesis_tables import print_counts
        from sentire.storage.ledger import read_ledger

        with read_ledger(folder) as ledger:
            print_counts(ledger.count())
    elif action == "retry-failed":
        from sentire.cli.console import say
        from sentire.storage.ledger import open_ledger, read_ledger

        with read_ledger(folder):
            pass  # there is one: a new one has nothing that failed
        with open_ledger(folder, job=chosen.name) as ledger:
            n = ledger.retry_failed()
        say(f"{n:,} calls that failed will be made again by the next run")
    elif action == "run":
        from sentire.augmentation.run import run_augmentation
        from sentire.cli.augmentation_tables import print_courses
        from sentire.cli.console import say, show_progress
        from sentire.storage.ledger import open_ledger

        with open_ledger(folder, job=chosen.name) as ledger:
            from sentire.augmentation.export import export_augmentation

            with show_progress(chosen.name) as on_progress:
                augmented, train = run_augmentation(chosen, config.parent, ledger, on_progress=on_progress)
            if augmented.rows or augmented.is_whole:
                statistics = export_augmentation(chosen, augmented, train, folder / "data")
                print_courses(statistics)
        if not augmented.is_whole:
            _tell_stop(len(augmented.rows), folder)
            _raise_stop(augmented)
        if statistics["n_made"]:
            hint = f'learn from it with data.further_train = ["{folder}/data/augmented.toml:train"]'
        else:
            hint = "no row was made: see how each label ended, and what was left out"
        say(f"wrote {folder / 'data'}; {hint}")
    else:
        _experiment(config, folder, settings or ())


def _tell_stop(n_rows: int, folder: Path) -> None:
    from sentire.cli.console import say

    if n_rows:
        where = f"{n_rows:,} rows were accepted so far, in {folder / 'data'}"
    else:
        where = f"no row was accepted yet; {folder / 'data'} is as it was"
    say(
        f"stopped: {where}. What was answered is recorded: run it again to go on, with a larger budget if that is spent"
    )


def _raise_stop(augmented: "Augmented") -> None:
    """Raise what ended an augmentation early, with its exit code."""
    if augmented.stopped is not None:
        raise augmented.stopped
    if not augmented.is_whole:
        raise typer.Exit(128 + (augmented.signal or signal.SIGINT))


def _experiment(config: Path, folder: Path, settings: list[str] | tuple[str, ...]) -> None:
    from sentire.augmentation.config import AugmentationConfig
    from sentire.augmentation.experiment import describe_comparisons, run_experiment
    from sentire.augmentation.export import export_augmentation
    from sentire.augmentation.rounds import find_rare
    from sentire.augmentation.run import run_augmentation
    from sentire.classifiers.labelled import read_labelled
    from sentire.cli.augmentation_tables import print_comparisons
    from sentire.cli.console import say, show_progress
    from sentire.core.config import read_config
    from sentire.storage.atomic import write_json
    from sentire.storage.ledger import open_ledger

    chosen = read_config(AugmentationConfig, config, settings)
    rare = find_rare(read_labelled(chosen.data.train), chosen)
    with open_ledger(folder, job=chosen.name) as ledger, show_progress(chosen.name) as on_progress:

        def make_data(seed: int) -> str:
            seeded = read_config(AugmentationConfig, config, [*settings, f"seed={seed}"])
            augmented, train = run_augmentation(seeded, config.parent, ledger)
            _raise_stop(augmented)  # a part is never measured
            export_augmentation(seeded, augmented, train, folder / f"data-{seed}")
            return f"{folder / f'data-{seed}' / 'augmented.toml'}:train"

        found = run_experiment(chosen, config.parent, folder / "models", list(rare), make_data, on_progress=on_progress)
    write_json(folder / "experiment.json", describe_comparisons(found))
    print_comparisons(found)
    say(f"wrote {folder / 'experiment.json'}")
