"""Prompts by name and version: Jinja templates with a part that never changes and a part that does.

Servers keep what they computed for the beginning of a prompt. The block ``system`` is therefore the same for all calls
of a task, and the block ``user`` begins with the story and ends with what is asked about it. A version never changes
once data was made by it: another wording is another version.
"""

import hashlib
from functools import cache
from importlib.resources import files

from sentire.core.errors import MissingExtraError
from sentire.llm.exchange import Message
from sentire.synthesis.fences import fence

try:
    from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
except ImportError as error:
    raise MissingExtraError(extra="llm", needed_for="prompts") from error


HOME = "sentire.synthesis"


def render_prompt(name: str, home: str = HOME, /, **values: object) -> tuple[Message, Message]:
    """Return the two messages of a prompt.

    Args:
        name: With its version, such as ``actors.v1``.
        home: The package whose folder ``prompts`` holds it.
        values: That it asks for.
    """
    template = _load(name, home)
    system, user = (_render(template, block, values) for block in ("system", "user"))
    return Message(role="system", text=system), Message(role="user", text=user)


@cache
def identify_prompt(name: str, home: str = HOME) -> str:
    """Return the name, version and hash of a prompt, such as ``actors.v1-3fa9c1d2``."""
    return f"{name}-{hashlib.sha256(_read(name, home).encode()).hexdigest()[:8]}"


def _render(template: Template, block: str, values: dict[str, object]) -> str:
    return "".join(template.blocks[block](template.new_context(values))).strip()


@cache
def _load(name: str, home: str) -> Template:
    # Prompts are no HTML: nothing is escaped, and what others wrote is fenced.
    environment = Environment(
        loader=FunctionLoader(lambda asked: _read(asked, home)),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fenced"] = fence
    return environment.get_template(name)


def _read(name: str, home: str) -> str:
    return files(home).joinpath("prompts", f"{name}.j2").read_text(encoding="utf-8")
