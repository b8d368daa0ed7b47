"""How far people agree on which emotions are expressed, and the data with them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentire.annotation.annotations import Judgement, measure_context_rate, select_done
from sentire.annotation.kappas import measure_kappas, weigh_by_item
from sentire.annotation.questions import EMOTIONS, NONE
from sentire.annotation.sample import Key, Sample, check_key
from sentire.core.errors import DataError
from sentire.core.seeding import make_generator
from sentire.metrics.agreement import MISSING
from sentire.metrics.bootstrap import DEFAULT_RESAMPLES, Estimate, bootstrap
from sentire.metrics.inputs import FloatArray


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What a sample's annotations say; every figure with its interval over items.

    A decision is one option of one item, picked or not; the option for none of them is no decision of its own.

    Attributes:
        annotators: By alias, the items that each has done.
        n_items: Of the sample.
        cohen: Cohen's kappa of every pair, over the decisions on items that both have done; None where there is none.
        fleiss: Of all, over the items that all have done; None where there is none.
        alpha: Krippendorff's alpha of all decisions that two have made.
        unanimous_accuracy: Of the decisions on which all agree (items that all have done): the share in which the
            data's labels agree with them.
        majority_accuracy: The same for the decisions on which most agree.
        distractor_rate: How often the distractor was picked.
        none_rate: How often none of the options was picked.
        context_rate: How often the context was asked for, of the items that have one.
    """

    annotators: Mapping[str, int]
    n_items: int
    cohen: Mapping[str, Estimate | None]
    fleiss: Estimate | None
    alpha: Estimate
    unanimous_accuracy: Estimate | None
    majority_accuracy: Estimate | None
    distractor_rate: float
    none_rate: float
    context_rate: float | None


class _Share:
    """The share of decisions that are right, among those that count."""

    centred_names: frozenset[str] = frozenset()

    def __init__(self, is_right: NDArray[np.bool_], counts: NDArray[np.bool_]) -> None:
        self.n_examples = len(counts)
        self._right = (is_right & counts).astype(np.float64)
        self._counts = counts.astype(np.float64)

    def __call__(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        total = self._counts @ weights
        right = self._right @ weights
        return {"accuracy": np.divide(right, total, out=np.full_like(right, np.nan), where=total > 0)}


def score_annotations(
    sample: Sample,
    key: Key,
    annotations: Mapping[str, Mapping[str, Judgement]],
    *,
    n_resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Score the annotations of a sample.

    Args:
        sample: That was judged.
        key: What the data says of it.
        annotations: By alias, by item; only what is done counts.
        n_resamples: Of the bootstrap over items.
        seed: Of the resamples.

    Raises:
        UsageError: The sample asks another question.
        ArtifactError: The key is that of another sample.
        DataError: Fewer than two have annotated, or no two of them the same item.
    """
    check_key(sample, key, EMOTIONS)
    done = select_done(annotations)
    if len(done) < 2:
        raise DataError(
            expected="annotations of at least two people",
            got=f"{len(done)}",
            hint="agreement needs somebody to agree with",
        )
    table, item_of, is_label = _make_table(sample, key, done)
    generator = make_generator(seed, "agreement")
    kappas = measure_kappas(table, item_of, list(done), generator=generator, n_resamples=n_resamples)
    if kappas.alpha is None:
        raise DataError(expected="items that two people have done", got="none")

    def estimate(is_right: NDArray[np.bool_], counts: NDArray[np.bool_]) -> Estimate:
        statistic, _ = weigh_by_item(_Share(is_right, counts), item_of[by_all])
        found = bootstrap(statistic, generator=generator, n_resamples=n_resamples)
        return found["accuracy"].estimate(n=int(counts.sum()))

    by_all = (table != MISSING).all(axis=0)
    unanimous = majority = None
    if by_all.any():
        share = table[:, by_all].mean(axis=0)
        is_right = (share > 0.5) == is_label[by_all]
        unanimous = estimate(is_right, (share == 0) | (share == 1))
        majority = estimate(is_right, share != 0.5)
    everything = [(item, one) for judgements in done.values() for item, one in judgements.items()]
    return Agreement(
        annotators={alias: len(judgements) for alias, judgements in done.items()},
        n_items=len(sample.items),
        cohen=kappas.cohen,
        fleiss=kappas.fleiss,
        alpha=kappas.alpha,
        unanimous_accuracy=unanimous,
        majority_accuracy=majority,
        distractor_rate=float(np.mean([key.distractors[item] in one.picks for item, one in everything])),
        none_rate=float(np.mean([NONE in one.picks for _, one in everything])),
        context_rate=measure_context_rate(sample, done),
    )


def _make_table(
    sample: Sample, key: Key, done: Mapping[str, Mapping[str, Judgement]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return decisions by annotator, shape (A, U), the item of each decision and whether the data has the label."""
    decisions = [
        (place, item, option) for place, item in enumerate(sample.items) for option in item.options if option != NONE
    ]
    table = np.full((len(done), len(decisions)), MISSING, dtype=np.int64)
    for row, judgements in enumerate(done.values()):
        for column, (_, item, option) in enumerate(decisions):
            judgement = judgements.get(item.id)
            if judgement is not None:
                table[row, column] = option in judgement.picks
    item_of = np.array([place for place, _, _ in decisions], dtype=np.int64)
    is_label = np.array([option in key.expressed[item.id] for _, item, option in decisions], dtype=np.bool_)
    return table, item_of, is_label
