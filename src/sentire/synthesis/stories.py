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
_SENTENCE_END = re.compile(r"(?<=[.!?…।؟۔።។])\s+|(?:(?<=[。！？])(?![。！？」』”’）])|(?<=[。！？][」』”’）]))\s*")
"""Between sentences. No blank need follow the full-width stops, and a quotation ends after them."""


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
    seen: set[str] = set()
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
            if story_id in seen:
                raise DataError(expected="stories of different names", got="two of one name", where=story_id)
            seen.add(story_id)
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
    """Cut between paragraphs, sentences or words into pieces of about one length.

    The fewest pieces that keep to the longest length; of all ways to make so many, the one with the shortest longest.
    """
    if len(text) <= longest_chars:
        return [text]
    units = list(_split_units(text, -(-len(text) // -(-len(text) // longest_chars)), longest_chars))
    n_pieces = len(_fill(units, longest_chars))
    low, high = 1, longest_chars
    while low < high:
        middle = (low + high) // 2
        if len(_fill(units, middle)) <= n_pieces:
            high = middle
        else:
            low = middle + 1
    return _fill(units, high)


def _fill(units: list[tuple[str, str]], longest_chars: int) -> list[str]:
    """Put units into pieces, one after another; a unit beyond the length is a piece of its own."""
    pieces: list[str] = []
    for gap, unit in units:
        if pieces and len(pieces[-1]) + len(gap) + len(unit) <= longest_chars:
            pieces[-1] = f"{pieces[-1]}{gap}{unit}"
        else:
            pieces.append(unit)
    return pieces


def _split_units(text: str, wanted_chars: int, longest_chars: int) -> Iterator[tuple[str, str]]:
    """Yield paragraphs, of longer ones than wanted the sentences, of sentences that are too long the words.

    Each comes with the gap before it; a word that no piece could hold is cut.
    """
    for raw in _PARAGRAPHS.split(text):
        gap = "\n\n"
        paragraph = raw.strip()
        for sentence, blank in [(paragraph, "")] if len(paragraph) <= wanted_chars else _split_sentences(paragraph):
            for word in [sentence] if len(sentence) <= longest_chars else sentence.split():
                for start in range(0, len(word), longest_chars):
                    yield gap, word[start : start + longest_chars]
                    gap = "" if start + longest_chars < len(word) else " "
            gap = blank


def _split_sentences(paragraph: str) -> Iterator[tuple[str, str]]:
    """Yield the sentences of a paragraph, each with the blank that parts it from the next."""
    start = 0
    for end in _SENTENCE_END.finditer(paragraph):
        if end.end() < len(paragraph):
            yield paragraph[start : end.start()], " " if end.group() else ""
            start = end.end()
    yield paragraph[start:], ""
