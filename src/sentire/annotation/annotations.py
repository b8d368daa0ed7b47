"""What people said: a file an annotator, to which every click is added, and made durable before it is answered."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from sentire.annotation.questions import Question
from sentire.annotation.sample import Item, Sample
from sentire.core.errors import ArtifactError, DataError, HeldError, OutputError, UsageError, describe, quote
from sentire.storage.atomic import make_directory
from sentire.storage.locks import hold_lock

FOLDER_NAME = "annotations"
FORMAT, FORMAT_VERSION = "sentire-annotations", 1

PAGE_KEY_NAME = "page-secret"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What one annotator said of one item.

    Attributes:
        picks: Of the options.
        is_done: The annotator went on; until then the picks may change.
        saw_context: The context was asked for.
    """

    picks: tuple[str, ...]
    is_done: bool
    saw_context: bool


def check_annotator(name: str) -> str:
    """Return the name of an annotator: an alias, which becomes the name of a file.

    Raises:
        UsageError: It is no such name.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            expected="an alias of lower-case letters, digits and hyphens, at most 32",
            got=quote(name),
            where="--annotator",
            hint="take one that does not tell who it is, such as a1",
        )
    return name


def check_judgement(question: Question, item: Item, judgement: Judgement) -> None:
    """Make sure that a judgement can be one of this item, of which the question is asked.

    Raises:
        DataError: It cannot.
    """
    unknown = [pick for pick in judgement.picks if pick not in item.options]
    if unknown:
        raise DataError(expected=f"options of item {item.id}", got=quote(unknown[0]), where="picks")
    most = question.most_picks
    if len(set(judgement.picks)) != len(judgement.picks) or len(judgement.picks) > most:
        expected = f"at most {most} different picks" if most > 1 else "one pick and no more"
        raise DataError(expected=expected, got=str(len(judgement.picks)), where=f"item {item.id}")
    if question.alone in judgement.picks and len(judgement.picks) > 1:
        raise DataError(
            expected=f"{quote(question.alone)} alone, or other options", got="both", where=f"item {item.id}"
        )
    if judgement.is_done and not judgement.picks:
        raise DataError(expected="at least one pick of an item that is done", got="none", where=f"item {item.id}")


class AnnotationFile:
    """The open annotations of one annotator.

    Attributes:
        judgements: By item, the last that was said of it.
        page_secret: What the address of the page must hold. It stays from sitting to sitting, so that a page that is
            open goes on, and nobody but the owner of the folder can read it.
    """

    def __init__(self, path: Path, sample: Sample, annotator: str) -> None:
        self._path, self._sample = path, sample
        self._items = {item.id: item for item in sample.items}
        self.judgements: dict[str, Judgement] = {}
        if path.exists():
            self.judgements = read_annotations(path, sample)
        is_new = not path.exists()
        try:
            self.page_secret = _take_secret(path.with_name(PAGE_KEY_NAME))
            _drop_torn_line(path)
            self._file = path.open("ab")
        except OSError as error:
            raise OutputError(expected="a file that can be written", got=describe(error), where=str(path)) from error
        if is_new or not path.stat().st_size:
            head = {"format": FORMAT, "format_version": FORMAT_VERSION, "sample": sample.fingerprint}
            self._append({**head, "annotator": annotator})

    def save(self, item_id: str, judgement: Judgement) -> None:
        """Add a judgement; when this returns, it is on the disk.

        Raises:
            DataError: There is no such item, or the judgement cannot be one of it.
            OutputError: It cannot be written.
        """
        item = self._items.get(item_id)
        if item is None:
            raise DataError(expected="an item of the sample", got=quote(item_id))
        check_judgement(self._sample.question, item, judgement)
        self._append(
            {
                "item": item_id,
                "picks": list(judgement.picks),
                "is_done": judgement.is_done,
                "saw_context": judgement.saw_context,
            }
        )
        self.judgements[item_id] = judgement

    def close(self) -> None:
        """Close the file.

        Raises:
            OutputError: What could not be written before cannot be written now either.
        """
        with self._tell_trouble():
            self._file.close()

    def _append(self, row: Mapping[str, object]) -> None:
        with self._tell_trouble():  # what is left of a line goes before the next one, so that no line is torn
            self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            self._file.flush()
            os.fsync(self._file.fileno())

    @contextmanager
    def _tell_trouble(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                expected="a file that can be written",
                got=describe(error),
                where=str(self._path),
                hint="make room and click again: what was answered before is there",
            ) from error


@contextmanager
def open_annotations(folder: Path, sample: Sample, annotator: str) -> Iterator[AnnotationFile]:
    """Open the annotations of one annotator, who goes on where the last sitting ended.

    Args:
        folder: Of the sample.
        sample: That is judged.
        annotator: An alias.

    Raises:
        UsageError: The alias is none.
        HeldError: Somebody annotates under that alias now.
        ArtifactError: The file belongs to another sample, or is damaged.
    """
    own = make_directory(folder / FOLDER_NAME / check_annotator(annotator))
    with ExitStack() as held:
        try:
            held.enter_context(hold_lock(own, holder=f"annotator under the alias {annotator}"))
        except HeldError as error:
            raise HeldError(
                expected="an alias under which nobody annotates now",
                got=f"another annotator under the alias {annotator}",
                where=str(own),
                hint="take another --annotator; if it is you, end the other sitting first",
            ) from error
        file = AnnotationFile(own / "judgements.jsonl", sample, annotator)
        try:
            yield file
        finally:
            file.close()


def read_annotations(path: Path, sample: Sample) -> dict[str, Judgement]:
    """Read what an annotator said; of several judgements of an item the last counts.

    A last line without its end was being written when the machine stopped, and was never answered: it is left out.

    Raises:
        ArtifactError: The file belongs to another sample, or a line of it cannot be read.
    """
    items = {item.id: item for item in sample.items}
    found: dict[str, Judgement] = {}
    for number, line in enumerate(_read_whole_lines(path), start=1):
        where = f"{path}:{number}"
        try:
            row = orjson.loads(line)
            if number == 1:
                _check_head(row, sample, where)
                continue
            judgement = Judgement(
                picks=tuple(row["picks"]), is_done=bool(row["is_done"]), saw_context=bool(row["saw_context"])
            )
            check_judgement(sample.question, items[row["item"]], judgement)
        except (orjson.JSONDecodeError, KeyError, TypeError, DataError) as error:
            raise ArtifactError(
                expected="a judgement of an item of the sample", got=quote(str(error)), where=where
            ) from error
        found[row["item"]] = judgement
    return found


def read_all_annotations(folder: Path, sample: Sample) -> dict[str, dict[str, Judgement]]:
    """Read the annotations of everybody, by alias.

    Raises:
        ArtifactError: A file belongs to another sample, or is damaged.
    """
    paths = sorted((folder / FOLDER_NAME).glob("*/judgements.jsonl"))
    return {path.parent.name: read_annotations(path, sample) for path in paths}


def select_done(annotations: Mapping[str, Mapping[str, Judgement]]) -> dict[str, dict[str, Judgement]]:
    """Return what annotators are done with, by alias and item, of those who are done with anything."""
    done = {
        alias: {item: one for item, one in judgements.items() if one.is_done}
        for alias, judgements in annotations.items()
    }
    return {alias: judgements for alias, judgements in done.items() if judgements}


def measure_context_rate(sample: Sample, done: Mapping[str, Mapping[str, Judgement]]) -> float | None:
    """Return how often the context was asked for, of the judgements of items that have one; None without any."""
    has_context = {item.id for item in sample.items if item.context}
    asked = [one.saw_context for judgements in done.values() for item, one in judgements.items() if item in has_context]
    return sum(asked) / len(asked) if asked else None


def _check_head(row: object, sample: Sample, where: str) -> None:
    if not isinstance(row, dict) or (row.get("format"), row.get("format_version")) != (FORMAT, FORMAT_VERSION):
        raise ArtifactError(expected=f"{FORMAT} version {FORMAT_VERSION}", got=quote(row), where=where)
    if row.get("sample") != sample.fingerprint:
        raise ArtifactError(
            expected=f"annotations of the sample {sample.fingerprint}",
            got=f"those of {row.get('sample')}",
            where=where,
            hint="the sample was drawn anew: put the annotations back to the sample that they were made for",
        )


def _read_whole_lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(expected="annotations", got=describe(error), where=str(path)) from error
    return content[: content.rfind(b"\n") + 1].splitlines()


def _take_secret(path: Path) -> str:
    # One that others could read, since the folder was copied, say, is none any more.
    if path.exists() and not path.stat().st_mode & 0o077 and (kept := path.read_text("utf-8", "replace")):
        return kept
    path.unlink(missing_ok=True)
    made = secrets.token_urlsafe(24)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(made)
    return made


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(path, whole)
