"""From utterances to rows of the three data sets: rule by rule, each with its own count, nothing dropped in silence.

Orig    what is said, with its labels
COrig   the same in its clean context
CRewr   the rewritten utterance in its clean context, with labels that were made again
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sentire.core.errors import MissingExtraError
from sentire.core.normalise import normalise_text
from sentire.core.words import split_words
from sentire.data.near_duplicates import find_near_duplicates
from sentire.runtime.language import find_english
from sentire.synthesis.config import QualitySection, SynthesisConfig
from sentire.synthesis.definitions import LabelGuide
from sentire.synthesis.levels import MappedLevels, agree, get_expressed, map_levels
from sentire.synthesis.replies import speaks_of_the_task
from sentire.synthesis.story_work import Utterance
from sentire.synthesis.tasks import soft_labels

SetName = Literal["orig", "corig", "crewr"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a data set.

    Attributes:
        utterance: Where it comes from.
        text: What is said.
        context: The situation; empty without one.
        levels: By label.
        labels: Those that reach the least level, in the order of the label space.
        measures: What is known of its quality, each from 0 to 1: ``expressiveness`` (the highest level), ``agreement``
            (of two passes, or before and after the rewriting), ``cleaning_overlap`` (of the clean context with the
            uncleaned one), ``rewriting_overlap`` (with the original utterance), ``hiddenness`` (1 where the text does
            not name its emotions, else 0).
    """

    utterance: Utterance
    text: str
    context: str
    levels: Mapping[str, float]
    labels: tuple[str, ...]
    measures: Mapping[str, float]

    @property
    def quality(self) -> float:
        """The mean of what was measured of the labels and the text: expressiveness, agreement, hiddenness."""
        parts = [self.measures[name] for name in ("expressiveness", "agreement", "hiddenness") if name in self.measures]
        return float(np.mean(parts))


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The rows of a synthesis.

    Attributes:
        rows: By data set, those that are kept.
        before: Rows of Orig before any rule, with all levels that came, those below the least level too: for what the
            rules change.
        refused: By data set, how many each rule left out.
        strays: Words outside the label space: how often, by what they were mapped to (empty for nothing) and where
            (``intended``, ``first pass``, ``second pass``, ``in context``).
    """

    rows: Mapping[SetName, tuple[Row, ...]]
    before: tuple[Row, ...]
    refused: Mapping[SetName, Counter[str]]
    strays: Counter[tuple[str, str, str]]


def judge(utterances: Sequence[Utterance], settings: SynthesisConfig, guide: LabelGuide) -> Judgement:
    """Make rows of utterances, and leave out what the rules say.

    Args:
        utterances: In a fixed order: of duplicates the first is kept.
        settings: Of the synthesis.
        guide: Its labels.
    """
    refused: dict[SetName, Counter[str]] = {"orig": Counter(), "corig": Counter(), "crewr": Counter()}
    strays: Counter[tuple[str, str, str]] = Counter()
    made = [_make_orig(one, settings, guide, strays) for one in utterances]
    before = tuple(row for row in made if row.levels)
    judged = _leave_out_alike(_judge_orig(made, settings, refused["orig"]), settings.quality, refused["orig"])
    described = [row for row in judged if row.utterance.context]
    in_context = _judge_contexts(described, settings, guide, refused["corig"])
    rewritten = _judge_rewritten(in_context, settings, guide, strays, refused["crewr"])
    return Judgement(
        rows={"orig": tuple(judged), "corig": tuple(in_context), "crewr": tuple(rewritten)},
        before=before,
        refused=refused,
        strays=strays,
    )


def measure_overlap(first: str, second: str) -> float:
    """Return how much of the words two texts share in order: 2 · LCS / (words + words), 0 to 1.

    Example:
        >>> measure_overlap("So it is you again", "So you are here again")
        0.6
    """
    try:
        from rapidfuzz.distance import Indel
    except ImportError as error:
        raise MissingExtraError(extra="llm", needed_for="the overlap of texts") from error
    words = split_words(normalise_text(first)), split_words(normalise_text(second))
    return float(Indel.normalized_similarity(*words))


def _make_orig(
    one: Utterance, settings: SynthesisConfig, guide: LabelGuide, strays: Counter[tuple[str, str, str]]
) -> Row:
    mapped = map_levels(guide, one.levels)
    _count_strays(mapped, guide, "first pass", strays)
    _count_strays(map_levels(guide, [(one.intended, 1.0)]), guide, "intended", strays)
    measures = {"expressiveness": max(mapped.levels.values(), default=0.0)}
    labels = _in_order(guide, mapped.levels, settings.labels.least_level)
    measures["hiddenness"] = float(not guide.find_named(one.text, labels))
    if one.second_levels is not None:
        second = map_levels(guide, one.second_levels)
        _count_strays(second, guide, "second pass", strays)
        measures["agreement"] = agree(mapped.levels, second.levels)
    return Row(utterance=one, text=one.text, context="", levels=mapped.levels, labels=labels, measures=measures)


def _judge_orig(rows: Sequence[Row], settings: SynthesisConfig, refused: Counter[str]) -> list[Row]:
    is_english = settings.language.lower() == "english"
    in_language = find_english([row.text for row in rows]) if is_english else np.ones(len(rows), np.bool_)
    kept = []
    for row, speaks_it in zip(rows, in_language, strict=True):
        fault = _find_fault(row, settings, speaks_it=bool(speaks_it))
        if fault:
            refused[fault] += 1
        else:
            kept.append(row)
    return kept


def _find_fault(row: Row, settings: SynthesisConfig, *, speaks_it: bool) -> str:
    quality, n_words = settings.quality, len(split_words(row.text))
    if not row.utterance.levels:
        return "no labels came"
    if not row.labels:
        return "expresses no emotion"
    if n_words < quality.shortest_words:
        return "too few words"
    if n_words > quality.longest_words:
        return "too many words"
    if speaks_of_the_task(row.text):
        return "talk about the task"
    if not speaks_it:
        return "in another language"
    if (
        quality.least_agreement
        and row.utterance.second_levels is None
        and soft_labels.SECOND_TASK in row.utterance.keys
    ):
        return "no second labels came"
    if row.measures.get("agreement", 1.0) < quality.least_agreement:
        return "passes disagree"
    if row.quality < quality.least_quality:
        return "low quality score"
    return ""


def _leave_out_alike(rows: Sequence[Row], quality: QualitySection, refused: Counter[str]) -> list[Row]:
    seen: set[str] = set()
    different = []
    for row in rows:
        form = normalise_text(row.text)
        if form in seen:
            refused["duplicate"] += 1
        else:
            seen.add(form)
            different.append(row)
    if not quality.near_duplicate:
        return different
    search = find_near_duplicates([row.text for row in different], similarity=quality.near_duplicate)
    gone: set[int] = set()
    for pair in search.pairs:
        if pair.first not in gone and pair.second not in gone:
            gone.add(pair.second)
    if gone:
        refused["near-duplicate"] += len(gone)
    return [row for place, row in enumerate(different) if place not in gone]


def _judge_contexts(
    rows: Sequence[Row], settings: SynthesisConfig, guide: LabelGuide, refused: Counter[str]
) -> list[Row]:
    low, high = settings.quality.cleaning_overlap
    kept = []
    for row in rows:
        context = row.utterance.clean_context
        overlap = measure_overlap(row.utterance.context, context)
        if not context:
            refused["no clean context came"] += 1
        elif overlap < low:
            refused["cleaning changed too much"] += 1
        elif overlap > high:
            refused["cleaning changed too little"] += 1
        elif settings.quality.leaking_context == "drop" and guide.find_named(context, row.labels):
            refused["context names the emotion"] += 1
        else:
            kept.append(replace(row, context=context, measures={**row.measures, "cleaning_overlap": overlap}))
    return kept


def _judge_rewritten(
    rows: Sequence[Row],
    settings: SynthesisConfig,
    guide: LabelGuide,
    strays: Counter[tuple[str, str, str]],
    refused: Counter[str],
) -> list[Row]:
    low, high = settings.quality.rewriting_overlap
    kept = []
    for row in rows:
        one = row.utterance
        if not one.rewritten:
            refused["no rewriting came"] += 1
            continue
        levels = row.levels
        if settings.steps.relabel:
            if one.context_levels is None:
                refused["no labels in context came"] += 1
                continue
            mapped = map_levels(guide, one.context_levels)
            _count_strays(mapped, guide, "in context", strays)
            levels = mapped.levels
        labels = _in_order(guide, levels, settings.labels.least_level)
        overlap = measure_overlap(one.text, one.rewritten)
        if not labels:
            refused["expresses no emotion in its context"] += 1
        elif overlap < low:
            refused["rewriting changed too much"] += 1
        elif overlap > high:
            refused["rewriting changed too little"] += 1
        else:
            measures = {
                "expressiveness": max(levels.values()),
                "agreement": agree(row.levels, levels),
                "hiddenness": float(not guide.find_named(one.rewritten, labels)),
                "cleaning_overlap": row.measures["cleaning_overlap"],
                "rewriting_overlap": overlap,
            }
            kept.append(replace(row, text=one.rewritten, levels=levels, labels=labels, measures=measures))
    return kept


def _in_order(guide: LabelGuide, levels: Mapping[str, float], least_level: float) -> tuple[str, ...]:
    expressed = get_expressed(levels, least_level)
    return tuple(label for label in guide.space.labels if label in expressed)


def _count_strays(mapped: MappedLevels, guide: LabelGuide, where: str, strays: Counter[tuple[str, str, str]]) -> None:
    for word in mapped.mapped:
        strays[word, guide.read(word) or "", where] += 1
    for word in mapped.unmapped:
        strays[word, "", where] += 1
