"""Answers to texts that are at hand."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentire.analysis.answers import (
    FLAG_CONTEXT_CUT,
    FLAG_CUT,
    FLAG_EMPTY,
    FLAG_NOT_ENGLISH,
    FLAG_UNKNOWN_WORDS,
    FLAG_WINDOWS,
    Answer,
    AnswerSpace,
    AnswerWindow,
    name_vad,
)
from sentire.core.protocols import Context
from sentire.runtime.judgement import Course, Judgement
from sentire.runtime.load import Model, take_model
from sentire.runtime.texts import (
    LONGEST_TEXT_CHARS,
    check_context,
    list_texts,
    list_turns,
    prepare_text,
    prepare_texts,
)


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
    courses = judgement.course or (None,) * len(texts)
    is_empty = np.array([not text.strip() for text in prepared], dtype=np.bool_)
    chosen = chosen & ~is_empty[:, None]
    likeliest_first = _rank(proba, shown)
    answers = []
    for position, (text, row, is_chosen) in enumerate(zip(prepared, shown.tolist(), chosen.tolist(), strict=True)):
        answers.append(
            Answer(
                text=text,
                labels=_name_labels(space, likeliest_first[position], is_chosen),
                proba=row,
                unrounded=proba[position],
                ranking=likeliest_first[position],
                space=space,
                vad=name_vad(judgement.vad, position),
                flags=flag_text(texts[position], judgement, position),
                course=name_course(space, courses[position]),
                id=ids[position] if ids else "",
                row=rows[position] if rows else None,
                context=None if contexts is None else join_context(contexts[position], where=f"context[{position}]"),
            )
        )
    return answers


def flag_text(text: str, judgement: Judgement, position: int) -> tuple[str, ...]:
    """Return the reasons for caution about the answer to one text.

    Args:
        text: As it was given.
        judgement: Of several texts.
        position: Which of them it is.
    """
    is_empty = not text[:LONGEST_TEXT_CHARS].strip()
    reasons = {
        FLAG_EMPTY: is_empty,
        FLAG_UNKNOWN_WORDS: not is_empty and not judgement.is_known[position],
        FLAG_NOT_ENGLISH: not judgement.is_english[position],
        FLAG_WINDOWS: judgement.course is not None and judgement.course[position] is not None,
        FLAG_CUT: len(text) > LONGEST_TEXT_CHARS,
        FLAG_CONTEXT_CUT: judgement.is_context_cut is not None and judgement.is_context_cut[position],
    }
    return tuple([flag for flag, holds in reasons.items() if holds])


def name_course(space: AnswerSpace, course: Course | None) -> tuple[AnswerWindow, ...]:
    """Return the answers to the parts of a long text; none where there is no course."""
    if course is None:
        return ()
    proba, chosen = space.project(course.proba)
    shown = space.round_proba(proba, chosen)
    likeliest_first = _rank(proba, shown)
    return tuple(
        [
            AnswerWindow(
                start=start,
                end=end,
                labels=_name_labels(space, likeliest_first[position], chosen[position].tolist()),
                proba=shown[position].tolist(),
                vad=name_vad(course.vad, position),
            )
            for position, (start, end) in enumerate(course.spans.tolist())
        ]
    )


def _rank(proba: NDArray[np.floating], shown: NDArray[np.float64]) -> list[list[int]]:
    # By what is shown, so that no list of an answer seems out of order; among equals by what was rounded.
    ranked: list[list[int]] = np.lexsort((-proba, -shown), axis=1).tolist()
    return ranked


def _name_labels(space: AnswerSpace, ranking: Sequence[int], is_chosen: Sequence[bool]) -> tuple[str, ...]:
    names = space.space.labels
    return tuple([names[column] for column in ranking if is_chosen[column]])


def join_context(context: Context, *, where: str = "") -> str | None:
    """Show a context as one text that can be written, a line a turn.

    Of a turn of more than ``LONGEST_TEXT_CHARS`` the end is shown, since models read the end of a context.

    Raises:
        DataError: It is neither a text nor a sequence of texts.
    """
    if context is None:
        return None
    turns = [turn[-LONGEST_TEXT_CHARS:] if isinstance(turn, str) else turn for turn in list_turns(context)]
    return "\n".join(prepare_text(turn, where=where) for turn in turns)
