"""Rows of CSV, TSV, JSONL, Parquet and plain text as one kind of stream, in bounded memory."""

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import orjson

from sentire.core.errors import (
    DataError,
    MissingExtraError,
    UnknownNameError,
    UsageError,
    did_you_mean,
    list_names,
    quote,
)
from sentire.storage.lines import LONGEST_LINE_CHARS, STDIN, Line, iterate_lines, read_lines
from sentire.storage.report import ReadReport

FileFormat = Literal["csv", "tsv", "jsonl", "parquet", "txt"]

FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)

TEXT_COLUMN = "text"
"""The one column of a plain text file."""

PARQUET_BATCH_ROWS = 4096
PARQUET_BATCH_BYTES = 1 << 22
"""So much a batch holds at most, by what the file says of its own size; a single row may hold more."""

PARQUET_BUFFER_BYTES = 1 << 20
_PARQUET_MARK = b"PAR1"

_SUFFIXES: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "txt",
}


LONGEST_RECORD_LINES = 100_000
"""A quoted CSV record over more lines, or of more than ``LONGEST_LINE_CHARS``, counts as one with an open quote."""

BROKEN_QUOTING = "broken quoting"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it begins (line or row number from 1) and its fields by column."""

    number: int
    fields: Mapping[str, object]


def detect_format(path: Path) -> FileFormat:
    """Tell a file's format by the end of its name; standard input is plain text.

    Raises:
        UsageError: The name ends in no known suffix.
    """
    if path == STDIN:
        return "txt"
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            expected=f"a file name that ends in {', '.join(_SUFFIXES)}",
            got=quote(path.name),
            hint="rename the file or name its format",
        )
    return found


def check_format(name: str) -> FileFormat:
    """Return the format of that name.

    Raises:
        UnknownNameError: No such format.
    """
    for known in FORMATS:
        if name == known:
            return known
    raise UnknownNameError.among("file format", name, FORMATS)


def read_rows(
    path: Path,
    report: ReadReport,
    *,
    file_format: FileFormat | None = None,
    columns: Sequence[str] = (),
    wanted: Sequence[str] = (),
    encoding: str = "",
) -> Iterator[Row]:
    """Stream the rows of a file.

    Args:
        path: The file, or ``STDIN``.
        report: Counts every row; broken ones are rejected there by row and reason.
        file_format: Told by the file's name where None.
        columns: The names of the columns of a CSV or TSV file without a header row.
        wanted: The columns of a Parquet file that are read; all where empty. Rows of the other formats come with all.
        encoding: Of text formats; empty for UTF-8, or UTF-16 with its mark.

    Yields:
        The rows that could be read. ``report.n_read`` counts these and the rejected ones.

    Raises:
        DataError: The file cannot be opened, has no header or a broken one, a Parquet file lacks a wanted column, or
            strict reading met a broken row.

    Edge cases:
        TSV has no quoting (as IANA registers it); CSV has. A quote that is never closed costs its own line only:
        the lines after it are read again as rows of their own. Blank lines are no rows.
    """
    file_format = file_format or detect_format(path)
    if file_format == "parquet":
        yield from _read_parquet(path, report, wanted)
    elif file_format == "jsonl":
        yield from _read_jsonl(path, report, encoding)
    elif file_format == "txt":
        for number, text in read_lines(path, report, encoding=encoding):
            yield Row(number, {TEXT_COLUMN: text})
    else:
        yield from _read_separated(path, report, columns, encoding, is_quoted=file_format == "csv")


def check_columns(wanted: Sequence[str], present: Sequence[str], *, where: str) -> None:
    """Make sure that every wanted column is there.

    Raises:
        DataError: One is not; the message holds near matches and the columns that are there.
    """
    for column in wanted:
        if column not in present:
            raise DataError(
                expected=f"a column {quote(column)}",
                got=f"the columns {list_names(present)}",
                where=where,
                hint=did_you_mean(column, present),
            )


class _Record(NamedTuple):
    """The cells of one row: where it begins, and why it cannot be used (empty where it can). A blank has no cells."""

    number: int
    cells: list[str]
    fault: str = ""
    detail: str = ""


def _read_separated(
    path: Path, report: ReadReport, columns: Sequence[str], encoding: str, *, is_quoted: bool
) -> Iterator[Row]:
    lines = iterate_lines(path, encoding=encoding)
    records = _quoted_records(lines) if is_quoted else _plain_records(lines)
    header = _check_header(columns, "columns") if columns else []
    for record in records:
        if not record.cells and not record.fault:
            report.blank()
        elif not header:
            # To skip a broken header would make a header of the first row.
            if record.fault:
                raise DataError(
                    expected="a header row that can be read",
                    got=f"{record.fault}{f' ({record.detail})' if record.detail else ''}",
                    where=f"{path}:{record.number}",
                )
            header = _check_header(record.cells, f"{path}:{record.number}")
        else:
            report.read()
            if record.fault:
                report.reject(record.number, record.fault, record.detail)
            elif len(record.cells) != len(header):
                detail = f"expected {len(header)}, got {len(record.cells)}"
                report.reject(record.number, "wrong number of fields", detail)
            else:
                yield Row(record.number, dict(zip(header, record.cells, strict=True)))
    if not header:
        raise DataError(expected="a header row", got="an empty file", where=str(path))


def _check_header(names: Sequence[str], where: str) -> list[str]:
    header = [name.strip() for name in names]
    repeated = sorted(name for name, count in Counter(header).items() if count > 1)
    if repeated:
        raise DataError(
            expected="a header with different column names",
            got=f"{list_names(repeated)} more than once",
            where=where,
        )
    return header


def _plain_records(lines: Iterator[Line]) -> Iterator[_Record]:
    for line in lines:
        text = line.text.rstrip("\r\n")
        yield _Record(line.number, text.split("\t") if text else [], line.fault)


def _quoted_records(lines: Iterator[Line]) -> Iterator[_Record]:
    """Parse CSV; where a quote is never closed, give up its line alone.

    The lines after it are read again, each but the last as a record of its own: had one of them a quote that stays
    open, it would run into the same broken place. So no line is parsed more than three times, whatever the file.
    """
    # The limit is a setting of the csv module as a whole; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE_CHARS))
    feed = _LineFeed(lines)
    while True:
        try:
            for cells in csv.reader(feed, strict=True):
                taken = feed.take()
                fault = taken[0].fault if len(taken) == 1 else next((line.fault for line in taken if line.fault), "")
                yield _Record(taken[0].number, cells, fault)
        except csv.Error as error:
            broken, *after = feed.take()
            yield _Record(broken.number, [], broken.fault or BROKEN_QUOTING, str(error))
            for line in after[:-1]:
                yield _parse_alone(line)
            feed.give_back(after[-1:])  # the line that does not fit an open quote may well begin a record
        else:
            return


class _LineFeed:
    """Hands lines to the csv module and keeps those of the record that it is in."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: list[Line] = []
        self._taken: list[Line] = []
        self._n_chars = 0

    def __iter__(self) -> "_LineFeed":
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._lines)
        self._taken.append(line)
        self._n_chars += len(line.text)
        n_lines = len(self._taken)
        if n_lines > 1 and (n_lines > LONGEST_RECORD_LINES or self._n_chars > LONGEST_LINE_CHARS):
            raise csv.Error("no closing quote within reach")
        return line.text

    def take(self) -> list[Line]:
        """Return the lines of the record that ends here."""
        taken, self._taken, self._n_chars = self._taken, [], 0
        return taken

    def give_back(self, lines: list[Line]) -> None:
        """Have at most one line read again."""
        self._again = lines


