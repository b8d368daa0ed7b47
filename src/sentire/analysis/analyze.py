"""Answers to texts that are at hand."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from sentire.analysis.answers import (
    FLAG_CUT,
    FLAG_EMPTY,
    FLAG_UNKNOWN_WORDS,
    Answer,
    AnswerSpace,
    name_vad,
)
from sentire.core.protocols import Context
from sentire.runtime.load import Model, take_model
from sentire.runtime.texts import LONGEST_TEXT_CHARS, check_context, list_texts, prepare_text, prepare_texts


def analyze(
    texts: Iterable[str],
    *,
    context: Iterable[Context] | None = None,
    model: str | Path | Model = "default",
    label_space: str = "",
) -> list[Answer]:
    """Say what people feel in some texts.

    Args:
        texts: N texts, in any iterable that has an order; an empty one gets an answer without labels and the flag
            ``empty``.
        context: For each text the situation or the earlier turns in which it was said, or None.
        model: Name of an embedded model, folder of a trained one, or a loaded model.
        label_space: Answer in the labels of this space, such as ``ekman``; empty for the model's own.

    Returns:
        N answers, in order.

    Raises:
        DataError: The texts are no such iterable, or an element, or a turn of a context, is not a text.
        UsageError: There is not one context a text, or the model is none.
        UnknownNameError: No such model or label space.
        ArtifactError: The model is damaged.

    Example:
        >>> [answer.labels for answer in analyze(["Thank you so much, this helped a lot!"])]
        [('gratitude',)]
    """
    loaded = take_model(model)
    return judge_texts(loaded, AnswerSpace(loaded, label_space), texts, context=context)


def judge_texts(
    model: Model,
    space: AnswerSpace,
    texts: Iterable[str],
    *,
    context: Iterable[Context] | None = None,
    ids: Sequence[str] = (),
    rows: Sequence[int] = (),
) -> list[Answer]:
    """Answer N texts with a loaded model in a chosen space; ids and rows say where in a file they stand."""
    texts = list_texts(texts)
    prepared = prepare_texts(texts)
    contexts = check_context(context, len(texts))
    judgement = model.judge(prepared, context=contexts)
    proba, chosen = space.project(judgement.proba)
    shown = space.round_proba(proba, chosen)
    is_empty = np.array([not text.strip() for text in prepared], dtype=np.bool_)
    chosen = chosen & ~is_empty[:, None]
    names = space.space.labels
    # By what is shown, so that no list of an answer seems out of order; among equals by what was rounded.
    likeliest_first = np.lexsort((-proba, -shown), axis=1).tolist()
    answers = []
    for position, (text, row, is_chosen) in enumerate(zip(prepared, shown.tolist(), chosen.tolist(), strict=True)):
        answers.append(
            Answer(
                text=text,
                labels=tuple([names[column] for column in likeliest_first[position] if is_chosen[column]]),
                proba=row,
                unrounded=proba[position],
                ranking=likeliest_first[position],
                space=space,
                vad=name_vad(judgement.vad, position),
                flags=flag_text(
                    texts[position], is_empty=not text.strip(), is_known=bool(judgement.is_known[position])
                ),
                id=ids[position] if ids else "",
                row=rows[position] if rows else None,
                context=None if contexts is None else join_context(contexts[position], where=f"context[{position}]"),
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


def join_context(context: Context, *, where: str = "") -> str | None:
    """Show a context as one text that can be written, a line a turn.

    Raises:
        DataError: It is neither a text nor a sequence of texts.
    """
    if context is None:
        return None
    turns = context if isinstance(context, Sequence) and not isinstance(context, str | bytes | bytearray) else [context]
    return "\n".join(prepare_text(turn, where=where) for turn in turns)
