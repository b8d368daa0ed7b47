"""The emotions of an utterance in its context. Beyond the paper, which keeps the labels from before the rewriting."""

from sentire.llm.caller import Call
from sentire.synthesis.desk import Desk
from sentire.synthesis.replies import read_levels
from sentire.synthesis.tasks.soft_labels import SCHEMA, Levels

TASK = "labels-in-context"
PROMPT = "labels_in_context.v1"


def make_call(desk: Desk, subject: str, text: str, *, actor: str, context: str, priority: int) -> Call[Levels]:
    """Ask for the levels of an utterance in a situation."""
    return desk.make_call(
        TASK,
        PROMPT,
        subject,
        read_levels,
        max_tokens=desk.settings.max_tokens.soft_labels,
        schema=SCHEMA,
        priority=priority,
        values={"text": text, "actor": actor, "context": context, "labels": desk.label_lines},
    )
