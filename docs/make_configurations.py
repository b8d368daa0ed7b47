"""Write `docs/configurations.md` from the classes that check a configuration: `make docs`."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from docstring_parser import parse
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from sentire.augmentation.config import AugmentationConfig
from sentire.classifiers.recipe import TfidfRecipe
from sentire.data.own_files import DatasetFile
from sentire.reproduce.carl import CarlSettings
from sentire.reproduce.retrofit import RetrofitSettings
from sentire.synthesis.config import SynthesisConfig
from sentire.training.recipe import EncoderRecipe
from sentire.training.recipe_file import render_value
from sentire.training.representation_recipe import RepresentationRecipe
from sentire.training.search_space import SearchSpace

PAGE = Path(__file__).resolve().parent / "configurations.md"

HEAD = """# Configurations

Written by `make docs` from the classes that check a configuration; do not edit.

Every key of every TOML file that a command takes, with what it may be and its default. `--set section.key=value`
changes one on the command line. A key that is not here is refused, with the nearest that is; **required** keys have no
default. Examples stand in `configs/`.
"""

CONFIGURATIONS: Mapping[str, tuple[str, type]] = {
    'A classical model: `recipe = "tfidf"`': (
        "`sentire train FILE`; see [classical-models.md](classical-models.md).",
        TfidfRecipe,
    ),
    'A fine-tuned encoder: `recipe = "encoder"`': (
        "`sentire train FILE`, `sentire crossvalidate FILE`, `sentire tune FILE`; see [encoder.md](encoder.md).",
        EncoderRecipe,
    ),
    'A representation: `recipe = "representation"`': (
        "`sentire train FILE`; see [representations.md](representations.md).",
        RepresentationRecipe,
    ),
    "What a search for settings may choose from": (
        "`sentire tune FILE --space SPACE`; see [encoder.md](encoder.md).",
        SearchSpace,
    ),
    "Data of your own": (
        "Wherever a data set is asked for, as `FILE.toml:SPLIT`; see [data.md](data.md).",
        DatasetFile,
    ),
    "A synthesis": ("`sentire synthesize run FILE`; see [synthesis.md](synthesis.md).", SynthesisConfig),
    "An augmentation": ("`sentire augment run FILE`; see [augmentation.md](augmentation.md).", AugmentationConfig),
    "The suite `retrofit`": (
        "`sentire reproduce retrofit --set key=value`; see [representations.md](representations.md).",
        RetrofitSettings,
    ),
    "The suite `carl`": (
        "`sentire reproduce carl --set key=value`; see [representations.md](representations.md).",
        CarlSettings,
    ),
}


@dataclasses.dataclass(frozen=True)
class _Section:
    """A table of a configuration.

    Attributes:
        path: Its dotted name in TOML; empty for the file itself.
        cls: What checks it.
        said: What the table around it says of it; may be empty.
        default: The section that stands where it is left away; something else where none does.
        is_repeated: Whether there may be several of it.
    """

    path: str
    cls: type
    said: str = ""
    default: object = None
    is_repeated: bool = False

    @property
    def has_default(self) -> bool:
        return dataclasses.is_dataclass(self.default)


def render() -> str:
    """Render the page."""
    lines = [HEAD]
    for title, (command, cls) in CONFIGURATIONS.items():
        lines += [f"## {title}", "", command, ""]
        for section in _iterate_sections(_Section("", cls)):
            lines += _render_section(section)
    return "\n".join(lines).rstrip() + "\n"


def _iterate_sections(section: _Section) -> Iterator[_Section]:
    """Go through a table and all tables in it."""
    yield section
    hints, said = get_type_hints(section.cls), _read_attributes(section.cls)
    for field in dataclasses.fields(section.cls):
        for cls in _find_sections(hints[field.name]):
            path = f"{section.path}.{field.name}".lstrip(".")
            is_repeated = get_origin(hints[field.name]) is tuple
            yield from _iterate_sections(
                _Section(path, cls, said.get(field.name, ""), _get_default(field), is_repeated)
            )


def _find_sections(annotation: Any) -> list[type]:
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return [annotation]
    return [section for argument in get_args(annotation) for section in _find_sections(argument)]


def _render_section(section: _Section) -> list[str]:
    schema = TypeAdapter(section.cls).json_schema()["properties"]
    rows = []
    for field, said in describe_keys(section.cls):
        default = getattr(section.default, field.name) if section.has_default else _get_default(field)
        rows.append(f"| `{field.name}` | {describe_type(schema[field.name])} | {_show_default(default)} | {said} |")
    summary = _tidy(parse(inspect.getdoc(section.cls) or "").short_description or "")
    summary = summary.removeprefix(f"`[{section.path}]`: ")
    head = f"[[{section.path}]]" if section.is_repeated else f"[{section.path}]"
    lines = [f"### `{head}`", ""] if section.path else []
    lines += [" ".join(words[:1].upper() + words[1:] for words in (section.said, summary) if words), ""]
    if rows:
        lines += ["| key | what it may be | default | |", "|---|---|---|---|", *rows, ""]
    return lines


def describe_keys(cls: type) -> list[tuple[dataclasses.Field[Any], str]]:
    """Return the keys of a table that are no tables, each with what the docstrings say of it.

    Raises:
        LookupError: They say nothing of one.
    """
    hints, said = get_type_hints(cls), _read_attributes(cls)
    keys = [field for field in dataclasses.fields(cls) if not _find_sections(hints[field.name])]
    if missing := [field.name for field in keys if not said.get(field.name)]:
        raise LookupError(f"the docstring of {cls.__name__} says nothing of {', '.join(missing)}")
    return [(field, said[field.name]) for field in keys]


def _read_attributes(cls: type) -> dict[str, str]:
    """Return what the docstrings of a class, and of those that it goes on from, say of its attributes."""
    said: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        said |= {found.arg_name: _tidy(found.description or "") for found in parse(inspect.getdoc(one) or "").params}
    return said


def describe_type(schema: Mapping[str, Any]) -> str:
    """Say in words what a key takes, from the JSON schema of its value."""
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:  # a setting, or several to choose from: no other union is in use
        one = describe_type(schema["anyOf"][1])
        return f"{one}; or a list of such"
    kind = schema["type"]
    if kind == "array":
        return f"list{_describe_length(schema)}: {_describe_items(schema)}"
    if kind == "object":
        return "table"
    return {"boolean": "`true` or `false`", "string": "text"}.get(kind) or f"{kind}{_describe_range(schema)}"


def _describe_items(schema: Mapping[str, Any]) -> str:
    return describe_type(schema["items"] if "items" in schema else schema["prefixItems"][0])


def _describe_length(schema: Mapping[str, Any]) -> str:
    if "maxItems" in schema:
        return f" of {schema['maxItems']}"
    return f" of {schema['minItems']} or more" if "minItems" in schema else ""


def _describe_range(schema: Mapping[str, Any]) -> str:
    bounds = [
        f"{words} {schema[key]:g}"
        for key, words in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "and below"),
        )
        if key in schema
    ]
    return f" {' '.join(bounds)}" if bounds else ""


def _get_default(field: dataclasses.Field[Any]) -> Any:
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if isinstance(default, FieldInfo):
        return default.get_default(call_default_factory=True)
    return default


def _show_default(default: Any) -> str:
    if default is dataclasses.MISSING or default is PydanticUndefined:
        return "**required**"
    if default is None or default == {}:
        return "none"
    return f"`{render_value(list(default) if isinstance(default, tuple) else default)}`"


def _tidy(words: str) -> str:
    """Return one line in Markdown that can stand in a table."""
    return " ".join(words.replace("``", "`").replace("|", "\\|").split())


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
