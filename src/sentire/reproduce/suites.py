"""The suites by name: their settings, parts, page and pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sentire.core.config import dump_config, parse_config
from sentire.core.errors import ArtifactError, UnknownNameError, UsageError, describe
from sentire.core.progress import OnProgress, stay_quiet
from sentire.reproduce import carl, retrofit
from sentire.reproduce.carl_page import draw_carl, render_carl_page
from sentire.reproduce.encoder_cards import write_encoder_cards
from sentire.reproduce.part import Figures, Part, read_part
from sentire.reproduce.retrofit_page import draw_retrofit, render_retrofit_page
from sentire.reproduce.run_parts import run_parts
from sentire.reproduce.seeds_done import describe_missing_seeds
from sentire.reproduce.shelf import ENCODERS_NAME
from sentire.storage.atomic import make_directory, write_bytes

PAGE_NAME = "README.md"
NOTES_NAME = "notes.md"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The experiments of one paper.

    Attributes:
        title: Of its page.
        settings: Class of its settings.
        quick: What the quick size has in the place of the full one.
        make_parts: Of settings, work folder, data root and progress.
        render_page: Of settings and what the parts found.
        draw: Pictures by file name, of the same.
    """

    title: str
    settings: type[Any]
    quick: Mapping[str, Any]
    make_parts: Callable[..., list[Part]]
    render_page: Callable[[Any, Mapping[str, Figures]], str]
    draw: Callable[[Any, Mapping[str, Figures]], Mapping[str, bytes]]


SUITES: Mapping[str, Suite] = MappingProxyType(
    {
        "retrofit": Suite(
            title="Retrofitting with supervised contrastive learning (Shah, Reddy and Bhattacharyya 2023)",
            settings=retrofit.RetrofitSettings,
            quick=retrofit.QUICK,
            make_parts=retrofit.make_parts,
            render_page=render_retrofit_page,
            draw=draw_retrofit,
        ),
        "carl": Suite(
            title="CARL: continuous affect labels (Son, Saurez and Har 2025)",
            settings=carl.CarlSettings,
            quick=carl.QUICK,
            make_parts=carl.make_parts,
            render_page=render_carl_page,
            draw=draw_carl,
        ),
    }
)
"""Suites by the names of their papers' methods."""


def get_suite(name: str) -> Suite:
    """Return a suite.

    Raises:
        UnknownNameError: There is none of this name.
    """
    if name not in SUITES:
        raise UnknownNameError.among("suite", name, SUITES)
    return SUITES[name]


def make_settings(suite: Suite, *, is_quick: bool, overrides: Mapping[str, Any]) -> Any:
    """Return the settings of a size, with those of the user in their place.

    Raises:
        ConfigError: A key is unknown, or a value has the wrong type or range.
    """
    return parse_config(suite.settings, {**(suite.quick if is_quick else {}), **overrides}, where="--set")


def run_suite(
    name: str,
    settings: Any,
    results: Path,
    work: Path,
    *,
    data_root: Path | None = None,
    on_progress: OnProgress = stay_quiet,
) -> str:
    """Do what is not done yet, write the page and what was measured into the cards of the encoders; return the page.

    Args:
        name: Of the suite.
        settings: From ``make_settings``.
        results: Folder of the small files of finished parts, and of the page.
        work: Folder of encoders and vectors, which can be made again.
        data_root: Where the corpora are; found by itself where None.
        on_progress: Told before each part, and of the steps of its training.

    Raises:
        UnknownNameError: No such suite, task or encoder.
        ConfigError: Settings do not fit together; nothing was done.
        DataError: Corpora are missing, all of which the message names; nothing was done.
        ArtifactError: A file of the results is damaged or of other settings, or a card cannot be read.
        SentireError: What a part raises; the parts before it stay done.
    """
    suite = get_suite(name)
    part: tuple[int, int | None, str] = (0, None, "")

    def tell_part(n_done: int, n_total: int | None, note: str) -> None:
        nonlocal part
        part = (n_done, n_total, note)
        on_progress(*part)

    def tell_step(n_done: int, n_total: int | None, note: str) -> None:
        n_parts_done, n_parts, name = part
        place = "" if n_total is None else f"{n_done:,} of {n_total:,}, "
        on_progress(n_parts_done, n_parts, f"{name}: {place}{note}")

    parts = suite.make_parts(settings, work, data_root=data_root, on_progress=tell_step)
    found = run_parts(parts, results, work / "locks", data_root=data_root, on_progress=tell_part)
    page = write_page(name, settings, results, found, n_parts=len(parts))
    write_encoder_cards(name, work / ENCODERS_NAME, found)
    return page


