"""A data set: what is known of it, and the way to read it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sentire.core.errors import UnknownNameError
from sentire.core.records import Example
from sentire.data.cards import DatasetCard
from sentire.data.reading import Reading
from sentire.data.root import find_data_root


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A card and a loader.

    Attributes:
        card: What is known before reading.
        iter_records: Streams the examples of a split: ``(data root, split, reading)``.
    """

    card: DatasetCard
    iter_records: Callable[[Path, str, Reading], Iterator[Example]]

    @property
    def name(self) -> str:
        """The registered name."""
        return self.card.name

    def check_split(self, split: str) -> None:
        """Make sure that there is such a split.

        Raises:
            UnknownNameError: There is none; the message holds near matches and the splits there are.
        """
        if split not in self.card.splits:
            raise UnknownNameError.among("split", split, self.card.splits, where=self.name)

    def iter_split(self, split: str, *, root: Path | None = None, reading: Reading | None = None) -> Iterator[Example]:
        """Stream the examples of a split.

        Args:
            split: One of ``card.splits``.
            root: The data root; found by ``find_data_root`` where None.
            reading: Counts what is read and rejected; a lenient one is made where None.

        Raises:
            UnknownNameError: No such split.
            DataError: A file is missing (the message says which to put where) or cannot be read.
        """
        self.check_split(split)
        return self.iter_records(
            root if root is not None else find_data_root(), split, reading if reading is not None else Reading()
        )

    def read_split(self, split: str, *, root: Path | None = None, reading: Reading | None = None) -> list[Example]:
        """Return all examples of a split; see ``iter_split``."""
        return list(self.iter_split(split, root=root, reading=reading))
