"""Which words of a text moved which emotion: each word is left out in turn, and the text is judged again."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sentire.analysis.analyze import judge_texts
from sentire.analysis.answers import PROBA_DIGITS, Answer, AnswerSpace
from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import UsageError, quote
from sentire.core.protocols import Context
from sentire.runtime.batches import MOST_CHARS
from sentire.runtime.judgement import Judgement
from sentire.runtime.load import Model, take_model
from sentire.runtime.texts import LONGEST_CONTEXT_CHARS
from sentire.storage.writers import RowWriter

METHOD = "occlusion"
UNIT = "log-odds"

MOST_SPANS = 256
"""A text of more words is explained by spans of several words, about this many at most."""

MOST_JUDGED_CHARS = 2_000_000
"""The variants of one text hold about this many characters at most: of very long texts the spans become longer."""

FEWEST_SPANS = 16
"""So many spans even a text of ``LONGEST_TEXT_CHARS`` gets."""

SMALLEST_PROBA = 1e-6
"""So far from 0 and 1 probabilities are kept: no effect is infinite. Near 1, float32 hardly tells more apart."""

_ROWS_AT_A_TIME = 64

_EMOTICON = r"(?:[:;=][-'^]?(?:[)(\]\[|*]|[/\\](?![/\\])|[DdPpOo](?!\w))|<3(?!\w))"
_PICTURE = "[\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff]"
# What follows a picture and belongs to it: variation selectors, skin tones, tags of flags.
_DRESSED = f"{_PICTURE}[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
_EMOJI = f"(?:[\U0001f1e6-\U0001f1ff]{{2}}|{_DRESSED}(?:\u200d{_DRESSED})*)"

Part = Literal["text", "context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEffect:
    """What a word, or a span of several, did to one answer.

    Attributes:
        start: Where it begins, in Unicode code points of the answer's text (or context), from 0.
        end: Where it ends; ``text[start:end]`` is the span.
        text: The span.
        effect: What the answer has with the span less what it has without: positive where the span speaks for it.
        part: Where the span stands: in the text, or in the context as the answer shows it.
    """

    start: int
    end: int
    text: str
    effect: float
    part: Part = "text"

    def as_dict(self) -> dict[str, Any]:
        """Return plain data; ``part`` is named only where it is the context."""
        # Adding 0 turns a rounded -0.0 into 0.0.
        shown = {
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "effect": round(self.effect, PROBA_DIGITS) + 0.0,
        }
        return shown if self.part == "text" else {**shown, "part": self.part}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Which words of a text moved its answer.

    Attributes:
        text: The text as it was judged; the spans point into it.
        context: What it was said in, one turn a line; the spans with the part ``context`` point into it.
        labels: For each label that is explained, every span with its effect in log-odds, most effective first (by
            size, whatever the sign), then by place.
        vad: The same for valence, arousal and dominance, in units of their scale from -1 to 1; None where the model
            has no such answer.
        words_per_span: 1, or of long texts more.
        model: Whose answer is explained.
    """

    text: str
    context: str | None = None
    labels: Mapping[str, tuple[SpanEffect, ...]]
    vad: Mapping[str, tuple[SpanEffect, ...]] | None = None
    words_per_span: int = 1
    model: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data under the one key ``explanation``, to be put beside the keys of an answer."""
        return {
            "explanation": {
                "method": METHOD,
                "unit": UNIT,
                "words_per_span": self.words_per_span,
                "labels": _list_effects(self.labels),
                "vad": None if self.vad is None else _list_effects(self.vad),
            }
        }


def explain(
    texts: Iterable[str],
    *,
    context: Iterable[Context] | None = None,
    model: str | Path | Model = "default",
    label_space: str = "",
    labels: Iterable[str] | None = None,
) -> list[Explanation]:
    """Say which words of some texts moved which emotion.

    Each word is left out in turn, the rest is judged, and the effect of the word on a label is what its log-odds lose:

        effect(w, c) = logit p(c | text) - logit p(c | text without w),    logit p = ln(p / (1 - p))

    with the calibrated probabilities of the answer, kept ``SMALLEST_PROBA`` away from 0 and 1. An effect of +0.7
    means that the word doubles the odds of the label. Effects of words that work together (``not glad``) do not add
    up to the whole.

    Source: Zeiler and Fergus 2014, Visualizing and understanding convolutional networks, section 4.2 (occlusion); Li,
        Monroe and Jurafsky 2016, Understanding neural networks through representation erasure, section 2.
    Departures: words are deleted from the text, instead of being covered by a placeholder or a zero vector: the rest is
        a text like any other, for every kind of model, whereas no model has met a placeholder in its training. So what
        stood on both sides becomes neighbours: in a model of pairs of words, a word that it does not know can have an
        effect by keeping two others apart. A blank stays where letters or signs would otherwise run together. The
        difference of log-odds is not divided by the log-odds of the whole, which may be 0.

    Args:
        texts: N texts, as in ``analyze``.
        context: As in ``analyze``; where the model uses context, the words that it reads of it are explained too.
        model: As in ``analyze``.
        label_space: As in ``analyze``.
        labels: Explain these labels of the space; None for the labels that were given, or the likeliest where none was.

    Returns:
        N explanations, in order; that of an empty text holds no span.

    Raises:
        DataError: As in ``analyze``.
        LabelError: No such label in the space.
        UsageError: As in ``analyze``, or the labels are one string.

    Cost:
        One judgement a word, and at most about ``MOST_SPANS`` or ``MOST_JUDGED_CHARS`` a text: longer texts are
        explained by spans of several words.

    Example:
        >>> (explanation,) = explain(["Thank you so much, this helped a lot!"])
        >>> explanation.labels["gratitude"][0].text
        'Thank'
    """
    loaded = take_model(model)
    space = AnswerSpace(loaded, label_space)
    wanted = None if labels is None else _check_labels(labels, space)
    return explain_answers(loaded, space, judge_texts(loaded, space, texts, context=context), labels=wanted)


def explain_answers(
    model: Model, space: AnswerSpace, answers: Sequence[Answer], *, labels: Sequence[str] | None = None
) -> list[Explanation]:
    """Explain answers that a loaded model gave in a chosen space; ``labels`` as in ``explain``."""
    return explain_texts(
        model,
        space,
        [answer.text for answer in answers],
        contexts=[answer.context for answer in answers],
        labels=[_choose_labels(answer) if labels is None else labels for answer in answers],
    )


def explain_texts(
    model: Model,
    space: AnswerSpace,
    texts: Sequence[str],
    *,
    contexts: Sequence[str | None],
    labels: Sequence[Sequence[str]],
) -> list[Explanation]:
    """Explain N texts with a loaded model.

    Args:
        model: Any that judges.
        space: Of the labels.
        texts: N prepared texts (see ``prepare_text``), as answers hold them.
        contexts: For each what it was said in, one turn a line, or None.
        labels: For each the labels to be explained.
    """
    plans = [_plan(model, text, context) for text, context in zip(texts, contexts, strict=True)]
    explanations = []
    for part in _chunks(plans):
        judgement = _judge(model, plans[part])
        log_odds = _log_odds(space.project(judgement.proba)[0])
        first = 0
        for plan, context, wanted in zip(plans[part], contexts[part], labels[part], strict=True):
            rows = slice(first, first + 1 + len(plan.spans))
            first = rows.stop
            columns = {label: log_odds[rows, space.space.index(label, where="labels")] for label in wanted}
            vad = None
            if judgement.vad is not None:
                affect = judgement.vad[rows].astype(np.float64)
                vad = {name: _rank(plan, affect[:, column]) for column, name in enumerate(VAD_DIMENSIONS)}
            explanations.append(
                Explanation(
                    text=plan.text,
                    context=context,
                    labels={label: _rank(plan, column) for label, column in columns.items()},
                    vad=vad,
                    words_per_span=plan.words_per_span,
                    model=space.model_name,
                )
            )
    return explanations


class ExplainingWriter:
    """Takes answers as plain data, puts the explanation of each beside it, and hands them on.

    Args:
        writer: Takes the explained answers.
        model: Whose answers they are.
        space: In which they were given.
    """

    def __init__(self, writer: RowWriter, model: Model, space: AnswerSpace) -> None:
        self._writer = writer
        self._model = model
        self._space = space

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Explain and append rows, in bounded memory."""
        remaining = iter(rows)
        while part := list(islice(remaining, _ROWS_AT_A_TIME)):
            explanations = explain_texts(
                self._model,
                self._space,
                [row["text"] for row in part],
                contexts=[row.get("context") for row in part],
                labels=[_choose_row_labels(row) for row in part],
            )
            explained = zip(part, explanations, strict=True)
            self._writer.write({**row, **explanation.as_dict()} for row, explanation in explained)


