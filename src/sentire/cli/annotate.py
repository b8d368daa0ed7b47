"""``sentire annotate``: people judge data or a model, on a page of this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentire.annotation.sample import Key, Sample
    from sentire.core.labels import LabelSpace
    from sentire.core.records import Example
    from sentire.data.reading import Reading
    from sentire.runtime.load import Model

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Have people judge data or a model: draw a sample, serve a page, score their agreement.",
)


@app.command()
def make(
    data: Annotated[str, typer.Option("--data", "-d", help="Data set and split, or FILE.toml:SPLIT.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the sample and its annotations.")],
    rewritten: Annotated[
        str,
        typer.Option(
            "--rewritten",
            "-r",
            help="Data set and split of rewritings of the same ids: asks which version is more emotional.",
        ),
    ] = "",
    n: Annotated[int, typer.Option(help="Number of items.", min=1)] = 200,
    neutral_share: Annotated[
        float | None, typer.Option(help="Of the items, neutral ones; by default 0.1.", min=0, max=1)
    ] = None,
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="Whose probabilities rank the options; by default the data's own degrees."),
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the draw.", min=0)] = 0,
) -> None:
    """Draw a sample: texts with plausible emotions to pick from, or with --rewritten texts in two versions."""
    from sentire.annotation.sample import write_sample
    from sentire.cli.console import say
    from sentire.core.errors import UsageError

    if not rewritten:
        sample, key = _draw_texts(data, n, 0.1 if neutral_share is None else neutral_share, model, seed)
    elif model or neutral_share is not None:
        raise UsageError(
            expected="--rewritten without --model and --neutral-share",
            got=f"{rewritten} and {'--model' if model else '--neutral-share'}",
            hint="these choose emotions to pick from, which nobody is asked about two versions",
        )
    else:
        sample, key = _draw_rewritings(data, rewritten, n, seed)
    write_sample(output, sample, key)
    say(f"wrote {output}: {len(sample.items)} items (fingerprint {sample.fingerprint})")
    say(f"each annotator now runs: sentire annotate serve {output} --annotator ALIAS")


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="Of the sample.")],
    annotator: Annotated[str, typer.Option("--annotator", "-a", help="An alias, such as a1; no name of a person.")],
    port: Annotated[int, typer.Option(help="Of the page; by default any that is free.", min=0, max=65535)] = 0,
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
            say(f"annotate at {server.address} (Ctrl-C ends it, and nothing is lost)")
            if file.judgements:
                n_done = sum(one.is_done for one in file.judgements.values())
                say(f"{n_done} of {len(sample.items)} items are done already; if not by you, take another --annotator")
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
    """Score what annotators say of the data and how far they agree, with intervals."""
    import sys
    from dataclasses import asdict

    import orjson

    from sentire.annotation.annotations import read_all_annotations
    from sentire.annotation.questions import MORE_EMOTIONAL
    from sentire.annotation.rewriting_scores import RewritingScores, score_rewritings
    from sentire.annotation.sample import read_key, read_sample
    from sentire.annotation.scoring import Agreement, score_annotations
    from sentire.cli.agreement_table import print_agreement, print_rewriting_scores

    sample, key = read_sample(folder), read_key(folder)
    annotations = read_all_annotations(folder, sample)
    found: Agreement | RewritingScores
    if sample.question == MORE_EMOTIONAL:
        found = score_rewritings(sample, key, annotations, seed=seed)
    else:
        found = score_annotations(sample, key, annotations, seed=seed)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(asdict(found), option=orjson.OPT_APPEND_NEWLINE))
    elif isinstance(found, RewritingScores):
        print_rewriting_scores(found)
    else:
        print_agreement(found)


def _draw_texts(data: str, n: int, neutral_share: float, model: str, seed: int) -> "tuple[Sample, Key]":
    from sentire.annotation.sample import draw_sample
    from sentire.core.errors import DataError
    from sentire.data.reading import Reading
    from sentire.data.registry import parse_split_name

    dataset, split = parse_split_name(data)
    space = dataset.card.label_space
    if space is None:
        raise DataError(expected="a data set with labels", got=dataset.card.name, where=data)
    ranking = _load_ranking(model, space) if model else None
    reading = Reading()
    examples = dataset.read_split(split, reading=reading)
    _say_rejected(reading)
    levels = _rank_by_model(ranking, examples) if ranking else None
    return draw_sample(examples, space, name=data, n=n, neutral_share=neutral_share, levels=levels, seed=seed)


def _draw_rewritings(data: str, rewritten: str, n: int, seed: int) -> "tuple[Sample, Key]":
    from sentire.annotation.pairs import draw_pairs, pair_versions
    from sentire.cli.console import say
    from sentire.data.reading import Reading
    from sentire.data.registry import parse_split_name

    (before, split), (after, other_split) = parse_split_name(data), parse_split_name(rewritten)
    of_original, of_rewritten = Reading(), Reading()
    found = pair_versions(
        before.iter_split(split, reading=of_original),
        after.iter_split(other_split, reading=of_rewritten),
        original_name=data,
        rewritten_name=rewritten,
    )
    _say_rejected(of_original)
    _say_rejected(of_rewritten)
    say(
        f"{len(found.pairs):,} pairs of {data} and {rewritten}, which holds the rewritings; left out without partner: "
        f"{found.n_not_rewritten:,} not rewritten, {found.n_without_original:,} without original"
    )
    return draw_pairs(found.pairs, name=f"{data} and {rewritten}", n=n, seed=seed)


def _say_rejected(reading: "Reading") -> None:
    """Tell which rows the sample cannot hold, since they could not be read."""
    from sentire.cli.rejected_rows import say_rejected

    for report in reading.reports:
        say_rejected(report)


def _load_ranking(name: str, space: "LabelSpace") -> "Model":
    from sentire.core.errors import LabelError, list_names
    from sentire.runtime.load import load

    model = load(name)
    if set(model.label_space.labels) != set(space.labels):
        raise LabelError(
            expected=f"a model that answers in the labels of {space.id}",
            got=f"{model.label_space.id} with {list_names(model.label_space.labels)}",
            where=f"--model {name}",
            hint="name a model of these labels, or leave --model out: the data's own degrees then rank the options",
        )
    return model


def _rank_by_model(model: "Model", examples: "list[Example]") -> "list[Mapping[str, float]]":
    from sentire.evaluate.examples import gather_context

    context, _ = gather_context(examples, uses_context=model.uses_context, ignore_context=False)
    proba = model.predict_proba([example.text for example in examples], context=context)
    return [dict(zip(model.label_space.labels, row, strict=True)) for row in proba.tolist()]
