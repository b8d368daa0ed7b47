"""A text that might become a row, and who makes such texts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A text that was made for a label.

    Attributes:
        id: Unique, and the same whenever it is made again.
        text: What was made.
        labels: It is to carry.
        label: It was made for.
        source: What made it: ``templates``, ``rephrase``, ``back-translation``.
        source_id: The example that it was made from; empty for templates.
        key: Of the call that made it, in the ledger; empty for templates.
    """

    id: str
    text: str
    labels: tuple[str, ...]
    label: str
    source: str
    source_id: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """An example that texts can be made from.

    Attributes:
        id: Of the example.
        text: Of it.
        labels: Of it.
    """

    id: str
    text: str
    labels: tuple[str, ...]


class Source(Protocol):
    """Makes candidates.

    Attributes:
        name: As configurations name it.
    """

    name: str

    async def make(
        self, label: str, seeds: Sequence[Seed], n: int, round_number: int, failed: Counter[str]
    ) -> list[Candidate]:
        """Return about ``n`` candidates for a label; fewer where there is nothing more to make them from.

        Args:
            label: That they should express.
            seeds: The examples of the label.
            n: Wanted.
            round_number: From 1: the same round makes the same candidates, another one others.
            failed: Counts the calls that brought no text, by reason.
        """
