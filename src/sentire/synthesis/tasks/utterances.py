"""Step 2: what a character might say, each time of another emotion."""

from sentire.llm.caller import Call
from sentire.synthesis.desk import Desk, make_list_schema
from sentire.synthesis.replies import read_utterances
from sentire.synthesis.stories import Story

TASK = "utterances"
PROMPT = "utterances.v1"
SCHEMA = make_list_schema("utterances", {"text": {"type": "string"}, "emotion": {"type": "string"}})


def make_call(desk: Desk, story: Story, actor: str) -> Call[tuple[tuple[str, str], ...]]:
    """Ask for the utterances of one character."""
    steps = desk.settings.steps
    return desk.make_call(
        TASK,
        PROMPT,
        f"{story.id}/{actor}",
        parse,
        max_tokens=desk.settings.max_tokens.utterances,
        schema=SCHEMA,
        priority=story.number,
        values={
            "story": story.text,
            "actor": actor,
            "labels": desk.label_lines,
            "language": desk.settings.language,
            "neutral": desk.guide.space.neutral,
            "n_emotional": steps.emotional,
            "n_neutral": steps.neutral,
        },
    )


def parse(text: str) -> tuple[tuple[str, str], ...]:
    """Read utterances with the emotions that they are meant to express.

    Example:
        >>> parse('1. [relief] The rope held after all.')
        (('The rope held after all.', 'relief'),)
    """
    return read_utterances(text)
