"""``sentire compare``: one result against another."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    a: Annotated[Path, typer.Argument(help="Result file of the first model.")],
    b: Annotated[Path, typer.Argument(help="Result file of the second model, on the same data.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the comparison to this JSON file.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    resamples: Annotated[int, typer.Option(min=10, help="Resamples of the bootstrap.")] = 5000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare two models on the same texts: paired differences with intervals, and the answers that changed."""
    import sys

    import orjson

    from sentire.cli.console import make_console, say
    from sentire.cli.result_tables import print_comparison
    from sentire.evaluate.compare import compare_results
    from sentire.evaluate.result import read_result
    from sentire.storage.atomic import check_writable, write_json

    if output is not None:
        check_writable(output)
    comparison = compare_results(read_result(a), read_result(b), seed=seed, n_resamples=resamples)
    if output is not None:
        write_json(output, comparison.as_dict())
        say(f"wrote {output}")
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(comparison.as_dict(), option=orjson.OPT_APPEND_NEWLINE))
    else:
        print_comparison(make_console(), comparison)
