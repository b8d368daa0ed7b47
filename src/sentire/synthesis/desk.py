"""What every task needs to make its calls: settings, labels, and how a prompt becomes a call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from sentire.llm.caller import Call
from sentire.llm.exchange import Request
from sentire.synthesis.config import SynthesisConfig
from sentire.synthesis.definitions import LabelGuide
from sentire.synthesis.prompts import identify_prompt, render_prompt

T = TypeVar("T")


@dataclass(frozen=True)
class Desk:
    """Makes calls in the settings of one synthesis.

    Attributes:
        settings: Of the synthesis.
        guide: Its labels.
    """

    settings: SynthesisConfig
    guide: LabelGuide

    @cached_property
    def label_lines(self) -> str:
        """The labels for a prompt."""
        return self.guide.list_lines()

    @cached_property
    def reversed_label_lines(self) -> str:
        """The labels for the second pass, which should not favour the same ones for their place."""
        return self.guide.list_lines(is_reversed=True)

    def make_call(
        self,
        task: str,
        prompt: str,
        subject: str,
        parse: Callable[[str], T],
        *,
        max_tokens: int,
        schema: Mapping[str, Any],
        priority: int,
        values: Mapping[str, object],
    ) -> Call[T]:
        """Return a call.

        Args:
            task: Its name.
            prompt: Name and version of the prompt.
            subject: What it is about.
            parse: Reads the reply.
            max_tokens: Longest reply.
            schema: Form of the reply.
            priority: The lowest goes first.
            values: For the prompt.
        """
        request = Request(
            name=f"{task}/{subject}",
            messages=render_prompt(prompt, **values),
            max_tokens=max_tokens,
            schema=schema,
            sampling=self.settings.sampling,
        )
        return Call(task=task, prompt=identify_prompt(prompt), request=request, parse=parse, priority=priority)


def make_object_schema(key: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with one key, as strict servers want it."""
    return {"type": "object", "properties": {key: value}, "required": [key], "additionalProperties": False}


def make_list_schema(key: str, fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the schema of an object with one list of flat objects."""
    item = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return make_object_schema(key, {"type": "array", "items": item})