def find_words(text: str) -> list[tuple[int, int]]:
    """Find the words of a text: where each begins and ends, in code points.

    A word is a run of letters, digits, their marks and apostrophes between them; an emoticon; an emoji with all that
    belongs to it; a run of ! and ?; or a run of other signs. Every character but white space is in exactly one word. In
    scripts without blanks between words, a run of characters is one word.

    Example:
        >>> text = "I don't know... :)"
        >>> [text[start:end] for start, end in find_words(text)]
        ['I', "don't", 'know', '...', ':)']
    """
    return [match.span() for match in _word_pattern().finditer(text)]


def leave_out(text: str, start: int, end: int) -> str:
    """Return the text without one span, and without the blank that would be left over, or with one that is needed.

    Example:
        >>> leave_out("so very glad", 3, 7), leave_out("good,bad", 4, 5)
        ('so glad', 'good bad')
    """
    before, after = text[:start], text[end:]
    is_open_before = not before or before[-1].isspace()
    is_open_after = not after or after[0].isspace()
    if not is_open_before and not is_open_after:
        return f"{before} {after}"
    if is_open_before and is_open_after:
        if before.endswith(" "):
            before = before[:-1]
        elif after.startswith(" "):
            after = after[1:]
    return before + after


@dataclass(frozen=True, slots=True)
class _Plan:
    text: str
    context: str | None
    """The end of it that is handed to the model, which may read less."""
    offset: int
    """How much of the context stands before."""
    spans: tuple[tuple[Part, int, int], ...]
    words_per_span: int

    @property
    def n_chars(self) -> int:
        return (1 + len(self.spans)) * (len(self.text) + len(self.context or ""))

    def iterate_variants(self) -> Iterator[tuple[str, str | None]]:
        """Yield the whole, then the whole without each span."""
        yield self.text, self.context
        for part, start, end in self.spans:
            if part == "text":
                yield leave_out(self.text, start, end), self.context
            else:
                yield self.text, leave_out(self.context or "", start, end)


