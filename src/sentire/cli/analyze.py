"""``sentire analyze``: what people feel in some texts or in a file of texts."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sentire.analysis.answers import Answer, AnswerSpace
    from sentire.analysis.explain import Explanation
    from sentire.analysis.files import FileAnalysis
    from sentire.runtime.load import Model
    from sentire.runtime.text_rows import Source
    from sentire.storage.writers import RowWriter


def analyze(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to judge.", show_default=False)] = None,
    input_path: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="A CSV, TSV, JSONL, Parquet or text file; - for standard input."),
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the texts; by default text.")] = None,
    context_column: Annotated[str | None, typer.Option(help="Column of what each text was said in.")] = None,
    id_column: Annotated[
        str | None, typer.Option(help="Column of the rows' identifiers; by default the number of the line.")
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
    explain: Annotated[
        bool, typer.Option("--explain", help="Show which words moved which emotion; of a file, in JSON or of --rows.")
    ] = False,
    rows: Annotated[int | None, typer.Option(min=0, help="Show this many rows of a file one by one.")] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="Format of the input: csv, tsv, jsonl, parquet, txt.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a text input, such as cp1252; by default UTF-8.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")] = False,
) -> None:
    """Say what people feel in texts or in a file of texts."""
    from sentire.cli.models import load_model
    from sentire.core.errors import UsageError

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
        _answer_texts(
            texts, context, load_model(model, where="--model"), label_space, as_json=as_json, is_explained=explain
        )
        return
    from sentire.runtime.text_rows import Source
    from sentire.storage.lines import STDIN
    from sentire.storage.rows import check_format

    if as_json and rows is not None:
        raise UsageError(expected="--rows or --json", got="both", hint="--json shows every row already")
    if input_path is None:
        if sys.stdin.isatty():
            raise UsageError(expected="a text or --input FILE", got="neither", hint='try: sentire analyze "thank you!"')
        input_path = STDIN
    if context:
        raise UsageError(expected="--context-column with a file", got="--context", hint="--context is for given texts")
    if explain:
        _check_explained_output(output, is_shown=as_json or bool(rows))
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
        is_explained=explain,
    )


def _refuse_file_options(given: Mapping[str, object]) -> None:
    from sentire.core.errors import UsageError

    for option, setting in given.items():
        if setting is not None:
            raise UsageError(expected=f"{option} together with --input", got="texts", hint=f"{option} is for files")


def _check_explained_output(output: Path | None, *, is_shown: bool) -> None:
    from sentire.core.errors import UsageError, quote
    from sentire.storage.writers import detect_writable_format

    if output is None and not is_shown:
        raise UsageError(
            expected="--explain together with --rows, --json or --output FILE.jsonl",
            got="a file whose answers are not shown",
            hint="--rows 10 shows ten rows",
        )
    if output is not None and detect_writable_format(output) != "jsonl":
        raise UsageError(
            expected="an output that ends in .jsonl together with --explain",
            got=quote(output.name),
            where="--output",
            hint="an explanation has no place in the columns of a table",
        )


def _answer_texts(
    texts: list[str], context: str, model: "Model", label_space: str, *, as_json: bool, is_explained: bool
) -> None:
    from sentire.analysis.analyze import judge_texts
    from sentire.analysis.answers import AnswerSpace
    from sentire.core.errors import DataError

    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise DataError(expected="a text", got="an empty one", where=f"argument {number}")
    space = AnswerSpace(model, label_space)
    answers = judge_texts(model, space, texts, context=[context] * len(texts) if context else None)
    explanations = _explain(model, space, answers) if is_explained else []
    if as_json:
        from sentire.storage.writers import JsonlWriter

        rows = [answer.as_dict() for answer in answers]
        for row, explanation in zip(rows, explanations, strict=False):  # there is one for each, or none at all
            row.update(explanation.as_dict())
        JsonlWriter(sys.stdout.buffer).write(rows)
    else:
        from sentire.cli.answer_tables import print_answers
        from sentire.cli.console import make_console

        print_answers(make_console(), answers, explanations)
    _say_if_context_is_ignored(model, has_context=bool(context))


def _explain(model: "Model", space: "AnswerSpace", answers: Sequence["Answer"]) -> "list[Explanation]":
    from sentire.analysis.explain import explain_answers

    return explain_answers(model, space, answers)


def _answer_file(
    source: "Source",
    model: "Model",
    label_space: str,
    output: Path | None,
    *,
    as_json: bool,
    is_strict: bool,
    n_first: int,
    is_explained: bool,
) -> None:
    import orjson

    from sentire.analysis.answers import AnswerSpace
    from sentire.analysis.files import analyze_file
    from sentire.cli.answer_tables import print_answers, print_summary
    from sentire.cli.console import make_console, show_progress
    from sentire.cli.memory import limit_arenas
    from sentire.storage.report import ReadReport
    from sentire.storage.writers import JsonlWriter

    limit_arenas()
    report = ReadReport(str(source.path), is_strict=is_strict, hint="name its --encoding or --format, or mend the file")
    with ExitStack() as stack:
        on_progress = stack.enter_context(show_progress("analyzing"))
        answer_sink: RowWriter | None = None
        if is_explained and (as_json or output is not None):
            answer_sink = _explain_rows(stack, source, output, model, label_space)
        elif as_json and output is None:
            answer_sink = JsonlWriter(sys.stdout.buffer)
        analysis = analyze_file(
            source,
            model,
            label_space=label_space,
            output=None if is_explained else output,
            answer_sink=answer_sink,
            report=report,
            n_first=n_first,
            on_progress=on_progress,
        )
    if as_json and output is not None:
        sys.stdout.buffer.write(orjson.dumps(analysis.as_dict(), option=orjson.OPT_APPEND_NEWLINE))
    elif not as_json:
        console = make_console()
        explanations = _explain(model, AnswerSpace(model, label_space), analysis.first_answers) if is_explained else []
        print_answers(console, analysis.first_answers, explanations)
        print_summary(console, analysis)
    _say_what_happened(analysis, output)
    _say_if_context_is_ignored(model, has_context=bool(source.context_column))


def _explain_rows(
    stack: ExitStack, source: "Source", output: Path | None, model: "Model", label_space: str
) -> "RowWriter":
    from sentire.analysis.answers import AnswerSpace
    from sentire.analysis.explain import ExplainingWriter
    from sentire.runtime.text_rows import check_is_not_input
    from sentire.storage.writers import JsonlWriter, RowWriter, open_row_writer

    writer: RowWriter = JsonlWriter(sys.stdout.buffer)
    if output is not None:
        check_is_not_input(output, source)
        writer = stack.enter_context(open_row_writer(output, "jsonl", {}))
    return ExplainingWriter(writer, model, AnswerSpace(model, label_space))


def _say_what_happened(analysis: "FileAnalysis", output: Path | None) -> None:
    from sentire.cli.console import say
    from sentire.cli.rejected_rows import say_rejected

    say_rejected(analysis.report)
    say(f"{analysis.summary.n_rows:,} texts in {analysis.seconds:.2f} s, {analysis.texts_per_second:,.0f} texts/s")
    if output is not None:
        say(f"wrote {output}")


def _say_if_context_is_ignored(model: "Model", *, has_context: bool) -> None:
    if has_context and not model.uses_context:
        from sentire.cli.console import say

        say(f"note: the model {model.name} does not use context; it is kept in the output and changes no answer")
