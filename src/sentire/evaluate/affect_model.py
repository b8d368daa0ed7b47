"""The evaluation of a model's affect scores on examples with ratings."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.affect import VAD_DIMENSIONS, VAD_UNIT, AffectScale
from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.core.protocols import Context
from sentire.core.records import Example
from sentire.data.checks import find_recurring
from sentire.evaluate.affect import SCORES_AS_THEY_ARE, evaluate_affect
from sentire.evaluate.examples import check_examples, gather_context
from sentire.evaluate.result import EvaluationResult
from sentire.evaluate.training_data import get_affect_scores
from sentire.metrics.bootstrap import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES
from sentire.runtime.judgement import Judgement


class AffectModel(Protocol):
    """A model that may answer with valence, arousal and dominance beside its labels."""

    @property
    def name(self) -> str:
        """The name under which results speak of the model."""

    @property
    def fingerprint(self) -> str:
        """A hash of everything that determines the answers."""

    @property
    def uses_context(self) -> bool:
        """Whether a context changes the answer."""

    @property
    def has_vad(self) -> bool:
        """Whether its judgements hold valence, arousal and dominance."""

    def judge(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> Judgement:
        """Return all that the model says of N texts."""


def check_has_affect(model: AffectModel, *, where: str = "") -> None:
    """Make sure that a model answers with valence, arousal and dominance.

    Raises:
        UsageError: It does not.
    """
    if not model.has_vad:
        raise UsageError(
            expected="a model that answers with valence, arousal and dominance",
            got=f"{model.name}, which answers with labels only",
            where=where,
            hint="measure a model with affect scores, or this one on data with labels",
        )


def evaluate_affect_model(
    model: AffectModel,
    examples: Sequence[Example],
    *,
    scale: AffectScale,
    data_name: str,
    data_revision: str,
    split: str,
    train_texts: Iterable[str] | None = None,
    train_mean: ArrayLike | None = None,
    train_name: str = "",
    ignore_context: bool = False,
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
    keep_rows: bool = True,
    n_rejected: int = 0,
    cautions: Sequence[str] = (),
) -> EvaluationResult:
    """Ask a model about every example that carries all three ratings and measure its scores against them.

    The model's scores run from -1 to 1; they are moved to the scale of the ratings, which keeps correlations and puts
    errors in the units of the raters.

    Args:
        model: With an affect head.
        examples: With unique ids. Those that lack a rating of valence, arousal or dominance are counted and not asked.
        scale: Of the examples' ratings.
        data_name: Name of the corpus, for the result.
        data_revision: Revision of the corpus, for the result.
        split: Name of the split, for the result.
        train_texts: The texts that the scores were learned from; examples with an equal text (equal normal forms)
            are left out of a second set of figures. None where they are not known.
        train_mean: Mean rating of those texts, shape (3,), on ``scale``; None for the mean of the targets.
        train_name: Of the split that the mean comes from, for the result.
        ignore_context: Ask a model that uses context without it.
        seed: Of the resamples.
        n_resamples: Of the bootstrap.
        confidence: Of the intervals.
        keep_rows: Whether the result holds the scores.
        n_rejected: Rows that could not be read as examples, for the result.
        cautions: Reasons to read the figures with care, for the result.

    Raises:
        UsageError: The model has no such scores.
        DataError: An example is synthetic, two have the same id, none can be measured or a rating is off the scale;
            or a score of the model is not from -1 to 1.
        ShapeError: The model does not answer with three scores a text.
    """
    where = f"{data_name}:{split}"
    check_has_affect(model, where=where)
    check_examples(examples, where)
    rated = [(example, scores) for example in examples if (scores := get_affect_scores(example)) is not None]
    if not rated:
        raise DataError(
            expected=f"examples with scores of {', '.join(VAD_DIMENSIONS)}",
            got=f"{len(examples)} examples, none of which carries all three",
            where=where,
        )
    targets = scale.check([scores for _, scores in rated], where=where)  # before the model works in vain
    scored = [example for example, _ in rated]
    context, context_use = gather_context(scored, uses_context=model.uses_context, ignore_context=ignore_context)
    unit = _ask(model, [example.text for example in scored], context)
    is_leaked = None
    if train_texts is not None:
        is_leaked = np.zeros(len(scored), dtype=np.bool_)
        is_leaked[find_recurring(train_texts, (example.text for example in scored))] = True
    mean_of = "these texts" if train_mean is None else train_name or "the training data"
    return evaluate_affect(
        VAD_UNIT.convert(unit, scale, where=f"model {model.name}"),
        targets,
        ids=[example.id for example in scored],
        model_name=model.name,
        model_fingerprint=model.fingerprint,
        data_name=data_name,
        data_revision=data_revision,
        split=split,
        scale=scale,
        train_mean=train_mean,
        is_leaked=is_leaked,
        n_unscored=len(examples) - len(scored),
        n_rejected=n_rejected,
        cautions=cautions,
        protocol=f"{SCORES_AS_THEY_ARE}, beside the mean of {mean_of}",
        context=context_use,
        seed=seed,
        n_resamples=n_resamples,
        confidence=confidence,
        keep_rows=keep_rows,
    )


def _ask(model: AffectModel, texts: list[str], context: list[Context] | None) -> NDArray[np.float64]:
    vad = model.judge(texts, context=context).vad
    expected = (len(texts), len(VAD_DIMENSIONS))
    if vad is None or vad.shape != expected:
        raise ShapeError(
            expected=f"affect scores of shape {expected}",
            got="none" if vad is None else f"shape {vad.shape}",
            where=f"model {model.name}",
        )
    return np.asarray(vad, dtype=np.float64)
