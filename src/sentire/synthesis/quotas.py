"""Labels made on purpose until there are enough: who is asked for which, decided by the rows that there are."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sentire.core.labels import LabelSpace
from sentire.core.seeding import make_generator
from sentire.synthesis.config import QuotaSection
from sentire.synthesis.judging import Row
from sentire.synthesis.story_work import Purpose, StoryWork

Purposes = Mapping[str, Sequence[Purpose]]
"""By id of the story."""


def find_shortages(rows: Sequence[Row], quota: QuotaSection, space: LabelSpace) -> dict[str, int]:
    """Return how many rows of each label are missing, for those that lack any."""
    counts = Counter(label for row in rows for label in row.labels)
    wanted = quota.labels or tuple(label for label in space.labels if label != space.neutral)
    missing = {label: quota.per_label - counts[label] for label in space.labels if label in wanted}
    return {label: n for label, n in missing.items() if n > 0}


def plan_purposes(
    works: Sequence[StoryWork], shortages: Mapping[str, int], quota: QuotaSection, seed: int, planned: Purposes
) -> dict[str, list[Purpose]]:
    """Choose characters to be asked for what is missing, none twice for one label.

    Args:
        works: All stories with their characters, in order.
        shortages: By label, the rows that are missing.
        quota: Of the synthesis.
        seed: Of the order of the characters, which is another one for every label.
        planned: What was asked for before.

    Returns:
        What to ask for now; empty where nothing is missing or nobody is left.
    """
    places = [(work.story.id, actor) for work in works for actor in work.actors]
    used = {(story, one.actor, one.label) for story, several in planned.items() for one in several}
    chosen: dict[str, list[Purpose]] = {}
    for label, n_missing in shortages.items():
        order = make_generator(seed, f"characters for {label}").permutation(len(places))
        free = [places[place] for place in order if (*places[place], label) not in used]
        for story, actor in free[: -(-n_missing // quota.per_call)]:
            chosen.setdefault(story, []).append(Purpose(actor=actor, label=label))
    return chosen


def join_purposes(first: Purposes, second: Purposes) -> dict[str, list[Purpose]]:
    """Return both, the earlier ones first."""
    return {story: [*first.get(story, ()), *second.get(story, ())] for story in {**first, **second}}
