"""``sentire annotate``: people judge data or a model, on a page of this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentire.core.records import Example

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Have people judge data or a model: draw a sample, serve a page, score their agreement.",
)


@app.command()
def make(
    data: Annotated[str, typer.Option("--data", "-d", help="Data set and split, or FILE.toml:SPLIT.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the sample and its annotations.")],
    n: Annotated[int, typer.Option(help="Items.", min=1)] = 200,
    neutral_share: Annotated[float, typer.Option(help="Of the items, neutral ones.", min=0, max=1)] = 0.1,
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="Whose probabilities rank the options; the data's own degrees unless told."),
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the draw.", min=0)] = 0,
) -> None:
    """Draw a sample: each text with five plausible emotions, a distractor, and none of these."""
    from sentire.annotation.sample import draw_sample, write_sample
    from sentire.cli.console import say
    from sentire.core.errors import DataError
    from sentire.data.registry import parse_split_name

    dataset, split = parse_split_name(data)
    space = dataset.card.label_space
    if space is None:
        raise DataError(expected="a data set with labels", got=dataset.card.name, where=data)
    examples = dataset.read_split(split)
    levels = _rank_by_model(model, examples) if model else None
    sample, key = draw_sample(examples, space, name=data, n=n, neutral_share=neutral_share, levels=levels, seed=seed)
    write_sample(output, sample, key)
    say(f"wrote {output}: {len(sample.items)} items (fingerprint {sample.fingerprint})")
    say(f"each annotator now runs: sentire annotate serve {output} --annotator ALIAS")


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="Of the sample.")],
    annotator: Annotated[str, typer.Option("--annotator", "-a", help="An alias, such as a1; no name of a person.")],
    port: Annotated[int, typer.Option(help="Of the page; any that is free unless told.", min=0, max=65535)] = 0,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve the page to one annotator, who goes on where the last sitting ended; Ctrl-C ends it."""
    import webbrowser
    from contextlib import suppress

    from sentire.annotation.annotations import open_annotations
    from sentire.annotation.sample import read_sample
    from sentire.annotation.server import AnnotationServer
    from sentire.cli.console import say

    sample = read_sample(folder)
    with open_annotations(folder, sample, annotator) as file:
        with AnnotationServer(sample, file, annotator, port=port) as server:
            say(f"annotate at {server.address}; Ctrl-C ends it, and nothing is lost")
            if open_browser:
                webbrowser.open(server.address)
            with suppress(KeyboardInterrupt):
                server.serve_forever(poll_interval=0.2)
        n_done = sum(one.is_done for one in file.judgements.values())
    say(f"{n_done} of {len(sample.items)} items are done")


@app.command()
def score(
    folder: Annotated[Path, typer.Argument(help="Of the sample.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    seed: Annotated[int, typer.Option(help="Of the resamples.", min=0)] = 0,
) -> None:
    """Score the annotators' agreement with one another and with the data, with intervals."""
    import sys
    from dataclasses import asdict

    import orjson

    from sentire.annotation.annotations import read_all_annotations
    from sentire.annotation.sample import read_key, read_sample
    from sentire.annotation.scoring import score_annotations
    from sentire.cli.agreement_table import print_agreement

    sample = read_sample(folder)
    found = score_annotations(sample, read_key(folder), read_all_annotations(folder, sample), seed=seed)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(asdict(found), option=orjson.OPT_APPEND_NEWLINE))
    else:
        print_agreement(found)


def _rank_by_model(name: str, examples: "list[Example]") -> "list[Mapping[str, float]]":
    from sentire.runtime.load import load

    model = load(name)
    proba = model.predict_proba([example.text for example in examples])
    return [dict(zip(model.label_space.labels, row, strict=True)) for row in proba.tolist()]
