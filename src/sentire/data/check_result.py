"""What a check of a data set found, as shapes: counts and ids, never a text, so that it may be kept with results."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a user of the data should know.

    Attributes:
        severity: ``error`` where the data are not what the card says or results would be wrong, ``warning`` where
            results need care, ``info`` for the rest.
        code: Stays the same from run to run, such as ``shared-texts``.
        split: Which split, or two as ``train+test``; empty where it is about the whole or about a file.
        count: How many.
        sentence: The same in words.
    """

    severity: Severity
    code: str
    split: str
    count: int
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """The rows of one file, or of the part of it that is one split.

    Attributes:
        file: Its name without folders.
        split: The split that its rows are examples of; empty for a file that stands beside the examples.
        n_read: Rows that were seen: ``n_accepted + n_rejected``.
        n_accepted: Rows that were used.
        n_rejected: Rows that could not be used.
        n_blank: Blank lines, which are no rows.
        reasons: Rejected rows by reason, the most frequent first.
        first_rows: The first rejected rows, by number.
    """

    file: str
    split: str
    n_read: int
    n_accepted: int
    n_rejected: int
    n_blank: int
    reasons: Mapping[str, int]
    first_rows: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long texts are; every value is the length of one of them (nearest rank).

    Attributes:
        min: The shortest.
        median: Half are no longer.
        p95: 95 % are no longer.
        max: The longest.
    """

    min: int
    median: int
    p95: int
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSpread:
    """The scores of one dimension.

    Attributes:
        n: Finite scores.
        n_wrong: Scores that are not finite or off the card's scale; those off the scale are in mean and sd.
        mean: Of the finite ones; None where there is none.
        sd: Standard deviation of the finite ones (divided by n), which is the error of always predicting the mean.
    """

    n: int
    n_wrong: int
    mean: float | None
    sd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCheck:
    """What one split holds.

    Attributes:
        split: Its name.
        n_examples: Rows.
        n_groups: Different groups (respondents, documents, dialogues); 0 where the corpus has none.
        chars: Lengths in characters; None where there is no example.
        words: Lengths in blank-separated words; None where there is no example.
        n_one_word: Rows of exactly one blank-separated word.
        n_wordless: Rows without a letter or a digit, such as emoji alone.
        label_counts: Rows by label, in the order of the label space; labels outside it come last.
        labels_per_example: Rows by number of labels.
        n_single_label: Rows with exactly one label.
        scores: Spread by dimension.
        n_synthetic: Rows made by a model.
        n_duplicate_ids: Rows whose id an earlier row has.
        n_duplicate_texts: Rows whose normal form another row has.
        n_duplicate_groups: Normal forms that several rows have.
        n_conflicting_groups: Of those, the ones whose rows carry different sets of labels.
    """

    split: str
    n_examples: int
    n_groups: int
    chars: Lengths | None
    words: Lengths | None
    n_one_word: int
    n_wordless: int
    label_counts: Mapping[str, int]
    labels_per_example: Mapping[int, int]
    n_single_label: int
    scores: Mapping[str, ScoreSpread]
    n_synthetic: int
    n_duplicate_ids: int
    n_duplicate_texts: int
    n_duplicate_groups: int
    n_conflicting_groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOverlap:
    """What two splits share.

    Attributes:
        first: The split that stands first, such as ``train``.
        second: The other, such as ``test``.
        is_part: Every row of the one is a row of the other: two views of the same rows, not compared further where
            that is no fault (see ``must_be_apart``).
        n_recurring: Rows of ``second`` whose normal form occurs in ``first``.
        n_recurring_long: Of those, the ones whose normal form has at least four words.
        n_recurring_verbatim: Of those, the ones whose text occurs in ``first`` to the letter.
        n_recurred: Rows of ``first`` whose normal form occurs in ``second``.
        n_shared_groups: Groups that stand in both.
    """

    first: str
    second: str
    is_part: bool = False
    n_recurring: int = 0
    n_recurring_long: int = 0
    n_recurring_verbatim: int = 0
    n_recurred: int = 0
    n_shared_groups: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdPair:
    """Two examples that are nearly the same."""

    first: str
    second: str
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicateCount:
    """Near-duplicates within a split, or between two.

    Attributes:
        first: A split.
        second: The same split, or one that stands later.
        n_pairs: Pairs of different normal forms.
        n_texts: Rows of ``second`` that have a near-duplicate in ``first``.
        examples: The most similar pairs by id: the first in ``first``, the second in ``second``.
    """

    first: str
    second: str
    n_pairs: int
    n_texts: int
    examples: tuple[IdPair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicateCheck:
    """The search for near-duplicates over all splits.

    Attributes:
        similarity: The threshold.
        n_forms: Different normal forms that were searched.
        n_too_short: Rows that are too short to be searched.
        n_clipped: Normal forms that were compared by their beginning only.
        n_not_compared: Candidates that were left out to bound the work; above 0 pairs may be missing.
        counts: Within each split and between each two that are not parts of each other.
    """

    similarity: float
    n_forms: int
    n_too_short: int
    n_clipped: int
    n_not_compared: int
    counts: tuple[NearDuplicateCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCheck:
    """All that a check found.

    Attributes:
        dataset: Name of the card.
        revision: Of the card.
        label_space: Its id; empty where the corpus has none.
        grouped_by: What a group is; empty where there are none.
        files: Rows of each file that was read: those of examples by split, then those beside them.
        splits: What each split holds.
        overlaps: What each two splits share.
        n_groups: Different groups in all splits.
        n_groups_in_several_splits: Groups that a split tears apart.
        near_duplicates: None where they were not searched.
        findings: The same in sentences, the most severe first.
    """

    dataset: str
    revision: str
    label_space: str
    grouped_by: str
    files: tuple[RowCounts, ...]
    splits: tuple[SplitCheck, ...]
    overlaps: tuple[SplitOverlap, ...]
    n_groups: int
    n_groups_in_several_splits: int
    near_duplicates: NearDuplicateCheck | None
    findings: tuple[Finding, ...] = field(default=())

    @property
    def has_errors(self) -> bool:
        """Whether a finding is an error."""
        return any(finding.severity == "error" for finding in self.findings)

    def as_dict(self) -> dict[str, object]:
        """Return everything as plain data: dictionaries with text keys, lists, numbers, texts and None."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value
