"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

from sentire.core.errors import OutputError, describe


@contextmanager
def open_atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when the block ends well.

    Until then the bytes are in a hidden neighbour that ends in ``.partial``; it is removed when the block fails or
    is interrupted. What stood under the name before stays until the new file is whole and on the disk.

    Raises:
        OutputError: The place cannot be written, or the disk is full.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "a directory")
        file = partial.open("xb")
    except OSError as error:
        raise _refused(path, error) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically.

    Raises:
        OutputError: The place cannot be written.
    """
    with open_atomic(path) as file:
        file.write(content)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, indented, with a line end."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    write_bytes(path, orjson.dumps(value, option=options))


def make_directory(path: Path) -> Path:
    """Create a directory with its parents where it is not there yet.

    Raises:
        OutputError: It cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(path, error) from error
    return path


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(
        expected="a place that can be written",
        got=describe(error),
        where=str(path),
        hint="choose another place or make room; nothing was left half-written",
    )


def _sync_directory(directory: Path) -> None:
    # Makes the new name itself survive a power cut; not every platform lets a directory be opened.
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
