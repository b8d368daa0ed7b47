"""Step 6: an utterance whose emotion can no longer be told without its context."""

from collections.abc import Sequence

from sentire.llm.caller import Call
from sentire.synthesis.desk import Desk, make_object_schema
from sentire.synthesis.replies import read_text

TASK = "rewriting"
PROMPT = "rewriting.v1"
_SCHEMA = make_object_schema("utterance", {"type": "string"})


def make_call(desk: Desk, subject: str, text: str, *, actor: str, emotions: Sequence[str], priority: int) -> Call[str]:
    """Ask for the rewritten utterance."""
    return desk.make_call(
        TASK,
        PROMPT,
        subject,
        parse,
        max_tokens=desk.settings.max_tokens.rewriting,
        schema=_SCHEMA,
        priority=priority,
        values={
            "text": text,
            "actor": actor,
            "emotions": ", ".join(emotions),
            "language": desk.settings.language,
        },
    )


def parse(text: str) -> str:
    """Read the utterance.

    Example:
        >>> parse('{"utterance": "So it is you again."}')
        'So it is you again.'
    """
    return read_text(text, "utterance")
