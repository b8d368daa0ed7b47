"""Answers to a file of texts, as a stream in bounded memory."""

import time
from collections.abc import Iterator, Mapping, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sentire.analysis.analyze import judge_texts
from sentire.analysis.answers import Answer, AnswerSpace
from sentire.analysis.summary import Summary
from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import DataError, OutputError, UsageError, describe, list_names
from sentire.core.progress import OnProgress, stay_quiet
from sentire.core.protocols import Context
from sentire.runtime.batches import MOST_CHARS, MOST_TEXTS
from sentire.runtime.load import Model
from sentire.runtime.texts import list_turns
from sentire.storage.lines import STDIN
from sentire.storage.report import ReadReport
from sentire.storage.rows import FileFormat, Row, check_columns, detect_format, read_rows
from sentire.storage.writers import RowWriter, detect_writable_format, open_row_writer


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of texts and where in it they stand.

    Attributes:
        path: The file, or ``STDIN``.
        file_format: Told by the file's name where None.
        text_column: Holds the texts.
        context_column: Holds what each was said in; empty where there is none.
        id_column: Holds the rows' identifiers; empty to name each row by the line on which it begins, from 1 (a header
            is a line), or in Parquet by its number from 1. The summary and the rejections count in the same way.
        encoding: Of text formats; empty for UTF-8, or UTF-16 with its mark.
    """

    path: Path
    file_format: FileFormat | None = None
    text_column: str = "text"
    context_column: str = ""
    id_column: str = ""
    encoding: str = ""

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(column for column in (self.text_column, self.context_column, self.id_column) if column)

    @property
    def has_header(self) -> bool:
        """Whether all rows have the columns of the first; the rows of JSONL may differ."""
        return (self.file_format or detect_format(self.path)) != "jsonl"


@dataclass(frozen=True, kw_only=True)
class FileAnalysis:
    """What came of a file.

    Attributes:
        summary: Of the answers.
        report: What happened to the rows.
        first_answers: The first few answers, for a look.
        seconds: Wall time from the first row to the last.
    """

    summary: Summary
    report: ReadReport
    first_answers: tuple[Answer, ...] = field(default=())
    seconds: float

    @property
    def texts_per_second(self) -> float:
        """The rate, reading and writing included."""
        return self.summary.n_rows / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            **self.summary.as_dict(),
            "rows": self.report.as_dict(),
            "seconds": round(self.seconds, 3),
            "texts_per_second": round(self.texts_per_second),
        }


def analyze_file(
    source: Source,
    model: Model,
    *,
    label_space: str = "",
    output: Path | None = None,
    answer_sink: RowWriter | None = None,
    report: ReadReport | None = None,
    n_first: int = 0,
    on_progress: OnProgress = stay_quiet,
) -> FileAnalysis:
    """Answer every row of a file.

    Each readable row gives one answer, in order; rows without a text are rejected and counted, so that always
    ``rows read = answers + rejected``.

    Args:
        source: What to read.
        model: Whose answers.
        label_space: As in ``analyze``.
        output: A CSV, TSV, JSONL or Parquet file for the answers; it appears whole or not at all.
        answer_sink: Takes the answers as plain data, for example to print them.
        report: Counts the rows; one that reads leniently where None.
        n_first: Keep this many answers for a look.
        on_progress: Told after every batch.

    Raises:
        DataError: The file cannot be read, has no such column or no row, or too many rows were rejected.
        OutputError: The output cannot be written; nothing is left half-written.
    """
    started = time.perf_counter()
    _refuse_directory(source.path)
    space = AnswerSpace(model, label_space)
    counts = report or ReadReport(str(source.path))
    summary = Summary(space)
    first: list[Answer] = []
    with ExitStack() as stack:
        sinks: list[_AnswerSink] = [] if answer_sink is None else [_NestedSink(answer_sink)]
        if output is not None:
            sinks.append(_open_output(stack, output, source, space, has_vad=model.has_vad))
        for answers in _answer_batches(source, model, space, counts):
            summary.add(answers)
            first.extend(answers[: max(0, n_first - len(first))])
            for sink in sinks:
                sink.write(answers)
            on_progress(summary.n_rows, None, "texts")
        counts.finish()
    return FileAnalysis(
        summary=summary, report=counts, first_answers=tuple(first), seconds=time.perf_counter() - started
    )


def _refuse_directory(path: Path) -> None:
    try:
        got = "a directory" if path.is_dir() else ""
    except OSError as error:  # a name that no file can have
        got = describe(error)
    if got:
        raise DataError(expected="a file of texts", got=got, where=str(path))


def _answer_batches(source: Source, model: Model, space: AnswerSpace, report: ReadReport) -> Iterator[list[Answer]]:
    for batch in _read_batches(source, report):
        context = [row.context for row in batch] if source.context_column else None
        texts, ids, rows = [row.text for row in batch], [row.id for row in batch], [row.number for row in batch]
        yield judge_texts(model, space, texts, context=context, ids=ids, rows=rows)


@dataclass(frozen=True, slots=True)
class _TextRow:
    number: int
    id: str
    context: Context
    text: str

    @property
    def n_chars(self) -> int:
        """Of the text and its context."""
        return len(self.text) + sum(len(turn) for turn in list_turns(self.context))


def _read_batches(source: Source, report: ReadReport) -> Iterator[list[_TextRow]]:
    batch: list[_TextRow] = []
    n_chars = 0
    unseen = set(source.required_columns)
    row: Row | None = None
    for row in read_rows(source.path, report, file_format=source.file_format, encoding=source.encoding):
        if unseen:
            unseen -= row.fields.keys()
            if source.has_header:
                check_columns(_in_order(unseen, source), list(row.fields), where=str(source.path))
        try:
            read = _read_text_row(row, source, report)
        except DataError:  # too many rows without a text, or the first one: maybe all for one misspelt name
            check_columns(sorted(unseen & {source.text_column}), list(row.fields), where=str(source.path))
            raise
        if read is None:
            continue
        batch.append(read)
        n_chars += read.n_chars
        if len(batch) == MOST_TEXTS or n_chars > MOST_CHARS:
            yield batch
            batch, n_chars = [], 0
    if batch:
        yield batch
    if row is not None:  # JSONL rows may differ, but a column that no row has is a misspelt one
        check_columns(_in_order(unseen, source), list(row.fields), where=str(source.path))


def _in_order(columns: Set[str], source: Source) -> list[str]:
    return [column for column in source.required_columns if column in columns]


def _read_text_row(row: Row, source: Source, report: ReadReport) -> _TextRow | None:
    text = row.fields.get(source.text_column)
    if not isinstance(text, str):
        report.reject(row.number, "no text", f"{source.text_column} is {type(text).__name__}")
        return None
    found = row.fields.get(source.context_column) if source.context_column else None
    context: Context
    if isinstance(found, str | None) or (isinstance(found, list) and all(isinstance(turn, str) for turn in found)):
        context = found
    else:
        report.reject(row.number, "context that is no text", f"{source.context_column} is {type(found).__name__}")
        return None
    identifier = row.fields.get(source.id_column) if source.id_column else row.number
    return _TextRow(row.number, "" if identifier is None else str(identifier), context or None, text)


class _AnswerSink(Protocol):
    def write(self, answers: list[Answer]) -> None: ...


class _NestedSink:
    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer

    def write(self, answers: list[Answer]) -> None:
        # One at a time: a batch of answers as plain data would be a hundred thousand dictionaries at once.
        self._writer.write(answer.as_dict() for answer in answers)


class _FlatSink:
    def __init__(self, writer: RowWriter, labels: tuple[str, ...], *, has_context: bool) -> None:
        self._writer = writer
        self._labels = labels
        self._has_context = has_context

    def write(self, answers: list[Answer]) -> None:
        self._writer.write(self._flatten(answer) for answer in answers)

    def _flatten(self, answer: Answer) -> Mapping[str, Any]:
        row: dict[str, Any] = {"id": answer.id, "text": answer.text}
        if self._has_context:
            row["context"] = answer.context or ""
        row["labels"] = ";".join(answer.labels)
        row["flags"] = ";".join(answer.flags)
        row.update(answer.vad or {})
        row.update(zip(self._labels, answer.proba, strict=True))
        return row


def check_is_not_input(output: Path, source: Source) -> None:
    """Make sure that a file of answers does not take the place of the texts.

    Raises:
        OutputError: It would.
    """
    try:
        is_same = source.path != STDIN and output.samefile(source.path)
    except (OSError, ValueError):  # one of them is not there, or cannot be
        is_same = False
    if is_same:
        raise OutputError(expected="an output that is not the input", got=str(output), hint="choose another name")


def _open_output(stack: ExitStack, output: Path, source: Source, space: AnswerSpace, *, has_vad: bool) -> _AnswerSink:
    file_format = detect_writable_format(output)
    check_is_not_input(output, source)
    named = ["id", "text", *(["context"] if source.context_column else []), "labels", "flags"]
    figures = [*(VAD_DIMENSIONS if has_vad else ()), *space.space.labels]
    if file_format != "jsonl" and (clash := [label for label in space.space.labels if label in named]):
        raise UsageError(
            expected=f"labels that are not named as the columns {list_names(named)}",
            got=list_names(clash),
            where="--output",
            hint="write .jsonl, where labels and columns stand apart",
        )
    columns: dict[str, type] = {**dict.fromkeys(named, str), **dict.fromkeys(figures, float)}
    writer = stack.enter_context(open_row_writer(output, file_format, columns))
    if file_format == "jsonl":
        return _NestedSink(writer)
    return _FlatSink(writer, space.space.labels, has_context=bool(source.context_column))
