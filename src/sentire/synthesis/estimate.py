"""What a synthesis will take, before it begins: calls, tokens, hours and money; by measurement where there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sentire.llm.caller import Call
from sentire.storage.ledger import TaskCount
from sentire.synthesis.config import SynthesisConfig
from sentire.synthesis.desk import Desk
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

FEWEST_MEASURED = 20
"""Answered calls of a task from which its own figures are taken."""

_TYPICAL_TEXT = "I never thought that the bridge would still be standing after all that water came down."
_TYPICAL_CONTEXT = f"{_TYPICAL_TEXT} {_TYPICAL_TEXT}"
_TYPICAL_ACTOR = "the ferryman"
_TYPICAL_EMOTIONS = ("surprise", "relief", "joy")


@dataclass(frozen=True, kw_only=True)
class TaskEstimate:
    """What one task will take.

    Attributes:
        task: Its name.
        n_calls: In all.
        input_tokens: Of all prompts.
        output_tokens: Of all replies.
        is_measured: By calls that were made, not by what was expected.
    """

    task: str
    n_calls: float
    input_tokens: float
    output_tokens: float
    is_measured: bool


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a synthesis will take.

    Attributes:
        n_stories: Stories and pieces.
        tasks: In the order of the steps.
        money: In the unit of the prices; 0 without prices.
        output_tokens_per_second: That the hours go by; None where nothing is known.
    """

    n_stories: int
    tasks: tuple[TaskEstimate, ...]
    money: float
    output_tokens_per_second: float | None

    @property
    def n_calls(self) -> float:
        """Of all tasks."""
        return sum(one.n_calls for one in self.tasks)

    @property
    def input_tokens(self) -> float:
        """Of all prompts."""
        return sum(one.input_tokens for one in self.tasks)

    @property
    def output_tokens(self) -> float:
        """Of all replies."""
        return sum(one.output_tokens for one in self.tasks)

    @property
    def hours(self) -> float | None:
        """At the rate; None where none is known."""
        return None if not self.output_tokens_per_second else self.output_tokens / self.output_tokens_per_second / 3600


def estimate_synthesis(
    desk: Desk,
    stories: Sequence[Story],
    *,
    measured: Sequence[TaskCount] = (),
    n_stories: int = 0,
    output_tokens_per_second: float | None = None,
) -> Estimate:
    """Estimate the calls of a synthesis; quotas and repairs are not in it.

    Args:
        desk: Of the synthesis.
        stories: All of them, or the first ones.
        measured: What a ledger counted; a task with ``FEWEST_MEASURED`` answered calls goes by its own figures.
        n_stories: As if there were so many stories of the same lengths; 0 for those there are.
        output_tokens_per_second: Of the server; where None and calls were made, what they had.
    """
    settings = desk.settings
    done = {one.task: one for one in measured if one.state == "done" and one.n_calls >= FEWEST_MEASURED}
    counts = _expect_counts(settings, n_stories or len(stories), done)
    prompts = _expect_prompts(desk, stories)
    longest = settings.max_tokens
    replies = {
        actors.TASK: longest.actors,
        utterances.TASK: longest.utterances,
        soft_labels.TASK: longest.soft_labels,
        soft_labels.SECOND_TASK: longest.soft_labels,
        context.TASK: longest.context,
        cleaning.TASK: longest.cleaning,
        rewriting.TASK: longest.rewriting,
        labels_in_context.TASK: longest.soft_labels,
    }
    tasks = []
    for task, n_calls in counts.items():
        if task in done:
            spent, n = done[task].spent, done[task].n_calls
            each = (spent.input_tokens / n, spent.output_tokens / n)
        else:
            each = (prompts[task] / settings.expect.chars_per_token, replies[task] * settings.expect.reply_fill)
        tasks.append(
            TaskEstimate(
                task=task,
                n_calls=n_calls,
                input_tokens=n_calls * each[0],
                output_tokens=n_calls * each[1],
                is_measured=task in done,
            )
        )
    budget = settings.budget
    money = sum(one.input_tokens * budget.input_price + one.output_tokens * budget.output_price for one in tasks) / 1e6
    rate = output_tokens_per_second or _measure_rate(measured, settings.limits.in_flight)
    return Estimate(n_stories=n_stories or len(stories), tasks=tuple(tasks), money=money, output_tokens_per_second=rate)


def _expect_counts(settings: SynthesisConfig, n_stories: int, done: Mapping[str, TaskCount]) -> dict[str, float]:
    steps = settings.steps
    per_story = settings.expect.actors
    if actors.TASK in done and utterances.TASK in done:
        per_story = done[utterances.TASK].n_calls / done[actors.TASK].n_calls
    per_actor = float(steps.emotional + steps.neutral)
    if utterances.TASK in done and soft_labels.TASK in done and targeted.TASK not in done:
        per_actor = done[soft_labels.TASK].n_calls / done[utterances.TASK].n_calls
    n_actors = n_stories * per_story
    n_utterances = n_actors * per_actor
    n_in_context = n_utterances * steps.context_share
    counts: dict[str, float] = {actors.TASK: n_stories, utterances.TASK: n_actors, soft_labels.TASK: n_utterances}
    if settings.labels.passes > 1:
        counts[soft_labels.SECOND_TASK] = n_utterances
    counts |= dict.fromkeys((context.TASK, cleaning.TASK, rewriting.TASK), n_in_context)
    if steps.relabel:
        counts[labels_in_context.TASK] = n_in_context
    return counts


def _expect_prompts(desk: Desk, stories: Sequence[Story]) -> dict[str, float]:
    """Return the mean characters of each task's prompt, by rendering prompts of the stories there are."""
    typical = Story(id="", group="", text="", number=0)
    mean_story = sum(len(story.text) for story in stories) / max(len(stories), 1)
    text, actor, emotions = _TYPICAL_TEXT, _TYPICAL_ACTOR, _TYPICAL_EMOTIONS
    described = _TYPICAL_CONTEXT
    with_story: dict[str, Call[Any]] = {
        actors.TASK: actors.make_call(desk, typical),
        utterances.TASK: utterances.make_call(desk, typical, actor),
        context.TASK: context.make_call(desk, "", text, story=typical, actor=actor, emotions=emotions),
    }
    without: dict[str, Call[Any]] = {
        soft_labels.TASK: soft_labels.make_call(desk, "", text, primary="joy", priority=0),
        soft_labels.SECOND_TASK: soft_labels.make_second_call(desk, "", text, priority=0),
        cleaning.TASK: cleaning.make_call(desk, "", described, actor=actor, emotions=emotions, priority=0),
        rewriting.TASK: rewriting.make_call(desk, "", text, actor=actor, emotions=emotions, priority=0),
        labels_in_context.TASK: labels_in_context.make_call(desk, "", text, actor=actor, context=described, priority=0),
    }
    sizes = dict.fromkeys(with_story, mean_story) | dict.fromkeys(without, 0.0)
    for task, call in {**with_story, **without}.items():
        sizes[task] += sum(len(message.text) for message in call.request.messages)
    return sizes


def _measure_rate(measured: Sequence[TaskCount], in_flight: int) -> float | None:
    seconds = sum(one.seconds for one in measured)
    tokens = sum(one.spent.output_tokens for one in measured)
    return tokens / (seconds / in_flight) if seconds > 1.0 and tokens else None
