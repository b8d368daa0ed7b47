"""Step 4: the situation in which an utterance is said, up to that moment and without a word on emotions."""

from collections.abc import Sequence

from sentire.llm.caller import Call
from sentire.synthesis.desk import Desk, make_object_schema
from sentire.synthesis.replies import read_text
from sentire.synthesis.stories import Story

TASK = "context"
PROMPT = "context.v1"
SCHEMA = make_object_schema("context", {"type": "string"})


def make_call(desk: Desk, subject: str, text: str, *, story: Story, actor: str, emotions: Sequence[str]) -> Call[str]:
    """Ask for the situation of an utterance."""
    return desk.make_call(
        TASK,
        PROMPT,
        subject,
        parse,
        max_tokens=desk.settings.max_tokens.context,
        schema=SCHEMA,
        priority=story.number,
        values={
            "story": story.text,
            "actor": actor,
            "text": text,
            "emotions": ", ".join(emotions),
            "language": desk.settings.language,
        },
    )


def parse(text: str) -> str:
    """Read the situation.

    Example:
        >>> parse('{"context": "The last ferry has left without Mira."}')
        'The last ferry has left without Mira.'
    """
    return read_text(text, "context")
