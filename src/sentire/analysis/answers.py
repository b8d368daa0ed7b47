"""An answer: what a model says of one text, in the labels that the user asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.label_maps import LabelMap, load_label_map
from sentire.core.labels import LabelSpace, load_label_space
from sentire.runtime.decisions import decide, project_answers
from sentire.runtime.load import Model

FLAG_EMPTY = "empty"
FLAG_UNKNOWN_WORDS = "unknown_words"
FLAG_NOT_ENGLISH = "not_english"
FLAG_WINDOWS = "windows"
FLAG_CUT = "cut"
FLAG_CONTEXT_CUT = "context_cut"

FLAG_MEANINGS: Mapping[str, str] = {
    FLAG_EMPTY: "there is no text to judge; no label is given",
    FLAG_UNKNOWN_WORDS: "the model knows no word of the text; the answer is the average of its training data",
    FLAG_NOT_ENGLISH: "the text does not seem to be English, the only language that the model knows",
    FLAG_WINDOWS: "the text is long and was judged in overlapping parts; the answer is their mean",
    FLAG_CUT: "the text was too long; only its beginning was judged",
    FLAG_CONTEXT_CUT: "the context was too long; only its end was read",
}

PROBA_DIGITS = 4
_SMALLEST_STEP = 10.0**-PROBA_DIGITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Emotion:
    """One label of one text.

    Attributes:
        label: Name in the answer's label space.
        proba: Calibrated probability in [0, 1].
        threshold: The cut-off from which the label is given; None where another rule decides (the likeliest label
            of a single-label space, or labels mapped from another space).
    """

    label: str
    proba: float
    threshold: float | None


class AnswerSpace:
    """The labels in which answers are given: the model's own, or those of a space that a map leads to.

    Attributes:
        model_name: Whose answers they are.
        space: The label space of the answers.
        thresholds: Cut-offs, shape (C,); None where another rule decides.
        listed_thresholds: The same as answers show them, with None for every label where another rule decides.

    Args:
        model: Whose answers they are.
        label_space: Registered name; empty for the model's own space.

    Raises:
        UnknownNameError: No such space, or no map leads there.
    """

    def __init__(self, model: Model, label_space: str = "") -> None:
        self.model_name = model.name
        self.space: LabelSpace = model.label_space
        self.thresholds: NDArray[np.float64] | None = model.thresholds
        self._map: LabelMap | None = None
        self._model_thresholds = model.thresholds
        self._model_space = model.label_space
        if label_space and label_space not in (self.space.name, self.space.id):
            self._map = load_label_map(self.space.name, load_label_space(label_space).name)
            self.space = self._map.target
            self.thresholds = model.projected_thresholds.get(self.space.name)
        if self.space.task == "single-label":
            self.thresholds = None
        self._shown_thresholds = None if self.thresholds is None else _round_cutoffs(self.thresholds)
        self.listed_thresholds: tuple[float | None, ...] = (
            (None,) * len(self.space) if self._shown_thresholds is None else tuple(self._shown_thresholds.tolist())
        )

    def project(self, proba: NDArray[np.float32]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """Return probabilities and decisions in this space, both of shape (N, C)."""
        decisions = decide(proba, self._model_thresholds, self._model_space)
        if self._map is None:
            return proba, decisions
        return project_answers(self._map, proba, decisions, self.thresholds)

    def round_proba(self, proba: NDArray[np.floating], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Round probabilities to the digits that answers show, so that they agree with what was decided.

        Where rounding would carry a probability over its cut-off as it is shown, or below it, the nearest number on
        the right side is shown: always ``shown proba >= shown cut-off`` where, and only where, the label was chosen.

        Args:
            proba: In this space, shape (N, C).
            chosen: The decisions that ``project`` made of them, shape (N, C).

        Returns:
            Shape (N, C), at most 1.5 units of the last digit away from ``proba``.
        """
        shown = proba.astype(np.float64).round(PROBA_DIGITS)
        cutoffs = self._shown_thresholds
        if cutoffs is None:
            return shown
        just_below = (cutoffs - _SMALLEST_STEP).round(PROBA_DIGITS)
        return np.where(chosen, np.maximum(shown, cutoffs), np.minimum(shown, just_below))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWindow:
    """What a model says of one part of a long text, read with what surrounds it left out.

    Attributes:
        start: Where the part begins, in Unicode code points of the answer's text, from 0.
        end: Where it ends; ``text[start:end]`` is the part. Parts overlap.
        labels: The labels that reach their cut-off in the part, likeliest first; may be empty.
        proba: The probability of every label, as in ``Answer``.
        vad: Valence, arousal and dominance by name, as in ``Answer``.
    """

    start: int
    end: int
    labels: tuple[str, ...]
    proba: Sequence[float]
    vad: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model says of one text.

    Attributes:
        text: The text as it was judged.
        labels: The labels that reach their cut-off, likeliest first; may be empty.
        proba: The probability of every label, in the order of ``space.space.labels``, rounded so that it agrees with
            what was decided.
        unrounded: The same before rounding; by these, rows are compared.
        ranking: The columns of the labels, likeliest first.
        space: The labels and cut-offs of the answer, shared by all answers of one call.
        vad: Valence, arousal and dominance by name, from -1 to 1; None where the model has no such answer.
        flags: Reasons for caution, see ``FLAG_MEANINGS``.
        course: Of a long text the answers to its parts, in order; empty where the text was judged as a whole.
        id: The row's own identifier; empty for a bare text.
        row: The line of the file on which the row begins, from 1 (of Parquet, the row); None for a bare text.
        context: What the text was said in; None where none was given.
    """

    text: str
    labels: tuple[str, ...]
    proba: Sequence[float]
    unrounded: NDArray[np.floating] = field(repr=False, compare=False)
    ranking: Sequence[int] = field(repr=False, compare=False)
    space: AnswerSpace
    vad: Mapping[str, float] | None = None
    flags: tuple[str, ...] = ()
    course: tuple[AnswerWindow, ...] = ()
    id: str = ""
    row: int | None = None
    context: str | None = None

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.space.model_name

    @property
    def emotions(self) -> tuple[Emotion, ...]:
        """Every label of the space with its probability, likeliest first."""
        return tuple(Emotion(label=label, proba=proba, threshold=cutoff) for label, proba, cutoff in self._ranked())

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, as ``sentire analyze --json`` prints it; ``course`` is there for long texts only."""
        named: dict[str, Any] = {"id": self.id} if self.id else {}
        named["text"] = self.text
        if self.context is not None:
            named["context"] = self.context
        return {
            **named,
            "labels": self.labels,
            "emotions": [
                {"label": label, "proba": proba, "threshold": cutoff} for label, proba, cutoff in self._ranked()
            ],
            "vad": self.vad,
            "flags": self.flags,
            **({"course": [self._show_window(window) for window in self.course]} if self.course else {}),
            "model": self.model,
        }

    def _show_window(self, window: AnswerWindow) -> dict[str, Any]:
        return {
            "start": window.start,
            "end": window.end,
            "labels": window.labels,
            "proba": dict(zip(self.space.space.labels, window.proba, strict=True)),
            "vad": window.vad,
        }

    def _ranked(self) -> list[tuple[str, float, float | None]]:
        labels, cutoffs = self.space.space.labels, self.space.listed_thresholds
        return [(labels[column], self.proba[column], cutoffs[column]) for column in self.ranking]


def _round_cutoffs(cutoffs: NDArray[np.float64]) -> NDArray[np.float64]:
    # A cut-off above 0 is not shown as 0, below which no probability could be shown.
    shown = cutoffs.round(PROBA_DIGITS)
    return np.where(cutoffs > 0, np.maximum(shown, _SMALLEST_STEP), shown)


def name_vad(vad: NDArray[np.float32] | None, position: int) -> dict[str, float] | None:
    """Return one text's affect by dimension, or None where there is none."""
    if vad is None:
        return None
    return {name: round(float(score), PROBA_DIGITS) for name, score in zip(VAD_DIMENSIONS, vad[position], strict=True)}
