"""``sentire train``: a model from a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sentire.classifiers.recipe import TfidfRecipe
    from sentire.training.recipe import EncoderRecipe
    from sentire.training.representation_recipe import RepresentationRecipe


def train(
    config: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the model; by default runs/NAME.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, wins over the file; may be repeated.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Of TF-IDF recipes: labels fitted at the same time; by default -1, one a core.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the training report as JSON.")] = False,
) -> None:
    """Train a model by a recipe, calibrate it and choose its cut-offs on dev; a stopped run goes on where it was."""
    from sentire.classifiers.recipe import TfidfRecipe
    from sentire.cli.recipes import read_recipe
    from sentire.core.errors import UsageError
    from sentire.training.recipe import EncoderRecipe

    recipe = read_recipe(config, settings or ())
    folder = output or Path("runs") / recipe.name
    if isinstance(recipe, TfidfRecipe):
        if jobs == 0:
            raise UsageError(expected="a number of jobs, or -1 for one a core", got="0", where="--jobs")
        _train_tfidf(recipe, folder, -1 if jobs is None else jobs, as_json=as_json)
    else:
        if jobs is not None:
            raise UsageError(
                expected="--jobs with a TF-IDF recipe",
                got="an encoder's",
                where="--jobs",
                hint="torch takes all cores; limit it with the variable OMP_NUM_THREADS",
            )
        if isinstance(recipe, EncoderRecipe):
            _train_encoder(recipe, folder, as_json=as_json)
        else:
            _train_representation(recipe, folder, as_json=as_json)


def _train_tfidf(recipe: "TfidfRecipe", folder: Path, jobs: int, *, as_json: bool) -> None:
    from sentire.classifiers.train import train_tfidf
    from sentire.cli.console import make_console, say, show_progress
    from sentire.cli.training_table import print_training

    with show_progress(recipe.name) as on_progress:
        trained = train_tfidf(recipe, folder, n_jobs=jobs, on_progress=on_progress)
    if as_json:
        _print_json(trained.report)
    else:
        print_training(make_console(), trained)
    say(f"wrote {folder} (fingerprint {trained.model.fingerprint})")


def _train_encoder(recipe: "EncoderRecipe", folder: Path, *, as_json: bool) -> None:
    from sentire.cli.console import make_console, say, show_progress
    from sentire.cli.training_table import print_encoder_training
    from sentire.training.processes import is_first_process
    from sentire.training.train import train_encoder

    if not is_first_process():
        train_encoder(recipe, folder)
        return
    with show_progress(recipe.name) as on_progress:
        trained = train_encoder(recipe, folder, on_progress=on_progress)
    if as_json:
        _print_json(trained.report)
    else:
        print_encoder_training(make_console(), recipe.name, trained.report)
    say(f"wrote {folder} (fingerprint {trained.fingerprint})")


def _train_representation(recipe: "RepresentationRecipe", folder: Path, *, as_json: bool) -> None:
    from sentire.cli.console import make_console, say, show_progress
    from sentire.cli.training_table import print_representation_training
    from sentire.training.representation import train_representation

    with show_progress(recipe.name) as on_progress:
        trained = train_representation(recipe, folder, on_progress=on_progress)
    if as_json:
        _print_json(trained.report)
    else:
        print_representation_training(make_console(), recipe.name, trained.report)
    say(f"wrote {folder} (fingerprint {trained.encoder.fingerprint})")


def _print_json(report: dict[str, Any]) -> None:
    import sys

    import orjson

    sys.stdout.buffer.write(orjson.dumps(report, option=orjson.OPT_APPEND_NEWLINE))
