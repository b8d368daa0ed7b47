"""Step 1: who acts in a story."""

from sentire.llm.caller import Call
from sentire.synthesis.desk import Desk, make_object_schema
from sentire.synthesis.replies import read_names
from sentire.synthesis.stories import Story

TASK = "actors"
PROMPT = "actors.v1"
_SCHEMA = make_object_schema("actors", {"type": "array", "items": {"type": "string"}})


def make_call(desk: Desk, story: Story) -> Call[tuple[str, ...]]:
    """Ask for the characters of a story."""
    return desk.make_call(
        TASK,
        PROMPT,
        story.id,
        parse,
        max_tokens=desk.settings.max_tokens.actors,
        schema=_SCHEMA,
        priority=story.number,
        values={"story": story.text},
    )


def parse(text: str) -> tuple[str, ...]:
    """Read the names.

    Example:
        >>> parse('{"actors": ["Mira", "the ferryman", "Mira"]}')
        ('Mira', 'the ferryman')
    """
    return read_names(text, "actors")
