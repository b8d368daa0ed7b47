"""The six steps on one story, in the order of the paper, as many at a time as do not wait for one another.

It is a function of the story and the replies alone: with replies from the ledger it gives, a second time, exactly what
it gave when they were paid for. Running, resuming and exporting are therefore the same walk.

    actors ─▶ utterances ─▶ soft labels (twice) ─┬▶ context ─▶ cleaning ─┬▶ labels in context
                                                 └▶ rewriting ───────────┘
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from sentire.data.splits import assign_split
from sentire.llm.caller import Call, Outcome
from sentire.synthesis.desk import Desk
from sentire.synthesis.levels import get_expressed, map_levels
from sentire.synthesis.replies import LONGEST_NAME_CHARS
from sentire.synthesis.stories import Story
from sentire.synthesis.tasks import (
    actors,
    cleaning,
    context,
    labels_in_context,
    rewriting,
    soft_labels,
    targeted,
    utterances,
)
from sentire.synthesis.tasks.soft_labels import Levels

T = TypeVar("T")


class Ask(Protocol):
    """Asks, or remembers: see ``Caller.ask`` and ``Recall.ask``."""

    async def __call__(self, call: Call[T], /) -> Outcome[T]:
        """Return what came of a call."""


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One utterance with all that was made of it.

    Attributes:
        subject: Unique: story, character, number; for one made on purpose also the label.
        story: Id of the story or piece.
        group: The whole story.
        actor: Who says it.
        text: What is said.
        intended: The emotion that was asked for, as the model wrote it.
        target: The label that it was made on purpose for; empty where it was not.
        levels: Of the first pass, as the model wrote them.
        second_levels: Of the second pass; None without one.
        context: The situation; empty without one.
        clean_context: Without what gives the emotions away; empty without one.
        rewritten: The ambiguous utterance; empty without one.
        context_levels: Of the rewritten utterance in its context; None without them.
        keys: By task, the calls it came from.
    """

    subject: str
    story: str
    group: str
    actor: str
    text: str
    intended: str
    target: str = ""
    levels: Levels = ()
    second_levels: Levels | None = None
    context: str = ""
    clean_context: str = ""
    rewritten: str = ""
    context_levels: Levels | None = None
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """A label that is to be made on purpose, by one character."""

    actor: str
    label: str


@dataclass(frozen=True, kw_only=True)
class StoryWork:
    """What came of one story.

    Attributes:
        story: That was worked on.
        names: By key, the calls for its characters and for what they say, those that failed among them.
        actors: Its characters.
        utterances: In the order of characters and numbers.
        dropped: What came and is not used: ``characters`` or ``utterances``, and why.
        failures: Calls that failed, by task and reason.
        yields: By task: calls that were answered.
    """

    story: Story
    names: Mapping[str, str]
    actors: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    dropped: Counter[tuple[str, str]]
    failures: Counter[tuple[str, str]]
    yields: Counter[str]


