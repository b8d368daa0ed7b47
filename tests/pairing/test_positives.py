"""Who is positive for whom: against loops over all pairs, by hand, and what every pairing promises."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import DataError, LabelError, ShapeError, UsageError
from sentire.pairing.positives import jaccard_at_least, near_affect, same_group, same_label, share_any

LABELS = [2, 0, 2, 1, 0, 2]
TARGETS = [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
AFFECT = [[0.0, 0.0], [3.0, 4.0], [0.0, 0.1], [-1.0, 2.0], [3.0, 4.0], [10.0, 0.0]]

PAIRINGS = {
    "same_label": (same_label, LABELS),
    "share_any": (share_any, TARGETS),
    "jaccard_at_least": (lambda targets: jaccard_at_least(targets, 0.5), TARGETS),
    "same_group": (lambda targets: same_group(targets, [0, 1, 1, -1]), TARGETS),
    "near_affect": (lambda affect: near_affect(affect, 2.0), AFFECT),
}
every_pairing = pytest.mark.parametrize("name", PAIRINGS)


def slow_pairs(n, is_pair):
    return [[i != j and is_pair(i, j) for j in range(n)] for i in range(n)]


def make_targets(n=25, n_labels=7, seed=0):
    return np.random.default_rng(seed).random((n, n_labels)) < 0.25


def as_sets(targets):
    return [{label for label, is_set in enumerate(row) if is_set} for row in targets]


@every_pairing
def test_pairs_are_truths_without_a_diagonal(name):
    make, values = PAIRINGS[name]
    pairs = make(values)
    assert pairs.dtype == np.bool_
    assert pairs.shape == (6, 6)
    assert not pairs.diagonal().any()
    assert np.array_equal(pairs, pairs.T)
    assert pairs.any()
    order = np.random.default_rng(0).permutation(6)
    assert np.array_equal(make(np.asarray(values)[order]), pairs[np.ix_(order, order)])
    assert make(values[:1]).tolist() == [[False]]


def test_one_class():
    labels = np.random.default_rng(0).integers(5, size=30)
    assert same_label(labels).tolist() == slow_pairs(30, lambda i, j: bool(labels[i] == labels[j]))


def test_one_label_in_common():
    sets = as_sets(targets := make_targets())
    assert share_any(targets).tolist() == slow_pairs(25, lambda i, j: bool(sets[i] & sets[j]))


@pytest.mark.parametrize("threshold", [0.2, 1 / 3, 0.6, 1.0])
def test_overlap(threshold):
    sets = as_sets(targets := make_targets(60))
    expected = slow_pairs(
        60, lambda i, j: bool(sets[i] | sets[j]) and len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= threshold
    )
    assert jaccard_at_least(targets, threshold).tolist() == expected
    assert not all(sets)  # an empty set is among them


def test_a_quotient_that_is_just_the_threshold_counts():
    # 3 of 5 labels are shared; .6 · 5 would be 3.0000000000000004 on some routes.
    assert jaccard_at_least([[1, 1, 1, 1, 0], [1, 1, 1, 0, 1]], 0.6)[0, 1]
    assert jaccard_at_least([[1, 1, 0], [1, 0, 1]], 1 / 3)[0, 1]
    assert not jaccard_at_least([[1, 1, 0], [1, 0, 1]], 0.34)[0, 1]


def test_jaccard_of_nearly_nothing_is_a_shared_label_and_of_one_the_same_set():
    targets = make_targets()
    assert np.array_equal(jaccard_at_least(targets, 1e-9), share_any(targets))
    sets = as_sets(targets)
    assert jaccard_at_least(targets, 1.0).tolist() == slow_pairs(25, lambda i, j: bool(sets[i]) and sets[i] == sets[j])


def test_one_group():
    groups = [4, 0, 0, -1, 4, 2, -1]
    targets = make_targets()
    of_rows = [{groups[label] for label in labels} - {-1} for labels in as_sets(targets)]
    assert same_group(targets, groups).tolist() == slow_pairs(25, lambda i, j: bool(of_rows[i] & of_rows[j]))


def test_a_label_outside_every_group_matches_nothing():
    assert not same_group([[1, 0], [1, 0]], [-1, 0]).any()
    assert not same_group([[1, 1], [1, 1]], [-1, -1]).any()
    assert same_group([[1, 0], [0, 1]], [3, 3]).tolist() == [[False, True], [True, False]]


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=8))
def test_a_group_for_each_label_is_a_shared_label(targets):
    assert np.array_equal(same_group(targets, np.arange(4)), share_any(targets))


def test_near_in_affect():
    points = np.random.default_rng(0).normal(size=(30, 3))
    expected = slow_pairs(30, lambda i, j: math.dist(points[i], points[j]) <= 1.2)
    assert near_affect(points, 1.2).tolist() == expected
    assert near_affect([[0, 0], [3, 4]], 5).tolist() == [[False, True], [True, False]]  # the radius itself
    assert not near_affect([[0, 0], [3, 4]], 4.99).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: same_label([0, 3, -1]), LabelError, "labels of 0 or more, got -1 at labels, row 2; leave out"),
        (lambda: same_label([]), ShapeError, r"shape \(B,\) with B at least 1, got shape \(0,\) at labels"),
        (lambda: same_label([[1, 2]]), ShapeError, r"got shape \(1, 2\) at labels"),
        (lambda: same_label([0.5]), DataError, "whole numbers, one class an example, got values of float64 at labels"),
        (lambda: share_any([1, 0]), ShapeError, r"shape \(B, C\), none of them 0, got shape \(2,\) at targets"),
        (lambda: share_any([[1, 2]]), DataError, "only true and false, or 1 and 0, got other values of int64"),
        (lambda: share_any([[0.0, math.nan]]), DataError, "got other values of float64 at targets"),
        (lambda: jaccard_at_least([[1]], 0.0), UsageError, "a threshold above 0 and at most 1, got 0 at threshold"),
        (lambda: jaccard_at_least([[1]], 1.1), UsageError, "got 1.1 at threshold"),
        (lambda: jaccard_at_least([[1]], math.nan), UsageError, "got nan at threshold"),
        (lambda: same_group([[1, 0]], [0]), ShapeError, r"shape \(2,\), one group a label, got shape \(1,\) at groups"),
        (lambda: same_group([[1, 0]], [0, -2]), LabelError, "groups from 0, or -1 for none, got -2 at groups, label 1"),
        (lambda: same_group([[1, 0]], [0.0, 1.0]), DataError, "one group a label, got values of float64 at groups"),
        (lambda: near_affect([[0.0, math.nan]], 1.0), DataError, "finite numbers, got nan at affect, row 0, column 1"),
        (lambda: near_affect([[0.0], [math.inf]], 1.0), DataError, "got inf at affect, row 1, column 0"),
        (lambda: near_affect([["a"]], 1.0), DataError, "finite numbers, got values of <U1 at affect"),
        (lambda: near_affect([0.0, 1.0], 1.0), ShapeError, r"shape \(B, A\), none of them 0, got shape \(2,\)"),
        (lambda: near_affect([[0.0]], 0.0), UsageError, "a radius above 0, got 0 at radius"),
        (lambda: near_affect([[0.0]], math.nan), UsageError, "got nan at radius"),
    ],
)
def test_values_that_make_no_pairs(call, error, message):
    with pytest.raises(error, match=message):
        call()
