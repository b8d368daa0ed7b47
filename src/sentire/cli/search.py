"""``sentire search``: the texts of a file that are nearest to a text."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sentire.representations.index import Index
    from sentire.runtime.text_rows import Source


def search(
    path: Annotated[
        Path, typer.Option("--in", help="A .parquet file that sentire embed wrote, or a file of texts to embed first.")
    ],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to look for.", show_default=False)] = None,
    queries: Annotated[
        Path | None, typer.Option(help="A text file of texts to look for, one a line; - for standard input.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many texts to show.")] = 10,
    encoder: Annotated[
        str, typer.Option("--encoder", "-e", help="As in embed; by default the vectors' own, or default.")
    ] = "",
    revision: Annotated[str, typer.Option(help="Full commit of an encoder on the hub.")] = "",
    text_column: Annotated[str, typer.Option(help="Column of the texts in a file of texts.")] = "text",
    id_column: Annotated[str, typer.Option(help="Column of its identifiers; by default the number of the line.")] = "",
    file_format: Annotated[
        str | None, typer.Option("--format", help="Format of a file of texts: csv, tsv, jsonl, parquet, txt.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Of a text input, such as cp1252; by default UTF-8.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a text that is looked for.")] = False,
) -> None:
    """Find the texts of a file that are nearest to a text."""
    import sys

    from sentire.cli.console import make_console
    from sentire.cli.found_table import print_found
    from sentire.core.errors import UsageError
    from sentire.representations.index import search as find
    from sentire.runtime.text_rows import Source
    from sentire.storage.rows import check_format
    from sentire.storage.writers import JsonlWriter

    if bool(texts) == (queries is not None):
        got = "both" if texts else "neither"
        raise UsageError(expected="a text or --queries", got=got, hint='try: sentire search "so glad" --in FILE')
    wanted = list(texts or _read_queries(queries))
    source = Source(
        path=path,
        file_format=check_format(file_format) if file_format else None,
        text_column=text_column,
        id_column=id_column,
        encoding=encoding,
    )
    index = _load_index(source, encoder, revision)
    for text in wanted:
        found = find(index, text, top)
        if as_json:
            JsonlWriter(sys.stdout.buffer).write([{"query": text, "found": [one.as_dict() for one in found]}])
        else:
            print_found(make_console(), text, found)


def _read_queries(path: Path | None) -> list[str]:
    from sentire.core.errors import DataError
    from sentire.storage.lines import STDIN, read_lines
    from sentire.storage.report import ReadReport

    report = ReadReport(str(path), is_strict=True)
    texts = [text for _, text in read_lines(path or STDIN, report)]
    if not texts:
        raise DataError(expected="a text to look for on each line", got="an empty file", where=str(path))
    return texts


def _load_index(source: "Source", encoder: str, revision: str) -> "Index":
    from sentire.cli.console import say, show_progress
    from sentire.cli.rejected_rows import say_rejected
    from sentire.representations.text_files import index_file, name_encoder, read_index
    from sentire.storage.report import ReadReport
    from sentire.storage.vector_files import read_vector_facts

    _refuse_array(source.path)
    facts = read_vector_facts(source.path)
    from sentire.representations.load import load_encoder  # after what is quickly said

    if facts is not None:
        name, commit = (encoder, revision) if encoder else name_encoder(facts)
        return read_index(source.path, load_encoder(name, revision=commit))
    report = ReadReport(str(source.path), hint="name its --encoding or --format, or mend the file")
    with show_progress("embedding") as on_progress:
        loaded = load_encoder(encoder or "default", revision=revision)
        index = index_file(source, loaded, report=report, on_progress=on_progress)
    say_rejected(report)
    say(f"embedded {len(index):,} texts; to search them again at once, write them with sentire embed")
    return index


def _refuse_array(path: Path) -> None:
    from sentire.core.errors import UsageError

    if path.suffix.lower() == ".npy":
        raise UsageError(
            expected="a file that holds texts",
            got=".npy, which holds vectors alone",
            where="--in",
            hint="write the vectors as .parquet: sentire embed --output FILE.parquet",
        )
