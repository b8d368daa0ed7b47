"""What a synthesis yielded: the figures that the paper reports, and those that show what went wrong on the way."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire.core.words import split_words
from sentire.data.near_duplicates import find_near_duplicates
from sentire.metrics.diversity import distinct_n, group_similarity, vendi_score
from sentire.synthesis.config import SynthesisConfig
from sentire.synthesis.definitions import LabelGuide
from sentire.synthesis.judging import Row, SetName
from sentire.synthesis.run import Collection
from sentire.synthesis.story_work import Utterance

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Turns N texts into vectors, shape (N, D)."""

NEAR_DUPLICATE = 0.9


def measure_synthesis(
    collection: Collection, settings: SynthesisConfig, guide: LabelGuide, encode: Encode, encoder_name: str
) -> dict[str, Any]:
    """Return the statistics of a synthesis as plain data.

    Args:
        collection: All that its ledger says.
        settings: Of the synthesis.
        guide: Its labels.
        encode: For the similarities.
        encoder_name: Whose vectors these are.
    """
    works, judgement = collection.works, collection.judgement
    utterances = [one for work in works for one in work.utterances]
    failures: Counter[tuple[str, str]] = sum((work.failures for work in works), Counter())
    yields: Counter[str] = sum((work.yields for work in works), Counter())
    dropped: Counter[tuple[str, str]] = sum((work.dropped for work in works), Counter())
    orig = judgement.rows["orig"]
    return {
        "stories": {"used": len(works), "left_out": dict(sorted(collection.left_out.items()))},
        "characters": sum(len(work.actors) for work in works),
        "utterances": len(utterances),
        "dropped": {
            what: {reason: n for (other, reason), n in sorted(dropped.items()) if other == what}
            for what in ("characters", "utterances")
        },
        "calls": {
            task: {
                "answered": yields[task],
                "failed": {reason: n for (other, reason), n in sorted(failures.items()) if other == task},
            }
            for task in _list_tasks(yields, failures)
        },
        "still_to_be_made": collection.n_unknown,
        "rows": {name: len(rows) for name, rows in judgement.rows.items()},
        "refused": {name: dict(counts.most_common()) for name, counts in judgement.refused.items()},
        "strays": [
            {"word": word, "stands_for": label, "where": where, "n": n}
            for (word, label, where), n in sorted(judgement.strays.items(), key=lambda one: (-one[1], one[0]))
        ],
        "quota": {
            "rounds": [{"missing": missing, "calls": n_calls} for missing, n_calls in collection.rounds],
            "missing_in_the_end": collection.shortages,
        },
        "labels": _count_labels(judgement.before, judgement.rows, guide),
        "intended": _count_intended(utterances, guide),
        "labels_a_row": {name: _describe([len(row.labels) for row in rows]) for name, rows in judgement.rows.items()},
        "share_neutral": {
            name: _share([guide.space.neutral in row.labels for row in rows]) for name, rows in judgement.rows.items()
        },
        "measures": {
            name: {measure: _describe([row.measures[measure] for row in rows]) for measure in _list_measures(rows)}
            for name, rows in judgement.rows.items()
        },
        "first_label_is_the_intended": _share(
            [_is_as_intended(row, guide) for row in orig if not row.utterance.target]
        ),
        "similarity": _measure_similarity(orig, judgement.rows["corig"], guide, encode, encoder_name),
        "words": {
            name: {
                "words_a_text": _describe([len(split_words(row.text)) for row in rows]),
                "distinct_1": _round(distinct_n([row.text for row in rows], 1)),
                "distinct_2": _round(distinct_n([row.text for row in rows], 2)),
            }
            for name, rows in judgement.rows.items()
        },
        "near_duplicate_share": _near_duplicate_share([one.text for one in utterances]),
        "least_level": settings.labels.least_level,
    }


def _list_tasks(yields: Counter[str], failures: Counter[tuple[str, str]]) -> list[str]:
    return sorted({*yields, *(task for task, _ in failures)})


def _count_labels(
    before: Sequence[Row], rows: Mapping[SetName, Sequence[Row]], guide: LabelGuide
) -> dict[str, dict[str, int]]:
    # A level of 0 says that the emotion is not there.
    counts = {"before the rules": Counter(label for row in before for label, level in row.levels.items() if level)}
    counts |= {name: Counter(label for row in several for label in row.labels) for name, several in rows.items()}
    return {label: {name: count[label] for name, count in counts.items()} for label in guide.space.labels}


def _count_intended(utterances: Sequence[Utterance], guide: LabelGuide) -> dict[str, int]:
    counts = Counter(guide.read(one.intended) or "(outside the labels)" for one in utterances)
    return dict(counts.most_common())


def _is_as_intended(row: Row, guide: LabelGuide) -> bool:
    return next(iter(row.levels), "") == guide.read(row.utterance.intended)


def _list_measures(rows: Sequence[Row]) -> list[str]:
    return sorted({measure for row in rows for measure in row.measures if all(measure in one.measures for one in rows)})


def _measure_similarity(
    orig: Sequence[Row], corig: Sequence[Row], guide: LabelGuide, encode: Encode, encoder_name: str
) -> dict[str, Any]:
    found: dict[str, Any] = {"encoder": encoder_name}
    if orig:
        vectors = encode([row.text for row in orig])
        speakers = [f"{row.utterance.group}/{row.utterance.actor}" for row in orig]
        is_neutral = np.array([guide.space.neutral in row.labels for row in orig])
        for name, chosen in (("all", np.ones(len(orig), np.bool_)), ("neutral", is_neutral), ("other", ~is_neutral)):
            if chosen.sum() > 1:
                own = [speaker for speaker, is_in in zip(speakers, chosen, strict=True) if is_in]
                within, across = group_similarity(vectors[chosen], own)
                found[name] = {"within_a_character": _round(within), "across_characters": _round(across)}
        found["topic_spread"] = _round(vendi_score(vectors))
    if corig:
        first = encode([row.utterance.context for row in corig]).astype(np.float64)
        second = encode([row.context for row in corig]).astype(np.float64)
        lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        found["clean_to_uncleaned_context"] = _describe(
            ((first * second).sum(axis=1) / np.maximum(lengths, 1e-12)).tolist()
        )
    return found


def _near_duplicate_share(texts: Sequence[str]) -> float:
    if not texts:
        return 0.0
    search = find_near_duplicates(texts, similarity=NEAR_DUPLICATE)
    return _round(len({pair.second for pair in search.pairs}) / len(texts))


def _describe(values: Sequence[float]) -> dict[str, float | int]:
    if not len(values):
        return {"n": 0}
    array = np.asarray(values, dtype=np.float64)
    spread = float(array.std(ddof=1)) if len(array) > 1 else 0.0
    return {"n": len(array), "mean": _round(float(array.mean())), "sd": _round(spread)}


def _share(truths: Sequence[bool]) -> float:
    return _round(sum(truths) / len(truths)) if truths else 0.0


def _round(value: float) -> float:
    # Sums of floats may end in another digit on another machine; nobody reads the seventh. What is not defined stays
    # so: JSON writes it as null.
    return round(value, 6)
