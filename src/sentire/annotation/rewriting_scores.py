"""How often people judge a rewritten utterance less emotional than the one that it was rewritten from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentire.annotation.annotations import Judgement, measure_context_rate, select_done
from sentire.annotation.kappas import measure_kappas
from sentire.annotation.questions import ALIKE, FIRST, MORE_EMOTIONAL, SECOND
from sentire.annotation.sample import Key, Sample, check_key
from sentire.core.errors import DataError
from sentire.core.seeding import make_generator
from sentire.metrics.agreement import MISSING
from sentire.metrics.bootstrap import DEFAULT_RESAMPLES, Estimate, MeanStatistic, bootstrap

LESS, EQUAL, MORE = 0, 1, 2
"""Answers, whatever the order in which the versions were shown: how emotional the rewritten one is."""

_NO_MAJORITY = 3


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The shares of items by how emotional the rewritten version was judged beside the original.

    Attributes:
        less: Less emotional.
        alike: Both alike.
        more: More emotional.
    """

    less: Estimate
    alike: Estimate
    more: Estimate


@dataclass(frozen=True, kw_only=True)
class RewritingScores:
    """What a sample of rewritings says; every share and kappa with its interval over items.

    Attributes:
        annotators: By alias, the items that each has done.
        n_items: Of the sample.
        shares: By alias, of the items that each has done.
        majority: Of the items that two or more have done: the answer of more than half of those. With
            ``no_majority`` the three sum to 1. None where no item was done twice.
        no_majority: Of the same items: no answer is that of more than half.
        cohen: Cohen's kappa over the three answers of every pair of annotators; None where they share no item.
        fleiss: Fleiss' kappa of all, over the items that all have done; None where there is none, or one annotator.
        alpha: Krippendorff's alpha of the items that two or more have done; None where there is none.
        first_rates: By alias, how often the version shown first was picked, of the picks of either; None where there
            is none. The rewriting stands first in half of the items: far from a half, somebody picks by place.
        context_rate: How often the context was asked for, of the items that have one.
    """

    annotators: Mapping[str, int]
    n_items: int
    shares: Mapping[str, Shares]
    majority: Shares | None
    no_majority: Estimate | None
    cohen: Mapping[str, Estimate | None]
    fleiss: Estimate | None
    alpha: Estimate | None
    first_rates: Mapping[str, float | None]
    context_rate: float | None


def score_rewritings(
    sample: Sample,
    key: Key,
    annotations: Mapping[str, Mapping[str, Judgement]],
    *,
    n_resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> RewritingScores:
    """Score the annotations of a sample of rewritings; of one annotator alone, the shares without agreement.

    Args:
        sample: That was judged.
        key: Which version is the rewritten one.
        annotations: By alias, by item; only what is done counts.
        n_resamples: Of the bootstrap over items.
        seed: Of the resamples.

    Raises:
        UsageError: The sample asks another question.
        ArtifactError: The key is that of another sample.
        DataError: Nobody has done an item.
    """
    check_key(sample, key, MORE_EMOTIONAL)
    done = select_done(annotations)
    if not done:
        raise DataError(
            expected="annotations of at least one person",
            got="none",
            where=sample.name,
            hint="sentire annotate serve lets somebody judge",
        )
    table = _make_table(sample, key, done)
    generator = make_generator(seed, "rewriting scores")

    def measure(answers: NDArray[np.int64]) -> list[Estimate]:
        names = {answer: str(answer) for answer in (LESS, EQUAL, MORE, _NO_MAJORITY)}
        statistic = MeanStatistic({name: (answers == answer).astype(np.float64) for answer, name in names.items()})
        found = bootstrap(statistic, generator=generator, n_resamples=n_resamples)
        return [found[name].estimate(n=len(answers)) for name in names.values()]

    shares = {alias: _name_shares(measure(row[row != MISSING])) for alias, row in zip(done, table, strict=True)}
    by_two = (table != MISSING).sum(axis=0) >= 2
    most = measure(_find_majority(table[:, by_two])) if by_two.any() else None
    item_of = np.arange(len(sample.items), dtype=np.int64)
    kappas = measure_kappas(table, item_of, list(done), generator=generator, n_resamples=n_resamples)
    return RewritingScores(
        annotators={alias: len(judgements) for alias, judgements in done.items()},
        n_items=len(sample.items),
        shares=shares,
        majority=None if most is None else _name_shares(most),
        no_majority=None if most is None else most[_NO_MAJORITY],
        cohen=kappas.cohen,
        fleiss=kappas.fleiss,
        alpha=kappas.alpha,
        first_rates={alias: _measure_first_rate(judgements) for alias, judgements in done.items()},
        context_rate=measure_context_rate(sample, done),
    )


def _make_table(sample: Sample, key: Key, done: Mapping[str, Mapping[str, Judgement]]) -> NDArray[np.int64]:
    """Return answers by annotator and item, shape (A, N)."""
    table = np.full((len(done), len(sample.items)), MISSING, dtype=np.int64)
    for row, judgements in enumerate(done.values()):
        for column, item in enumerate(sample.items):
            if item.id in judgements:
                (pick,) = judgements[item.id].picks
                if pick == ALIKE:
                    table[row, column] = EQUAL
                else:
                    is_rewritten = (FIRST, SECOND).index(pick) == key.rewritten[item.id]
                    table[row, column] = MORE if is_rewritten else LESS
    return table


def _find_majority(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the answer of more than half of those who gave one, shape (N,) of a table of shape (A, N)."""
    counts = np.stack([(table == answer).sum(axis=0) for answer in (LESS, EQUAL, MORE)])
    is_most = 2 * counts.max(axis=0) > counts.sum(axis=0)
    return np.where(is_most, counts.argmax(axis=0), _NO_MAJORITY)


def _name_shares(estimates: Sequence[Estimate]) -> Shares:
    return Shares(less=estimates[LESS], alike=estimates[EQUAL], more=estimates[MORE])


def _measure_first_rate(judgements: Mapping[str, Judgement]) -> float | None:
    picks = [pick for one in judgements.values() for pick in one.picks if pick != ALIKE]
    return picks.count(FIRST) / len(picks) if picks else None
