"""Round by round, until every rare label has its rows or there is no more to be had."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from sentire.augmentation.candidates import Candidate, Seed, Source
from sentire.augmentation.config import AugmentationConfig
from sentire.augmentation.rules import Rules
from sentire.classifiers.labelled import LabelledSplit
from sentire.core.errors import DataError, SentireError
from sentire.core.progress import OnProgress, stay_quiet
from sentire.llm.caller import StoppedError

OVERSAMPLE = 1.5
"""Candidates asked for, for each row that is wanted: rules leave some out."""

JOB_ENDED = "the job ended"
"""The end of a label that is still open where a budget, a fault or a signal ends the whole."""


@dataclass(frozen=True, kw_only=True)
class LabelCourse:
    """How a label fared.

    Attributes:
        before: Rows of the label in train.
        made: Rows that were made for it.
        made_for_others: Rows that were made for another rare label and carry this one as well.
        rounds: It took part in.
        end: Why it ended.
        refused: Candidates that were left out, by rule.
        failed: Calls that brought no text, by reason.
        no_source: Rounds in which no source made a candidate.
    """

    before: int
    made: int
    made_for_others: int
    rounds: int
    end: str
    refused: Mapping[str, int]
    failed: Mapping[str, int]
    no_source: int


@dataclass(frozen=True, kw_only=True)
class Augmented:
    """What was made.

    Attributes:
        rows: In the order in which they were made; where the job ended early, the first ones of the whole.
        courses: By label.
        stopped: What ended the job early; None where nothing did, or where somebody wished it.
        signal: By which somebody wished it; 0 for none.
    """

    rows: tuple[Candidate, ...]
    courses: Mapping[str, LabelCourse]
    stopped: SentireError | None = None
    signal: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every label came to its own end."""
        return all(course.end != JOB_ENDED for course in self.courses.values())


def find_rare(train: LabelledSplit, settings: AugmentationConfig) -> dict[str, int]:
    """Return the rare labels with their rows, the rarest first.

    Raises:
        DataError: A named label is not in the space, or no label is rare.
    """
    section, space = settings.labels, train.space
    counts = dict(zip(space.labels, train.targets.sum(axis=0).tolist(), strict=True))
    for label in section.names:
        space.index(label, where="labels.names")
    rare = section.names or tuple(
        label for label, n in counts.items() if label != space.neutral and n < section.rarer_than * len(train)
    )
    if not rare:
        raise DataError(
            expected=f"labels rarer than {section.rarer_than:g} of the rows",
            got="none",
            where=train.name,
            hint="raise labels.rarer_than, or name labels",
        )
    return dict(sorted(((label, int(counts[label])) for label in rare), key=lambda one: (one[1], one[0])))


async def augment(
    train: LabelledSplit,
    settings: AugmentationConfig,
    sources: Sequence[Source],
    rules: Rules,
    *,
    on_progress: OnProgress = stay_quiet,
    is_ending: Callable[[], bool] = lambda: False,
) -> Augmented:
    """Make rows for the rare labels of a split.

    Args:
        train: What is there.
        settings: Of the augmentation.
        sources: Each is asked for an equal share of what is wanted, and their texts are looked at in turn.
        rules: Decide what becomes a row.
        on_progress: Told after every round.
        is_ending: Asked before every label of a round: whether somebody wishes the end.

    Returns:
        What was made. Where the job ends early, what was made until then: the round of a label is kept whole or not at
        all, so that the rows are the first ones of a run that nothing ends.
    """
    rare = find_rare(train, settings)
    seeds = {label: _list_seeds(train, label) for label in rare}
    rows: list[Candidate] = []
    have = Counter(rare)  # rows with the label, whichever label they were made for
    made, lean, barren = Counter[str](), Counter[str](), Counter[str]()
    rounds, no_source = Counter[str](), Counter[str]()
    refused = {label: Counter[str]() for label in rare}
    failed = {label: Counter[str]() for label in rare}
    until, patience = settings.labels.until, settings.rounds.patience
    ends: dict[str, str] = {label: "enough already" for label, n in rare.items() if n >= until}
    try:
        for number in range(1, settings.rounds.most + 1):
            for label in rare:
                if label in ends:
                    continue
                await asyncio.sleep(0)  # a signal is heard between two labels, also where nobody is asked
                if is_ending():
                    raise StoppedError
                aim = min(until, math.ceil(settings.rounds.growth * max(have[label], 1))) - have[label]
                wanted = math.ceil(OVERSAMPLE * aim / len(sources))
                lost = Counter[str]()  # counted with its round, or not at all
                made_by = [await source.make(label, seeds[label], wanted, number, lost) for source in sources]
                failed[label] += lost
                candidates = _take_in_turn(made_by)
                rounds[label] += 1
                no_source[label] += not candidates
                kept = rules.choose(candidates, refused[label], most=aim)
                rows += kept
                made[label] += len(kept)
                have.update(one for row in kept for one in row.labels)
                lean[label] = 0 if kept else lean[label] + 1
                barren[label] = 0 if candidates else barren[label] + 1
                ends |= {one: "reached" for one in rare if one not in ends and have[one] >= until}
                if label not in ends and lean[label] >= patience:
                    what = "no source made a text" if barren[label] >= patience else "no new row"
                    ends[label] = f"{what} in {patience} rounds"
            on_progress(number, settings.rounds.most, f"{len(rows):,} rows")
            if len(ends) == len(rare):
                break
    except StoppedError:
        ends |= dict.fromkeys((label for label in rare if label not in ends), JOB_ENDED)
    return Augmented(
        rows=tuple(rows),
        courses={
            label: LabelCourse(
                before=rare[label],
                made=made[label],
                made_for_others=have[label] - rare[label] - made[label],
                rounds=rounds[label],
                end=ends.get(label, f"after {settings.rounds.most} rounds"),
                refused=dict(refused[label].most_common()),
                failed=dict(failed[label].most_common()),
                no_source=no_source[label],
            )
            for label in rare
        },
    )


def _take_in_turn(made_by: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    # More is asked for than is needed: one source after the other would leave nothing but the last one's out.
    return [one for turn in zip_longest(*made_by) for one in turn if one is not None]


def _list_seeds(train: LabelledSplit, label: str) -> list[Seed]:
    column = train.space.index(label)
    return [
        Seed(
            id=train.ids[row],
            text=train.texts[row],
            labels=tuple(one for one, is_there in zip(train.space.labels, train.targets[row], strict=True) if is_there),
        )
        for row in range(len(train))
        if train.targets[row, column]
    ]
