"""Folders of files that belong together and change together."""

import errno
import glob
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sentire.core.errors import OutputError, describe
from sentire.storage.atomic import make_directory

_MARK_BYTES = 4


@contextmanager
def open_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder that takes its name only when the block ends well.

    Until then the files are in a hidden neighbour that ends in ``.partial``, which is removed when the block fails or
    is interrupted. Files that the folder holds already and that the block does not write stay in it: once the new
    folder has its name, they are moved into it from the old one, a hidden neighbour that ends in ``.old`` and is there
    only while something in it is needed. What a kill leaves there is put back by ``restore_folder``, which this
    function calls first. The permissions of a folder that was there are those of the new one.

    Raises:
        OutputError: The place cannot be written.
    """
    target = folder.resolve()
    make_directory(target.parent)
    restore_folder(folder)
    mark = secrets.token_hex(_MARK_BYTES)
    staged, replaced = (target.with_name(f".{target.name}.{mark}.{end}") for end in ("partial", "old"))
    try:
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        staged.mkdir()
        if target.exists():
            staged.chmod(stat.S_IMODE(target.stat().st_mode) | stat.S_IRWXU)  # nothing is in it yet
        yield staged
        if target.exists():
            target.rename(replaced)
        staged.rename(target)
        _settle(target, staged, replaced)
    except OSError as error:
        hint = f"run it again, which puts back what is in {replaced}" if replaced.exists() else ""
        raise OutputError(
            expected="a folder that can be written", got=describe(error), where=str(folder), hint=hint
        ) from error
    finally:
        with suppress(OSError):  # must not hide the error that brought us here; the next run tries it again
            _settle(target, staged, replaced)
        if not replaced.exists():
            shutil.rmtree(staged, ignore_errors=True)


def restore_folder(folder: Path) -> None:
    """Bring to an end what ``open_folder`` could not, because its process was killed while folders changed names.

    Call it before a job looks for what an earlier one left in its folder; without such leftovers it does nothing.

    Raises:
        OutputError: The leftovers cannot be moved; they stay where they are.
    """
    target = folder.resolve()
    marks = "[0-9a-f]" * 2 * _MARK_BYTES
    try:
        for replaced in target.parent.glob(f".{glob.escape(target.name)}.{marks}.old"):
            staged = replaced.with_suffix(".partial")
            with suppress(FileNotFoundError):  # another process of the same job was quicker
                _settle(target, staged, replaced)
            if not replaced.exists():
                shutil.rmtree(staged, ignore_errors=True)
    except OSError as error:
        raise OutputError(expected="a folder that can be written", got=describe(error), where=str(folder)) from error


def _settle(target: Path, staged: Path, replaced: Path) -> None:
    """Leave in the old folder nothing that is needed, and let it go; wherever this stops, it can be done again."""
    if not replaced.exists():
        return
    if not target.exists():
        replaced.rename(target)
    elif not staged.exists():  # with it, the folder under the name would be somebody else's
        for kept in sorted(replaced.iterdir()):
            if not (target / kept.name).exists():
                kept.rename(target / kept.name)
        replaced.rename(staged)  # from here on nobody looks for anything in it
