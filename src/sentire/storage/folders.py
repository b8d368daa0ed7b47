"""Folders of files that belong together and change together."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentire.core.errors import OutputError, describe
from sentire.storage.atomic import make_directory


@contextmanager
def open_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder that takes its name only when the block ends well.

    Until then the files are in a hidden neighbour that ends in ``.partial``, which is removed when the block fails or
    is interrupted. Files that the folder holds already and that the block does not write stay in it.

    Raises:
        OutputError: The place cannot be written.
    """
    target = folder.resolve()
    make_directory(target.parent)
    mark = secrets.token_hex(4)
    staged, replaced = (target.with_name(f".{target.name}.{mark}.{end}") for end in ("partial", "old"))
    try:
        staged.mkdir()
        yield staged
        if target.exists():
            for kept in target.iterdir():
                if not (staged / kept.name).exists():
                    kept.rename(staged / kept.name)
            target.rename(replaced)
        staged.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise OutputError(expected="a folder that can be written", got=describe(error), where=str(folder)) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
