"""Read all of a data set and check it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sentire.core.progress import OnProgress, stay_quiet
from sentire.core.records import Example
from sentire.data.check_result import DatasetCheck
from sentire.data.checks import check_dataset
from sentire.data.dataset import Dataset
from sentire.data.reading import Reading
from sentire.storage.report import ReadReport

WHOLE = "all"
"""The split that holds every example, where a corpus has no official ones."""


def inspect_dataset(
    dataset: Dataset,
    *,
    splits: Sequence[str] = (),
    root: Path | None = None,
    with_near_duplicates: bool = True,
    is_strict: bool = False,
    on_progress: OnProgress = stay_quiet,
) -> DatasetCheck:
    """Check the splits of a data set for themselves and against each other.

    Args:
        dataset: What to read.
        splits: Which splits. Where empty, all that the corpus came with; where it came without any, the whole, and
            not the parts that we cut it into.
        root: The data root; found by itself where None.
        with_near_duplicates: Search for texts that differ in a few characters; needs the extra ``data``.
        is_strict: Stop at the first row that cannot be read.
        on_progress: Told what is going on.

    Returns:
        Counts, ids and findings; no text.

    Raises:
        UnknownNameError: No such split.
        DataError: A file is missing or cannot be read.
    """
    wanted = tuple(splits) or ((WHOLE,) if WHOLE in dataset.card.splits else dataset.card.splits)
    examples: dict[str, list[Example]] = {}
    reports: dict[str, Sequence[ReadReport]] = {}
    side_reports: list[ReadReport] = []
    for number, split in enumerate(wanted):
        on_progress(number, len(wanted) + 1, f"reading {dataset.name}:{split}")
        reading = Reading(is_strict=is_strict)
        examples[split] = dataset.read_split(split, root=root, reading=reading)
        reports[split] = reading.example_reports
        side_reports += reading.side_reports
    on_progress(len(wanted), len(wanted) + 1, "looking for duplicates and conflicts")
    return check_dataset(
        dataset.card,
        examples,
        reports,
        side_reports=_distinct_reports(side_reports),
        with_near_duplicates=with_near_duplicates,
    )


def _distinct_reports(reports: Iterable[ReadReport]) -> list[ReadReport]:
    """Return the reports of side files without those that count the same rows again.

    A file that stands beside the examples is read again, and alike, for every split. Files of examples are not: the
    splits that share one (EmoBank) may have as many rows each, and all of them count.
    """
    distinct: dict[tuple[str, int, int], ReadReport] = {}
    for report in reports:
        distinct.setdefault((report.path, report.n_read, report.n_rejected), report)
    return list(distinct.values())