class StoryWorker:
    """Works on stories.

    Args:
        desk: Makes the calls.
        ask: Asks them.
        ask_second: Asks the second pass; the same where None.
    """

    def __init__(self, desk: Desk, ask: Ask, ask_second: Ask | None = None) -> None:
        self._desk, self._ask, self._ask_second = desk, ask, ask_second or ask

    async def work(self, story: Story, purposes: Sequence[Purpose] = ()) -> StoryWork:
        """Return what a story yields.

        Args:
            story: To work on.
            purposes: Labels to be made on purpose.

        Raises:
            StoppedError: The job is ending; what was asked is in the ledger.
        """
        failures: Counter[tuple[str, str]] = Counter()
        yields: Counter[str] = Counter()
        dropped: Counter[tuple[str, str]] = Counter()
        log = _Log(failures, yields, dropped)
        outcome = await self._ask(actors.make_call(self._desk, story))
        found = log.take(actors.TASK, outcome, story.id) or ()
        short = [name for name in found if len(name) <= LONGEST_NAME_CHARS]
        names = tuple(short[: self._desk.settings.steps.most_actors])
        log.drop("characters", f"name of more than {LONGEST_NAME_CHARS} characters", len(found) - len(short))
        log.drop("characters", "more than steps.most_actors", len(short) - len(names))
        made = await _gather(
            [
                *(self._speak(story, name, log) for name in names),
                *(self._speak_on_purpose(story, purpose, log) for purpose in purposes if purpose.actor in names),
            ]
        )
        return StoryWork(
            story=story,
            names=log.names,
            actors=names,
            utterances=tuple(one for several in made for one in several),
            dropped=dropped,
            failures=failures,
            yields=yields,
        )

    async def _speak(self, story: Story, actor: str, log: "_Log") -> list[Utterance]:
        outcome = await self._ask(utterances.make_call(self._desk, story, actor))
        steps, base = self._desk.settings.steps, f"{story.id}/{actor}"
        said = log.cut(log.take(utterances.TASK, outcome, base) or (), steps.emotional + steps.neutral)
        return await self._develop(story, actor, base, said, {utterances.TASK: outcome.key}, "", log)

    async def _speak_on_purpose(self, story: Story, purpose: Purpose, log: "_Log") -> list[Utterance]:
        outcome = await self._ask(targeted.make_call(self._desk, story, purpose.actor, purpose.label))
        base = f"{story.id}/{purpose.actor}/{purpose.label}"
        said = log.cut(log.take(targeted.TASK, outcome, base) or (), self._desk.settings.quota.per_call)
        return await self._develop(story, purpose.actor, base, said, {targeted.TASK: outcome.key}, purpose.label, log)

    async def _develop(
        self,
        story: Story,
        actor: str,
        base: str,
        said: Sequence[tuple[str, str]],
        keys: dict[str, str],
        target: str,
        log: "_Log",
    ) -> list[Utterance]:
        begun = [
            Utterance(
                subject=f"{base}/{number}",
                story=story.id,
                group=story.group,
                actor=actor,
                text=text,
                intended=emotion,
                target=target,
                keys=dict(keys),
            )
            for number, (text, emotion) in enumerate(said, start=1)
        ]
        return await _gather([self._label(story, one, log) for one in begun])

    async def _label(self, story: Story, one: Utterance, log: "_Log") -> Utterance:
        desk, keys = self._desk, dict(one.keys)
        primary = "" if one.target else desk.guide.read(one.intended) or ""
        first = soft_labels.make_call(desk, one.subject, one.text, primary=primary, priority=story.number)
        second_levels: Levels | None = None
        if desk.settings.labels.passes > 1:
            second = soft_labels.make_second_call(desk, one.subject, one.text, priority=story.number)
            outcome, again = await _gather_two(self._ask(first), self._ask_second(second))
            second_levels = log.take(soft_labels.SECOND_TASK, again)
            keys[soft_labels.SECOND_TASK] = again.key
        else:
            outcome = await self._ask(first)
        levels = log.take(soft_labels.TASK, outcome) or ()
        keys[soft_labels.TASK] = outcome.key
        labelled = _with(one, levels=levels, second_levels=second_levels, keys=keys)
        expressed = get_expressed(map_levels(desk.guide, levels).levels, desk.settings.labels.least_level)
        share = desk.settings.steps.context_share
        if not expressed or not is_chosen(one.subject, share, desk.settings.seed):
            return labelled
        return await self._put_into_context(story, labelled, expressed, log)

    async def _put_into_context(self, story: Story, one: Utterance, emotions: Sequence[str], log: "_Log") -> Utterance:
        desk, keys = self._desk, dict(one.keys)
        asked = rewriting.make_call(
            desk, one.subject, one.text, actor=one.actor, emotions=emotions, priority=story.number
        )
        (described, cleaned), rewritten = await _gather_two(self._describe(story, one, emotions), self._ask(asked))
        situation = log.take(context.TASK, described) or ""
        keys[context.TASK] = described.key
        clean = ""
        if cleaned is not None:
            clean = log.take(cleaning.TASK, cleaned) or ""
            keys[cleaning.TASK] = cleaned.key
        words = log.take(rewriting.TASK, rewritten) or ""
        keys[rewriting.TASK] = rewritten.key
        context_levels: Levels | None = None
        if clean and words and desk.settings.steps.relabel:
            call = labels_in_context.make_call(
                desk, one.subject, words, actor=one.actor, context=clean, priority=story.number
            )
            outcome = await self._ask(call)
            context_levels = log.take(labels_in_context.TASK, outcome)
            keys[labels_in_context.TASK] = outcome.key
        return _with(
            one, context=situation, clean_context=clean, rewritten=words, context_levels=context_levels, keys=keys
        )

    async def _describe(
        self, story: Story, one: Utterance, emotions: Sequence[str]
    ) -> tuple[Outcome[str], Outcome[str] | None]:
        desk = self._desk
        described = await self._ask(
            context.make_call(desk, one.subject, one.text, story=story, actor=one.actor, emotions=emotions)
        )
        if not described.value:
            return described, None
        cleaned = await self._ask(
            cleaning.make_call(
                desk, one.subject, described.value, actor=one.actor, emotions=emotions, priority=story.number
            )
        )
        return described, cleaned


def is_chosen(subject: str, share: float, seed: int) -> bool:
    """Tell whether an utterance is one of the share that gets a context; by its name alone, so that it stays so."""
    return assign_split(subject, {"context": share, "none": 1 - share}, seed) == "context"


class _Log:
    def __init__(
        self, failures: Counter[tuple[str, str]], yields: Counter[str], dropped: Counter[tuple[str, str]]
    ) -> None:
        self._failures, self._yields, self._dropped = failures, yields, dropped
        self.names: dict[str, str] = {}

    def take(self, task: str, outcome: Outcome[T], subject: str = "") -> T | None:
        """Return what came of a call, and count it; with a subject, keep its name: no utterance may know it."""
        if subject:
            self.names.setdefault(outcome.key, f"{task}/{subject}")
        if outcome.failure:
            self._failures[task, outcome.failure] += 1
        else:
            self._yields[task] += 1
        return outcome.value

    def cut(self, said: tuple[T, ...], most: int) -> tuple[T, ...]:
        """Return no more utterances than were asked for, and count the others."""
        self.drop("utterances", "more than were asked for", len(said[most:]))
        return said[:most]

    def drop(self, what: str, reason: str, n: int) -> None:
        """Count what is not used."""
        if n:
            self._dropped[what, reason] += n


def _with(one: Utterance, **changes: object) -> Utterance:
    return replace(one, **changes)  # type: ignore[arg-type]


async def _gather(awaitables: Sequence[Awaitable[T]]) -> list[T]:
    # Of a job that is ending, every call that is under way still comes to its end.
    results = await asyncio.gather(*awaitables, return_exceptions=True)
    values: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        values.append(result)
    return values


S = TypeVar("S")


async def _gather_two(first: Awaitable[T], second: Awaitable[S]) -> tuple[T, S]:
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    for result in (one, other):
        if isinstance(result, BaseException):
            raise result
    return one, other  # type: ignore[return-value]