def render_finished(
    name: str, settings: Any, results: Path, *, on_missing: Callable[[str], object] | None = None
) -> str:
    """Write the page of the parts that are done, and return it; nothing is run.

    Args:
        name: Of the suite.
        settings: From ``make_settings``.
        results: Folder of the small files of finished parts, and of the page.
        on_missing: Told of which seeds parts are missing, in a sentence; not called where none is.

    Raises:
        UnknownNameError: No such suite.
        UsageError: No part of it is done there; nothing was written.
        ArtifactError: A file of the results is damaged or of other settings.
    """
    parts = get_suite(name).make_parts(settings, results)
    found = read_parts(parts, results)
    if not found:  # a folder of something else, whose page would be lost
        raise UsageError(
            expected=f"the folder of a suite {name} of which a part is done",
            got="one without" if results.is_dir() else "no such folder",
            where=str(results),
            hint="name another with --output, or run the suite without --tables-only",
        )
    there = [path.stem for path in results.glob("*.json")]
    missing = describe_missing_seeds(settings.seeds, [part.name for part in parts], found, there)
    if missing and on_missing is not None:
        on_missing(missing)
    return write_page(name, settings, results, found, n_parts=len(parts))


def read_parts(parts: Sequence[Part], results: Path) -> dict[str, Figures]:
    """Return what the finished parts found, by name."""
    found = {part.name: read_part(results, part) for part in parts}
    return {name: figures for name, figures in found.items() if figures is not None}


def write_page(name: str, settings: Any, results: Path, found: Mapping[str, Figures], *, n_parts: int) -> str:
    """Write the page and its pictures beside the results, and return the page.

    What somebody has written of the results, in ``notes.md`` beside them, becomes the end of the page.

    Raises:
        ArtifactError: The notes cannot be read.
    """
    suite = get_suite(name)
    make_directory(results)
    pictures = suite.draw(settings, found)
    size = ", ".join(f"{key} {_show(key, value)}" for key, value in dump_config(settings).items() if value != "")
    state = "all of its" if len(found) == n_parts else f"{len(found)} of its {n_parts}"
    intro = (
        f"Made by `sentire reproduce {name}` from {state} parts. Means with 95 % intervals: of one run, the bootstrap "
        "over texts; of several, the t-interval over seeds and that of the texts, added in quadrature, shown as far as "
        "the measure can go.\n"
    )
    page = "\n".join(
        [
            f"# {suite.title}\n",
            intro,
            f"Settings: {size}.\n",
            suite.render_page(settings, found),
            *(f"![{path.removesuffix('.svg')}]({path})\n" for path in pictures),
            *_read_notes(results / NOTES_NAME),
        ]
    )
    for path, content in pictures.items():
        write_bytes(results / path, content)
    write_bytes(results / PAGE_NAME, page.encode())
    return page


def _show(key: str, value: Any) -> Any:
    return "all" if key.startswith("n_") and value == 0 else value


def _read_notes(path: Path) -> list[str]:
    try:
        return [path.read_text(encoding="utf-8")] if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(expected="notes that can be read", got=describe(error), where=str(path)) from error
