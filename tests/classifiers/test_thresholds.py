from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.metrics.classification import macro_f1, micro_f1

pytest.importorskip("sklearn")

from sentire.classifiers.calibrate import CalibratedFold, make_calibrated_folds
from sentire.classifiers.thresholds import (
    SHRINKAGES,
    SWEEP,
    find_best_threshold,
    find_promised_threshold,
    fit_fixed,
    fit_global,
    fit_global_threshold,
    fit_label_thresholds,
    fit_per_label,
)


def f1_at(targets, proba, cutoff):
    chosen = proba.astype(np.float64) >= cutoff  # as decisions are made: a float32 cut-off would be another number
    n_right = (chosen & targets).sum()
    return 2 * n_right / (chosen.sum() + targets.sum()) if n_right else 0.0


probabilities = st.one_of(st.sampled_from([0.0, 0.1, 0.1 + 1e-9, 0.25, 0.5, 0.9, 1.0]), st.floats(0, 1, width=32))


@given(
    st.lists(st.tuples(st.booleans(), probabilities), min_size=1, max_size=25),
    st.sampled_from([np.float32, np.float64]),
)
def test_no_cut_is_better_than_the_best_one(cases, dtype):
    targets = np.array([target for target, _ in cases])
    proba = np.array([value for _, value in cases], dtype=dtype)
    best = find_best_threshold(targets, proba)
    assert 0 <= best <= 1
    if not targets.any():
        assert best == 1.0
        return
    every_cut = [
        0.0,
        *proba.astype(float),
        *(np.unique(proba.astype(float))[:-1] + np.diff(np.unique(proba.astype(float))) / 2),
    ]
    assert f1_at(targets, proba, best) == max(f1_at(targets, proba, cut) for cut in every_cut)


@pytest.mark.parametrize(
    ("proba", "targets", "expected"),
    [
        ([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0], 0.5),  # in the middle of the gap
        ([0.1, 0.9, 0.2, 0.8], [0, 1, 0, 1], 0.5),  # in any order
        ([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0], 0.25),  # a tie is chosen whole: 2·2/(3+2) beats 2·1/(1+2)
        ([0.6, 0.4], [1, 1], 0.2),  # all are chosen: halfway to 0
        ([0.6, 0.5], [0, 0], 1.0),  # every choice is a mistake
        ([0.7, 0.6, 0.5, 0.4], [1, 0, 0, 1], 0.65),  # F1 is 2/3 for the first alone and for all: the higher cut
    ],
)
def test_best_cuts_by_hand(proba, targets, expected):
    assert find_best_threshold(np.array(targets, bool), np.array(proba)) == pytest.approx(expected)


def test_the_sweep_is_that_of_the_paper():
    assert SWEEP[0] == 0.05
    assert SWEEP[-1] == 0.95
    assert len(SWEEP) == 91
    np.testing.assert_array_equal(SWEEP, [round(0.05 + 0.01 * step, 2) for step in range(91)])


def test_the_global_cutoff_is_the_lowest_best_of_the_sweep():
    rng = np.random.default_rng(2)
    targets = rng.random((80, 3)) < 0.3
    proba = np.clip(targets * 0.2 + rng.random((80, 3)) * 0.7, 0, 1)
    scores = {}
    for cutoff in SWEEP:
        scores[cutoff] = np.mean([f1_at(targets[:, c], proba[:, c], cutoff) for c in range(3)])
    best = max(scores.values())
    assert fit_global_threshold(targets, proba) == min(cut for cut, score in scores.items() if score >= best - 1e-12)


EXAMPLE_PROBA = np.array([[0.9, 0.6], [0.8, 0.3], [0.2, 0.2], [0.1, 0.1]])
EXAMPLE_TARGETS = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], dtype=bool)


def test_promised_cuts_by_hand():
    # Of the first label the sum is 2, and F1 is promised as 2·.9/3, 2·1.7/4, 2·1.9/5, 2·2/6: the second is largest.
    assert find_promised_threshold(EXAMPLE_PROBA[:, 0]) == pytest.approx(0.5)
    # Of the second it is 1.2: 2·.6/2.2 = .545, 2·.9/3.2 = .5625, 2·1.1/4.2 = .524, 2·1.2/5.2 = .46.
    assert find_promised_threshold(EXAMPLE_PROBA[:, 1]) == pytest.approx(0.25)
    assert find_promised_threshold(np.array([0.4, 0.1, 0.4])) == pytest.approx(0.25)  # a tie is chosen whole
    assert find_promised_threshold(np.zeros(3)) == 0.0


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_a_promise_is_the_ratio_of_expected_counts(twentieths, seed):
    proba = np.random.default_rng(seed).permutation(np.array(twentieths) / 20)
    cutoff = find_promised_threshold(proba)
    promises = {}
    for cut in {0.0, *proba.tolist()}:
        n_chosen, expected = sum(p >= cut for p in proba), sum(p for p in proba if p >= cut)
        promises[cut] = 2 * expected / (n_chosen + proba.sum())
    chosen = proba >= cutoff
    assert 2 * proba[chosen].sum() / (chosen.sum() + proba.sum()) == pytest.approx(max(promises.values()))


def test_shrinkage_by_hand():
    # The first label has two texts and its own best cut at .5, the second one text and its own at .45.
    first = (2 * log(0.5 / 0.5) + 3 * log(0.5 / 0.5)) / (2 + 3)
    second = (1 * log(0.45 / 0.55) + 3 * log(0.25 / 0.75)) / (1 + 3)
    fitted = fit_label_thresholds(EXAMPLE_TARGETS, EXAMPLE_PROBA, shrinkage=3.0)
    np.testing.assert_allclose(fitted, [1 / (1 + exp(-first)), 1 / (1 + exp(-second))], rtol=1e-12)
    np.testing.assert_allclose(fitted, [0.5, 0.29439], atol=1e-5)


