"""Sentences that say what the counts of a check mean."""

from collections.abc import Iterator

from sentire.data.cards import DatasetCard
from sentire.data.check_result import DatasetCheck, Finding, Severity, SplitCheck
from sentire.data.splits import WHOLE

FEWEST_POSITIVES = 50
"""A label with fewer rows than this gives a figure of little weight."""

EVALUATION_SPLITS = ("dev", "validation", "test")
"""Where no synthetic example may stand."""

_ORDER: tuple[Severity, ...] = ("error", "warning", "info")


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
            yield Finding(
                severity="warning",
                code="rejected-rows",
                split="",
                count=file.n_rejected,
                sentence=f"{file.n_rejected:,} of {_n(file.n_read, 'row')} of {file.file} could not be used, most "
                f"often because of: {reason} ({n_reason:,}).",
            )


def _of_counts(card: DatasetCard, check: DatasetCheck) -> Iterator[Finding]:
    checked = {split.split for split in check.splits}
    for split in check.splits:
        stated = card.split_counts.get(split.split)
        if stated and stated != split.n_examples:  # data of your own state no count
            yield Finding(
                severity="error",
                code="split-count",
                split=split.split,
                count=abs(stated - split.n_examples),
                sentence=f"The data card says {_n(stated, 'example')} in {split.split}, there are "
                f"{split.n_examples:,}: this is another release, or a damaged file.",
            )
        if not split.n_examples:
            yield Finding(
                severity="error",
                code="empty-split",
                split=split.split,
                count=0,
                sentence=f"There is no example in {split.split}.",
            )
        if split.n_duplicate_ids:
            yield Finding(
                severity="error",
                code="duplicate-ids",
                split=split.split,
                count=split.n_duplicate_ids,
                sentence=f"{_n(split.n_duplicate_ids, 'row')} of {split.split} "
                f"{_verb(split.n_duplicate_ids, 'has', 'have')} an id that an earlier row has: results could not "
                "tell them apart.",
            )
        if split.n_synthetic and split.split in EVALUATION_SPLITS:
            yield Finding(
                severity="error",
                code="synthetic-in-evaluation",
                split=split.split,
                count=split.n_synthetic,
                sentence=f"{_n(split.n_synthetic, 'row')} of {split.split} "
                f"{_verb(split.n_synthetic, 'was', 'were')} made by a model: such rows do not belong into a split "
                "that measures.",
            )
    left_out = [split for split in card.splits if split not in checked and split != WHOLE]
    if left_out:
        yield Finding(
            severity="info",
            code="splits-not-checked",
            split="",
            count=len(left_out),
            sentence=f"Not checked: {', '.join(left_out)}.",
        )


def _of_labels(card: DatasetCard, split: SplitCheck) -> Iterator[Finding]:
    if card.label_space is not None and split.n_examples:
        yield from _of_label_space(card, split)
    for dimension, spread in split.scores.items():
        if spread.n_wrong:
            yield Finding(
                severity="error",
                code="wrong-scores",
                split=split.split,
                count=spread.n_wrong,
                sentence=f"{_n(spread.n_wrong, 'score')} of {dimension} in {split.split} "
                f"{_verb(spread.n_wrong, 'is', 'are')} not finite or off the scale.",
            )


def _of_label_space(card: DatasetCard, split: SplitCheck) -> Iterator[Finding]:
    space = card.label_space
    if space is None:
        return
    foreign = {label: count for label, count in split.label_counts.items() if label not in space}
    if foreign:
        yield Finding(
            severity="error",
            code="unknown-labels",
            split=split.split,
            count=sum(foreign.values()),
            sentence=f"{_n(sum(foreign.values()), 'label')} in {split.split} "
            f"{_verb(sum(foreign.values()), 'is', 'are')} not in {space.id}: {_list(sorted(foreign))}.",
        )
    n_several = sum(rows for n_labels, rows in split.labels_per_example.items() if n_labels > 1)
    if space.task == "single-label" and n_several:
        yield Finding(
            severity="error",
            code="several-labels",
            split=split.split,
            count=n_several,
            sentence=f"{_n(n_several, 'row')} of {split.split} {_verb(n_several, 'carries', 'carry')} several labels, "
            f"but {space.id} allows one.",
        )
    n_unlabelled = split.labels_per_example.get(0, 0)
    if n_unlabelled:
        yield Finding(
            severity="warning",
            code="unlabelled",
            split=split.split,
            count=n_unlabelled,
            sentence=f"{_n(n_unlabelled, 'row')} of {split.split} {_verb(n_unlabelled, 'carries', 'carry')} no label.",
        )
    rare = [label for label in space.labels if split.label_counts[label] < FEWEST_POSITIVES]
    if rare:
        named = sorted(rare, key=lambda label: split.label_counts[label])
        yield Finding(
            severity="info",
            code="rare-labels",
            split=split.split,
            count=len(rare),
            sentence=f"{_n(len(rare), 'label')} {_verb(len(rare), 'has', 'have')} fewer than {FEWEST_POSITIVES} rows "
            f"in {split.split}, so that figures for {_verb(len(rare), 'it', 'them')} need an interval: "
            f"{_list([f'{label} {split.label_counts[label]}' for label in named])}.",
        )
    if split.n_conflicting_groups:
        yield Finding(
            severity="warning",
            code="conflicting-labels",
            split=split.split,
            count=split.n_conflicting_groups,
            sentence=f"{_n(split.n_conflicting_groups, 'group')} of equal texts in {split.split} "
            f"{_verb(split.n_conflicting_groups, 'carries', 'carry')} different labels.",
        )


