"""``sentire evaluate``: a model against what people said of the texts."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str, typer.Argument(help="Embedded model (default, linear) or folder of a trained one.")],
    data: Annotated[str, typer.Option(help="Name and split, such as goemotions:test, or FILE.toml:SPLIT.")],
    target: Annotated[
        str,
        typer.Option(help="Measure labels or affect (valence, arousal, dominance); by default what the data has."),
    ] = "",
    label_space: Annotated[str, typer.Option(help="Measure in these labels, such as ekman or sentiment.")] = "",
    ignore_context: Annotated[
        bool, typer.Option("--ignore-context", help="Do not tell the model what the texts were said in.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the result to this JSON file.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    resamples: Annotated[int, typer.Option(min=10, help="Resamples of the bootstrap.")] = 1000,
    no_rows: Annotated[
        bool, typer.Option("--no-rows", help="Leave out the answers row by row; such a result cannot be compared.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure a model on data with labels or affect scores, with intervals."""
    from sentire.cli.console import make_console, say, show_progress
    from sentire.cli.models import load_model
    from sentire.cli.result_tables import print_result
    from sentire.evaluate.result import render_result, write_result
    from sentire.evaluate.run import evaluate_model
    from sentire.storage.atomic import check_writable

    if output is not None:
        check_writable(output)
    with show_progress("evaluating") as on_progress:
        result = evaluate_model(
            load_model(model, where="MODEL"),
            data,
            target=target,
            label_space=label_space,
            ignore_context=ignore_context,
            seed=seed,
            n_resamples=resamples,
            keep_rows=not no_rows,
            on_progress=on_progress,
        )
    if output is not None:
        write_result(output, result)
    if as_json:
        typer.echo(render_result(result).rstrip())
    else:
        print_result(make_console(), result)
    if output is not None:
        say(f"wrote {output}")
