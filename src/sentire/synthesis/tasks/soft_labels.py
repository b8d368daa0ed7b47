"""Step 3: which emotions an utterance expresses by itself, and how strongly.

Departure: the paper starts the model's reply with the intended emotion, which not every server can do. Here the prompt
says what the reply begins with. The second pass, which is ours, is not told, and reads the labels in reverse order.
"""

from sentire.llm.caller import Call
from sentire.synthesis.desk import Desk, make_list_schema
from sentire.synthesis.replies import read_levels

TASK = "soft-labels"
SECOND_TASK = "soft-labels-2"
PROMPT = "soft_labels.v1"
SCHEMA = make_list_schema("emotions", {"label": {"type": "string"}, "level": {"type": "number"}})

Levels = tuple[tuple[str, float], ...]


def make_call(desk: Desk, subject: str, text: str, *, primary: str, priority: int) -> Call[Levels]:
    """Ask for the levels of an utterance whose intended emotion is known; ``primary`` may be empty."""
    return _make(desk, TASK, subject, {"text": text, "primary": primary, "labels": desk.label_lines}, priority)


def make_second_call(desk: Desk, subject: str, text: str, *, priority: int) -> Call[Levels]:
    """Ask once more, with the labels in reverse order and without a first emotion."""
    return _make(
        desk, SECOND_TASK, subject, {"text": text, "primary": "", "labels": desk.reversed_label_lines}, priority
    )


def _make(desk: Desk, task: str, subject: str, values: dict[str, object], priority: int) -> Call[Levels]:
    return desk.make_call(
        task,
        PROMPT,
        subject,
        parse,
        max_tokens=desk.settings.max_tokens.soft_labels,
        schema=SCHEMA,
        priority=priority,
        values=values,
    )


def parse(text: str) -> Levels:
    """Read labels as the model wrote them, with their levels.

    Example:
        >>> parse('{"emotions": [{"label": "joy", "level": 0.8}, {"label": "hope", "level": 0.4}]}')
        (('joy', 0.8), ('hope', 0.4))
    """
    return read_levels(text)
