"""Where the corpora are: one folder on this machine, the data root."""

import os
from pathlib import Path

from sentire.core.errors import DataError
from sentire.data.cards import DatasetCard

ROOT_VARIABLE = "SENTIRE_DATA"


def find_data_root() -> Path:
    """Return the folder of corpora: ``SENTIRE_DATA``, or else ``sentire`` in the user's data folder.

    Edge cases:
        The folder need not exist. ``XDG_DATA_HOME`` is respected; without it the user's data folder is
        ``~/.local/share``.
    """
    if named := os.environ.get(ROOT_VARIABLE):
        return Path(named).expanduser()
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "sentire"


def find_corpus_file(root: Path, path: str, card: DatasetCard) -> Path:
    """Return the place of a corpus's file under the data root.

    Raises:
        DataError: It is not there; the message says which file to put where, and how to get it.
    """
    found = root / path
    if found.exists():
        return found
    can_fetch = any(file.url for file in (*card.files, *card.optional_files))
    ways = [f"put it there (the data root is set by {ROOT_VARIABLE})"]
    if can_fetch:
        ways.append(f"or run: sentire data fetch {card.name}")
    if card.access:
        ways.append(card.access)
    raise DataError(
        expected=f"{path} of {card.title} in the data root",
        got="nothing there",
        where=str(found),
        hint="; ".join(ways),
    )
