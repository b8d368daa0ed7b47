"""``sentire search``: the texts of a file that are nearest to a text."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sentire.representations.index import Index
    from sentire.representations.text_encoder import TextEncoder
    from sentire.runtime.text_rows import Source
    from sentire.storage.report import Rejection

_TABLE_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
_PLAIN_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


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
    encoding: Annotated[
        str, typer.Option(help="Of text inputs, --queries too, such as cp1252; by default UTF-8.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a text that is looked for.")] = False,
) -> None:
    """Find the texts of a file that are nearest to a text."""
    import sys

    from sentire.cli.console import make_console
    from sentire.cli.cut_texts import say_cut
    from sentire.cli.found_table import print_found
    from sentire.core.errors import UsageError
    from sentire.core.writable import make_writable
    from sentire.representations.index import check_query
    from sentire.representations.index import search as find
    from sentire.runtime.text_rows import Source
    from sentire.runtime.texts import LONGEST_TEXT_CHARS
    from sentire.storage.lines import STDIN
    from sentire.storage.rows import check_format
    from sentire.storage.writers import JsonlWriter

    if bool(texts) == (queries is not None):
        got = "both" if texts else "neither"
        raise UsageError(expected="a text or --queries", got=got, hint='try: sentire search "so glad" --in FILE')
    if queries == path == STDIN:
        raise UsageError(expected="standard input for one of --queries and --in", got="- for both")
    _refuse_table(queries)
    wanted = list(texts or _read_queries(queries or STDIN, encoding))
    for text in wanted:  # before minutes are spent on the texts to search in
        check_query(text)
    source = Source(
        path=path,
        file_format=check_format(file_format) if file_format else None,
        text_column=text_column,
        id_column=id_column,
        encoding=encoding,
    )
    index = _load_index(source, encoder, revision, is_encoding_of_queries=queries is not None)
    say_cut(sum(len(text) > LONGEST_TEXT_CHARS for text in wanted), "to look for")
    for text in wanted:
        found = find(index, text, top)
        if as_json:  # an argument may hold bytes that are no text
            JsonlWriter(sys.stdout.buffer).write(
                [{"query": make_writable(text), "found": [one.as_dict() for one in found]}]
            )
        else:
            print_found(make_console(), make_writable(text), found)


def _read_queries(path: Path, encoding: str) -> list[str]:
    from sentire.cli.console import say
    from sentire.core.errors import DataError
    from sentire.storage.lines import read_lines
    from sentire.storage.report import ReadReport

    def refuse(rejection: "Rejection") -> None:  # of the few texts to look for, none is left out
        raise DataError(
            expected="a text to look for on each line",
            got=rejection.reason,
            where=f"{path}:{rejection.row}",
            hint="name the --encoding, or mend the line",
        )

    report = ReadReport(str(path), on_reject=refuse)
    texts = [text for _, text in read_lines(path, report, encoding=encoding)]
    blanks = f"{report.n_blank:,} blank {'line' if report.n_blank == 1 else 'lines'}"
    if not texts:
        got = blanks if report.n_blank else "an empty file"
        raise DataError(expected="a text to look for on each line", got=got, where=str(path))
    if report.n_blank:  # so that who counts the answers knows why they are fewer than the lines
        say(f"{blanks} of {path} {'was' if report.n_blank == 1 else 'were'} passed over")
    return texts


def _load_index(source: "Source", encoder: str, revision: str, *, is_encoding_of_queries: bool) -> "Index":
    from sentire.cli.console import say, show_progress
    from sentire.cli.cut_texts import say_cut
    from sentire.cli.rejected_rows import say_rejected
    from sentire.representations.text_files import check_source, index_file, read_index
    from sentire.runtime.texts import LONGEST_TEXT_CHARS
    from sentire.storage.report import ReadReport
    from sentire.storage.vector_files import read_vector_facts

    def make_report() -> ReadReport:
        return ReadReport(str(source.path), hint="name its --encoding or --format, or mend the file")

    _refuse_array(source.path)
    facts = read_vector_facts(source.path)
    if facts is not None:
        _refuse_options(source, encoder, revision, is_encoding_of_queries=is_encoding_of_queries)
    else:
        check_source(source, make_report())
    from sentire.representations.load import load_encoder  # after what is quickly said

    if facts is not None:
        loaded = load_encoder(encoder, revision=revision) if encoder else _load_own_encoder(source.path, facts)
        return read_index(source.path, loaded)
    report = make_report()
    with show_progress("embedding") as on_progress:
        loaded = load_encoder(encoder or "default", revision=revision)
        index = index_file(source, loaded, report=report, on_progress=on_progress)
    say_rejected(report)
    say_cut(sum(len(text) > LONGEST_TEXT_CHARS for text in index.texts))
    say(f"embedded {len(index):,} texts; to search them again at once, write them with sentire embed")
    return index


def _load_own_encoder(path: Path, facts: Mapping[str, Any]) -> "TextEncoder":
    """Load the encoder that a file of vectors names.

    The file may be somebody else's: what it names is looked for on this machine, and the hub is asked only for what
    whoever searches has named.
    """
    from sentire.core.errors import UsageError, quote
    from sentire.encoders.sources import REGISTERED_ENCODERS
    from sentire.representations.load import load_encoder
    from sentire.representations.text_files import name_encoder
    from sentire.runtime.load import EMBEDDED_MODELS

    name, commit = name_encoder(facts, where=str(path))
    # Unlike Path.is_dir, os.path.isdir does not stumble over impossible names.
    if name in EMBEDDED_MODELS or name in REGISTERED_ENCODERS or os.path.isdir(name):  # noqa: PTH112
        return load_encoder(name, revision=commit)
    hint = "name it with --encoder"
    if commit and _PLAIN_HUB_NAME.fullmatch(name):
        hint = f"to take it from the hub: --encoder {name} --revision {commit}"
    raise UsageError(
        expected="the encoder of the vectors", got=f"no folder {quote(name)} here", where=str(path), hint=hint
    )


def _refuse_options(source: "Source", encoder: str, revision: str, *, is_encoding_of_queries: bool) -> None:
    """Refuse what a file of vectors has no use for, lest somebody believe that it was heeded."""
    from sentire.core.errors import UsageError

    given = {
        "--text-column": source.text_column != type(source).text_column,
        "--id-column": bool(source.id_column),
        "--format": source.file_format is not None,
        "--encoding": bool(source.encoding) and not is_encoding_of_queries,
        "--revision without --encoder": bool(revision) and not encoder,
    }
    if got := ", ".join(option for option, is_given in given.items() if is_given):
        raise UsageError(
            expected="no options of a file of texts or of another encoder",
            got=got,
            where=f"{source.path}, a file of vectors",
            hint="leave them out",
        )


def _refuse_table(queries: Path | None) -> None:
    """Refuse a file whose lines hold more than texts: its header, or its fields, would be looked for."""
    from sentire.core.errors import UsageError

    if queries is not None and queries.suffix.lower() in _TABLE_SUFFIXES:
        raise UsageError(
            expected="a text file of texts to look for, one a line",
            got=f"a {queries.suffix.lower()} file",
            where="--queries",
            hint="write its texts into a .txt file, one a line",
        )


def _refuse_array(path: Path) -> None:
    from sentire.core.errors import UsageError

    if path.suffix.lower() == ".npy":
        raise UsageError(
            expected="a file that holds texts",
            got=".npy, which holds vectors alone",
            where="--in",
            hint="write the vectors as .parquet: sentire embed --output FILE.parquet",
        )
