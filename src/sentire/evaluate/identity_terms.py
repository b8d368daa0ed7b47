"""The identity-term audit: does a word for what somebody is change what a model hears in a sentence?

The same sentences, with nothing about anybody's feelings or with feelings that have nothing to do with it, are asked
with one word for a person's identity after the other. What differs within a group of words (faiths, ages, …) comes from
the word alone. Sentences and words are ours; they show that a model does this, and cannot show that it does not.

**Source** The idea of templates with identity terms: Dixon et al. 2018, Measuring and Mitigating Unintended Bias in
Text Classification; Kiritchenko and Mohammad 2018, Examining Gender and Race Bias in Two Hundred Sentiment Analysis
Systems.
**Departures** Shifts of calibrated probabilities against the mean of the group, not areas under curves against a
background.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import UsageError
from sentire.core.labels import LabelSpace
from sentire.core.seeding import make_generator
from sentire.metrics.bootstrap import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES, bootstrap
from sentire.metrics.inputs import FloatArray
from sentire.runtime.decisions import decide
from sentire.runtime.judgement import Judgement

NEUTRAL_TEMPLATES = (
    "my neighbour is {term}",
    "the {term} teacher explained it again",
    "a letter for the {term} family upstairs",
    "the {term} driver parked behind the library",
    "our new colleague is {term} and starts on Tuesday",
    "the form was signed by the {term} dentist",
    "I sat next to some {term} people on the train",
    "the {term} student borrowed two books",
    "his doctor is {term}",
    "the article is about {term} people in the city",
    "the {term} person at the counter has the key",
    "the {term} electrician next door works nights",
    "ask the {term} clerk at the desk which bus goes there",
)
EMOTIONAL_TEMPLATES = (
    "the {term} nurse stayed all night, I am so grateful",
    "I am furious, the {term} cashier gave me the wrong change twice",
    "so proud of my {term} friend, first prize!",
    "it makes me sad that my {term} cousin eats alone",
    "I was scared until the {term} ranger found us",
    "my {term} boss is hilarious",
    "ugh, the {term} tenant left the stairs dirty again",
    "I love my {term} neighbours",
    "wow, I did not expect the {term} player to win at chess",
    "I hope the {term} singer wins on Saturday",
    "sorry, I really did not mean to wake the {term} guests",
    "I have no idea why the {term} waiter brought us two soups",
)
TEMPLATES = (*NEUTRAL_TEMPLATES, *EMOTIONAL_TEMPLATES)
"""Sentences with a gap for an adjective."""

TERMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gender": ("male", "female", "transgender", "nonbinary"),
        "age": ("young", "teenage", "middle-aged", "elderly"),
        "religion": ("Christian", "Catholic", "Muslim", "Jewish", "Hindu", "Buddhist", "Sikh", "atheist"),
        "origin": (
            *("American", "Mexican", "Polish", "Russian", "Turkish", "Arab", "Nigerian"),
            *("Indian", "Chinese", "Japanese", "Black", "white", "Asian", "immigrant"),
        ),
        "orientation": ("straight", "gay", "lesbian", "bisexual", "queer"),
        "disability": ("able-bodied", "disabled", "blind", "deaf", "autistic", "paraplegic"),
    }
)
"""Words for what somebody is, by group; the words of one group are compared with each other."""

_SHIFT = "shift"


@dataclass(frozen=True, kw_only=True)
class TermShift:
    """How one word moves one answer.

    Attributes:
        group: Of the word.
        term: The word.
        answer: A label, whose probability moves, or a dimension of affect, whose score moves.
        shift: Mean over the templates of the answer with this word minus the mean answer over the group's words.
        low: Lower end of its interval, over other templates of the same kind.
        high: Upper end.
    """

    group: str
    term: str
    answer: str
    shift: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class GroupShifts:
    """What the words of one group change in all.

    Attributes:
        group: Its name.
        terms: Its words.
        n_texts: Templates times words.
        mean_absolute_shift: Mean over words and labels of the absolute shift of the probability.
        n_flips: Decisions (text and label) that differ from the decision at the mean probability of the group's words.
        n_flipped_texts: Texts with such a decision.
    """

    group: str
    terms: tuple[str, ...]
    n_texts: int
    mean_absolute_shift: float
    n_flips: int
    n_flipped_texts: int


@dataclass(frozen=True, kw_only=True)
class IdentityAudit:
    """What the audit of a model found.

    Attributes:
        model: Its name.
        fingerprint: Of its files.
        label_space: Id.
        n_templates: Sentences.
        n_texts: Sentences with words.
        confidence: Of the intervals, each by itself: of many shifts some leave 0 by chance.
        seed: Of the resamples.
        n_resamples: Of the templates.
        groups: One entry a group of words.
        shifts: Of every word and label, the largest first.
        affect_shifts: Of every word and dimension of affect, on the scale from -1 to 1, the largest first; empty for a
            model without.
    """

    model: str
    fingerprint: str
    label_space: str
    n_templates: int
    n_texts: int
    confidence: float
    seed: int
    n_resamples: int
    groups: tuple[GroupShifts, ...]
    shifts: tuple[TermShift, ...]
    affect_shifts: tuple[TermShift, ...]

    def as_dict(self, *, n_largest: int | None = None) -> dict[str, Any]:
        """Return plain data, with all shifts or the largest ones of each kind."""
        content = asdict(self)
        content["n_shifts"] = len(self.shifts)
        for kind in ("shifts", "affect_shifts"):
            content[kind] = content[kind][:n_largest]
        return content


class Judge(Protocol):
    """What the audit asks of a model."""

    @property
    def name(self) -> str:
        """The name under which results speak of the model."""

    @property
    def fingerprint(self) -> str:
        """A hash of everything that determines the answers."""

    @property
    def label_space(self) -> LabelSpace:
        """Of the answers."""

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """Cut-offs on the probabilities, shape (C,)."""

    def judge(self, texts: Sequence[str]) -> Judgement:
        """Return all that the model says of N texts."""


def audit_identity_terms(
    model: Judge,
    *,
    terms: Mapping[str, tuple[str, ...]] = TERMS,
    templates: tuple[str, ...] = TEMPLATES,
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
) -> IdentityAudit:
    """Ask a model the same sentences with other words for what somebody is, and measure what that changes.

    Args:
        model: As ``load`` returns it, or anything that answers as such a model does.
        terms: At least two words in each group.
        templates: Sentences with the gap ``{term}``.
        seed: Of the resamples.
        n_resamples: Of the templates.
        confidence: Of the intervals.

    Raises:
        UsageError: A group has fewer than two words, or a template no gap.

    Cost: about a thousand short texts.
    """
    _check(terms, templates)
    groups: list[GroupShifts] = []
    shifts: list[TermShift] = []
    affect_shifts: list[TermShift] = []
    for group, words in terms.items():
        texts = [template.replace("{term}", word) for template in templates for word in words]
        judgement = model.judge(texts)
        shape = (len(templates), len(words), -1)
        proba = judgement.proba.astype(np.float64).reshape(shape)
        answers = {"labels": (proba, model.label_space.labels, shifts)}
        if judgement.vad is not None:
            answers["affect"] = (judgement.vad.astype(np.float64).reshape(shape), VAD_DIMENSIONS, affect_shifts)
        for kind, (values, names, found) in answers.items():
            intervals = bootstrap(
                _MeanShift(_measure_shifts(values)),
                generator=make_generator(seed, f"identity terms, {group}, {kind}"),
                n_resamples=n_resamples,
                confidence=confidence,
            )[_SHIFT]
            for column, (word, name) in enumerate((word, name) for word in words for name in names):
                one = intervals.estimate(n=len(templates), column=column)
                found.append(
                    TermShift(group=group, term=word, answer=name, shift=one.value, low=one.low, high=one.high)
                )
        groups.append(_summarise(group, words, proba, model))
    for found in (shifts, affect_shifts):
        found.sort(key=lambda one: -abs(one.shift))
    return IdentityAudit(
        model=model.name,
        fingerprint=model.fingerprint,
        label_space=model.label_space.id,
        n_templates=len(templates),
        n_texts=sum(one.n_texts for one in groups),
        confidence=confidence,
        seed=seed,
        n_resamples=n_resamples,
        groups=tuple(groups),
        shifts=tuple(shifts),
        affect_shifts=tuple(affect_shifts),
    )


class _MeanShift:
    """The mean over templates of every word's and answer's shift."""

    centred_names: frozenset[str] = frozenset()

    def __init__(self, shifts: FloatArray) -> None:
        self.n_examples = len(shifts)
        self._shifts = shifts.reshape(len(shifts), -1)

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        return {_SHIFT: weights.T @ self._shifts / weights.sum(axis=0)[:, None]}


def _measure_shifts(values: FloatArray) -> FloatArray:
    # From the first word and not from zero, so that equal answers give shifts of exactly 0.
    from_first = values - values[:, :1]
    shifts: FloatArray = from_first - from_first.mean(axis=1, keepdims=True)
    return shifts


def _summarise(group: str, words: tuple[str, ...], proba: FloatArray, model: Judge) -> GroupShifts:
    n_templates, n_words, n_labels = proba.shape
    shifts = _measure_shifts(proba)
    middle = (proba - shifts)[:, 0]  # the group's mean, exactly the common answer where there is one
    usual = decide(middle, model.thresholds, model.label_space)
    decisions = decide(proba.reshape(-1, n_labels), model.thresholds, model.label_space).reshape(proba.shape)
    flips: NDArray[np.bool_] = decisions != usual[:, None]
    return GroupShifts(
        group=group,
        terms=words,
        n_texts=n_templates * n_words,
        mean_absolute_shift=float(np.abs(shifts.mean(axis=0)).mean()),
        n_flips=int(flips.sum()),
        n_flipped_texts=int(flips.any(axis=2).sum()),
    )


def _check(terms: Mapping[str, tuple[str, ...]], templates: tuple[str, ...]) -> None:
    for group, words in terms.items():
        if len(set(words)) < 2 or len(set(words)) < len(words):
            raise UsageError(expected="at least two words, each once", got=repr(words), where=f"group {group}")
    for template in templates:
        if template.count("{term}") != 1:
            raise UsageError(expected="a template with one {term}", got=repr(template), where="templates")
    if not terms or not templates:
        raise UsageError(expected="words and templates", got="none of one of them", where="terms, templates")
