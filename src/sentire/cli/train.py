"""``sentire train``: a model from a recipe."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the model; runs/NAME unless told.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, wins over the file; may be repeated.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Labels fitted at the same time; -1 for one a core.")] = -1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the training report as JSON.")] = False,
) -> None:
    """Train a model by a recipe, calibrate it and choose its cut-offs on dev."""
    import sys

    import orjson

    from sentire.classifiers.recipe import TfidfRecipe
    from sentire.classifiers.train import train_tfidf
    from sentire.cli.console import make_console, say, show_progress
    from sentire.cli.training_table import print_training
    from sentire.core.config import read_config
    from sentire.core.errors import UsageError

    if jobs == 0:
        raise UsageError(expected="a number of jobs, or -1 for one a core", got="0", where="--jobs")
    recipe = read_config(TfidfRecipe, config, settings or ())
    folder = output or Path("runs") / recipe.name
    with show_progress(recipe.name) as on_progress:
        trained = train_tfidf(recipe, folder, n_jobs=jobs, on_progress=on_progress)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(trained.report, option=orjson.OPT_APPEND_NEWLINE))
    else:
        print_training(make_console(), trained)
    say(f"wrote {folder} (fingerprint {trained.model.fingerprint})")
