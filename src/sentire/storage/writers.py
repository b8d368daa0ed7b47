"""Rows out: CSV, TSV, JSONL and Parquet files that appear whole or not at all."""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import orjson

from sentire.core.errors import MissingExtraError, OutputError, UsageError, quote
from sentire.storage.atomic import open_atomic
from sentire.storage.rows import FileFormat, detect_format

WRITABLE_FORMATS: tuple[FileFormat, ...] = ("csv", "tsv", "jsonl", "parquet")

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_PLAIN_NUMBER = re.compile(r"[+-] *\d[\d ]*(\.[\d ]*)?|[+-] *\.\d[\d ]*", re.ASCII)

_LINE_AND_FIELD_ENDS = dict.fromkeys(map(ord, "\t\n\x0b\x0c\r\x1c\x1d\x1e\x85\u2028\u2029"), " ")


class RowWriter(Protocol):
    """Takes rows, a batch at a time."""

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows; each has a value for every column."""


def detect_writable_format(path: Path) -> FileFormat:
    """Tell by the end of its name in which format a table is to be written.

    Raises:
        OutputError: A directory stands there.
        UsageError: The name ends in no suffix of a format that can be written.
    """
    if os.path.isdir(path):  # noqa: PTH112  Path.is_dir stumbles over names that no file can have
        raise OutputError(
            expected="a place that can be written", got="a directory", where=str(path), hint="name a file"
        )
    try:
        file_format = detect_format(path)
    except UsageError:
        file_format = None
    if file_format not in WRITABLE_FORMATS:
        raise UsageError(
            expected=f"an output that ends in .{', .'.join(WRITABLE_FORMATS)}", got=quote(path.name), where="--output"
        )
    return file_format


@contextmanager
def open_row_writer(path: Path, file_format: FileFormat, columns: Mapping[str, type]) -> Iterator[RowWriter]:
    """Open a table for writing; it takes its name when the block ends well.

    Args:
        path: Of the file.
        file_format: One of ``WRITABLE_FORMATS``.
        columns: Names and Python types (``str``, ``float``, ``int``, ``bool``) of the columns, in order. A JSONL
            file takes whatever its rows hold.

    Raises:
        UsageError: The format cannot be written.
        OutputError: The place cannot be written.
    """
    if file_format not in WRITABLE_FORMATS:
        raise UsageError(
            expected=f"a table format ({', '.join(WRITABLE_FORMATS)})", got=quote(file_format), where=str(path)
        )
    with open_atomic(path) as file:
        if file_format == "parquet":
            with _open_parquet(file, columns) as writer:
                yield writer
        elif file_format == "jsonl":
            yield JsonlWriter(file)
        else:
            yield _SeparatedWriter(file, columns, "," if file_format == "csv" else "\t")


def make_cell_harmless(cell: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would run as a formula.

    A number with its sign (digits, blanks, at most one decimal point) is none: ids and telephone numbers stay.

    Example:
        >>> make_cell_harmless("=1+1"), make_cell_harmless("fine"), make_cell_harmless("-5"), make_cell_harmless("-5+1")
        ("'=1+1", 'fine', '-5', "'-5+1")
    """
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) and not _PLAIN_NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


class JsonlWriter:
    """One JSON object a line, UTF-8."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows."""
        self._file.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))


class _UnixLines:
    # Before Python 3.13 the csv module quotes a carriage return only if its line end holds one: otherwise a text with
    # a lone one would tear its row in two.
    def __init__(self, buffer: io.StringIO) -> None:
        self._buffer = buffer

    def write(self, row: str) -> None:
        self._buffer.write(row.removesuffix("\r\n") + "\n")


class _SeparatedWriter:
    def __init__(self, file: BinaryIO, columns: Mapping[str, type], delimiter: str) -> None:
        self._file = file
        # Only text can be a formula or break a line; looking at every number too would cost as much as writing it.
        self._columns = [(name, kind is str) for name, kind in columns.items()]
        self._is_quoted = delimiter == ","
        self._write_lines([[self._clean(name) for name in columns]])

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        columns, clean = self._columns, self._clean
        self._write_lines([[clean(row[name]) if is_text else row[name] for name, is_text in columns] for row in rows])

    def _clean(self, cell: Any) -> Any:
        # TSV has no quoting, so what would break a line or a field becomes a blank.
        return make_cell_harmless(cell if self._is_quoted else _flatten(cell))

    def _write_lines(self, rows: Sequence[Sequence[Any]]) -> None:
        buffer = io.StringIO(newline="")
        if self._is_quoted:
            csv.writer(_UnixLines(buffer), lineterminator="\r\n").writerows(rows)
        else:
            buffer.writelines("\t".join(map(str, row)) + "\n" for row in rows)
        self._file.write(buffer.getvalue().encode())


def _flatten(cell: Any) -> Any:
    return cell.translate(_LINE_AND_FIELD_ENDS) if isinstance(cell, str) else cell


@contextmanager
def _open_parquet(file: BinaryIO, columns: Mapping[str, type]) -> Iterator[RowWriter]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(extra="data", needed_for="Parquet files") from error
    # Double precision, as in the other formats: in single, .5455 would be .54549998, on the other side of a cut-off.
    types = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])

    class ParquetRowWriter:
        def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
            batch = list(rows)
            arrays = [pa.array([row[name] for row in batch], type=schema.field(name).type) for name in columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    with pq.ParquetWriter(file, schema) as writer:
        yield ParquetRowWriter()
