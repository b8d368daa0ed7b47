"""Answers to a file of texts, as a stream in bounded memory."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sentire.analysis.analyze import judge_texts
from sentire.analysis.answers import Answer, AnswerSpace
from sentire.analysis.summary import Summary
from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import UsageError, list_names
from sentire.core.progress import OnProgress, stay_quiet
from sentire.runtime.load import Model
from sentire.runtime.text_rows import Source, check_is_not_input, read_text_batches
from sentire.storage.report import ReadReport
from sentire.storage.writers import RowWriter, detect_writable_format, open_row_writer

_BETWEEN = ";"


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


def _answer_batches(source: Source, model: Model, space: AnswerSpace, report: ReadReport) -> Iterator[list[Answer]]:
    for batch in read_text_batches(source, report):
        context = [row.context for row in batch] if source.context_column else None
        texts, ids, rows = [row.text for row in batch], [row.id for row in batch], [row.number for row in batch]
        yield judge_texts(model, space, texts, context=context, ids=ids, rows=rows)


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
        row["labels"] = _BETWEEN.join(answer.labels)
        row["flags"] = _BETWEEN.join(answer.flags)
        row.update(answer.vad or {})
        row.update(zip(self._labels, answer.proba, strict=True))
        return row


def _open_output(stack: ExitStack, output: Path, source: Source, space: AnswerSpace, *, has_vad: bool) -> _AnswerSink:
    file_format = detect_writable_format(output)
    check_is_not_input(output, source)
    named = ["id", "text", *(["context"] if source.context_column else []), "labels", "flags"]
    scores = VAD_DIMENSIONS if has_vad else ()
    labels = space.space.labels
    if file_format != "jsonl":
        _check_labels(labels, [*named, *scores])
    columns: dict[str, type] = {**dict.fromkeys(named, str), **dict.fromkeys((*scores, *labels), float)}
    writer = stack.enter_context(open_row_writer(output, file_format, columns))
    if file_format == "jsonl":
        return _NestedSink(writer)
    return _FlatSink(writer, labels, has_context=bool(source.context_column))


def _check_labels(labels: Sequence[str], columns: Sequence[str]) -> None:
    """Make sure that labels can be columns beside others, and stand joined in one of them.

    Raises:
        UsageError: One is named as another column, or holds what stands between labels.
    """
    if clash := [label for label in labels if label in columns]:
        raise UsageError(
            expected=f"labels that are not named as the columns {list_names(columns)}",
            got=list_names(clash),
            where="--output",
            hint="write .jsonl, where labels and columns stand apart",
        )
    if torn := [label for label in labels if _BETWEEN in label]:
        raise UsageError(
            expected=f"labels without {_BETWEEN}, which stands between those of a text",
            got=list_names(torn),
            where="--output",
            hint="write .jsonl, where the labels of a text are a list",
        )
