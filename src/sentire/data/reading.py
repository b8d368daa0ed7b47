"""One pass over a corpus: a report for every file that is read, and their sum."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from sentire.storage.report import ReadReport
from sentire.storage.rows import FileFormat, check_columns, read_rows

RELEASE_HINT = "look at the first rejections: is this the release that the data card names?"
"""What to do when too many rows of a registered corpus were rejected."""


class Reading:
    """Makes and remembers one ``ReadReport`` a file.

    Corpora whose release holds rows without use (ISEAR's non-answers, IEMOCAP's turns without agreement) have
    rejections by nature; reading them strictly stops at the first one.

    Args:
        is_strict: Stop at the first row that cannot be used instead of counting it.
        max_rejected_fraction: A lenient run stops when more than this share of a file was rejected, in [0, 1].

    Attributes:
        reports: Of all files, in the order in which they were opened.
        example_reports: Of those, the ones of files whose rows are the examples.
        side_reports: Of those, the ones of files that stand beside the examples.
    """

    def __init__(self, *, is_strict: bool = False, max_rejected_fraction: float = 0.5) -> None:
        self.is_strict = is_strict
        self.max_rejected_fraction = max_rejected_fraction
        self.reports: list[ReadReport] = []
        self.example_reports: list[ReadReport] = []
        self.side_reports: list[ReadReport] = []

    def report(
        self,
        path: Path,
        *,
        holds_examples: bool = True,
        max_rejected_fraction: float | None = None,
        hint: str = RELEASE_HINT,
    ) -> ReadReport:
        """Make the report of one file and keep it.

        Args:
            path: The file.
            holds_examples: Its rows are the examples; False for files beside them (documents, ratings), whose
                rejections are reported but whose rows do not count in the totals.
            max_rejected_fraction: Instead of this reading's own.
            hint: What to do when too many rows were rejected.
        """
        share = self.max_rejected_fraction if max_rejected_fraction is None else max_rejected_fraction
        made = ReadReport(str(path), is_strict=self.is_strict, max_rejected_fraction=share, hint=hint)
        self.reports.append(made)
        (self.example_reports if holds_examples else self.side_reports).append(made)
        return made

    @property
    def n_read(self) -> int:
        """Rows of examples that were seen, in all files."""
        return sum(report.n_read for report in self.example_reports)

    @property
    def n_accepted(self) -> int:
        """Rows of examples that were used, in all files."""
        return sum(report.n_accepted for report in self.example_reports)

    @property
    def n_rejected(self) -> int:
        """Rows of examples that were not used, in all files."""
        return sum(report.n_rejected for report in self.example_reports)


def read_cells(
    path: Path, report: ReadReport, columns: Sequence[str], *, file_format: FileFormat
) -> Iterator[tuple[int, list[str]]]:
    """Stream the named columns of a table with a header: for each row its number and its cells in that order.

    Raises:
        DataError: The file cannot be opened, or a column is not there.
    """
    has_columns = False
    for row in read_rows(path, report, file_format=file_format):
        if not has_columns:
            check_columns(columns, list(row.fields), where=str(path))
            has_columns = True
        yield row.number, [str(row.fields[column]) for column in columns]


def pass_over(report: ReadReport) -> None:
    """Take the row that was read last out of the count, because it belongs to another split."""
    report.read(-1)


def parse_number(value: object) -> float | None:
    """Return a cell as a number, or None, which the caller rejects, where it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
