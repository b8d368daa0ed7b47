"""Strict configuration: TOML into frozen dataclasses, with a fingerprint of the result.

A configuration is a tree of dataclasses decorated with ``config``. Unknown keys are errors with near matches,
values are checked against the declared types and ranges, and what was resolved can be written beside every
artefact that it made.
"""

import dataclasses
import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, dataclass_transform, get_args, get_origin, get_type_hints

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import to_json

from sentire.core.errors import ConfigError, describe, did_you_mean, quote

ConfigT = TypeVar("ConfigT")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def config(cls: type[ConfigT]) -> type[ConfigT]:
    """Make a class a frozen, keyword-only, strictly validated section of a configuration."""
    decorate = pydantic_dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
    return cast("type[ConfigT]", decorate(cls))


def read_config(cls: type[ConfigT], path: Path, overrides: Iterable[str] = ()) -> ConfigT:
    """Read a TOML file into a configuration.

    Args:
        cls: The root section.
        path: The TOML file.
        overrides: ``section.key=value`` strings that win over the file; a value is TOML, or else plain text.

    Raises:
        ConfigError: The file cannot be read, is not TOML, or holds a wrong key or value; the message names the
            dotted key and near matches.
    """
    return parse_config(cls, read_table(path, overrides), where=str(path))


def read_table(path: Path, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """Read a TOML file as plain values, with ``section.key=value`` strings that win over it; nothing is checked yet.

    Raises:
        ConfigError: The file cannot be read or is not TOML, or an override is none.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(expected="a readable TOML file", got=describe(error), where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(expected="valid TOML", got=str(error), where=str(path)) from error
    for override in overrides:
        _set_dotted(table, override)
    return table


def read_overrides(overrides: Iterable[str]) -> dict[str, Any]:
    """Read ``section.key=value`` strings as plain values; nothing is checked yet.

    Raises:
        ConfigError: An override is none.

    Example:
        >>> read_overrides(["n_train=500", "optimisation.learning_rate=1e-4"])
        {'n_train': 500, 'optimisation': {'learning_rate': 0.0001}}
    """
    table: dict[str, Any] = {}
    for override in overrides:
        _set_dotted(table, override)
    return table


def parse_config(cls: type[ConfigT], table: Mapping[str, Any], *, where: str = "") -> ConfigT:
    """Check a parsed table and build the configuration from it.

    Raises:
        ConfigError: A key is unknown or missing, or a value has the wrong type or range.
    """
    try:
        # Strict, so that "3" is no number and true is no 1. By way of JSON, because only there a strict check still
        # takes the list of a TOML file for a tuple and a table for a section.
        return TypeAdapter(cls).validate_json(to_json(dict(table), inf_nan_mode="constants"), strict=True)
    except ValidationError as error:
        raise _explain(cls, error, where) from error


def dump_config(settings: object) -> dict[str, Any]:
    """Turn a configuration into plain values, in the order of its fields."""
    dumped: dict[str, Any] = TypeAdapter(type(settings)).dump_python(settings, mode="json")
    return dumped


def fingerprint(settings: object) -> str:
    """Hash a configuration: equal settings give equal fingerprints, whatever file they came from."""
    return hashlib.sha256(orjson.dumps(dump_config(settings), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _set_dotted(table: dict[str, Any], override: str) -> None:
    key, separator, raw = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(expected="section.key=value", got=quote(override), where="--set")
    *sections, leaf = key.strip().split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(expected="a section", got="a value", where=f"--set {key}")
    try:
        table[leaf] = tomllib.loads(f"value = {raw}")["value"]
    except (ValueError, RecursionError):
        table[leaf] = raw


def _explain(cls: type, error: ValidationError, where: str) -> ConfigError:
    first, *others = _nearest_branches(cls, error.errors(include_url=False))
    location = _dotted_key(cls, first["loc"])
    place = f"{'.'.join(location)} in {where}" if where else ".".join(location)
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _field_names(cls, first["loc"])
        return ConfigError(
            expected=f"one of the keys {', '.join(known)}",
            got=f"the unknown key {quote(location[-1])}",
            where=place,
            hint=did_you_mean(location[-1], known),
        )
    if first["type"] in ("missing", "missing_argument"):
        return ConfigError(expected="a value", got="none", where=place, hint="add the key")
    expected = " or ".join(dict.fromkeys(_expectation(one["msg"]) for one in (first, *others)))
    return ConfigError(expected=expected, got=quote(first["input"]), where=place)


def _expectation(message: str) -> str:
    return message.removeprefix("Input should be ").removeprefix("Value error, ").replace("a valid array", "a list")


def _nearest_branches(cls: type, errors: list[Any]) -> list[Any]:
    """Return the first error; where a value may be of several types, those of the types that it comes nearest to.

    Those are the types whose check went deepest into the value, and among these the ones that it has and whose range
    it misses.
    """
    first = errors[0]
    n_common = next((n for n, part in enumerate(_named_parts(cls, first["loc"])) if part is None), None)
    if n_common is None:
        return [first]
    alike = [one for one in errors if one["loc"][:n_common] == first["loc"][:n_common]]
    deepest = max(len(one["loc"]) for one in alike)
    near = [one for one in alike if len(one["loc"]) == deepest]
    return [one for one in near if not one["type"].endswith("_type")] or near


def _dotted_key(cls: type, location: Iterable[int | str]) -> list[str]:
    return [part for part in _named_parts(cls, location) if part is not None]


def _named_parts(cls: type, location: Iterable[int | str]) -> Iterator[str | None]:
    """Yield the parts of a place as a file names them; None for a part that names one type of several."""
    return (name for name, _ in _walk(cls, location))


def _walk(cls: type, location: Iterable[int | str]) -> Iterator[tuple[str | None, list[Any]]]:
    """Yield each part of a place as a file names it, with the types that the value around it may have."""
    types: list[Any] = [cls]
    for part in location:
        around = types
        sections = [one for one in types if dataclasses.is_dataclass(one)]
        hints = next((found for one in sections if str(part) in (found := get_type_hints(one))), None)
        entries = [get_args(one)[-1] for one in types if get_origin(one) in (dict, Mapping)]
        if hints is not None:
            types = _alternatives(hints[str(part)])
            yield str(part), around
        elif isinstance(part, int):
            types = [other for one in types for other in _elements(one, part)]
            yield str(part), around
        elif entries:
            types = [other for entry in entries for other in _alternatives(entry)]
            yield part, around
        elif len(types) > 1:
            types = [one for one in sections if _has_tag(one, part)] or types
            yield None, around
        else:  # a key that is unknown
            yield part, around


def _has_tag(section: Any, tag: str) -> bool:
    """Tell whether a section is the one of several that a value such as ``kind = "replay"`` chooses."""
    return any(get_origin(hint) is Literal and tag in get_args(hint) for hint in get_type_hints(section).values())


def _alternatives(hint: Any) -> list[Any]:
    return [one for one in get_args(hint) if one is not NoneType] if get_origin(hint) in (Union, UnionType) else [hint]


def _elements(hint: Any, position: int) -> list[Any]:
    kinds = [one for one in get_args(hint) if one is not Ellipsis]
    return _alternatives(kinds[min(position, len(kinds) - 1)]) if kinds else []


def _field_names(cls: type, location: Iterable[int | str]) -> list[str]:
    """Return the keys that could stand where the last part of a place does."""
    *_, (_, around) = _walk(cls, location)
    section = next(one for one in around if dataclasses.is_dataclass(one))
    return [field.name for field in dataclasses.fields(section)]
