"""Lines of a text file, one at a time, whatever their length and whatever bytes they hold."""

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from sentire.core.errors import DataError, UsageError, describe, quote
from sentire.storage.report import ReadReport

STDIN = Path("-")
"""Stands for standard input wherever a path is read."""

LONGEST_LINE_CHARS = 16 * 1024 * 1024
"""A longer line is rejected: no row of text is that long, and memory must stay bounded."""

NOT_DECODED = "bytes that are not in the file's encoding"
LINE_TOO_LONG = f"line of more than {LONGEST_LINE_CHARS} characters"

_ESCAPED_BYTES = re.compile("[\udc80-\udcff]")
_BYTE_ORDER_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


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
    r"""Yield every line of a file, faulty ones marked.

    Args:
        path: The file, or ``STDIN``.
        encoding: Empty for UTF-8 (with or without a byte-order mark) or, where its mark stands first, UTF-16.

    Raises:
        DataError: The file cannot be opened.
        UsageError: The encoding is unknown.
    """
    with _open_text(path, encoding) as file:
        number = 0
        while text := _read_line(file, path):
            number += 1
            fault = ""
            if len(text) >= LONGEST_LINE_CHARS and not text.endswith("\n"):
                fault = LINE_TOO_LONG
                while (rest := _read_line(file, path)) and not rest.endswith("\n"):
                    pass
                text = ""
            elif not text.isascii() and _ESCAPED_BYTES.search(text):
                fault = NOT_DECODED
            yield Line(number, text, fault)


def _read_line(file: TextIO, path: Path) -> str:
    try:
        return file.readline(LONGEST_LINE_CHARS)
    except UnicodeDecodeError as error:
        raise DataError(
            expected=f"text in {error.encoding}", got=NOT_DECODED, where=str(path), hint="name the encoding"
        ) from error
    except OSError as error:
        raise DataError(expected="a readable file", got=describe(error), where=str(path)) from error


@contextmanager
def _open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    # newline="" keeps line ends as they are, which quoted CSV fields need.
    if path == STDIN:
        yield io.TextIOWrapper(sys.stdin.buffer, encoding=encoding or "utf-8-sig", errors="surrogateescape", newline="")
        return
    try:
        with path.open("rb") as peek:
            head = peek.read(2)
        marked = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), "utf-8-sig")
        file = path.open(encoding=encoding or marked, errors="surrogateescape", newline="")
    except OSError as error:
        raise DataError(
            expected="a file that can be read",
            got="a directory" if path.is_dir() else describe(error),
            where=str(path),
        ) from error
    except LookupError as error:
        raise UsageError(
            expected="the name of a text encoding, such as utf-8 or cp1252", got=quote(encoding)
        ) from error
    with file:
        yield file
