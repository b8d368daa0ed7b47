"""A recipe as the text of a TOML file, from which it is read back equal."""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from sentire.core.config import dump_config
from sentire.core.errors import ConfigError, quote
from sentire.training.recipe import EncoderRecipe


def render_recipe(recipe: EncoderRecipe, *, comment: str = "") -> str:
    """Return a file that ``read_config`` turns into an equal recipe.

    Args:
        recipe: With every value, those that are the default too.
        comment: One line above all others.
    """
    lines = [f"# {comment}"] if comment else []
    sections: list[str] = []
    for name, value in dump_config(recipe).items():
        if isinstance(value, Mapping):
            sections += ["", f"[{name}]", *(f"{key} = {render_value(one)}" for key, one in value.items())]
        else:
            lines.append(f"{name} = {render_value(value)}")
    return "\n".join([*lines, *sections, ""])


def render_value(value: Any) -> str:
    """Return a text, number, truth value or list of these as TOML.

    Raises:
        ConfigError: It is something else.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # The escapes of JSON are among those of TOML; a deleted character must be escaped in TOML alone.
        return orjson.dumps(value).decode().replace("\x7f", "\\u007F")
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(render_value(one) for one in value)}]"
    raise ConfigError(expected="a text, number, truth value or list", got=quote(value))
