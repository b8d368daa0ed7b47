"""Rows of CSV, TSV, JSONL, Parquet and plain text as one kind of stream, in bounded memory."""

import csv
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import orjson

from sentire.core.errors import (
    DataError,
    MissingExtraError,
    UnknownNameError,
    UsageError,
    did_you_mean,
    quote,
)
from sentire.storage.lines import LONGEST_LINE_CHARS, STDIN, Line, iterate_lines, read_lines
from sentire.storage.report import ReadReport

FileFormat = Literal["csv", "tsv", "jsonl", "parquet", "txt"]

FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)

TEXT_COLUMN = "text"
"""The one column of a plain text file."""

PARQUET_BATCH_ROWS = 4096

_SUFFIXES: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "txt",
}


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
    encoding: str = "",
) -> Iterator[Row]:
    """Stream the rows of a file.

    Args:
        path: The file, or ``STDIN``.
        report: Counts every row; broken ones are rejected there by row and reason.
        file_format: Told by the file's name where None.
        columns: The names of the columns of a CSV or TSV file without a header row.
        encoding: Of text formats; empty for UTF-8, or UTF-16 with its mark.

    Yields:
        The rows that could be read. ``report.n_read`` counts these and the rejected ones.

    Raises:
        DataError: The file cannot be opened or has no header, or strict reading met a broken row.

    Edge cases:
        TSV has no quoting (as IANA registers it); CSV has. A quote that is never closed costs its own line only:
        the lines after it are read again as rows of their own. Blank lines are no rows.
    """
    file_format = file_format or detect_format(path)
    if file_format == "parquet":
        yield from _read_parquet(path, report)
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
                got=f"the columns {', '.join(present)}",
                where=where,
                hint=did_you_mean(column, present),
            )


def _read_separated(
    path: Path, report: ReadReport, columns: Sequence[str], encoding: str, *, is_quoted: bool
) -> Iterator[Row]:
    lines = iterate_lines(path, encoding=encoding)
    records = _quoted_records(lines, report) if is_quoted else _plain_records(lines, report)
    header = list(columns)
    for number, record in records:
        if not header:
            header = _check_header(record, path)
            continue
        report.read()
        if len(record) != len(header):
            report.reject(number, "wrong number of fields", f"expected {len(header)}, got {len(record)}")
        else:
            yield Row(number, dict(zip(header, record, strict=True)))
    if not header:
        raise DataError(expected="a header row", got="an empty file", where=str(path))


def _check_header(record: list[str], path: Path) -> list[str]:
    header = [name.strip() for name in record]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(
            expected="a header with different column names",
            got=f"{', '.join(map(quote, repeated))} more than once",
            where=f"{path}:1",
        )
    return header


def _plain_records(lines: Iterator[Line], report: ReadReport) -> Iterator[tuple[int, list[str]]]:
    for line in lines:
        if line.fault:
            report.read()
            report.reject(line.number, line.fault)
        elif text := line.text.rstrip("\r\n"):
            yield line.number, text.split("\t")
        else:
            report.blank()


def _quoted_records(lines: Iterator[Line], report: ReadReport) -> Iterator[tuple[int, list[str]]]:
    # The limit is a setting of the csv module as a whole; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE_CHARS))
    again: deque[Line] = deque()
    current: list[Line] = []

    def feed() -> Iterator[str]:
        while True:
            line = again.popleft() if again else next(lines, None)
            if line is None:
                return
            current.append(line)
            yield line.text

    while True:
        reader = csv.reader(feed(), strict=True)
        try:
            for record in reader:
                fault = next((line.fault for line in current if line.fault), "")
                number = current[0].number
                current.clear()
                if fault:
                    report.read()
                    report.reject(number, fault)
                elif record:
                    yield number, record
                else:
                    report.blank()
        except csv.Error as error:
            broken, *rest = current
            current.clear()
            again.extendleft(reversed(rest))
            report.read()
            report.reject(broken.number, "broken quoting", str(error))
        else:
            return


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


def _read_parquet(path: Path, report: ReadReport) -> Iterator[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(extra="data", needed_for="Parquet files") from error
    if path == STDIN:
        raise UsageError(expected="a file", got="standard input", where="--input", hint="Parquet needs a file")
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=PARQUET_BATCH_ROWS):
                for fields in batch.to_pylist():
                    number += 1
                    report.read()
                    yield Row(number, fields)
    except (pa.ArrowException, OSError) as error:
        got = "a directory" if path.is_dir() else " ".join(str(error).split())[:200]
        raise DataError(expected="a Parquet file", got=got, where=str(path)) from error