def _parse_alone(line: Line) -> _Record:
    if line.fault:
        return _Record(line.number, [], line.fault)
    try:
        (cells,) = csv.reader([line.text], strict=True)
    except csv.Error as error:
        return _Record(line.number, [], BROKEN_QUOTING, str(error))
    return _Record(line.number, cells)


def _read_jsonl(path: Path, report: ReadReport, encoding: str) -> Iterator[Row]:
    for number, text in read_lines(path, report, encoding=encoding):
        try:
            fields = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            report.reject(number, "not JSON", error.msg)
            continue
        if isinstance(fields, dict):
            yield Row(number, fields)
        else:
            report.reject(number, "not a JSON object", type(fields).__name__)


def _read_parquet(path: Path, report: ReadReport, wanted: Sequence[str]) -> Iterator[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(extra="data", needed_for="Parquet files") from error
    if path == STDIN:
        raise UsageError(expected="a file", got="standard input", where="--input", hint="Parquet needs a file")
    try:
        # With a buffer and without reading ahead, pyarrow streams the pages of a row group, maybe the whole file.
        with pq.ParquetFile(
            path, buffer_size=PARQUET_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
        ) as file:
            given = file.schema_arrow.names
            names = _check_header(given, str(path))
            check_columns(wanted, names, where=str(path))
            size = _choose_batch_rows(file.metadata)
            number = 0
            given_of = dict(zip(names, given, strict=True))
            chosen = [given_of[name] for name in dict.fromkeys(wanted)]
            for batch in file.iter_batches(batch_size=size, columns=chosen or None):
                if names != given:
                    found = [name.strip() for name in batch.schema.names]
                    batch = pa.RecordBatch.from_arrays(batch.columns, names=found)
                for fields, fault in _convert_batch(batch):
                    number += 1
                    report.read()
                    if fault:
                        report.reject(number, "a value that cannot be read", fault)
                    else:
                        yield Row(number, fields)
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: a column name that is not UTF-8
        raise _refuse_parquet(path, error) from error


def _choose_batch_rows(metadata: Any) -> int:
    """Return how many rows may be read at once, where rows are longest.

    What the file says of a row group counts, with all columns: of a damaged file, pyarrow ends the process where it is
    asked for the size of one column.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    widest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1)
    return max(1, min(PARQUET_BATCH_ROWS, int(PARQUET_BATCH_BYTES / max(1, widest))))


def _refuse_parquet(path: Path, error: Exception) -> DataError:
    """Return the error of a file that is not there, is no Parquet file, or is a damaged one."""
    if path.is_dir():
        return DataError(expected="a Parquet file", got="a directory", where=str(path))
    if isinstance(error, OSError) and error.errno:
        # Of its own words for this, pyarrow's hold the path, the number and the same once more.
        return DataError(expected="a file that can be read", got=os.strerror(error.errno), where=str(path))
    with path.open("rb") as file:
        head = file.read(len(_PARQUET_MARK))
    if head == _PARQUET_MARK:
        got, hint = f"a damaged one ({quote(' '.join(str(error).split()))})", "write it again"
    else:
        got, hint = "a file of another format" if head else "an empty file", "rename the file or name its format"
    return DataError(expected="a Parquet file", got=got, where=str(path), hint=hint)


def _convert_batch(batch: Any) -> Iterator[tuple[dict[str, object], str]]:
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError):
        rows = None  # text that is not UTF-8, a date beyond the calendar: find the rows, and keep the others
    if rows is not None:
        yield from ((fields, "") for fields in rows)
        return
    for position in range(batch.num_rows):
        try:
            (fields,) = batch.slice(position, 1).to_pylist()
        except (ValueError, OverflowError) as error:
            yield {}, str(error)
        else:
            yield fields, ""
