import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.training.length_buckets import make_epoch_batches

some_lengths = st.lists(st.integers(1, 40), min_size=1, max_size=120)


def draw_lengths(n=3000, seed=0):
    return np.random.default_rng(seed).integers(3, 60, size=n)


def as_lists(batches):
    return [batch.tolist() for batch in batches]


def count_padded(lengths, batches):
    return sum(len(batch) * lengths[batch].max() for batch in batches)


@given(some_lengths, st.integers(1, 9), st.integers(1, 5), st.integers(0, 3), st.none() | st.integers(1, 200))
def test_every_example_is_in_one_batch_that_keeps_its_bounds(lengths, batch_size, bucket_batches, epoch, most_tokens):
    batches = make_epoch_batches(
        lengths,
        batch_size=batch_size,
        seed=5,
        epoch=epoch,
        bucket_batches=bucket_batches,
        most_tokens=most_tokens,
    )
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        of_batch = [lengths[position] for position in batch]
        assert 1 <= len(batch) <= batch_size
        assert of_batch == sorted(of_batch)
        if most_tokens is not None and len(batch) > 1:
            assert len(batch) * max(of_batch) <= most_tokens


@given(some_lengths, st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_the_number_of_batches_is_known_beforehand(lengths, batch_size, bucket_batches, epoch):
    batches = make_epoch_batches(lengths, batch_size=batch_size, seed=5, epoch=epoch, bucket_batches=bucket_batches)
    assert len(batches) == -(-len(lengths) // batch_size)
    assert sum(len(batch) < batch_size for batch in batches) <= 1


def test_seed_and_epoch_alone_decide():
    lengths = draw_lengths(500)
    first = as_lists(make_epoch_batches(lengths, batch_size=16, seed=1, epoch=0))
    np.random.default_rng(0).random(100)
    assert as_lists(make_epoch_batches(lengths, batch_size=16, seed=1, epoch=0)) == first
    assert as_lists(make_epoch_batches(lengths, batch_size=16, seed=1, epoch=1)) != first
    assert as_lists(make_epoch_batches(lengths, batch_size=16, seed=2, epoch=0)) != first


def test_batches_are_of_nearly_one_length_and_come_in_no_order_of_length():
    lengths = draw_lengths()
    batches = make_epoch_batches(lengths, batch_size=32, seed=1, epoch=0)
    shuffled = np.random.default_rng(1).permutation(len(lengths))
    plain = [shuffled[start : start + 32] for start in range(0, len(lengths), 32)]
    wasted = count_padded(lengths, batches) / lengths.sum() - 1
    assert wasted < 0.03
    assert count_padded(lengths, plain) / lengths.sum() - 1 > 0.5  # what is saved
    middles = np.array([lengths[batch].mean() for batch in batches])
    assert abs(np.corrcoef(middles, np.arange(len(middles)))[0, 1]) < 0.3


def test_a_bucket_of_one_batch_is_a_plain_shuffle():
    # Without wider buckets no example is moved to another batch for its length, so padding is not saved.
    lengths = draw_lengths()
    narrow = count_padded(lengths, make_epoch_batches(lengths, batch_size=32, seed=1, epoch=0, bucket_batches=1))
    wide = count_padded(lengths, make_epoch_batches(lengths, batch_size=32, seed=1, epoch=0, bucket_batches=50))
    assert narrow > 1.5 * wide


def test_examples_meet_others_in_another_epoch():
    lengths = np.full(400, 7)
    met = [
        {frozenset(batch.tolist()) for batch in make_epoch_batches(lengths, batch_size=8, seed=1, epoch=epoch)}
        for epoch in range(3)
    ]
    assert not met[0] & met[1]
    assert not met[1] & met[2]


def test_a_long_text_is_a_batch_of_its_own():
    batches = make_epoch_batches([5, 100, 5, 5, 90], batch_size=4, seed=0, epoch=0, most_tokens=20)
    assert sorted(len(batch) for batch in batches) == [1, 1, 3]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 0}, "a whole number of 1 or more, got 0 at batch_size"),
        ({"bucket_batches": 0}, "a whole number of 1 or more, got 0 at bucket_batches"),
        ({"most_tokens": 0}, "a whole number of 1 or more, got 0 at most_tokens"),
        ({"epoch": -1}, "a whole number of 0 or more, got -1 at epoch"),
        ({"seed": -1}, "a seed of 0 or more, got -1"),
    ],
)
def test_settings_out_of_range(changed, message):
    with pytest.raises(UsageError, match=message):
        make_epoch_batches([3, 4], **{"batch_size": 2, "seed": 0, "epoch": 0} | changed)


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([], ShapeError, r"shape \(N,\) with N at least 1, got shape \(0,\) at lengths"),
        ([[1, 2]], ShapeError, r"got shape \(1, 2\) at lengths"),
        ([3, 0, 4], DataError, "1 token or more, got 0 at lengths, example 1"),
        ([3.5], DataError, "whole numbers of tokens, got values of float64 at lengths"),
    ],
)
def test_lengths_that_are_none(lengths, error, message):
    with pytest.raises(error, match=message):
        make_epoch_batches(lengths, batch_size=2, seed=0, epoch=0)