def test_the_limits_of_shrinkage():
    own = fit_label_thresholds(EXAMPLE_TARGETS, EXAMPLE_PROBA, shrinkage=0.0)
    np.testing.assert_allclose(own, [0.5, 0.45], rtol=1e-12)
    promised = fit_label_thresholds(EXAMPLE_TARGETS, EXAMPLE_PROBA, shrinkage=1e12)
    np.testing.assert_allclose(promised, [0.5, 0.25], rtol=1e-9)


@pytest.mark.parametrize("shrinkage", SHRINKAGES)
def test_a_label_without_texts_gets_the_promised_cutoff(shrinkage):
    targets = np.hstack([EXAMPLE_TARGETS, np.zeros((4, 1), bool)])
    proba = np.hstack([EXAMPLE_PROBA, np.array([[0.3], [0.02], [0.01], [0.0]])])
    fitted = fit_label_thresholds(targets, proba, shrinkage=shrinkage)
    assert fitted[2] == pytest.approx(0.16)


def test_on_few_positives_the_promise_is_the_better_guide():
    gains = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        logits = rng.normal(-5, 2, size=(4000, 1))
        proba = 1 / (1 + np.exp(-logits))
        targets = rng.random(proba.shape) < proba
        few, rest = slice(0, 300), slice(300, None)
        scores = [
            macro_f1(targets[rest], proba[rest] >= fit_label_thresholds(targets[few], proba[few], shrinkage=shrinkage))
            for shrinkage in (0.0, 100.0)
        ]
        gains.append(scores[1] - scores[0])
    assert np.mean(gains) > 0.02


def make_case(n=300, *, n_labels=6, signal=1.5, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.random((n, n_labels)) < 0.12
    logits = (rng.normal(size=targets.shape) + signal * targets - 2).astype(np.float32)
    folds = make_calibrated_folds("none", logits, targets, n_folds=5, seed=seed)
    return targets, folds[0].proba, folds


def judge_by_hand(targets, folds, choose):
    decisions = np.zeros(targets.shape, bool)
    for fold in folds:
        cutoffs = choose(targets[fold.fitted_on], fold.proba[fold.fitted_on])
        for row in fold.judged:
            decisions[row] = fold.proba[row] >= cutoffs
    return {"macro_f1": macro_f1(targets, decisions), "micro_f1": micro_f1(targets, decisions)}


def test_fixed_cutoffs():
    targets, proba, folds = make_case()
    fit = fit_fixed(targets, folds, 0.3)
    assert (fit.thresholds.tolist(), fit.method, fit.shrinkage) == ([0.3] * 6, "fixed", None)
    assert fit.cross_fitted == {
        "macro_f1": macro_f1(targets, proba >= 0.3),
        "micro_f1": micro_f1(targets, proba >= 0.3),
    }


def test_one_cutoff_for_all():
    targets, proba, folds = make_case()
    fit = fit_global(targets, proba, folds)
    assert fit.thresholds.tolist() == [fit_global_threshold(targets, proba)] * 6
    assert (fit.method, fit.shrinkage) == ("global", None)
    assert fit.cross_fitted == judge_by_hand(targets, folds, fit_global_threshold)


def test_one_cutoff_a_label_with_the_shrinkage_that_does_best_where_it_was_not_chosen():
    targets, proba, folds = make_case()
    fit = fit_per_label(targets, proba, folds)
    judged = {
        k: judge_by_hand(
            targets, folds, lambda seen, seen_proba, k=k: fit_label_thresholds(seen, seen_proba, shrinkage=k)
        )
        for k in SHRINKAGES
    }
    assert len({one["macro_f1"] for one in judged.values()}) > 2
    assert fit.shrinkage == max(judged, key=lambda k: judged[k]["macro_f1"])
    assert fit.cross_fitted == judged[fit.shrinkage]
    np.testing.assert_array_equal(fit.thresholds, fit_label_thresholds(targets, proba, shrinkage=fit.shrinkage))
    assert fit.method == "per-label"


@pytest.mark.parametrize("seed", range(3))
def test_on_noise_the_cross_fitted_score_is_not_flattered(seed):
    targets, proba, folds = make_case(100, signal=0.0, n_labels=30, seed=seed)
    fit = fit_per_label(targets, proba, folds, shrinkages=(0.0,))
    in_sample = macro_f1(targets, proba >= fit.thresholds)
    # Who knows nothing reaches at most F1 = 2r/(1+r) at a rate r, by choosing every text.
    rate = targets.mean()
    assert in_sample > 2 * rate / (1 + rate) + 0.02
    assert fit.cross_fitted["macro_f1"] < in_sample - 0.03
    assert fit.cross_fitted["macro_f1"] < 2 * rate / (1 + rate) + 0.01


def test_a_cutoff_never_sees_the_texts_it_is_judged_on():
    # Folds that lie: each fold's probabilities are perfect on what it judges and useless where it chooses.
    targets = np.array([[True], [False]] * 10)
    folds = []
    for judged in (np.arange(10), np.arange(10, 20)):
        fitted_on = np.setdiff1d(np.arange(20), judged)
        proba = np.where(targets, 0.2, 0.1).astype(float)
        proba[fitted_on] = np.where(targets[fitted_on], 0.9, 0.8)
        folds.append(CalibratedFold(fitted_on=fitted_on, judged=judged, proba=proba))
    fit = fit_per_label(targets, np.where(targets, 0.2, 0.1), folds, shrinkages=(0.0,))
    assert fit.cross_fitted == {"macro_f1": 0.0, "micro_f1": 0.0}  # cut-offs near .85 choose nothing below .2
    assert fit.thresholds[0] == pytest.approx(0.15)