def _of_texts(card: DatasetCard, split: SplitCheck) -> Iterator[Finding]:
    if split.n_duplicate_groups:
        yield Finding(
            severity="info",
            code="duplicate-texts",
            split=split.split,
            count=split.n_duplicate_texts,
            sentence=f"{_n(split.n_duplicate_texts, 'row')} of {split.split} share "
            f"{_n(split.n_duplicate_groups, 'text')} among them.",
        )
    if split.n_wordless:
        yield Finding(
            severity="info",
            code="wordless-texts",
            split=split.split,
            count=split.n_wordless,
            sentence=f"{_n(split.n_wordless, 'row')} of {split.split} {_verb(split.n_wordless, 'holds', 'hold')} no "
            "letter and no digit, such as emoji or signs alone.",
        )
    if split.n_one_word and card.kind == "examples":
        yield Finding(
            severity="info",
            code="one-word-texts",
            split=split.split,
            count=split.n_one_word,
            sentence=f"{_n(split.n_one_word, 'row')} of {split.split} {_verb(split.n_one_word, 'is', 'are')} one word.",
        )


def _of_overlaps(check: DatasetCheck) -> Iterator[Finding]:
    for overlap in check.overlaps:
        pair = f"{overlap.first}+{overlap.second}"
        if overlap.is_part:
            yield Finding(
                severity="info",
                code="same-rows",
                split=pair,
                count=0,
                sentence=f"All rows of {overlap.first} or {overlap.second} are rows of the other: two views of the "
                "same rows, which were not compared. Never train on the one and measure on the other.",
            )
        if overlap.n_recurring:
            yield Finding(
                severity="warning",
                code="shared-texts",
                split=pair,
                count=overlap.n_recurring,
                sentence=f"{_n(overlap.n_recurring, 'text')} of {overlap.second} also "
                f"{_verb(overlap.n_recurring, 'occurs', 'occur')} in {overlap.first}, {overlap.n_recurring_long:,} of "
                f"them with four words or more, {overlap.n_recurring_verbatim:,} to the letter.",
            )
    if check.n_groups_in_several_splits:
        shown = check.grouped_by or "group"
        yield Finding(
            severity="warning",
            code="shared-groups",
            split="",
            count=check.n_groups_in_several_splits,
            sentence=f"{check.n_groups_in_several_splits:,} of {_n(check.n_groups, shown)} "
            f"{_verb(check.n_groups_in_several_splits, 'stands', 'stand')} in more than one split.",
        )


def _of_near_duplicates(check: DatasetCheck) -> Iterator[Finding]:
    near = check.near_duplicates
    if near is None:
        yield Finding(
            severity="info",
            code="near-duplicates-not-searched",
            split="",
            count=0,
            sentence="Near-duplicates were not searched.",
        )
        return
    for count in near.counts:
        if not count.n_pairs:
            continue
        is_within = count.first == count.second
        place = f"within {count.first}" if is_within else f"between {count.first} and {count.second}"
        yield Finding(
            severity="info" if is_within else "warning",
            code="near-duplicates",
            split=count.first if is_within else f"{count.first}+{count.second}",
            count=count.n_pairs,
            sentence=f"{_n(count.n_pairs, 'pair')} of texts {place} {_verb(count.n_pairs, 'is', 'are')} at least "
            f"{near.similarity:.0%} alike without being the same ({_n(count.n_texts, 'row')} of {count.second}).",
        )
    if near.n_not_compared:
        yield Finding(
            severity="info",
            code="near-duplicates-bounded",
            split="",
            count=near.n_not_compared,
            sentence=f"To bound the work, {near.n_not_compared:,} less likely candidates were not compared: a few "
            "near-duplicates may be missing.",
        )


def _n(count: int, noun: str) -> str:
    several = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else several}"


def _verb(count: int, one: str, several: str) -> str:
    return one if count == 1 else several


def _list(names: list[str], longest: int = 10) -> str:
    shown = ", ".join(names[:longest])
    return shown if len(names) <= longest else f"{shown} and {len(names) - longest} more"
