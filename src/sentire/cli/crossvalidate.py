"""``sentire crossvalidate``: an encoder's recipe, trained and tested once a fold."""

from pathlib import Path
from typing import Annotated

import typer


def crossvalidate(
    config: Annotated[Path, typer.Argument(help="The recipe of an encoder with [folds], a TOML file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of models and result; by default runs/NAME.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, wins over the file; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train and test a recipe once a fold, groups never torn apart; a stopped run goes on where it was."""
    from sentire.cli.console import make_console, say, show_progress
    from sentire.cli.recipes import read_encoder_recipe
    from sentire.cli.result_tables import print_folds, print_result
    from sentire.evaluate.cross_validation import RESULT_NAME, cross_validate
    from sentire.evaluate.result import render_result
    from sentire.training.processes import is_first_process

    recipe = read_encoder_recipe(config, settings or ())
    folder = output or Path("runs") / recipe.name
    if not is_first_process():
        cross_validate(recipe, folder, seed=seed)
        return
    with show_progress(recipe.name) as on_progress:
        found = cross_validate(recipe, folder, seed=seed, on_progress=on_progress)
    if as_json:
        typer.echo(render_result(found.result).rstrip())
    else:
        console = make_console()
        print_result(console, found.result)
        print_folds(console, found.folds)
    say(f"wrote {folder / RESULT_NAME}")
