"""``sentire analyze``: what people feel in some texts or in a file of texts."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sentire.analysis.files import FileAnalysis, Source
    from sentire.runtime.load import Model


def analyze(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to judge.", show_default=False)] = None,
    input_path: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="A CSV, TSV, JSONL, Parquet or text file; - for standard input."),
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the texts; text unless told.")] = None,
    context_column: Annotated[str | None, typer.Option(help="Column of what each text was said in.")] = None,
    id_column: Annotated[
        str | None, typer.Option(help="Column of the rows' identifiers; the number of the line unless told.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the answers to FILE.csv, .tsv, .jsonl or .parquet.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="Embedded model, or folder of a trained one.")
    ] = "default",
    label_space: Annotated[str, typer.Option(help="Answer in these labels, such as ekman or sentiment.")] = "",
    context: Annotated[str, typer.Option(help="What the given texts were said in.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    rows: Annotated[int | None, typer.Option(min=0, help="Show this many rows of a file one by one.")] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="Format of the input: csv, tsv, jsonl, parquet, txt.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a text input, such as cp1252; UTF-8 unless told.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")] = False,
) -> None:
    """Say what people feel in texts or in a file of texts."""
    from sentire.analysis.files import Source
    from sentire.cli.models import load_model
    from sentire.core.errors import UsageError
    from sentire.storage.lines import STDIN
    from sentire.storage.rows import check_format

    if texts and input_path:
        raise UsageError(expected="texts or --input", got="both")
    if texts:
        if output is not None:
            raise UsageError(expected="--output together with --input", got="texts", hint="use --json and a pipe")
        _refuse_file_options(
            {
                "--text-column": text_column,
                "--context-column": context_column,
                "--id-column": id_column,
                "--rows": rows,
                "--format": file_format,
                "--encoding": encoding,
                "--strict": strict or None,
            }
        )
        _answer_texts(texts, context, load_model(model, where="--model"), label_space, as_json=as_json)
        return
    if as_json and rows is not None:
        raise UsageError(expected="--rows or --json", got="both", hint="--json shows every row already")
    if input_path is None:
        if sys.stdin.isatty():
            raise UsageError(expected="a text or --input FILE", got="neither", hint='try: sentire analyze "thank you!"')
        input_path = STDIN
    if context:
        raise UsageError(expected="--context-column with a file", got="--context", hint="--context is for given texts")
    source = Source(
        path=input_path,
        file_format=check_format(file_format) if file_format else None,
        text_column="text" if text_column is None else text_column,
        context_column=context_column or "",
        id_column=id_column or "",
        encoding=encoding or "",
    )
    _answer_file(
        source,
        load_model(model, where="--model"),
        label_space,
        output,
        as_json=as_json,
        is_strict=strict,
        n_first=rows or 0,
    )


def _refuse_file_options(given: Mapping[str, object]) -> None:
    from sentire.core.errors import UsageError

    for option, setting in given.items():
        if setting is not None:
            raise UsageError(expected=f"{option} together with --input", got="texts", hint=f"{option} is for files")


def _answer_texts(texts: list[str], context: str, model: "Model", label_space: str, *, as_json: bool) -> None:
    from sentire.analysis.analyze import analyze as analyze_texts
    from sentire.cli.answer_tables import print_answers
    from sentire.cli.console import make_console
    from sentire.core.errors import DataError
    from sentire.storage.writers import JsonlWriter

    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise DataError(expected="a text", got="an empty one", where=f"argument {number}")
    answers = analyze_texts(
        texts, context=[context] * len(texts) if context else None, model=model, label_space=label_space
    )
    if as_json:
        JsonlWriter(sys.stdout.buffer).write([answer.as_dict() for answer in answers])
    else:
        print_answers(make_console(), answers)
    _say_if_context_is_ignored(model, has_context=bool(context))


def _answer_file(
    source: "Source",
    model: "Model",
    label_space: str,
    output: Path | None,
    *,
    as_json: bool,
    is_strict: bool,
    n_first: int,
) -> None:
    import orjson

    from sentire.analysis.files import analyze_file
    from sentire.cli.answer_tables import print_answers, print_summary
    from sentire.cli.console import make_console, show_progress
    from sentire.storage.report import ReadReport
    from sentire.storage.writers import JsonlWriter

    report = ReadReport(str(source.path), is_strict=is_strict, hint="name its --encoding or --format, or mend the file")
    with show_progress("analyzing") as on_progress:
        analysis = analyze_file(
            source,
            model,
            label_space=label_space,
            output=output,
            answer_sink=JsonlWriter(sys.stdout.buffer) if as_json and output is None else None,
            report=report,
            n_first=n_first,
            on_progress=on_progress,
        )
    if as_json and output is not None:
        sys.stdout.buffer.write(orjson.dumps(analysis.as_dict(), option=orjson.OPT_APPEND_NEWLINE))
    elif not as_json:
        console = make_console()
        print_answers(console, analysis.first_answers)
        print_summary(console, analysis)
    _say_what_happened(analysis, output)
    _say_if_context_is_ignored(model, has_context=bool(source.context_column))


def _say_what_happened(analysis: "FileAnalysis", output: Path | None) -> None:
    from sentire.cli.console import say

    report = analysis.report
    if report.n_rejected:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in report.reasons.most_common())
        say(f"{report.n_rejected:,} of {report.n_read:,} rows were not used ({reasons}); the first:")
        for rejection in report.first_rejections[:5]:
            say(f"  {rejection}")
    if report.n_blank:
        say(f"{report.n_blank:,} blank {'line was' if report.n_blank == 1 else 'lines were'} passed over")
    say(f"{analysis.summary.n_rows:,} texts in {analysis.seconds:.2f} s, {analysis.texts_per_second:,.0f} texts/s")
    if output is not None:
        say(f"wrote {output}")


def _say_if_context_is_ignored(model: "Model", *, has_context: bool) -> None:
    from sentire.cli.console import say

    if has_context and not model.uses_context:
        say(f"note: the model {model.name} does not use context; it is kept in the output and changes no answer")
