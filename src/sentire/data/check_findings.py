"""Sentences that say what the counts of a check mean."""

from collections.abc import Iterator

from sentire.data.cards import DatasetCard
from sentire.data.check_result import DatasetCheck, Finding, Severity, SplitCheck
from sentire.data.splits import WHOLE

FEWEST_POSITIVES = 50
"""A label with fewer rows than this gives a figure of little weight."""

EVALUATION_SPLITS = ("dev", "validation", "test")
"""Where no synthetic example may stand."""

_APART = frozenset({"train", *EVALUATION_SPLITS})

_ORDER: tuple[Severity, ...] = ("error", "warning", "info")


def must_be_apart(first: str, second: str) -> bool:
    """Tell by their names whether two splits must not share rows: one trains and the other measures, or both measure.

    Example:
        >>> must_be_apart("train", "test"), must_be_apart("all", "test")
        (True, False)
    """
    return first in _APART and second in _APART


def make_findings(card: DatasetCard, check: DatasetCheck) -> tuple[Finding, ...]:
    """Return the findings of a check, errors first, otherwise in the order in which one reads the data."""
    findings = [*_of_rows(check), *_of_counts(card, check)]
    for split in check.splits:
        findings += [*_of_labels(card, split), *_of_texts(card, split)]
    findings += [*_of_overlaps(check), *_of_near_duplicates(check)]
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def _of_rows(check: DatasetCheck) -> Iterator[Finding]:
    for file in check.files:
        if file.n_rejected:
            reason, n_reason = next(iter(file.reasons.items()))
            place = f"{file.file} ({file.split})" if file.split else file.file
            sentence = (
                f"{file.n_rejected:,} of {_n(file.n_read, 'row')} of {place} could not be used, most "
                f"often because of: {reason} ({n_reason:,})."
            )
            yield _finding("warning", "rejected-rows", file.split, file.n_rejected, sentence)


def _of_counts(card: DatasetCard, check: DatasetCheck) -> Iterator[Finding]:
    checked = {split.split for split in check.splits}
    for split in check.splits:
        stated = card.split_counts.get(split.split)
        if stated and stated != split.n_examples:  # data of your own state no count
            sentence = (
                f"The data card says {_n(stated, 'example')} in {split.split}, there are "
                f"{split.n_examples:,}: this is another release, or a damaged file."
            )
            yield _finding("error", "split-count", split.split, abs(stated - split.n_examples), sentence)
        if not split.n_examples:
            sentence = f"There is no example in {split.split}."
            yield _finding("error", "empty-split", split.split, 0, sentence)
        if split.n_duplicate_ids:
            sentence = (
                f"{_n(split.n_duplicate_ids, 'row')} of {split.split} "
                f"{_verb(split.n_duplicate_ids, 'has', 'have')} an id that an earlier row has: results could not "
                "tell them apart."
            )
            yield _finding("error", "duplicate-ids", split.split, split.n_duplicate_ids, sentence)
        if split.n_synthetic and split.split in EVALUATION_SPLITS:
            # Of data that says of itself that it was made, an evaluation says so beside every figure.
            consequence = (
                "its figures are on data that was made."
                if card.is_ours
                else "such rows do not belong into a split that measures."
            )
            sentence = (
                f"{_n(split.n_synthetic, 'row')} of {split.split} "
                f"{_verb(split.n_synthetic, 'was', 'were')} made by a model: {consequence}"
            )
            severity: Severity = "info" if card.is_ours else "error"
            yield _finding(severity, "synthetic-in-evaluation", split.split, split.n_synthetic, sentence)
    left_out = [split for split in card.splits if split not in checked and split != WHOLE]
    if left_out:
        sentence = f"Not checked: {', '.join(left_out)}."
        yield _finding("info", "splits-not-checked", "", len(left_out), sentence)


def _of_labels(card: DatasetCard, split: SplitCheck) -> Iterator[Finding]:
    if card.label_space is not None and split.n_examples:
        yield from _of_label_space(card, split)
    for dimension, spread in split.scores.items():
        if spread.n_wrong:
            sentence = (
                f"{_n(spread.n_wrong, 'score')} of {dimension} in {split.split} "
                f"{_verb(spread.n_wrong, 'is', 'are')} not finite or off the scale."
            )
            yield _finding("error", "wrong-scores", split.split, spread.n_wrong, sentence)


