import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, roc_auc_score

from sentire.metrics import ranking
from sentire.metrics.ranking import RankingStatistic, average_precision_per_label, roc_auc_per_label


def pairwise_auc(targets, scores, weights):
    """The definition, pair by pair."""
    won = total = 0.0
    for i in np.flatnonzero(targets):
        for j in np.flatnonzero(~targets):
            pair = weights[i] * weights[j]
            total += pair
            won += pair * (1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0)
    return won / total if total else math.nan


def stepwise_average_precision(targets, scores, weights):
    """The definition, threshold by threshold."""
    n_positives = weights[targets].sum()
    if not n_positives:
        return math.nan
    found = recall = 0.0
    for threshold in sorted(set(scores), reverse=True):
        retrieved = scores >= threshold
        n_retrieved, n_true = weights[retrieved].sum(), weights[retrieved & targets].sum()
        if n_retrieved:
            found += (n_true / n_positives - recall) * n_true / n_retrieved
        recall = n_true / n_positives
    return found


@st.composite
def ranked(draw, *, largest=25):
    shape = (draw(st.integers(1, largest)), draw(st.integers(1, 4)))
    # Few different scores, so that ties are the rule.
    n_levels = draw(st.integers(1, 8))
    scores = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, n_levels))) / 8
    return draw(hnp.arrays(bool, shape)), scores


def test_worked_example():
    targets = np.array([[1], [0], [1], [0]], dtype=bool)
    scores = np.array([[0.9], [0.8], [0.7], [0.1]])
    # Three of four pairs are in order; precision 1 at recall 1/2, then 2/3 at recall 1.
    assert roc_auc_per_label(targets, scores).tolist() == [0.75]
    assert average_precision_per_label(targets, scores)[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_ties_count_half_a_pair_and_one_threshold():
    targets = np.array([[1], [0], [0], [1]], dtype=bool)
    scores = np.array([[0.5], [0.5], [0.5], [0.2]])
    # Pairs: two halves, two lost. Thresholds .5 (1 of 3 true) and .2 (2 of 4).
    assert roc_auc_per_label(targets, scores).tolist() == [0.25]
    assert average_precision_per_label(targets, scores)[0] == pytest.approx(0.5 / 3 + 0.5 * 2 / 4)


def test_undefined_labels_are_nan_and_counted():
    targets = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1]], dtype=bool)
    scores = np.array([[0.3, 0.3, 0.9], [0.2, 0.6, 0.1], [0.9, 0.1, 0.8]])
    np.testing.assert_array_equal(roc_auc_per_label(targets, scores), [np.nan, np.nan, 1.0])
    np.testing.assert_array_equal(average_precision_per_label(targets, scores), [1.0, np.nan, 1.0])
    macro = ranking.macro_roc_auc(targets, scores)
    assert (macro.value, macro.n_defined, macro.n_undefined) == (1.0, 1, 2)
    assert ranking.macro_average_precision(targets, scores).n_undefined == 1
    nothing = ranking.macro_roc_auc(targets[:, :2], scores[:, :2])
    assert math.isnan(nothing.value)
    assert nothing.n_undefined == 2
    assert math.isnan(ranking.micro_roc_auc(targets[:, :1], scores[:, :1]))
    assert math.isnan(ranking.micro_average_precision(targets[:, 1:2], scores[:, 1:2]))


@settings(max_examples=150, deadline=None)
@given(ranked())
def test_equals_scikit_learn(case):
    targets, scores = case
    auc, precision = roc_auc_per_label(targets, scores), average_precision_per_label(targets, scores)
    for label in range(targets.shape[1]):
        if 0 < targets[:, label].sum() < len(targets):
            assert auc[label] == pytest.approx(roc_auc_score(targets[:, label], scores[:, label]))
        else:
            assert math.isnan(auc[label])
        if targets[:, label].any():
            expected = average_precision_score(targets[:, label], scores[:, label])
            assert precision[label] == pytest.approx(expected)
        else:
            assert math.isnan(precision[label])
    if 0 < targets.sum() < targets.size:
        assert ranking.micro_roc_auc(targets, scores) == pytest.approx(roc_auc_score(targets.ravel(), scores.ravel()))
        expected = average_precision_score(targets.ravel(), scores.ravel())
        assert ranking.micro_average_precision(targets, scores) == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(ranked(largest=12), st.integers(0, 2**32 - 1))
def test_weighted_measures_equal_the_definitions(case, seed):
    targets, scores = case
    weights = np.random.default_rng(seed).integers(0, 3, size=(len(targets), 4)).astype(float)
    found = RankingStatistic(targets, scores)(weights)
    n_labels = targets.shape[1]
    for column in range(4):
        one = weights[:, column]
        aucs = [pairwise_auc(targets[:, label], scores[:, label], one) for label in range(n_labels)]
        precisions = [stepwise_average_precision(targets[:, label], scores[:, label], one) for label in range(n_labels)]
        np.testing.assert_allclose(found["roc_auc"][column], aucs, atol=1e-12)
        np.testing.assert_allclose(found["average_precision"][column], precisions, atol=1e-12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no defined label
            np.testing.assert_allclose(found["macro_roc_auc"][column], np.nanmean(aucs), atol=1e-12)
            np.testing.assert_allclose(found["macro_average_precision"][column], np.nanmean(precisions), atol=1e-12)
        pooled = targets.ravel(), scores.ravel(), np.repeat(one, n_labels)
        np.testing.assert_allclose(found["micro_roc_auc"][column], pairwise_auc(*pooled), atol=1e-12)
        expected = stepwise_average_precision(*pooled)
        np.testing.assert_allclose(found["micro_average_precision"][column], expected, atol=1e-12)


def test_many_columns_in_blocks_equal_one_column_at_a_time():
    generator = np.random.default_rng(4)
    targets, scores = generator.random((50, 3)) < 0.3, generator.random((50, 3)).round(1)
    weights = generator.integers(0, 3, size=(50, 150)).astype(float)
    statistic = RankingStatistic(targets, scores)
    together = statistic(weights)
    for column in (0, 63, 64, 149):
        alone = statistic(weights[:, column : column + 1])
        for name, values in alone.items():
            np.testing.assert_allclose(values[0], together[name][column], rtol=1e-13, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(ranked())
def test_auc_turns_around_with_the_scores_and_ignores_their_scale(case):
    targets, scores = case
    auc = roc_auc_per_label(targets, scores)
    np.testing.assert_allclose(roc_auc_per_label(targets, -scores), 1 - auc, atol=1e-12)
    np.testing.assert_allclose(roc_auc_per_label(targets, np.exp(3 * scores)), auc, atol=1e-12)
    np.testing.assert_allclose(roc_auc_per_label(~targets, scores), 1 - auc, atol=1e-12)


def test_large_sample_keeps_every_pair():
    # Far beyond what a float32 sum of pairs could hold exactly.
    generator = np.random.default_rng(0)
    targets = generator.random((60_000, 1)) < 0.5
    scores = generator.normal(size=(60_000, 1)) + targets
    assert roc_auc_per_label(targets, scores)[0] == pytest.approx(roc_auc_score(targets[:, 0], scores[:, 0]), abs=1e-13)
