"""The evaluation of affect scores: valence, arousal, dominance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from sentire._version import __version__
from sentire.core.affect import VAD_1_5, VAD_DIMENSIONS, AffectScale
from sentire.core.errors import DataError, ShapeError
from sentire.evaluate.measures import REGRESSION_METRICS, Resampling, name_regression_metric
from sentire.evaluate.result import (
    ContextUse,
    DataFacts,
    EvaluationResult,
    EvaluationSettings,
    ModelFacts,
    ScoreRows,
    WithoutLeaked,
    describe_machine,
    shorten,
)
from sentire.metrics.bootstrap import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES, Estimate
from sentire.metrics.inputs import FloatArray, check_paired_scores
from sentire.metrics.regression import RegressionStatistic

SCORES_AS_THEY_ARE = "scores as the model gives them"


def evaluate_affect(
    predicted: ArrayLike,
    targets: ArrayLike,
    *,
    ids: Sequence[str],
    model_name: str,
    model_fingerprint: str,
    data_name: str,
    data_revision: str,
    split: str,
    scale: AffectScale = VAD_1_5,
    dimensions: Sequence[str] = VAD_DIMENSIONS,
    train_mean: ArrayLike | None = None,
    is_leaked: ArrayLike | None = None,
    n_unscored: int = 0,
    n_rejected: int = 0,
    cautions: Sequence[str] = (),
    protocol: str = SCORES_AS_THEY_ARE,
    context: ContextUse = "none",
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
    keep_rows: bool = True,
) -> EvaluationResult:
    """Measure predicted affect scores against people's ratings, on the same scale.

    Args:
        predicted: Shape (N, D); a prediction may leave the scale.
        targets: Shape (N, D), on the scale.
        ids: Of the N examples, unique.
        model_name: For the result.
        model_fingerprint: A hash of everything that determines the model's answers.
        data_name: Name of the corpus, for the result.
        data_revision: Revision of the corpus, for the result.
        split: Name of the split, for the result.
        scale: Of both arrays.
        dimensions: Names of the D columns, with different initials.
        train_mean: The mean rating in training, shape (D,), as the answer of knowing nothing; without it the mean of
            the targets themselves, which is a little harder to beat.
        is_leaked: Which examples' texts also occur in training, shape (N,); None where that is not known.
        n_unscored: Examples without ratings that were left out before.
        n_rejected: Rows that could not be read as examples, for the result.
        cautions: Reasons to read the figures with care, for the result.
        protocol: How the scores were made, in words.
        context: Whether the model was told what the texts were said in, for the result.
        seed: Of the resamples.
        n_resamples: Of the bootstrap.
        confidence: Of the intervals.
        keep_rows: Whether the result holds the scores.

    Returns:
        The result; its metrics are ``pearson_v``, ``spearman_v``, ``concordance_v``, ``rmse_v``, ``mae_v`` and
        ``rmse_v_mean_baseline``, and so on for each dimension.

    Raises:
        ShapeError: The arrays, ids and dimensions do not fit together.
        DataError: A value is not finite, a target is off the scale, or an id occurs twice.
    """
    exact, true = check_paired_scores(predicted, targets)
    guessed = shorten(exact)
    scale.check(true, where=f"{data_name}:{split}")
    n, n_dimensions = true.shape
    if len(ids) != n or len(dimensions) != n_dimensions:
        raise ShapeError(
            expected=f"{n} ids and {n_dimensions} dimensions", got=f"{len(ids)} ids and {len(dimensions)} dimensions"
        )
    if len(set(ids)) != n:
        raise DataError(expected="unique ids", got=f"{n - len(set(ids))} repeated", where=f"{data_name}:{split}")
    resampling = Resampling(seed=seed, n_resamples=n_resamples, confidence=confidence)
    without_leaked = None
    if is_leaked is not None:
        is_unseen = ~np.asarray(is_leaked, dtype=np.bool_)
        if is_unseen.shape != (n,):
            raise ShapeError(expected=f"shape ({n},)", got=f"shape {is_unseen.shape}", where="is_leaked")
        n_unseen = int(is_unseen.sum())
        without_leaked = WithoutLeaked(
            n=n_unseen,
            n_removed=n - n_unseen,
            metrics=_measure(
                guessed[is_unseen], true[is_unseen], dimensions, train_mean, resampling, "bootstrap without leaked"
            )
            if n_unseen
            else {},
        )
    return EvaluationResult(
        task="affect",
        model=ModelFacts(name=model_name, fingerprint=model_fingerprint, label_space=scale.id, thresholds={}),
        data=DataFacts(
            name=data_name,
            revision=data_revision,
            split=split,
            n=n,
            n_unscored=n_unscored,
            label_space=scale.id,
            label_map=None,
            labels=tuple(dimensions),
            n_rejected=n_rejected,
            cautions=tuple(cautions),
        ),
        settings=EvaluationSettings(
            seed=seed, n_resamples=n_resamples, confidence=confidence, protocol=protocol, context=context
        ),
        sentire_version=__version__,
        machine=describe_machine(),
        metrics=_measure(guessed, true, dimensions, train_mean, resampling, "bootstrap"),
        per_label={},
        without_leaked=without_leaked,
        rows=_make_rows(ids, guessed, true) if keep_rows else None,
    )


def _measure(
    predicted: FloatArray,
    targets: FloatArray,
    dimensions: Sequence[str],
    train_mean: ArrayLike | None,
    resampling: Resampling,
    purpose: str,
) -> dict[str, Estimate]:
    found = resampling.apply(RegressionStatistic(predicted, targets, train_mean=train_mean), purpose=purpose)
    return {
        name_regression_metric(measure, dimension): found[measure].estimate(n=len(targets), column=column)
        for measure in REGRESSION_METRICS
        for column, dimension in enumerate(dimensions)
    }


def _make_rows(ids: Sequence[str], predicted: FloatArray, targets: FloatArray) -> ScoreRows:
    return ScoreRows(
        ids=tuple(ids),
        targets=tuple(tuple(row) for row in targets.tolist()),
        predictions=tuple(tuple(row) for row in predicted.tolist()),
    )
