"""Utterances of one certain emotion, for labels that there are too few of. Beyond the paper."""

from sentire.llm.caller import Call
from sentire.synthesis.desk import Desk
from sentire.synthesis.stories import Story
from sentire.synthesis.tasks.utterances import SCHEMA, parse

TASK = "targeted"
PROMPT = "targeted.v1"


def make_call(desk: Desk, story: Story, actor: str, label: str) -> Call[tuple[tuple[str, str], ...]]:
    """Ask for utterances of one character and one emotion."""
    return desk.make_call(
        TASK,
        PROMPT,
        f"{story.id}/{actor}/{label}",
        parse,
        max_tokens=desk.settings.max_tokens.utterances,
        schema=SCHEMA,
        priority=story.number,
        values={
            "story": story.text,
            "actor": actor,
            "emotion": label,
            "labels": desk.label_lines,
            "language": desk.settings.language,
            "n": desk.settings.quota.per_call,
        },
    )
