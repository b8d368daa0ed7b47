"""Narratives: the fairy tales of FairytaleQA and classic fiction in the public domain, a story an example."""

import re
from collections.abc import Iterator
from pathlib import Path

from sentire.core.errors import DataError, describe
from sentire.core.records import Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading, pass_over, read_cells
from sentire.data.root import find_corpus_file
from sentire.data.splits import WHOLE

_TALES = "narratives/fairytaleqa"
_BOOKS = "narratives/classic_books"
_TALE_FOLDERS = {"train": "train", "dev": "val", "test": "test"}
_HEADER_LINE = re.compile(r"#{1,2} (?P<key>Title|Author|Year):(?P<value>.*)")
_END_OF_HEADER = re.compile(r"-{3,}")

FAIRYTALEQA_CARD = DatasetCard(
    name="fairytaleqa",
    title="FairytaleQA, stories",
    kind="narratives",
    revision="2022.1",
    citation=(
        "Xu, Wang, Yu and others 2022, Fantastic Questions and Where to Find Them: FairytaleQA, An Authentic Dataset "
        "for Narrative Comprehension, ACL, pages 447-460"
    ),
    homepage="https://github.com/uci-soe/FairytaleQAData",
    licence="Apache-2.0",
    weights_may_ship="yes",
    split_counts={"train": 232, "dev": 23, "test": 23},
    files=(
        RemoteFile(
            path=f"{_TALES}/story_meta.csv",
            sha256="bd45290eb48a908829d50792fa465592f26bbe898ca16778e8576fbe2f1fdf76",
        ),
    ),
    grouped_by="story",
    defects=(
        "the table writes snow-man, the file is named Snow-man",
        "one story has two sections of the same number, one has a blank line between two sections",
    ),
    changes=("the sections of a story are joined by blank lines", "split val is called dev", "questions are not read"),
    access=(
        f"clone the repository of the homepage and copy its story table to {_TALES}/story_meta.csv and the folders "
        f"train, val and test of its section-wise stories (NAME-story.csv) into {_TALES}"
    ),
)

CLASSIC_FICTION_CARD = DatasetCard(
    name="classic-fiction",
    title="Classic fiction",
    kind="narratives",
    revision="2024.1",
    citation="52 works by ten authors, 1819 to 1911, in the public domain; Markdown edition classic-books-markdown",
    homepage="https://github.com/mlschmitt/classic-books-markdown",
    licence="public domain",
    weights_may_ship="yes",
    split_counts={WHOLE: 52},
    files=(RemoteFile(path=_BOOKS),),
    grouped_by="story",
    defects=("37 of the 52 works are by one author", "lengths differ widely: 3,750 to 80,597 words"),
    changes=("title, author and year leave the text for the notes", "headings lose their marks"),
    access=f"clone the repository of the homepage and copy works (AUTHOR/TITLE.md) into {_BOOKS}",
)


def iter_fairytaleqa_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream the fairy tales of a split in the order of the story table."""
    meta = find_corpus_file(root, f"{_TALES}/story_meta.csv", FAIRYTALEQA_CARD)
    folder = find_corpus_file(root, f"{_TALES}/{_TALE_FOLDERS[split]}", FAIRYTALEQA_CARD)
    # The table and the files do not agree in upper and lower case.
    files = {path.name.lower(): path for path in _visible(folder, ".csv")}
    report = reading.report(meta)
    for number, (name, origin, meta_split) in read_cells(
        meta, report, ("filename", "origin", "split"), file_format="csv"
    ):
        if meta_split not in _TALE_FOLDERS.values():
            report.reject(number, "unknown split", repr(meta_split))
            continue
        if meta_split != _TALE_FOLDERS[split]:
            pass_over(report)
            continue
        path = files.get(f"{name}-story.csv".lower())
        if path is None:
            report.reject(number, "no story file", f"{folder.name}/{name}-story.csv")
            continue
        text = _read_sections(path, reading)
        if not text:
            report.reject(number, "empty text")
            continue
        notes = {"title": " ".join(name.replace("-", " ").split()), "origin": origin}
        yield Example(id=name, text=text, group=name, notes=notes)
    report.finish()


def iter_classic_fiction_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:  # noqa: ARG001
    """Stream every work below the folder, by author and title; each file counts as one row."""
    folder = find_corpus_file(root, _BOOKS, CLASSIC_FICTION_CARD)
    report = reading.report(folder)
    paths = [path for author in sorted(folder.iterdir()) if author.is_dir() for path in _visible(author, ".md")]
    for number, path in enumerate(paths, start=1):
        report.read()
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            report.reject(number, "text that is not UTF-8", f"{path.name}: {describe(error)}")
            continue
        except OSError as error:
            raise DataError(expected="a readable file", got=describe(error), where=str(path)) from error
        header, text = _parse_book(lines)
        if len(header) < 3:
            report.reject(number, "no header of title, author and year", path.name)
        elif not text:
            report.reject(number, "empty text", path.name)
        else:
            name = f"{path.parent.name.strip()}/{path.stem.strip()}"
            yield Example(id=name, text=text, group=name, notes=header)
    report.finish()


def _visible(folder: Path, suffix: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == suffix and not path.name.startswith("."))


def _read_sections(path: Path, reading: Reading) -> str:
    report = reading.report(path, holds_examples=False)
    sections = []
    for number, (_, text) in read_cells(path, report, ("section", "text"), file_format="csv"):
        if text.strip():
            sections.append(text.strip().replace("\r\n", "\n"))
        else:
            report.reject(number, "empty section")
    report.finish()
    return "\n\n".join(sections)


def _parse_book(lines: list[str]) -> tuple[dict[str, str], str]:
    header: dict[str, str] = {}
    for place, line in enumerate(lines):
        if found := _HEADER_LINE.fullmatch(line.strip()):
            header[found["key"].lower()] = found["value"].strip()
        elif _END_OF_HEADER.fullmatch(line.strip()):
            return header, "\n".join(_without_heading_mark(text) for text in lines[place + 1 :]).strip()
        elif line.strip():
            break
    return {}, ""


def _without_heading_mark(line: str) -> str:
    return line.lstrip("#").strip() if line.startswith("#") else line.rstrip()
