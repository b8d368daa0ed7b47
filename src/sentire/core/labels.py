"""Label spaces: which labels there are, in which order, and whether one text may carry several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import LabelError, ShapeError, UnknownNameError, did_you_mean, list_names, quote
from sentire.core.writable import is_showable

Task = Literal["multi-label", "single-label"]


@dataclass(frozen=True, kw_only=True)
class LabelSpace:
    """An ordered, versioned set of labels.

    The order is that of the columns of every array, file and table. A change of a label or of the order is a
    new version.

    Attributes:
        name: Registered name, such as ``goemotions``.
        version: Counts from 1.
        labels: The labels in column order, unique.
        task: ``multi-label`` where a text may carry several, ``single-label`` where it carries exactly one.
        neutral: The label that stands for the absence of the others; None where there is none.
        source: Where the labels come from.
    """

    name: str
    version: int
    labels: tuple[str, ...]
    task: Task
    neutral: str | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels) or not self.labels:
            raise LabelError(
                expected="one or more different labels",
                got=quote(self.labels),
                where=f"label space {self.name}",
            )
        if unshowable := [name for name in (self.id, *self.labels) if not is_showable(name)]:
            raise LabelError(
                expected="names without control characters",
                got=quote(unshowable[0]),
                where=f"label space {quote(self.name)}",
            )
        if self.task not in get_args(Task):
            raise LabelError(
                expected=f"a task ({' or '.join(get_args(Task))})",
                got=quote(self.task),
                where=f"label space {self.name}",
            )
        if self.neutral is not None and self.neutral not in self.labels:
            raise LabelError(
                expected="a neutral label that is one of the labels",
                got=quote(self.neutral),
                where=f"label space {self.name}",
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __contains__(self, label: object) -> bool:
        return label in self._positions

    @property
    def id(self) -> str:
        """Name and version, as files record them: ``goemotions.v1``."""
        return f"{self.name}.v{self.version}"

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {label: position for position, label in enumerate(self.labels)}

    def index(self, label: str, *, where: str = "") -> int:
        """Return the column of a label.

        Raises:
            LabelError: The label is not in the space; the message holds near matches.
        """
        try:
            return self._positions[label]
        except (KeyError, TypeError):  # a JSON file may hold a number or a list where a label should be
            raise LabelError(
                expected=f"a label of {self.id}",
                got=quote(label),
                where=where,
                hint=did_you_mean(str(label), self.labels) or f"the labels are {list_names(self.labels)}",
            ) from None

    def encode(self, rows: Iterable[Iterable[str]]) -> NDArray[np.bool_]:
        """Turn label names into an indicator matrix.

        Args:
            rows: For each of N examples, its labels.

        Returns:
            Shape (N, C), True where the example carries the label.

        Raises:
            LabelError: A label is not in the space.

        Example:
            >>> SENTIMENT.encode([["positive"], []]).tolist()
            [[True, False, False, False], [False, False, False, False]]
        """
        named = [tuple(row) for row in rows]
        encoded = np.zeros((len(named), len(self)), dtype=np.bool_)
        for number, row in enumerate(named):
            for label in row:
                encoded[number, self.index(label, where=f"row {number}")] = True
        return encoded

    def decode(self, indicator: NDArray[np.bool_]) -> list[tuple[str, ...]]:
        """Turn an indicator matrix of shape (N, C) back into names, in column order."""
        if indicator.ndim != 2 or indicator.shape[1] != len(self):
            raise ShapeError(expected=f"shape (N, {len(self)}) for {self.id}", got=f"shape {indicator.shape}")
        return [tuple(self.labels[column] for column in np.flatnonzero(row)) for row in indicator]


GOEMOTIONS = LabelSpace(
    name="goemotions",
    version=1,
    task="multi-label",
    neutral="neutral",
    source="Demszky et al. 2020, GoEmotions: A Dataset of Fine-Grained Emotions, ACL; order of emotions.txt",
    labels=(
        "admiration",
        "amusement",
        "anger",
        "annoyance",
        "approval",
        "caring",
        "confusion",
        "curiosity",
        "desire",
        "disappointment",
        "disapproval",
        "disgust",
        "embarrassment",
        "excitement",
        "fear",
        "gratitude",
        "grief",
        "joy",
        "love",
        "nervousness",
        "optimism",
        "pride",
        "realization",
        "relief",
        "remorse",
        "sadness",
        "surprise",
        "neutral",
    ),
)

EKMAN = LabelSpace(
    name="ekman",
    version=1,
    task="multi-label",
    neutral="neutral",
    source="Ekman 1992, An argument for basic emotions; with neutral, as GoEmotions groups its labels",
    labels=("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"),
)

SENTIMENT = LabelSpace(
    name="sentiment",
    version=1,
    task="multi-label",
    neutral="neutral",
    source="GoEmotions' sentiment groups, with neutral",
    labels=("positive", "negative", "ambiguous", "neutral"),
)

ISEAR = LabelSpace(
    name="isear",
    version=1,
    task="single-label",
    source="Scherer and Wallbott 1994, ISEAR",
    labels=("joy", "fear", "anger", "sadness", "disgust", "shame", "guilt"),
)

EMOCONTEXT = LabelSpace(
    name="emocontext",
    version=1,
    task="single-label",
    neutral="others",
    source="Chatterjee et al. 2019, SemEval-2019 Task 3",
    labels=("others", "happy", "sad", "angry"),
)

IEMOCAP_4 = LabelSpace(
    name="iemocap-4",
    version=1,
    task="single-label",
    neutral="neutral",
    source="Busso et al. 2008, IEMOCAP; excitement counts as happiness",
    labels=("anger", "sadness", "neutral", "happiness"),
)

IEMOCAP_6 = LabelSpace(
    name="iemocap-6",
    version=1,
    task="single-label",
    neutral="neutral",
    source="Busso et al. 2008, IEMOCAP",
    labels=("happiness", "sadness", "neutral", "anger", "excitement", "frustration"),
)

MELD = LabelSpace(
    name="meld",
    version=1,
    task="single-label",
    neutral="neutral",
    source="Poria et al. 2019, MELD",
    labels=("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear"),
)

SST_2 = LabelSpace(
    name="sst-2",
    version=1,
    task="single-label",
    source="Socher et al. 2013, Stanford Sentiment Treebank, binary",
    labels=("negative", "positive"),
)

SST_5 = LabelSpace(
    name="sst-5",
    version=1,
    task="single-label",
    neutral="neutral",
    source="Socher et al. 2013, Stanford Sentiment Treebank, five-way",
    labels=("very negative", "negative", "neutral", "positive", "very positive"),
)

SARCASM = LabelSpace(
    name="sarcasm",
    version=1,
    task="single-label",
    neutral="not sarcastic",
    source="Oraby et al. 2016, Sarcasm Corpus V2",
    labels=("not sarcastic", "sarcastic"),
)

LABEL_SPACES: dict[str, LabelSpace] = {
    space.name: space
    for space in (
        GOEMOTIONS,
        EKMAN,
        SENTIMENT,
        ISEAR,
        EMOCONTEXT,
        IEMOCAP_4,
        IEMOCAP_6,
        MELD,
        SST_2,
        SST_5,
        SARCASM,
    )
}


def load_label_space(name: str) -> LabelSpace:
    """Return a registered label space by its name, or by name and version (``goemotions.v1``).

    Raises:
        UnknownNameError: No such space, or not in that version.
    """
    for space in LABEL_SPACES.values():
        if name in (space.name, space.id):
            return space
    raise UnknownNameError.among("label space", name, LABEL_SPACES)


def make_label_space(
    name: str, labels: Sequence[str], *, task: Task = "multi-label", neutral: str | None = None
) -> LabelSpace:
    """Make a label space of your own; its version is 1."""
    return LabelSpace(name=name, version=1, labels=tuple(labels), task=task, neutral=neutral, source="own")
