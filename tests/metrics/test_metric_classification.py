import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from sentire.metrics import classification
from sentire.metrics.classification import ClassificationStatistic, count_support, f1_per_label, macro_f1

# Four texts, three labels, worked by hand: counts (TP, FP, FN) = (1, 1, 1), (2, 0, 0), (0, 1, 0).
TARGETS = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)
DECISIONS = np.array([[1, 1, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)


@st.composite
def indicator_pairs(draw):
    shape = (draw(st.integers(1, 30)), draw(st.integers(1, 6)))
    return draw(hnp.arrays(bool, shape)), draw(hnp.arrays(bool, shape))


def test_worked_example():
    assert classification.precision_per_label(TARGETS, DECISIONS).tolist() == [0.5, 1.0, 0.0]
    assert classification.recall_per_label(TARGETS, DECISIONS).tolist() == [0.5, 1.0, 0.0]
    assert f1_per_label(TARGETS, DECISIONS).tolist() == [0.5, 1.0, 0.0]
    assert count_support(TARGETS).tolist() == [2, 2, 0]
    assert classification.micro_precision(TARGETS, DECISIONS) == pytest.approx(3 / 5)
    assert classification.micro_recall(TARGETS, DECISIONS) == pytest.approx(3 / 4)
    assert classification.micro_f1(TARGETS, DECISIONS) == pytest.approx(6 / 9)
    assert classification.macro_precision(TARGETS, DECISIONS) == pytest.approx(0.5)
    assert classification.macro_recall(TARGETS, DECISIONS) == pytest.approx(0.5)
    assert macro_f1(TARGETS, DECISIONS) == pytest.approx(0.5)
    assert classification.weighted_f1(TARGETS, DECISIONS) == pytest.approx(0.75)
    assert classification.exact_match(TARGETS, DECISIONS) == pytest.approx(0.25)


def test_macro_f1_is_the_mean_of_f1_and_not_the_f1_of_means():
    targets = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], dtype=bool)
    decisions = np.array([[1, 1], [0, 1], [0, 1], [0, 1]], dtype=bool)
    # Precision 1 and 1/4, recall 1/2 and 1: F1 2/3 and 2/5.
    assert macro_f1(targets, decisions) == pytest.approx((2 / 3 + 2 / 5) / 2)


def test_min_positives_leaves_rare_labels_out():
    assert macro_f1(TARGETS, DECISIONS, min_positives=1) == pytest.approx(0.75)
    assert macro_f1(TARGETS, DECISIONS, min_positives=2) == pytest.approx(0.75)
    assert math.isnan(macro_f1(TARGETS, DECISIONS, min_positives=3))


def test_a_label_that_is_neither_true_nor_decided_has_f1_0():
    nothing = np.zeros((3, 1), dtype=bool)
    assert f1_per_label(nothing, nothing).tolist() == [0.0]
    assert classification.micro_f1(nothing, nothing) == 0.0
    assert classification.weighted_f1(nothing, nothing) == 0.0
    assert classification.exact_match(nothing, nothing) == 1.0


@settings(max_examples=150, deadline=None)
@given(indicator_pairs())
def test_equals_scikit_learn(pair):
    targets, decisions = pair
    # scikit-learn takes a single column for a binary problem of two classes; a column of zeros changes no count.
    wide = [np.hstack([array, np.zeros((len(array), 1), dtype=bool)]).astype(int) for array in pair]
    n_labels = targets.shape[1]

    def theirs(average):
        return precision_recall_fscore_support(*wide, average=average, labels=list(range(n_labels)), zero_division=0.0)

    ours = classification.count_outcomes(targets, decisions)
    for mine, other in zip((ours.precision(), ours.recall(), ours.f1(), ours.support), theirs(None), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-12)
    for average in ("micro", "macro", "weighted"):
        expected = theirs(average)
        for name, value in zip(("precision", "recall", "f1"), expected[:3], strict=True):
            mine = getattr(classification, f"{average}_{name}")(targets, decisions)
            assert mine == pytest.approx(value, abs=1e-12), (average, name)
    assert classification.exact_match(targets, decisions) == pytest.approx(accuracy_score(*wide))


@settings(max_examples=50, deadline=None)
@given(indicator_pairs(), st.randoms(use_true_random=False))
def test_order_of_rows_and_labels_does_not_matter(pair, random):
    targets, decisions = pair
    rows, columns = list(range(targets.shape[0])), list(range(targets.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = targets[rows][:, columns], decisions[rows][:, columns]
    np.testing.assert_array_equal(f1_per_label(*shuffled), f1_per_label(targets, decisions)[columns])
    assert macro_f1(*shuffled) == pytest.approx(macro_f1(targets, decisions))
    assert classification.exact_match(*shuffled) == classification.exact_match(targets, decisions)


def test_perfect_decisions_reach_1_everywhere():
    statistic = ClassificationStatistic(TARGETS[:, :2], TARGETS[:, :2], min_positives=1)
    for name, values in statistic(np.ones((4, 1))).items():
        np.testing.assert_array_equal(values, np.ones_like(values), err_msg=name)


@settings(max_examples=60, deadline=None)
@given(indicator_pairs(), st.integers(0, 2**32 - 1))
def test_weights_are_repetitions(pair, seed):
    targets, decisions = pair
    weights = np.random.default_rng(seed).integers(0, 4, size=(len(targets), 3))
    weights[0] += 1
    statistic = ClassificationStatistic(targets, decisions, min_positives=2)
    found = statistic(weights.astype(float))
    for column in range(3):
        rows = np.repeat(np.arange(len(targets)), weights[:, column])
        repeated = targets[rows], decisions[rows]
        for name in ("precision", "recall", "f1"):
            by_label = getattr(classification, f"{name}_per_label")(*repeated)
            np.testing.assert_allclose(found[name][column], by_label, atol=1e-12)
            for average in ("micro", "macro", "weighted"):
                expected = getattr(classification, f"{average}_{name}")(*repeated)
                assert found[f"{average}_{name}"][column] == pytest.approx(expected, abs=1e-12)
        assert found["exact_match"][column] == pytest.approx(classification.exact_match(*repeated))
        frequent = targets.sum(axis=0) >= 2
        expected = f1_per_label(*repeated)[frequent].mean() if frequent.any() else np.nan
        np.testing.assert_allclose(found["macro_f1_min2"][column], expected, atol=1e-12)
