"""What a whole file feels: shares of the labels, and the rows in which each is strongest."""

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sentire.analysis.answers import Answer, AnswerSpace

STRONGEST_ROWS = 3
LONGEST_QUOTE_CHARS = 200


@dataclass(frozen=True, slots=True, order=True)
class StrongRow:
    """A row in which a label is strong; rows are compared by the probability before rounding.

    Attributes:
        unrounded: The probability of the label, in [0, 1].
        row: The line on which the row begins, from 1 (of Parquet, the row).
        proba: The probability as the answer shows it.
        id: The row's identifier.
        text: How the text begins.
    """

    unrounded: float
    row: int
    proba: float = field(compare=False)
    id: str = field(compare=False)
    text: str = field(compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"row": self.row, "id": self.id, "proba": self.proba, "text": self.text}


class Summary:
    """Counts answers as they come, in memory that does not grow with them.

    Args:
        space: The labels of the answers.
    """

    def __init__(self, space: AnswerSpace) -> None:
        self.space = space
        self.n_rows = 0
        self.n_without_label = 0
        self.label_counts: Counter[str] = Counter()
        self.flag_counts: Counter[str] = Counter()
        self._strongest: list[list[StrongRow]] = [[] for _ in space.space.labels]

    def add(self, answers: Sequence[Answer]) -> None:
        """Count some more answers; those of bare texts are numbered from 1 in the order of their coming."""
        for answer in answers:
            self.n_rows += 1
            self.flag_counts.update(answer.flags)
            self.label_counts.update(answer.labels)
            if not answer.labels:
                self.n_without_label += 1
            for label in answer.labels:
                self._remember(self.space.space.index(label), answer)

    def _remember(self, column: int, answer: Answer) -> None:
        heap, proba = self._strongest[column], float(answer.unrounded[column])
        if len(heap) < STRONGEST_ROWS or proba > heap[0].unrounded:
            # Earlier rows win among equals: the row number counts downwards in the comparison.
            number = self.n_rows if answer.row is None else answer.row
            row = StrongRow(proba, -number, answer.proba[column], answer.id, answer.text[:LONGEST_QUOTE_CHARS])
            (heapq.heappush if len(heap) < STRONGEST_ROWS else heapq.heapreplace)(heap, row)

    @property
    def shares(self) -> dict[str, float]:
        """The fraction of the rows that carry each label, most frequent first; labels without a row are left out."""
        return {label: count / self.n_rows for label, count in self.label_counts.most_common()}

    def strongest(self, label: str) -> list[StrongRow]:
        """Return the rows in which a label is likeliest among those that carry it, likeliest first."""
        ranked = sorted(self._strongest[self.space.space.index(label)], reverse=True)
        return [replace(row, row=-row.row) for row in ranked]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "model": self.space.model_name,
            "label_space": self.space.space.id,
            "n_rows": self.n_rows,
            "n_without_label": self.n_without_label,
            "flags": dict(self.flag_counts),
            "shares": {label: round(share, 6) for label, share in self.shares.items()},
            "strongest": {label: [row.as_dict() for row in self.strongest(label)] for label in self.shares},
        }
