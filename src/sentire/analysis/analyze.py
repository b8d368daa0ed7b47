"""Answers to texts that are at hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentire.analysis.answers import (
    FLAG_CUT,
    FLAG_EMPTY,
    FLAG_UNKNOWN_WORDS,
    PROBA_DIGITS,
    Answer,
    AnswerSpace,
    name_vad,
)
from sentire.core.protocols import Context
from sentire.runtime.load import Model, load
from sentire.runtime.texts import LONGEST_TEXT_CHARS, prepare_text, prepare_texts


def analyze(
    texts: Sequence[str],
    *,
    context: Sequence[Context] | None = None,
    model: str | Path | Model = "default",
    label_space: str = "",
) -> list[Answer]:
    """Say what people feel in some texts.

    Args:
        texts: N texts; an empty one gets an answer without labels and the flag ``empty``.
        context: For each text the situation or the earlier turns in which it was said, or None.
        model: Name of an embedded model, folder of a trained one, or a loaded model.
        label_space: Answer in the labels of this space, such as ``ekman``; empty for the model's own.

    Returns:
        N answers, in order.

    Raises:
        DataError: An element, or a turn of a context, is not a text.
        UsageError: There is not one context a text.
        UnknownNameError: No such model or label space.
        ArtifactError: The model is damaged.

    Example:
        >>> [answer.labels for answer in analyze(["Thank you so much, this helped a lot!"])]
        [('gratitude',)]
    """
    loaded = load(model) if isinstance(model, str | Path) else model
    return judge_texts(loaded, AnswerSpace(loaded, label_space), texts, context=context)


def judge_texts(
    model: Model,
    space: AnswerSpace,
    texts: Sequence[str],
    *,
    context: Sequence[Context] | None = None,
    ids: Sequence[str] = (),
) -> list[Answer]:
    """Answer N texts with a loaded model in a chosen space."""
    if not isinstance(texts, str):  # which prepare_texts refuses
        texts = list(texts)
    prepared = prepare_texts(texts)
    judgement = model.judge(prepared, context=context)
    proba, chosen = space.project(judgement.proba)
    is_empty = np.array([not text.strip() for text in prepared], dtype=np.bool_)
    chosen = chosen & ~is_empty[:, None]
    names = space.space.labels
    likeliest_first = np.argsort(-proba, axis=1, kind="stable").tolist()
    answers = []
    for position, (text, row, is_chosen) in enumerate(zip(prepared, round_proba(proba), chosen.tolist(), strict=True)):
        answers.append(
            Answer(
                text=text,
                labels=tuple([names[column] for column in likeliest_first[position] if is_chosen[column]]),
                proba=row,
                space=space,
                vad=name_vad(judgement.vad, position),
                flags=flag_text(
                    texts[position], is_empty=not text.strip(), is_known=bool(judgement.is_known[position])
                ),
                id=ids[position] if ids else "",
                context=None if context is None else join_context(context[position], where=f"context[{position}]"),
            )
        )
    return answers


def flag_text(text: str, *, is_empty: bool, is_known: bool) -> tuple[str, ...]:
    """Return the reasons for caution about one answer."""
    flags = []
    if is_empty:
        flags.append(FLAG_EMPTY)
    elif not is_known:
        flags.append(FLAG_UNKNOWN_WORDS)
    if len(text) > LONGEST_TEXT_CHARS:
        flags.append(FLAG_CUT)
    return tuple(flags)


def round_proba(proba: NDArray[np.floating]) -> list[list[float]]:
    """Round probabilities to the digits that answers show."""
    rounded: list[list[float]] = np.round(proba.astype(np.float64), PROBA_DIGITS).tolist()
    return rounded


def join_context(context: Context, *, where: str = "") -> str | None:
    """Show a context as one text that can be written, a line a turn.

    Raises:
        DataError: It is neither a text nor a sequence of texts.
    """
    if context is None:
        return None
    turns = context if isinstance(context, Sequence) and not isinstance(context, str) else [context]
    return "\n".join(prepare_text(turn, where=where) for turn in turns)
