"""Look through a data set for what makes results wrong: broken rows, duplicates, leaks, conflicts, wrong counts."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, combinations_with_replacement
from pathlib import Path

import numpy as np

from sentire.core.affect import VAD_DIMENSIONS, AffectScale
from sentire.core.normalise import normalise_text
from sentire.core.records import Example
from sentire.data.cards import DatasetCard
from sentire.data.check_findings import make_findings, must_be_apart
from sentire.data.check_result import (
    DatasetCheck,
    IdPair,
    Lengths,
    NearDuplicateCheck,
    NearDuplicateCount,
    RowCounts,
    ScoreSpread,
    SplitCheck,
    SplitOverlap,
)
from sentire.data.near_duplicates import find_near_duplicates
from sentire.storage.report import ReadReport

LONG_TEXT_WORDS = 4
"""A recurring text of fewer words ("thank you so much" has four) need not be a leak: people say it again and again."""

KEPT_ID_PAIRS = 20
"""Near-duplicates are named by id up to this many pairs."""


@dataclass(frozen=True, slots=True)
class _Split:
    """A split with the normal form of every text, computed once."""

    name: str
    examples: Sequence[Example]
    forms: Sequence[str]


def check_dataset(
    card: DatasetCard,
    splits: Mapping[str, Sequence[Example]],
    reports: Mapping[str, Sequence[ReadReport]],
    *,
    side_reports: Sequence[ReadReport] = (),
    with_near_duplicates: bool = True,
    seed: int = 0,
) -> DatasetCheck:
    """Check splits for themselves and against each other.

    Two texts are the same when their normal forms are (`normalise_text`: NFKC, lower case, runs of anything but letters
    and digits to one blank; a text without a word keeps its signs). A text of which nothing is left, blanks alone, is
    the same as no other.

    Two splits of which one holds every row of the other (a whole corpus and its train part, say) are two views of the
    same rows; they are named and not compared. Where by their names they must be apart, as train and test, that is an
    error, and what they share is counted.

    Args:
        card: Of the corpus; its label space, scale and counts are what the splits are held against.
        splits: Examples by split, earlier ones first (train, dev, test).
        reports: By split, of the files whose rows its examples are.
        side_reports: Of the files beside them (documents, ratings), each once.
        with_near_duplicates: Search for texts that differ in a few characters; needs the extra ``data``.
        seed: Of that search.

    Returns:
        Counts, ids and findings; no text.

    Raises:
        MissingExtraError: The search for near-duplicates is wanted and its extra is not installed.
    """
    normal = [
        _Split(name, examples, [normalise_text(example.text) for example in examples])
        for name, examples in splits.items()
    ]
    pairs = [(first, second, _is_part(first, second)) for first, second in combinations(normal, 2)]
    compared = [
        (first, second) for first, second, is_part in pairs if not is_part or must_be_apart(first.name, second.name)
    ]
    shared_groups = {group for first, second in compared for group in _groups(first) & _groups(second)}
    apart = {(first.name, second.name) for first, second in compared}
    near = None
    if with_near_duplicates:
        near = _count_near_duplicates(normal, apart, seed)
    check = DatasetCheck(
        dataset=card.name,
        revision=card.revision,
        label_space=card.label_space.id if card.label_space else "",
        grouped_by=card.grouped_by,
        files=(
            *(_count_rows(report, split) for split, of_split in reports.items() for report in of_split),
            *(_count_rows(report, "") for report in side_reports),
        ),
        splits=tuple(_check_split(card, split) for split in normal),
        overlaps=tuple(
            replace(_overlap(first, second), is_part=is_part)
            if (first.name, second.name) in apart
            else SplitOverlap(first=first.name, second=second.name, is_part=True)
            for first, second, is_part in pairs
        ),
        n_groups=len(set[str]().union(*(_groups(split) for split in normal))),
        n_groups_in_several_splits=len(shared_groups),
        near_duplicates=near,
    )
    return replace(check, findings=make_findings(card, check))


def find_recurring(first: Iterable[str], second: Iterable[str]) -> list[int]:
    """Return the positions in ``second`` of the texts that also occur in ``first``, by their normal form.

    Edge cases:
        A text whose normal form is empty recurs nowhere.
    """
    known = {normalise_text(text) for text in first} - {""}
    return [position for position, text in enumerate(second) if normalise_text(text) in known]


def _count_rows(report: ReadReport, split: str) -> RowCounts:
    # The details of a rejection may quote the row, and its path names this machine's folders: neither is kept.
    return RowCounts(
        file=Path(report.path).name,
        split=split,
        n_read=report.n_read,
        n_accepted=report.n_accepted,
        n_rejected=report.n_rejected,
        n_blank=report.n_blank,
        reasons=dict(report.reasons.most_common()),
        first_rows=tuple(rejection.row for rejection in report.first_rejections),
    )


def _check_split(card: DatasetCard, split: _Split) -> SplitCheck:
    examples = split.examples
    words = [len(example.text.split()) for example in examples]
    n_labels = Counter(len(set(example.labels)) for example in examples)
    label_sets: defaultdict[str, list[frozenset[str]]] = defaultdict(list)
    for example, form in zip(examples, split.forms, strict=True):
        if form:
            label_sets[form].append(frozenset(example.labels))
    duplicates = [sets for sets in label_sets.values() if len(sets) > 1]
    return SplitCheck(
        split=split.name,
        n_examples=len(examples),
        n_groups=len(_groups(split)),
        chars=_lengths([len(example.text) for example in examples]),
        words=_lengths(words),
        n_one_word=words.count(1),
        n_wordless=sum(not any(char.isalnum() for char in form) for form in split.forms),
        label_counts=_count_labels(card, examples),
        labels_per_example=dict(sorted(n_labels.items())),
        n_single_label=n_labels[1],
        scores=_spread_scores(card.affect_scale, examples),
        n_synthetic=sum(example.is_synthetic for example in examples),
        n_duplicate_ids=len(examples) - len({example.id for example in examples}),
        n_duplicate_texts=sum(len(sets) for sets in duplicates),
        n_duplicate_groups=len(duplicates),
        n_conflicting_groups=sum(len(set(sets)) > 1 for sets in duplicates),
    )


def _lengths(values: Sequence[int]) -> Lengths | None:
    if not values:
        return None
    ranks = np.quantile(values, [0.0, 0.5, 0.95, 1.0], method="inverted_cdf")
    low, median, p95, high = (int(rank) for rank in ranks)
    return Lengths(min=low, median=median, p95=p95, max=high)


def _count_labels(card: DatasetCard, examples: Iterable[Example]) -> dict[str, int]:
    counts = Counter(label for example in examples for label in set(example.labels))
    known = card.label_space.labels if card.label_space else ()
    return {label: counts.pop(label, 0) for label in known} | dict(sorted(counts.items()))


def _spread_scores(scale: AffectScale | None, examples: Iterable[Example]) -> dict[str, ScoreSpread]:
    by_dimension: defaultdict[str, list[float]] = defaultdict(list)
    for example in examples:
        for dimension, score in example.scores.items():
            by_dimension[dimension].append(score)
    spreads = {}
    for dimension, scores in by_dimension.items():
        finite = [score for score in scores if math.isfinite(score)]
        on_scale = [
            score
            for score in finite
            if scale is None or dimension not in VAD_DIMENSIONS or scale.low <= score <= scale.high
        ]
        spreads[dimension] = ScoreSpread(
            n=len(finite),
            n_wrong=len(scores) - len(on_scale),
            mean=float(np.mean(finite)) if finite else None,
            sd=float(np.std(finite)) if finite else None,
        )
    return spreads


def _groups(split: _Split) -> set[str]:
    return {example.group for example in split.examples if example.group}


def _is_part(first: _Split, second: _Split) -> bool:
    rows = [{(example.id, example.text) for example in split.examples} for split in (first, second)]
    fewer, more = sorted(rows, key=len)
    return bool(fewer) and fewer <= more


def _overlap(first: _Split, second: _Split) -> SplitOverlap:
    forms_of_first = set(first.forms) - {""}
    forms_of_second = set(second.forms) - {""}
    texts_of_first = {example.text for example in first.examples}
    recurring = [
        (example, form) for example, form in zip(second.examples, second.forms, strict=True) if form in forms_of_first
    ]
    return SplitOverlap(
        first=first.name,
        second=second.name,
        n_recurring=len(recurring),
        n_recurring_long=sum(len(form.split()) >= LONG_TEXT_WORDS for _, form in recurring),
        n_recurring_verbatim=sum(example.text in texts_of_first for example, _ in recurring),
        n_recurred=sum(form in forms_of_second for form in first.forms),
        n_shared_groups=len(_groups(first) & _groups(second)),
    )


def _count_near_duplicates(splits: Sequence[_Split], apart: set[tuple[str, str]], seed: int) -> NearDuplicateCheck:
    texts = [example.text for split in splits for example in split.examples]
    forms = [form for split in splits for form in split.forms]
    search = find_near_duplicates(texts, seed=seed)
    near = [(forms[pair.first], forms[pair.second], pair.similarity) for pair in search.pairs]
    wanted = {form for first, second, _ in near for form in (first, second)}
    ids: dict[str, defaultdict[str, list[str]]] = {split.name: defaultdict(list) for split in splits}
    for split in splits:
        for example, form in zip(split.examples, split.forms, strict=True):
            if form in wanted:
                ids[split.name][form].append(example.id)
    names = [split.name for split in splits]
    return NearDuplicateCheck(
        similarity=search.similarity,
        n_forms=search.n_forms,
        n_too_short=search.n_too_short,
        n_clipped=search.n_clipped,
        n_not_compared=search.n_not_compared,
        counts=tuple(
            _count_pairs(first, second, ids[first], ids[second], near)
            for first, second in combinations_with_replacement(names, 2)
            if first == second or (first, second) in apart
        ),
    )


def _count_pairs(
    first: str,
    second: str,
    ids_of_first: Mapping[str, Sequence[str]],
    ids_of_second: Mapping[str, Sequence[str]],
    near: Sequence[tuple[str, str, float]],
) -> NearDuplicateCount:
    pairs: list[IdPair] = []
    n_pairs = 0
    hit: set[str] = set()
    for one, other, similarity in sorted(near, key=lambda pair: -pair[2]):
        ways = ((one, other), (other, one))
        met = [(here, there) for here, there in ways if here in ids_of_first and there in ids_of_second]
        if not met:
            continue
        n_pairs += 1
        hit.update(there for _, there in met)
        if len(pairs) < KEPT_ID_PAIRS:
            here, there = met[0]
            pairs.append(IdPair(first=ids_of_first[here][0], second=ids_of_second[there][0], similarity=similarity))
    return NearDuplicateCount(
        first=first,
        second=second,
        n_pairs=n_pairs,
        n_texts=sum(len(ids_of_second[form]) for form in hit),
        examples=tuple(pairs),
    )
