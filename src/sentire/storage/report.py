"""What happened to the rows of a file: how many were read, and which were rejected and why."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sentire.core.errors import DataError, UsageError
from sentire.core.writable import make_writable

KEPT_REJECTIONS = 20
"""A report keeps the first rejections in full; of the others it keeps the counts."""

FEWEST_REJECTIONS_TO_STOP = 20
"""A lenient run is not stopped for its share of rejections before it has seen this many."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that was not used.

    Attributes:
        path: The file.
        row: Where the row begins: the line number from 1, or for Parquet the row number from 1.
        reason: Why, in words that do not change from row to row, so that they can be counted.
        detail: What is special about this row.
    """

    path: str
    row: int
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.path}:{self.row}: {self.reason}{detail}"


class ReadReport:
    """Counts rows so that always ``n_read == n_accepted + n_rejected``.

    Args:
        path: The file the rows come from, for messages.
        is_strict: Raise at the first rejection instead of counting it.
        max_rejected_fraction: A lenient run stops when more than this share of the rows was rejected. Rows that are
            empty are in neither count: they say nothing against how the file is read.
        on_reject: Called with every rejection.
        hint: What to do when too many rows were rejected.

    Raises:
        UsageError: The share is not between 0 and 1.
    """

    def __init__(
        self,
        path: str,
        *,
        is_strict: bool = False,
        max_rejected_fraction: float = 0.5,
        on_reject: Callable[[Rejection], None] | None = None,
        hint: str = "",
    ) -> None:
        if not 0.0 <= max_rejected_fraction <= 1.0:
            raise UsageError(expected="a share of rejected rows between 0 and 1", got=f"{max_rejected_fraction:g}")
        self.path = path
        self.is_strict = is_strict
        self.max_rejected_fraction = max_rejected_fraction
        self.n_read = 0
        self.n_rejected = 0
        self.n_blank = 0
        self.reasons: Counter[str] = Counter()
        self.first_rejections: list[Rejection] = []
        self._empty_reasons: Counter[str] = Counter()
        self._first_broken: Rejection | None = None
        self._on_reject = on_reject
        self._hint = hint

    @property
    def n_accepted(self) -> int:
        """Rows that were read and not rejected."""
        return self.n_read - self.n_rejected

    def read(self, n_rows: int = 1) -> None:
        """Count rows that were seen."""
        self.n_read += n_rows

    def blank(self) -> None:
        """Count a blank line, which is no row."""
        self.n_blank += 1

    def reject(self, row: int, reason: str, detail: str = "", *, is_empty: bool = False) -> None:
        """Count a row, already read, as not usable.

        Args:
            row: Where it begins.
            reason: Why, in words that do not change from row to row.
            detail: What is special about it.
            is_empty: It could be read, and has nothing in the place of what is wanted.

        Raises:
            DataError: In strict mode at once; in lenient mode when the allowed share is passed.
        """
        rejection = Rejection(self.path, row, reason, detail)
        self.n_rejected += 1
        self.reasons[reason] += 1
        if is_empty:
            self._empty_reasons[reason] += 1
        elif self._first_broken is None:
            self._first_broken = rejection
        if len(self.first_rejections) < KEPT_REJECTIONS:
            self.first_rejections.append(rejection)
        if self._on_reject is not None:
            self._on_reject(rejection)
        if self.is_strict:
            raise DataError(
                expected="a row that can be read",
                got=f"{reason}{f' ({detail})' if detail else ''}",
                where=f"{self.path}:{row}",
                hint="mend the row, or read without --strict to count and skip such rows",
            )
        if self.n_rejected - self._empty_reasons.total() >= FEWEST_REJECTIONS_TO_STOP:
            self._stop_if_too_many()

    def finish(self) -> None:
        """Check the whole once every row has been seen.

        Raises:
            DataError: The file has no row, too many were rejected, or those that were not are all empty.
        """
        if self.n_read == 0:
            raise DataError(expected="at least one row", got="a file without rows", where=self.path)
        self._stop_if_too_many()
        if self._empty_reasons and not self.n_accepted:
            reason, _ = self._empty_reasons.most_common(1)[0]
            raise DataError(expected="at least one row to use", got=f"{self.n_read} with {reason}", where=self.path)

    def _stop_if_too_many(self) -> None:
        n_empty = self._empty_reasons.total()
        n_broken, n_judged = self.n_rejected - n_empty, self.n_read - n_empty
        if n_broken > self.max_rejected_fraction * n_judged:
            reason, _ = (self.reasons - self._empty_reasons).most_common(1)[0]
            of_what = f"{n_judged} that are not empty" if n_empty else f"{n_judged}"
            raise DataError(
                expected=f"at most {self.max_rejected_fraction:.0%} of the rows to be rejected",
                got=f"{n_broken} of {of_what}, most often for: {reason}",
                where=str(self._first_broken),
                hint=self._hint,
            )

    def as_dict(self) -> dict[str, object]:
        """Return the counts as plain data that can be written: the path may hold bytes that are no text."""
        return {
            "path": make_writable(self.path),
            "n_read": self.n_read,
            "n_accepted": self.n_accepted,
            "n_rejected": self.n_rejected,
            "n_blank": self.n_blank,
            "reasons": dict(self.reasons.most_common()),
            "first_rejections": [make_writable(str(rejection)) for rejection in self.first_rejections],
        }
