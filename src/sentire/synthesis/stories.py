"""Stories from a folder or a data set, cut or left out where they do not fit, and counted."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sentire.core.errors import DataError, describe
from sentire.data.registry import parse_split_name
from sentire.runtime.language import find_english
from sentire.synthesis.config import NarrativesSection, SynthesisConfig

SUFFIXES = (".txt", ".md")

_PARAGRAPHS = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A story, or a piece of a long one.

    Attributes:
        id: Unique.
        group: The whole story: its pieces are never torn apart by a split.
        text: Of the story.
        number: Of the story or piece, from 0.
    """

    id: str
    group: str
    text: str
    number: int


def iterate_stories(
    settings: SynthesisConfig, folder: Path, left_out: Counter[str], *, data_root: Path | None = None
) -> Iterator[Story]:
    """Yield the stories of a synthesis in a fixed order.

    Args:
        settings: Of the synthesis.
        folder: That relative paths start from.
        left_out: Counts what is left out, by reason.
        data_root: Where the corpora are; found by itself where None.

    Raises:
        DataError: A folder or file cannot be read, or there is no story at all.
    """
    section = settings.narratives
    source = _read_folder(folder / section.folder) if section.folder else _read_data(section.data, data_root)
    number, n_stories = 0, 0
    for name, text in source:
        if section.n and n_stories >= section.n:
            break
        reason = _find_fault(text, section, settings.language)
        if reason:
            left_out[reason] += 1
            continue
        n_stories += 1
        pieces = _cut(text.strip(), section.longest_chars)
        for place, piece in enumerate(pieces, start=1):
            story_id = name if len(pieces) == 1 else f"{name}#{place}"
            yield Story(id=story_id, group=name, text=piece, number=number)
            number += 1
    if not n_stories:
        why = ", ".join(f"{n} {reason}" for reason, n in left_out.items()) or "there is none"
        raise DataError(
            expected="at least one story",
            got=f"none that can be used ({why})",
            where=section.folder or section.data,
            hint="see [narratives]",
        )


def _read_folder(folder: Path) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        raise DataError(
            expected="a folder of stories", got="no folder", where=str(folder), hint="see narratives.folder"
        )
    paths = sorted(
        path for path in folder.iterdir() if path.suffix in SUFFIXES and not path.name.startswith((".", "README"))
    )
    names = Counter(path.stem for path in paths)
    for path in paths:
        if names[path.stem] > 1:
            raise DataError(
                expected="stories of different names", got=f"{names[path.stem]} files", where=f"{folder / path.stem}.*"
            )
        try:
            yield path.stem, path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(expected="a story in UTF-8", got=describe(error), where=str(path)) from error


def _read_data(name: str, data_root: Path | None) -> Iterator[tuple[str, str]]:
    dataset, split = parse_split_name(name)
    for example in dataset.iter_split(split, root=data_root):
        yield example.id, example.text


def _find_fault(text: str, section: NarrativesSection, language: str) -> str:
    stripped = text.strip()
    if not stripped:
        return "empty"
    if len(stripped) < section.shortest_chars:
        return "too short"
    if section.too_long == "refuse" and len(stripped) > section.longest_chars:
        return "too long"
    if section.other_language == "refuse" and language.lower() == "english" and not find_english([stripped])[0]:
        return "in another language"
    return ""


def _cut(text: str, longest_chars: int) -> list[str]:
    """Cut between paragraphs, or where one is too long between sentences or words, into pieces of about one length."""
    if len(text) <= longest_chars:
        return [text]
    wanted = -(-len(text) // -(-len(text) // longest_chars))
    pieces: list[str] = []
    for paragraph in _split_parts(text, longest_chars):
        if pieces and len(pieces[-1]) + len(paragraph) + 2 <= max(wanted, min(len(paragraph), longest_chars)):
            pieces[-1] = f"{pieces[-1]}\n\n{paragraph}"
        else:
            pieces.append(paragraph)
    return pieces


def _split_parts(text: str, longest_chars: int) -> Iterator[str]:
    for raw in _PARAGRAPHS.split(text):
        paragraph = raw.strip()
        while len(paragraph) > longest_chars:
            head = paragraph[:longest_chars]
            place = max(head.rfind(". "), head.rfind("! "), head.rfind("? ")) + 1 or head.rfind(" ") or longest_chars
            place = place if place > 0 else longest_chars
            yield paragraph[:place].strip()
            paragraph = paragraph[place:].strip()
        if paragraph:
            yield paragraph
