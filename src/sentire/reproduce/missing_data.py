"""Which corpora are not at hand: found out before the first part, since a part that reads one may come hours later."""

from collections.abc import Iterable
from pathlib import Path

from sentire.core.errors import DataError
from sentire.data.cards import DatasetCard
from sentire.data.root import ROOT_VARIABLE, find_data_root


def check_data(cards: Iterable[DatasetCard], data_root: Path | None) -> None:
    """Make sure that the files of all data sets are there; none is opened.

    Args:
        cards: Of the data sets; one may come several times.
        data_root: Where the corpora are; found by itself where None.

    Raises:
        DataError: Files are missing; the message names every data set that lacks one, and how to get each.
    """
    root = find_data_root() if data_root is None else data_root
    missing = {
        card.name: (card, paths)
        for card in cards
        if (paths := [file.path for file in card.files if not (root / file.path).exists()])
    }
    if not missing:
        return
    ways = [_tell_way(card, paths) for card, paths in missing.values()]
    raise DataError(
        expected="the corpora of all parts that are still to be done",
        got="no " + ", no ".join(f"{card.title} ({', '.join(paths)})" for card, paths in missing.values()),
        where=str(root),
        hint="; ".join([*ways, f"the data root is set by {ROOT_VARIABLE}"]),
    )


def _tell_way(card: DatasetCard, paths: list[str]) -> str:
    if any(file.url for file in card.files if file.path in paths):
        return f"run: sentire data fetch {card.name}"
    return f"{card.title}: {card.access or 'put the files there'}"
