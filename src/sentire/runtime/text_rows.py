"""The texts of a file, with what they were said in and their identifiers, a bounded batch at a time."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from sentire.core.errors import DataError, OutputError, describe
from sentire.core.protocols import Context
from sentire.runtime.batches import MOST_CHARS, MOST_TEXTS
from sentire.runtime.texts import list_turns
from sentire.storage.lines import STDIN
from sentire.storage.report import ReadReport
from sentire.storage.rows import FileFormat, Row, check_columns, detect_format, read_rows

SMALLEST_ROUNDED_FLOAT = 2.0**53
"""From here on, two whole numbers may be the same float."""


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


@dataclass(frozen=True, slots=True)
class TextRow:
    """One text: the row that it begins on, its identifier, what it was said in, and itself."""

    number: int
    id: str
    context: Context
    text: str

    @property
    def n_chars(self) -> int:
        """Of the text and its context."""
        return len(self.text) + sum(len(turn) for turn in list_turns(self.context))


def read_text_batches(source: Source, report: ReadReport) -> Iterator[list[TextRow]]:
    """Stream the texts of a file in batches whose rows and characters are bounded.

    Each row that can be read gives one text, in order; rows without a text are rejected and counted.

    Raises:
        DataError: The file cannot be read or has no such column, or too many rows were rejected. That there was no row
            at all is for ``report.finish`` to say, once the stream has ended.
    """
    _refuse_directory(source.path)
    batch: list[TextRow] = []
    n_chars = 0
    unseen = set(source.required_columns)
    row: Row | None = None
    rows = read_rows(
        source.path,
        report,
        file_format=source.file_format,
        wanted=source.required_columns,
        encoding=source.encoding,
    )
    for row in rows:
        if unseen:
            unseen -= row.fields.keys()
            if source.has_header:
                check_columns(_in_order(unseen, source), list(row.fields), where=str(source.path))
        try:
            read = _read_text_row(row, source, report)
        except DataError:  # too many texts that are none, or the first one: maybe all for one misspelt name
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


def _read_text_row(row: Row, source: Source, report: ReadReport) -> TextRow | None:
    text = row.fields.get(source.text_column)
    if not isinstance(text, str):
        # Null says that there is none; a column that a row does not have may be misspelt, and be so in every row.
        is_null = text is None and source.text_column in row.fields
        report.reject(row.number, "no text", f"{source.text_column} is {type(text).__name__}", is_empty=is_null)
        return None
    found = row.fields.get(source.context_column) if source.context_column else None
    context: Context
    if isinstance(found, str | None) or (isinstance(found, list) and all(isinstance(turn, str) for turn in found)):
        context = found
    else:
        report.reject(row.number, "context that is no text", f"{source.context_column} is {type(found).__name__}")
        return None
    identifier = row.fields.get(source.id_column) if source.id_column else row.number
    if fault := _find_id_fault(identifier):
        report.reject(row.number, fault, f"{source.id_column} is {type(identifier).__name__}")
        return None
    return TextRow(row.number, "" if identifier is None else str(identifier), context or None, text)


def _find_id_fault(identifier: object) -> str:
    """Return why something cannot name a row; empty where it can. Dates and decimals of Parquet can."""
    if isinstance(identifier, bool | bytes | list | dict):
        return "id that is no text or number"
    # JSON's whole numbers of more than 64 bits are read as floats, and many of those as the same one.
    if isinstance(identifier, float) and abs(identifier) >= SMALLEST_ROUNDED_FLOAT:
        return "number too large for an id"
    return ""


def _refuse_directory(path: Path) -> None:
    try:
        got = "a directory" if path.is_dir() else ""
    except OSError as error:  # a name that no file can have
        got = describe(error)
    if got:
        raise DataError(expected="a file of texts", got=got, where=str(path))
