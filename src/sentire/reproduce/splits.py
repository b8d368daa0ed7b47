"""The splits that a suite measures on, cut to its size; each corpus is read once in a process."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentire.classifiers.labelled import LabelledSplit, read_labelled
from sentire.core.errors import DataError
from sentire.core.seeding import make_generator
from sentire.training.sources import RatedSplit, read_rated


@dataclass(frozen=True, kw_only=True)
class Task:
    """One label a text, to be told from frozen vectors, by fine-tuning, or from a few examples.

    Attributes:
        name: In tables and file names.
        data: Registered name of the data set, with the splits train, dev and test.
    """

    name: str
    data: str


def read_task(task: Task, n_train: int, n_test: int, data_root: Path | None) -> dict[str, LabelledSplit]:
    """Return train, dev and test of a task, the single-label rows, cut to at most so many (0: all)."""
    sizes = {"train": n_train, "dev": n_test, "test": n_test}
    return {split: read_single(f"{task.data}:{split}", size, data_root) for split, size in sizes.items()}


@cache
def read_single(name: str, n_texts: int, data_root: Path | None) -> LabelledSplit:
    """Return the rows of a split that have exactly one label; of more than ``n_texts``, a draw that is always the same.

    Its label space is then a single-label one: decisions are the likeliest label, on dev as on test.

    Raises:
        DataError: There is no such row.
    """
    split = _read_labelled(name, data_root)
    rows = np.flatnonzero(split.targets.sum(axis=1) == 1)
    if not len(rows):
        raise DataError(expected="texts with one label", got="none", where=name)
    if n_texts and n_texts < len(rows):
        rows = np.sort(make_generator(0, f"suite, {name}").choice(rows, size=n_texts, replace=False))
    return replace(split.take(rows), space=replace(split.space, task="single-label"))


@cache
def read_rated_texts(data: str, split: str, n_texts: int, data_root: Path | None) -> RatedSplit:
    """Return the rated rows of a split; of more than ``n_texts`` (0: all), a draw that is always the same."""
    rated = _read_rated(f"{data}:{split}", data_root)
    if not n_texts or n_texts >= len(rated.texts):
        return rated
    rows = np.sort(make_generator(0, f"suite, {split}").choice(len(rated.texts), size=n_texts, replace=False))
    return replace(rated, texts=[rated.texts[row] for row in rows], ratings=rated.ratings[rows])


@cache
def _read_labelled(name: str, data_root: Path | None) -> LabelledSplit:
    return read_labelled(name, None, data_root)


@cache
def _read_rated(name: str, data_root: Path | None) -> RatedSplit:
    return read_rated(name, data_root)


def get_classes(split: LabelledSplit) -> NDArray[np.int64]:
    """Return the label of each text, shape (N,)."""
    classes: NDArray[np.int64] = split.targets.argmax(axis=1).astype(np.int64)
    return classes
