"""``sentire embed``: one vector for every text of a file."""

from pathlib import Path
from typing import Annotated

import typer


def embed(
    input_path: Annotated[
        Path, typer.Option("--input", "-i", help="A CSV, TSV, JSONL, Parquet or text file; - for standard input.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="FILE.parquet with ids, texts and vectors, or FILE.npy with vectors."),
    ],
    text_column: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    id_column: Annotated[str, typer.Option(help="Column of the identifiers; by default the number of the line.")] = "",
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder", "-e", help="default or minilm, the folder of a model or encoder, or owner/name on the hub."
        ),
    ] = "default",
    revision: Annotated[str, typer.Option(help="Full commit of an encoder on the hub.")] = "",
    file_format: Annotated[
        str | None, typer.Option("--format", help="Format of the input: csv, tsv, jsonl, parquet, txt.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Of a text input, such as cp1252; by default UTF-8.")] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")] = False,
) -> None:
    """Write one vector for every text of a file."""
    from sentire.cli.console import say, show_progress
    from sentire.cli.cut_texts import say_cut
    from sentire.cli.rejected_rows import say_rejected
    from sentire.representations.text_files import check_source, embed_file
    from sentire.runtime.text_rows import Source, check_is_not_input
    from sentire.storage.report import ReadReport
    from sentire.storage.rows import check_format
    from sentire.storage.vector_files import check_vector_output, list_vector_files

    source = Source(
        path=input_path,
        file_format=check_format(file_format) if file_format else None,
        text_column=text_column,
        id_column=id_column,
        encoding=encoding,
    )
    kind = check_vector_output(output)
    files = list_vector_files(output)
    for file in files:
        check_is_not_input(file, source)

    def make_report() -> ReadReport:
        return ReadReport(str(input_path), is_strict=strict, hint="name its --encoding or --format, or mend the file")

    check_source(source, make_report())
    report = make_report()
    from sentire.representations.load import load_encoder  # after what is quickly said

    with show_progress("embedding") as on_progress:
        loaded = load_encoder(encoder, revision=revision)
        done = embed_file(source, loaded, output, report=report, on_progress=on_progress)
    say_rejected(report)
    if report.n_rejected and kind == "npy":
        say("note: the rows of the array are the texts that were used; a .parquet file names each by its id")
    say_cut(done.n_cut)
    say(f"{done.n_texts:,} texts in {done.seconds:.2f} s, {done.texts_per_second:,.0f} texts/s")
    written = " and ".join(map(str, files))
    say(f"wrote {written}: {done.n_texts:,} vectors of {loaded.n_dimensions} numbers, encoder {loaded.name}")
