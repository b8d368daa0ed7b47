"""Files that appear whole or not at all."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import orjson

from sentire.core.errors import OutputError, describe

_PERMISSIONS = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO


@contextmanager
def open_atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when the block ends well.

    Until then the bytes are in a hidden neighbour that ends in ``.partial``; it is removed when the block fails or
    is interrupted. What stood under the name before stays until the new file is whole and on the disk, and its
    permissions are those of the new one. Behind a symbolic link, the file that it leads to is the one that is written.

    Raises:
        OutputError: The place cannot be written, is no regular file, or the disk is full. An OSError of the block
            itself that names another file is passed on as it is.
    """
    target, partial, file = _open_partial(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        _sync_directory(target.parent)
    except OSError as error:
        if error.filename not in (None, str(partial)):
            raise
        raise _refused(path, error) from error
    finally:
        with suppress(OSError):  # must not hide the error that brought us here
            partial.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Find out before long work, and not after it, that a file could not be written.

    Raises:
        OutputError: The place cannot be written, or is no regular file.
    """
    _, partial, file = _open_partial(path)
    file.close()
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
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error
    return path


def _open_partial(path: Path) -> tuple[Path, Path, BinaryIO]:
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a directory")
        if target.exists() and not target.is_file():  # to replace /dev/null or a pipe would harm the machine
            raise OSError(errno.EINVAL, "a device or a pipe")
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
        return target, partial, _create(partial, target)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error


def _create(partial: Path, target: Path) -> BinaryIO:
    """Create a file with the permissions of the one that it is to replace, or else with the usual ones."""
    try:
        mode = stat.S_IMODE(target.stat().st_mode) & _PERMISSIONS
    except FileNotFoundError:
        return partial.open("xb")
    # With these from the first moment on: who opens a file early goes on reading it.
    file = open(partial, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115  who asked closes it
    with suppress(OSError):  # some disks know no permissions
        os.fchmod(file.fileno(), mode)  # of new files the system takes some away
    return file


def _refused(path: Path, error: OSError | ValueError) -> OutputError:
    return OutputError(
        expected="a place that can be written",
        got=describe(error) if isinstance(error, OSError) else str(error),
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