def _of_label_space(card: DatasetCard, split: SplitCheck) -> Iterator[Finding]:
    space = card.label_space
    if space is None:
        return
    foreign = {label: count for label, count in split.label_counts.items() if label not in space}
    if foreign:
        sentence = (
            f"{_n(sum(foreign.values()), 'label')} in {split.split} "
            f"{_verb(sum(foreign.values()), 'is', 'are')} not in {space.id}: {_list(sorted(foreign))}."
        )
        yield _finding("error", "unknown-labels", split.split, sum(foreign.values()), sentence)
    n_several = sum(rows for n_labels, rows in split.labels_per_example.items() if n_labels > 1)
    if space.task == "single-label" and n_several:
        sentence = (
            f"{_n(n_several, 'row')} of {split.split} {_verb(n_several, 'carries', 'carry')} several labels, "
            f"but {space.id} allows one."
        )
        yield _finding("error", "several-labels", split.split, n_several, sentence)
    n_unlabelled = split.labels_per_example.get(0, 0)
    if n_unlabelled:
        sentence = f"{_n(n_unlabelled, 'row')} of {split.split} {_verb(n_unlabelled, 'carries', 'carry')} no label."
        yield _finding("warning", "unlabelled", split.split, n_unlabelled, sentence)
    rare = [label for label in space.labels if split.label_counts[label] < FEWEST_POSITIVES]
    if rare:
        named = sorted(rare, key=lambda label: split.label_counts[label])
        sentence = (
            f"{_n(len(rare), 'label')} {_verb(len(rare), 'has', 'have')} fewer than {FEWEST_POSITIVES} rows "
            f"in {split.split}, so that figures for {_verb(len(rare), 'it', 'them')} need an interval: "
            f"{_list([f'{label} {split.label_counts[label]}' for label in named])}."
        )
        yield _finding("info", "rare-labels", split.split, len(rare), sentence)
    if split.n_conflicting_groups:
        sentence = (
            f"{_n(split.n_conflicting_groups, 'group')} of equal texts in {split.split} "
            f"{_verb(split.n_conflicting_groups, 'carries', 'carry')} different labels."
        )
        yield _finding("warning", "conflicting-labels", split.split, split.n_conflicting_groups, sentence)


def _of_texts(card: DatasetCard, split: SplitCheck) -> Iterator[Finding]:
    if split.n_duplicate_groups:
        sentence = (
            f"{_n(split.n_duplicate_texts, 'row')} of {split.split} share "
            f"{_n(split.n_duplicate_groups, 'text')} among them."
        )
        yield _finding("info", "duplicate-texts", split.split, split.n_duplicate_texts, sentence)
    if split.n_wordless:
        sentence = (
            f"{_n(split.n_wordless, 'row')} of {split.split} {_verb(split.n_wordless, 'holds', 'hold')} no "
            "letter and no digit, such as emoji or signs alone."
        )
        yield _finding("info", "wordless-texts", split.split, split.n_wordless, sentence)
    if split.n_one_word and card.kind == "examples":
        sentence = f"{_n(split.n_one_word, 'row')} of {split.split} {_verb(split.n_one_word, 'is', 'are')} one word."
        yield _finding("info", "one-word-texts", split.split, split.n_one_word, sentence)


def _of_overlaps(check: DatasetCheck) -> Iterator[Finding]:
    for overlap in check.overlaps:
        pair = f"{overlap.first}+{overlap.second}"
        if overlap.is_part and must_be_apart(overlap.first, overlap.second):
            sentence = (
                f"All rows of {overlap.first} or {overlap.second} are rows of the other: what is trained or chosen on "
                "the one is not measured by the other."
            )
            yield _finding("error", "same-rows", pair, overlap.n_recurring, sentence)
        elif overlap.is_part:
            sentence = (
                f"All rows of {overlap.first} or {overlap.second} are rows of the other: two views of the "
                "same rows, which were not compared. Never train on the one and measure on the other."
            )
            yield _finding("info", "same-rows", pair, 0, sentence)
        if overlap.n_recurring:
            sentence = (
                f"{_n(overlap.n_recurring, 'text')} of {overlap.second} also "
                f"{_verb(overlap.n_recurring, 'occurs', 'occur')} in {overlap.first}, {overlap.n_recurring_long:,} of "
                f"them with four words or more, {overlap.n_recurring_verbatim:,} to the letter."
            )
            yield _finding("warning", "shared-texts", pair, overlap.n_recurring, sentence)
    if check.n_groups_in_several_splits:
        shown = check.grouped_by or "group"
        sentence = (
            f"{check.n_groups_in_several_splits:,} of {_n(check.n_groups, shown)} "
            f"{_verb(check.n_groups_in_several_splits, 'stands', 'stand')} in more than one split."
        )
        yield _finding("warning", "shared-groups", "", check.n_groups_in_several_splits, sentence)


def _of_near_duplicates(check: DatasetCheck) -> Iterator[Finding]:
    near = check.near_duplicates
    if near is None:
        sentence = "Near-duplicates were not searched."
        yield _finding("info", "near-duplicates-not-searched", "", 0, sentence)
        return
    for count in near.counts:
        if not count.n_pairs:
            continue
        is_within = count.first == count.second
        place = f"within {count.first}" if is_within else f"between {count.first} and {count.second}"
        sentence = (
            f"{_n(count.n_pairs, 'pair')} of texts {place} {_verb(count.n_pairs, 'is', 'are')} at least "
            f"{near.similarity:.0%} alike without being the same ({_n(count.n_texts, 'row')} of {count.second})."
        )
        yield _finding(
            "info" if is_within else "warning",
            "near-duplicates",
            count.first if is_within else f"{count.first}+{count.second}",
            count.n_pairs,
            sentence,
        )
    if near.n_not_compared:
        sentence = (
            f"To bound the work, {near.n_not_compared:,} less likely candidates were not compared: a few "
            "near-duplicates may be missing."
        )
        yield _finding("info", "near-duplicates-bounded", "", near.n_not_compared, sentence)


def _finding(severity: Severity, code: str, split: str, count: int, sentence: str) -> Finding:
    return Finding(severity=severity, code=code, split=split, count=count, sentence=sentence)


def _n(count: int, noun: str) -> str:
    several = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else several}"


def _verb(count: int, one: str, several: str) -> str:
    return one if count == 1 else several


def _list(names: list[str], longest: int = 10) -> str:
    shown = ", ".join(names[:longest])
    return shown if len(names) <= longest else f"{shown} and {len(names) - longest} more"
