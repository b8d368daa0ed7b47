"""A part of a suite: one training or one measurement, whose outcome is one small file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from sentire._version import __version__
from sentire.core.errors import ArtifactError, describe, quote
from sentire.data.cards import DatasetCard
from sentire.encoders.device import describe_device
from sentire.evaluate.result import describe_machine
from sentire.storage.atomic import write_json

PART_FORMAT = "sentire-suite-part"
PART_VERSION = 1

Figures = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What can be done once the parts before it are.

    Attributes:
        name: Unique in its suite; the name of its file.
        key: What determines its outcome, as plain data: settings, data and their revisions.
        run: Does it, and returns figures as plain data. It may use what other parts left in the work folder, and makes
            it anew where it is gone.
        after: Names of the parts that come first.
        list_data: The cards of the data sets that it would read as things stand; None where it reads none.
        check: Refuses what ``run`` could not do, before any part is done; None where there is nothing to find out.
    """

    name: str
    key: Mapping[str, Any]
    run: Callable[[], Figures] = field(repr=False)
    after: tuple[str, ...] = ()
    list_data: Callable[[], Iterable[DatasetCard]] | None = field(default=None, repr=False)
    check: Callable[[], object] | None = field(default=None, repr=False)


def write_part(folder: Path, part: Part, figures: Figures, *, seconds: float) -> None:
    """Write what a part found; the file appears whole or not at all.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_json(
        folder / f"{part.name}.json",
        {
            "format": PART_FORMAT,
            "format_version": PART_VERSION,
            "part": part.name,
            "key": part.key,
            "figures": figures,
            "seconds": round(seconds, 1),
            "sentire_version": __version__,
            "machine": describe_machine() | describe_device(),
        },
    )


def read_part(folder: Path, part: Part) -> Figures | None:
    """Return what a part found, or None where it has not been done.

    Raises:
        ArtifactError: The file is damaged, or of other settings than the part's.
    """
    path = folder / f"{part.name}.json"
    if not path.exists():
        return None
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(expected="a readable file", got=describe(error), where=str(path)) from error
    except orjson.JSONDecodeError as error:
        raise ArtifactError(
            expected="the file of a suite's part",
            got=error.msg,
            where=str(path),
            hint="delete it, and its part is done again",
        ) from error
    found = (content.get("format"), content.get("format_version")) if isinstance(content, dict) else None
    if found != (PART_FORMAT, PART_VERSION):
        raise ArtifactError(expected=f"{PART_FORMAT}, version {PART_VERSION}", got=quote(found), where=str(path))
    if "key" not in content or not isinstance(content.get("figures"), dict):
        raise ArtifactError(
            expected="a part with its key and its figures",
            got="one without",
            where=str(path),
            hint="delete it, and its part is done again",
        )
    if content["key"] != orjson.loads(orjson.dumps(part.key)):
        raise ArtifactError(
            expected="a part of the same settings",
            got="one of other settings",
            where=str(path),
            hint="choose another folder for the results, or delete the file to do the part again",
        )
    figures: Figures = content["figures"]
    return figures
