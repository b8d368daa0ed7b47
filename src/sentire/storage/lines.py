"""Lines of a text file, one at a time, whatever their length and whatever bytes they hold."""

import codecs
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, TextIO

from sentire.core.errors import DataError, UsageError, describe, quote
from sentire.storage.report import ReadReport

STDIN = Path("-")
"""Stands for standard input wherever a path is read."""

LONGEST_LINE_CHARS = 16 * 1024 * 1024
"""A longer line is rejected: no row of text is that long, and memory must stay bounded."""

NOT_DECODED = "bytes that are not in the file's encoding"
LINE_TOO_LONG = f"line of more than {LONGEST_LINE_CHARS} characters"

# Bytes that could not be decoded stand as surrogates, and no decoded text holds any.
_SURROGATES = re.compile("[\ud800-\udfff]")
_BYTE_ORDER_MARK = "\ufeff"
_MARKED_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16, so it is asked for first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_MARK_BYTES = max(len(mark) for mark, _ in _MARKED_ENCODINGS)
_WIDE_ENCODINGS = ("utf-16", "utf-32")
_MARK_UNITS = "sentire.mark-units"
_LINE_ENDS = ("\n", "\r")
_LONGEST_PIECE_CHARS = LONGEST_LINE_CHARS + len("\r\n")


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its end. ``fault`` says why it cannot be used; empty where it can."""

    number: int
    text: str
    fault: str = ""


def read_lines(path: Path, report: ReadReport, *, encoding: str = "") -> Iterator[tuple[int, str]]:
    """Yield the number and the text of every usable line that is not blank, without its line end.

    Each such line counts as a row of the report; lines that cannot be decoded are rejected there.
    """
    for line in iterate_lines(path, encoding=encoding):
        text = line.text.rstrip("\r\n")
        if not text.strip() and not line.fault:
            report.blank()
            continue
        report.read()
        if line.fault:
            report.reject(line.number, line.fault)
        else:
            yield line.number, text


def iterate_lines(path: Path, *, encoding: str = "") -> Iterator[Line]:
    r"""Yield every line of a file with its line end, faulty ones marked.

    Args:
        path: The file, or ``STDIN``.
        encoding: Empty for UTF-8 or, where its mark stands first, UTF-16 or UTF-32. A byte-order mark is no text.

    Raises:
        DataError: The file cannot be opened or read.
        UsageError: The encoding is unknown.
    """
    with _open_text(path, encoding) as file:
        pieces = _iterate_pieces(file, path)
        for number, piece in enumerate(pieces, start=1):
            text = piece.removeprefix(_BYTE_ORDER_MARK) if number == 1 else piece
            fault = ""
            if len(text) > LONGEST_LINE_CHARS and len(text.rstrip("\r\n")) > LONGEST_LINE_CHARS:
                if not text.endswith(_LINE_ENDS):
                    next((rest for rest in pieces if rest.endswith(_LINE_ENDS)), None)
                text, fault = "", LINE_TOO_LONG
            elif not text.isascii() and _SURROGATES.search(text):
                fault = NOT_DECODED
            yield Line(number, text, fault)


def _iterate_pieces(file: TextIO, path: Path) -> Iterator[str]:
    """Yield the lines of a file, those that are too long in several pieces."""
    piece = _read_piece(file, path)
    while piece:
        following = _read_piece(file, path) if len(piece) == _LONGEST_PIECE_CHARS and piece[-1] == "\r" else ""
        if following == "\n":  # the cut fell inside a line end
            piece, following = piece + following, ""
        yield piece
        piece = following or _read_piece(file, path)


def _read_piece(file: TextIO, path: Path) -> str:
    try:
        return file.readline(_LONGEST_PIECE_CHARS)
    except UnicodeError as error:
        encoding = error.encoding if isinstance(error, UnicodeDecodeError) else "the encoding"
        raise DataError(
            expected=f"text in {encoding}", got=NOT_DECODED, where=str(path), hint="name the encoding"
        ) from error
    except OSError as error:
        raise DataError(expected="a readable file", got=describe(error), where=str(path)) from error


def _mark_units(error: UnicodeError) -> tuple[str, int]:
    """Put a surrogate in the place of the code units that could not be decoded."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_MARK_UNITS, _mark_units)


@contextmanager
def _open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    with _open_bytes(path) as file:
        head, whole = (b"", file) if encoding else _look_at_head(file, path)
        marked = next((name for mark, name in _MARKED_ENCODINGS if head.startswith(mark)), "utf-8")
        try:
            # newline="" keeps line ends as they are, which quoted CSV fields need.
            name = encoding or marked
            text = io.TextIOWrapper(whole, encoding=name, errors=_choose_error_handler(name), newline="")
        except (LookupError, ValueError) as error:
            raise UsageError(
                expected="the name of a text encoding, such as utf-8 or cp1252", got=quote(encoding)
            ) from error
        try:
            yield text
        finally:
            text.detach()  # standard input stays open; a file is closed by the block around this one


def _choose_error_handler(encoding: str) -> str:
    # Python's own takes single bytes above 127. Of wider units it refuses those with others, or takes half a unit, and
    # all that follows is read one byte off. Ours is written in Python: too slow for a whole file of stray bytes.
    is_wide = codecs.lookup(encoding).name.startswith(_WIDE_ENCODINGS)
    return _MARK_UNITS if is_wide else "surrogateescape"


def _look_at_head(file: BufferedReader, path: Path) -> tuple[bytes, BufferedReader]:
    """Return the first bytes, as many as tell a mark, and a file that still gives them: a pipe cannot be opened twice.

    A slow pipe may hand out a mark in pieces. Whatever cannot become one is not waited for.
    """
    try:
        head = file.peek(_LONGEST_MARK_BYTES)
        if not head or not any(len(head) < len(mark) and mark.startswith(head) for mark, _ in _MARKED_ENCODINGS):
            return head, file
        head = file.read(_LONGEST_MARK_BYTES)
    except OSError as error:
        raise DataError(expected="a readable file", got=describe(error), where=str(path)) from error
    rejoined: Any = _Rejoined(head, file)
    return head, BufferedReader(rejoined)


class _Rejoined(io.RawIOBase):
    """Bytes that were read to look at them, and then the rest of their file, which stays open."""

    def __init__(self, head: bytes, rest: BufferedReader) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        piece = piece or self._rest.read1(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


@contextmanager
def _open_bytes(path: Path) -> Iterator[BufferedReader]:
    if path == STDIN:
        stream: Any = sys.stdin.buffer
        if isinstance(stream, BufferedReader):
            yield stream
            return
        reader: Any = BufferedReader(stream)  # a stand-in for standard input without a buffer of its own
        try:
            yield reader
        finally:
            reader.detach()
        return
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        got = describe(error) if isinstance(error, OSError) else str(error)
        raise DataError(
            expected="a file that can be read", got="a directory" if path.is_dir() else got, where=str(path)
        ) from error
    with file:
        yield file
