"""``sentire tune``: the settings of an encoder's recipe that are best on dev."""

from pathlib import Path
from typing import Annotated

import typer


def tune(
    config: Annotated[Path, typer.Argument(help="The recipe of an encoder, a TOML file.")],
    trials: Annotated[int, typer.Option(min=1, help="In all, those of an earlier run included.")] = 20,
    space: Annotated[
        Path | None,
        typer.Option(help="What may be chosen, a TOML file; by default learning rate, batch, epochs and loss."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the search; by default runs/NAME-tuning.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, wins over the recipe; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the choices; the trainings keep the recipe's.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print all trials as JSON.")] = False,
) -> None:
    """Search the settings of a recipe that are best on dev; a stopped search goes on where it was."""
    import sys

    import orjson

    from sentire.cli.console import make_console, say, show_progress
    from sentire.cli.recipes import read_encoder_recipe
    from sentire.cli.tuning_table import print_tuning
    from sentire.core.config import read_config
    from sentire.training.search_space import SearchSpace
    from sentire.training.tune import BEST_RECIPE_NAME, name_trial_folder, tune_encoder

    recipe = read_encoder_recipe(config, settings or ())
    searched = SearchSpace() if space is None else read_config(SearchSpace, space)
    folder = output or Path("runs") / f"{recipe.name}-tuning"
    with show_progress(recipe.name) as on_progress:
        found = tune_encoder(recipe, folder, space=searched, n_trials=trials, seed=seed, on_progress=on_progress)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(found.as_dict(), option=orjson.OPT_APPEND_NEWLINE))
    else:
        print_tuning(make_console(), found)
    if found.best is not None:
        trained = name_trial_folder(folder, found.best.number)
        say(f"wrote {folder}; its model: sentire train {folder / BEST_RECIPE_NAME} --output {trained}")