def _plan(model: Model, text: str, context: str | None) -> _Plan:
    words = find_words(text)
    end = context[-LONGEST_CONTEXT_CHARS:] if context and model.uses_context else None
    offset = len(context or "") - len(end or "")
    # More of the context is handed over than is read: where a word is left out, one further before moves into its
    # place. But words that are not read have no effect, and would make the spans longer.
    start = model.find_context_start(end) if end and words else 0
    said_in = [span for span in find_words(end) if span[1] > start] if end and words else []
    n_allowed = max(FEWEST_SPANS, min(MOST_SPANS, MOST_JUDGED_CHARS // max(1, len(text) + len(end or ""))))
    size = max(1, -(-(len(words) + len(said_in)) // n_allowed))
    spans: list[tuple[Part, int, int]] = [("text", *span) for span in _group(words, size)]
    spans += [("context", *span) for span in _group(said_in, size)]
    return _Plan(text, end, offset, tuple(spans), size)


def _group(words: Sequence[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    for first in range(0, len(words), size):
        yield words[first][0], words[min(first + size, len(words)) - 1][1]


def _chunks(plans: Sequence[_Plan]) -> Iterator[slice]:
    start, n_chars = 0, 0
    for position, plan in enumerate(plans):
        if position > start and n_chars + plan.n_chars > MOST_CHARS:
            yield slice(start, position)
            start, n_chars = position, 0
        n_chars += plan.n_chars
    if start < len(plans):
        yield slice(start, len(plans))


def _judge(model: Model, plans: Sequence[_Plan]) -> Judgement:
    variants = [variant for plan in plans for variant in plan.iterate_variants()]
    has_context = any(plan.context for plan in plans)
    return model.judge([text for text, _ in variants], context=[said for _, said in variants] if has_context else None)


def _log_odds(proba: NDArray[np.floating]) -> NDArray[np.float64]:
    kept = np.clip(proba.astype(np.float64), SMALLEST_PROBA, 1 - SMALLEST_PROBA)
    odds: NDArray[np.float64] = np.log(kept) - np.log1p(-kept)
    return odds


def _rank(plan: _Plan, scores: NDArray[np.float64]) -> tuple[SpanEffect, ...]:
    effects = scores[0] - scores[1:]
    ranked = np.argsort(-np.abs(effects), kind="stable").tolist()
    sources = {"text": plan.text, "context": plan.context or ""}
    listed = []
    for place in ranked:
        part, start, end = plan.spans[place]
        effect = float(effects[place])
        shown, offset = sources[part][start:end], plan.offset if part == "context" else 0
        listed.append(SpanEffect(start=offset + start, end=offset + end, text=shown, effect=effect, part=part))
    return tuple(listed)


def _choose_labels(answer: Answer) -> tuple[str, ...]:
    if answer.labels or not answer.text.strip():
        return answer.labels
    return (answer.space.space.labels[answer.ranking[0]],)


def _choose_row_labels(row: Mapping[str, Any]) -> Sequence[str]:
    # The same choice as above, from an answer as plain data.
    if row["labels"] or not row["text"].strip():
        labels: Sequence[str] = row["labels"]
        return labels
    return [row["emotions"][0]["label"]]


def _check_labels(labels: Iterable[str], space: AnswerSpace) -> tuple[str, ...]:
    if isinstance(labels, str):
        raise UsageError(
            expected="a sequence of labels",
            got="one string",
            where="labels",
            hint=f"put it in a list: [{quote(labels)}]",
        )
    checked = tuple(dict.fromkeys(labels))
    for label in checked:
        space.space.index(label, where="labels")
    return checked


def _list_effects(effects: Mapping[str, tuple[SpanEffect, ...]]) -> dict[str, list[dict[str, Any]]]:
    return {name: [span.as_dict() for span in spans] for name, spans in effects.items()}


@cache
def _word_pattern() -> re.Pattern[str]:
    # Python's \w knows no combining marks, without which a word of Hindi or Arabic with vowel signs falls to pieces.
    marks = "".join(chr(code) for code in range(0x300, 0xFE00) if unicodedata.category(chr(code)).startswith("M"))
    letters = rf"\w[\w{re.escape(marks)}\ufe0e\ufe0f\u200c\u200d]*"
    word = rf"{letters}(?:['’]{letters})*"
    sign = rf"(?!{_EMOTICON}|{_EMOJI}|[!?])[^\w\s]"
    # The last alternative takes what the sign before it would not, such as a lone half of a flag.
    return re.compile(rf"{_EMOTICON}|{word}|{_EMOJI}|[!?]+|(?:{sign})+|[^\w\s]")
