"""A lock on a folder, so that two jobs never write the same output."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentire.core.errors import HeldError, OutputError, describe

LOCK_NAME = ".lock"


@contextmanager
def hold_lock(folder: Path, *, holder: str) -> Iterator[None]:
    """Hold a folder while the block runs.

    The operating system drops the lock when its process ends, however it ends, so that no stale one can stay behind.

    Args:
        folder: Exists.
        holder: What kind of job it is, for the message that another one gets.

    Raises:
        HeldError: Another process holds the folder.
        OutputError: It cannot be written.
    """
    path = folder / LOCK_NAME
    try:
        file = path.open("a")
    except OSError as error:
        raise OutputError(expected="a folder that can be written", got=describe(error), where=str(folder)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HeldError(
                expected="a folder that no other job writes",
                got=f"one that another {holder} is writing now",
                where=str(folder),
                hint="wait for it, or choose another folder",
            ) from error
        except OSError as error:
            raise OutputError(
                expected="a file system that has locks", got=describe(error), where=str(folder)
            ) from error
        yield
