"""Step 5: a situation without the words that give the emotions away."""

from collections.abc import Sequence

from sentire.llm.caller import Call
from sentire.synthesis.desk import Desk
from sentire.synthesis.tasks.context import SCHEMA, parse

TASK = "cleaning"
PROMPT = "cleaning.v1"


def make_call(
    desk: Desk, subject: str, context: str, *, actor: str, emotions: Sequence[str], priority: int
) -> Call[str]:
    """Ask for the cleaned situation."""
    return desk.make_call(
        TASK,
        PROMPT,
        subject,
        parse,
        max_tokens=desk.settings.max_tokens.cleaning,
        schema=SCHEMA,
        priority=priority,
        values={
            "context": context,
            "actor": actor,
            "emotions": ", ".join(emotions),
            "language": desk.settings.language,
        },
    )
