"""Batches: which rows are met, in which shares, how often, and that seed and epoch alone decide."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import DataError, LabelError, ShapeError, UsageError
from sentire.pairing.samplers import per_class_batches, plain_batches, stratified_batches

LABELS = np.random.default_rng(0).choice(6, size=500, p=[0.5, 0.2, 0.15, 0.1, 0.04, 0.01])

SAMPLERS = {
    "plain": lambda labels, **settings: plain_batches(len(labels), **settings),
    "stratified": stratified_batches,
    "per class": lambda labels, **settings: per_class_batches(labels, per_class=4, **settings),
}
every_sampler = pytest.mark.parametrize("name", SAMPLERS)

some_labels = st.lists(st.integers(0, 4), min_size=4, max_size=90).filter(lambda labels: len(set(labels)) > 1)


def as_lists(batches):
    return [batch.tolist() for batch in batches]


@every_sampler
def test_seed_and_epoch_alone_decide(name):
    make = SAMPLERS[name]
    first = as_lists(make(LABELS, batch_size=16, seed=1, epoch=0))
    np.random.default_rng(0).random(100)
    assert as_lists(make(LABELS, batch_size=16, seed=1, epoch=0)) == first
    assert as_lists(make(LABELS, batch_size=16, seed=1, epoch=1)) != first
    assert as_lists(make(LABELS, batch_size=16, seed=2, epoch=0)) != first


@every_sampler
def test_batches_are_arrays_of_whole_numbers(name):
    batches = SAMPLERS[name](LABELS, batch_size=16, seed=1, epoch=0)
    assert {batch.dtype for batch in batches} == {np.dtype(np.int64)}
    assert {batch.ndim for batch in batches} == {1}


@given(st.integers(2, 90), st.integers(2, 20), st.integers(0, 3))
def test_plain_batches_hold_every_row_once_and_are_of_one_size(n_rows, batch_size, epoch):
    batch_size = min(batch_size, n_rows)
    batches = plain_batches(n_rows, batch_size=batch_size, seed=5, epoch=epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(n_rows))
    sizes = {len(batch) for batch in batches}
    assert len(batches) == -(-n_rows // batch_size)
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= (1 if batch_size == 2 else 2)


@given(some_labels, st.integers(2, 20), st.integers(0, 3))
def test_stratified_batches_have_the_shares_of_the_data(labels, batch_size, epoch):
    batch_size = min(batch_size, len(labels))
    batches = stratified_batches(labels, batch_size=batch_size, seed=5, epoch=epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(labels)))
    sizes = {len(batch) for batch in batches}
    assert len(batches) == -(-len(labels) // batch_size)
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    for label, n_rows in Counter(labels).items():
        counts = {sum(labels[row] == label for row in batch) for batch in batches}
        assert counts <= {n_rows // len(batches), -(-n_rows // len(batches))}


def test_stratified_batches_by_hand():
    # Eight of class 0, four of class 3, in four batches: two and one in each.
    labels = [0, 0, 3, 0, 0, 3, 0, 0, 3, 0, 0, 3]
    for epoch in range(3):
        batches = stratified_batches(labels, batch_size=3, seed=0, epoch=epoch)
        assert [sorted(labels[row] for row in batch) for batch in batches] == [[0, 0, 3]] * 4


def test_rows_of_stratified_batches_meet_others_in_another_epoch():
    met = [
        {frozenset(batch.tolist()) for batch in stratified_batches(LABELS, batch_size=8, seed=1, epoch=epoch)}
        for epoch in range(3)
    ]
    assert not met[0] & met[1]
    assert not met[1] & met[2]


def test_a_rare_class_is_at_home_in_no_batch():
    # One row of class 1 among ten batches: over many epochs it is in each of them about as often.
    labels = [1, *[0] * 39]
    places = Counter(
        next(
            number
            for number, batch in enumerate(stratified_batches(labels, batch_size=4, seed=3, epoch=e))
            if 0 in batch
        )
        for e in range(600)
    )
    assert min(places[number] for number in range(10)) > 30  # 60 expected, standard deviation 7.3


@given(some_labels, st.integers(2, 5), st.integers(2, 5), st.integers(0, 3))
def test_per_class_batches(labels, per_class, n_classes, epoch):
    n_classes = min(n_classes, len(set(labels)))
    batch_size = per_class * n_classes
    if batch_size > len(labels):
        return
    batches = per_class_batches(labels, batch_size=batch_size, per_class=per_class, seed=2, epoch=epoch)
    assert len(batches) == len(labels) // batch_size
    sizes = Counter(labels)
    for batch in batches:
        assert Counter(Counter(labels[row] for row in batch).values()) == {per_class: n_classes}
        uses = Counter(batch.tolist())
        for row in batch:
            assert uses[row] <= -(-per_class // sizes[labels[row]])
    uses = Counter(row for batch in batches for row in batch.tolist())
    for label in sizes:
        counts = [uses[row] for row, one in enumerate(labels) if one == label]
        assert max(counts) - min(counts) <= 1
    turns = Counter(label for batch in batches for label in {labels[row] for row in batch})
    counts = [turns[label] for label in sizes]
    assert max(counts) - min(counts) <= 1


def test_a_class_goes_through_its_rows_before_one_comes_again():
    labels = [0] * 6 + [1] * 50
    batches = per_class_batches(labels, batch_size=4, per_class=2, seed=0, epoch=0)
    met = [row for batch in batches for row in batch.tolist() if labels[row] == 0]
    assert len(met) == 28
    for start in range(0, 24, 6):
        assert sorted(met[start : start + 6]) == list(range(6))
    assert len({tuple(met[start : start + 6]) for start in range(0, 24, 6)}) == 4  # each time in a new order
    assert len({row for batch in batches for row in batch.tolist() if labels[row] == 1}) == 28


def test_a_class_smaller_than_its_share_is_repeated_evenly():
    batches = per_class_batches([0, 0, 0, *[1] * 30], batch_size=10, per_class=5, seed=0, epoch=0)
    for batch in batches:
        assert sorted(Counter(row for row in batch.tolist() if row < 3).values()) == [1, 2, 2]


def test_per_class_batches_have_the_semantics_of_pytorch_metric_learning():
    samplers = pytest.importorskip("pytorch_metric_learning.samplers")
    common = pytest.importorskip("pytorch_metric_learning.utils.common_functions")
    labels = np.random.default_rng(1).choice(8, size=400, p=[0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])
    common.NUMPY_RANDOM = np.random.RandomState(0)
    library = samplers.MPerClassSampler(labels, m=4, batch_size=16, length_before_new_iter=400)
    turns = {}
    for name in ("theirs", "ours"):
        counts = Counter()
        for epoch in range(20):
            batches = (
                np.array(list(library)).reshape(-1, 16)
                if name == "theirs"
                else per_class_batches(labels, batch_size=16, per_class=4, seed=0, epoch=epoch)
            )
            assert len(batches) == len(library) // 16 == 25
            for batch in batches:
                # Four rows each of four classes, none twice, as every class has four rows or more.
                assert Counter(Counter(labels[batch].tolist()).values()) == {4: 4}
                assert len(set(batch.tolist())) == 16
                counts.update(set(labels[batch].tolist()))
        turns[name] = np.array([counts[label] for label in range(8)])
    # All classes count the same in both, whatever their size: 250 turns, theirs with a standard deviation of 11.
    assert np.abs(turns["theirs"] - 250).max() < 50
    assert np.abs(turns["ours"] - 250).max() <= 20  # at most one an epoch


@every_sampler
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 1}, "a batch of 2 rows or more, got 1 at batch_size; a row by itself has nothing"),
        ({"batch_size": 0}, "a batch of 2 rows or more, got 0 at batch_size"),
        ({"batch_size": 504}, "a batch of at most 500 rows, as many as there are, got 504 at batch_size"),
        ({"epoch": -1}, "a whole number of 0 or more, got -1 at epoch"),
        ({"seed": -1}, "a seed of 0 or more, got -1"),
    ],
)
def test_settings_out_of_range(name, changed, message):
    with pytest.raises(UsageError, match=message):
        SAMPLERS[name](LABELS, **{"batch_size": 16, "seed": 0, "epoch": 0} | changed)


@pytest.mark.parametrize("name", ["stratified", "per class"])
@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([2, 2, 2, 2], DataError, "rows of two classes or more, got 4 of class 2 alone at labels; without a row"),
        ([0, 1, -1, 1], LabelError, "labels of 0 or more, got -1 at labels, row 2"),
        ([0.0, 1.0], DataError, "whole numbers, one class an example, got values of float64"),
        ([], ShapeError, r"got shape \(0,\) at labels"),
    ],
)
def test_labels_that_cannot_be_sampled(name, labels, error, message):
    with pytest.raises(error, match=message):
        SAMPLERS[name](labels, batch_size=2, seed=0, epoch=0)


@pytest.mark.parametrize(
    ("batch_size", "per_class", "message"),
    [
        (16, 1, "2 rows of a class or more, got 1 at per_class; a row needs another one of its class"),
        (16, 3, "a batch size of 2 or more times 3, the rows of a class, got 16 at batch_size"),
        (16, 16, "a batch size of 2 or more times 16, the rows of a class, got 16 at batch_size"),
        (14, 2, r"at most 6 classes in a batch, as many as there are, got 14 / 2 = 7 at batch_size; take a smaller"),
    ],
)
def test_rows_of_a_class_that_do_not_fit(batch_size, per_class, message):
    with pytest.raises(UsageError, match=message):
        per_class_batches(LABELS, batch_size=batch_size, per_class=per_class, seed=0, epoch=0)
