from dataclasses import asdict

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.metrics import geometry as module
from sentire.metrics.geometry import alignment, embedding_shift, find_close_pairs, shift_per_text, uniformity


def make_embeddings(seed, n=30, d=5):
    return np.random.default_rng(seed).normal(size=(n, d))


def make_unit(embeddings):
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def test_shift_by_hand():
    # Moved by (3, 4) and by nothing: 25 / 2 and 0.
    after, before = [[3.0, 4.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]
    assert shift_per_text(after, before).tolist() == [12.5, 0.0]
    found = embedding_shift(after, before)
    assert found.value == 6.25
    assert (found.low, found.high, found.n) == (0.0, 12.5, 2)


def test_shift_is_wide_in_the_number_of_dimensions():
    before = make_embeddings(0, n=2000)
    after = before + 0.5
    np.testing.assert_allclose(shift_per_text(after, before), 0.25, rtol=1e-5)
    twice = shift_per_text(np.hstack([after, after]), np.hstack([before, before]))
    np.testing.assert_allclose(twice, shift_per_text(after, before), rtol=1e-6)


def test_alignment_and_uniformity_by_hand():
    # Right angles have the squared distance 2, opposite vectors 4; lengths do not count.
    embeddings = [[1.0, 0.0], [0.0, 5.0], [-2.0, 0.0]]
    assert alignment(embeddings, [[0, 1]]).alignment.value == pytest.approx(2)
    assert alignment(embeddings, [[0, 1], [0, 2]]).alignment.value == pytest.approx(3)
    expected = np.log((2 * np.exp(-4) + np.exp(-8)) / 3)
    found = uniformity(embeddings)
    assert found.uniformity.value == pytest.approx(expected)
    assert (found.n_pairs, found.is_sampled) == (3, False)
    assert uniformity(np.ones((4, 3))).uniformity.value == pytest.approx(0, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.floats(0.1, 4))
def test_uniformity_equals_wang_and_isolas(seed, n, t):
    embeddings = make_embeddings(seed, n=n)
    expected = np.log(np.exp(-t * pdist(make_unit(embeddings), "sqeuclidean")).mean())
    assert uniformity(embeddings, t=t, n_resamples=5).uniformity.value == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_uniformity_in_blocks_is_the_same(monkeypatch):
    embeddings = make_embeddings(1)
    expected = uniformity(embeddings)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 7)
    found = uniformity(embeddings)
    assert found.uniformity.value == pytest.approx(expected.uniformity.value, rel=1e-6)
    assert found.uniformity.low == pytest.approx(expected.uniformity.low, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_turning_and_stretching_change_nothing(seed):
    embeddings = make_embeddings(seed)
    generator = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(generator.normal(size=(5, 5)))
    changed = np.exp(generator.uniform(-5, 5, size=(30, 1))) * (embeddings @ turn)
    pairs = find_close_pairs(generator.normal(size=(30, 2)), quantile=0.2).pairs
    for measure in (
        lambda one: alignment(one, pairs, n_resamples=2).alignment.value,
        lambda one: uniformity(one, n_resamples=2).uniformity.value,
    ):
        assert measure(changed) == pytest.approx(measure(embeddings), rel=1e-4)


def test_a_sample_of_texts_is_near_all_of_them():
    embeddings = make_embeddings(2, n=3000)
    everything, some = uniformity(embeddings), uniformity(embeddings, max_texts=1000, seed=4)
    assert some.is_sampled
    assert some.uniformity.n == 1000
    assert some.n_pairs == 1000 * 999 // 2
    assert some.uniformity.low < everything.uniformity.value < some.uniformity.high
    assert uniformity(embeddings, max_texts=1000, seed=5).uniformity.value != some.uniformity.value


def check_width(found, values):
    # A normal interval of 95 % is 3.9 standard deviations of the measure wide; of these draws, from 3.5 to 4.8.
    width = np.mean([one.high - one.low for one in found])
    assert 3 < width / np.std(values, ddof=1) < 6


def test_the_interval_of_uniformity_covers_what_other_samples_give():
    generator = np.random.default_rng(5)
    middles = 0.7 * generator.normal(size=(4, 5))

    def draw():
        return middles[generator.integers(0, 4, size=150)] + generator.normal(size=(150, 5))

    truth = uniformity(np.concatenate([draw() for _ in range(20)]), n_resamples=1).uniformity.value
    found = [uniformity(draw(), n_resamples=100).uniformity for _ in range(40)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert covered >= 0.85
    check_width(found, [uniformity(draw(), n_resamples=1).uniformity.value for _ in range(200)])


def test_the_interval_of_alignment_covers_what_other_samples_give():
    generator = np.random.default_rng(6)

    def draw(n):
        affect = generator.normal(size=(n, 2))
        return np.hstack([affect, generator.normal(size=(n, 3))]), find_close_pairs(affect, radius=0.5).pairs

    truth = alignment(*draw(2000), n_resamples=1).alignment.value
    found = [alignment(*draw(120), n_resamples=100).alignment for _ in range(40)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert covered >= 0.85
    check_width(found, [alignment(*draw(120), n_resamples=1).alignment.value for _ in range(200)])


def test_alignment_is_lower_where_the_embedding_knows_affect():
    affect = np.random.default_rng(3).normal(size=(200, 2))
    pairs = find_close_pairs(affect, quantile=0.05).pairs
    knowing, ignorant = alignment(np.hstack([affect, affect]), pairs), alignment(make_embeddings(4, n=200), pairs)
    assert knowing.alignment.high < ignorant.alignment.low
    assert knowing.n_pairs == len(pairs)
    assert knowing.alignment.n == len(np.unique(pairs))
    assert orjson.loads(orjson.dumps(asdict(knowing)))["n_pairs"] == len(pairs)


def test_close_pairs_are_all_those_within_the_radius():
    affect = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0], [0.0, 0.0]])
    found = find_close_pairs(affect, radius=1.0)
    assert found.pairs.tolist() == [[0, 3], [1, 2]]
    assert (found.n_considered, found.n_close, found.is_sampled) == (6, 2, False)
    assert find_close_pairs(affect, radius=0.0).pairs.tolist() == [[0, 3]]
    assert find_close_pairs(affect, quantile=1.0).n_close == 6
    # Distances 0, 1, 5, 5, √34, √34: a third of the six pairs are the two closest.
    assert find_close_pairs(affect, quantile=1 / 3).radius == 1.0


def test_many_pairs_are_sampled_and_said_so():
    affect = np.random.default_rng(5).normal(size=(400, 2))
    exact = find_close_pairs(affect, radius=0.3)
    found = find_close_pairs(affect, radius=0.3, max_considered=20_000, seed=1)
    assert found.is_sampled
    assert found.n_considered == 20_000
    assert found.n_close / 20_000 == pytest.approx(exact.n_close / exact.n_considered, rel=0.15)
    assert {tuple(pair) for pair in found.pairs.tolist()} < {tuple(pair) for pair in exact.pairs.tolist()}
    assert len(np.unique(found.pairs, axis=0)) == len(found.pairs)
    np.testing.assert_array_equal(
        found.pairs, find_close_pairs(affect, radius=0.3, max_considered=20_000, seed=1).pairs
    )
    few = find_close_pairs(affect, radius=0.3, max_pairs=50)
    assert (len(few.pairs), few.n_close, few.is_sampled) == (50, exact.n_close, True)


def test_every_pair_is_drawn_equally_often():
    affect = np.zeros((6, 1))
    counts = np.zeros((6, 6))
    for seed in range(300):
        first, second = find_close_pairs(affect, radius=0.0, max_considered=5, seed=seed).pairs.T
        counts[first, second] += 1
    drawn = counts[np.triu_indices(6, 1)]
    assert drawn.sum() == 1500
    # 100 each, with a standard deviation below 10.
    assert np.abs(drawn - 100).max() < 35
    assert not counts[np.tril_indices(6)].any()


def test_nearly_all_pairs_are_drawn_at_once():
    class Counting(np.random.Generator):
        n_draws = 0

        def integers(self, *args, **options):
            self.n_draws += 1
            return super().integers(*args, **options)

    every = [list(pair) for pair in zip(*np.triu_indices(200, k=1), strict=True)]
    for n_wanted in (len(every) // 2 + 1, len(every) - 1, len(every)):
        generator = Counting(np.random.PCG64(1))
        pairs = module._draw_pairs(200, n_wanted, generator).tolist()
        assert len(pairs) == n_wanted
        assert generator.n_draws <= 1
        # Each of them once, and in their order.
        kept = {tuple(pair) for pair in pairs}
        assert pairs == [pair for pair in every if tuple(pair) in kept]
    affect = np.zeros((6, 1))
    missing = np.zeros((6, 6))
    for seed in range(300):
        first, second = find_close_pairs(affect, radius=0.0, max_considered=14, seed=seed).pairs.T
        missing += 1
        missing[first, second] -= 1
    # One of 15 a time, 20 each, with a standard deviation below 5.
    assert np.abs(missing[np.triu_indices(6, 1)] - 20).max() < 18


def test_up_to_half_of_all_pairs_a_seed_draws_what_it_always_drew():
    affect = np.zeros((6, 1))
    pairs = find_close_pairs(affect, radius=0.0, max_considered=7, seed=3).pairs
    assert pairs.tolist() == [[0, 5], [1, 2], [1, 4], [1, 5], [2, 3], [2, 5], [3, 4]]


def test_numbers_of_pairs_are_whole_whatever_the_number_of_texts():
    n_texts = 2_000_000
    n_all = n_texts * (n_texts - 1) // 2
    numbers = np.array([0, n_texts - 2, n_texts - 1, 2 * n_texts - 4, 2 * n_texts - 3, n_all - 2, n_all - 1])
    assert module._find_pairs(numbers, n_texts).tolist() == [
        [0, 1],
        [0, n_texts - 1],
        [1, 2],
        [1, n_texts - 1],
        [2, 3],
        [n_texts - 3, n_texts - 1],
        [n_texts - 2, n_texts - 1],
    ]


def test_what_makes_no_sense_is_refused():
    embeddings = make_embeddings(7)
    with pytest.raises(ShapeError, match=r"shape \(30, 5\), as the embeddings have, got shape \(30, 4\) at fixed"):
        embedding_shift(embeddings, embeddings[:, :4])
    with pytest.raises(DataError, match="finite numbers, got inf at fixed, row 0, column 0"):
        shift_per_text(embeddings, embeddings * np.inf)
    with pytest.raises(DataError, match="got 30 of 30 that are all zeros at embeddings, row 0"):
        uniformity(np.zeros((30, 5)))
    with pytest.raises(ShapeError, match="the vectors of at least 2 texts, got 1"):
        uniformity(embeddings[:1])
    with pytest.raises(UsageError, match="a t above 0, got 0"):
        uniformity(embeddings, t=0)
    with pytest.raises(UsageError, match="at least 2 texts, got 1 at max_texts"):
        uniformity(embeddings, max_texts=1)
    with pytest.raises(ShapeError, match=r"pairs of shape \(P, 2\) with P at least 1, got shape \(0, 2\)"):
        alignment(embeddings, np.empty((0, 2), dtype=int))
    with pytest.raises(DataError, match=r"two different positions from 0 to 29, got \[4, 4\] at pairs, row 1"):
        alignment(embeddings, [[0, 1], [4, 4]])
    with pytest.raises(DataError, match=r"got \[0, 30\] at pairs, row 0"):
        alignment(embeddings, [[0, 30]])
    with pytest.raises(DataError, match="positions as whole numbers, got values of float64"):
        alignment(embeddings, [[0.0, 1.0]])


def test_close_pairs_need_a_reach_that_makes_sense():
    affect = make_embeddings(8)[:, :2]
    with pytest.raises(UsageError, match="either a radius or a quantile, got none"):
        find_close_pairs(affect)
    with pytest.raises(UsageError, match="either a radius or a quantile, got both"):
        find_close_pairs(affect, radius=1, quantile=0.1)
    with pytest.raises(UsageError, match="a radius of 0 or more, got -1"):
        find_close_pairs(affect, radius=-1)
    with pytest.raises(UsageError, match="a quantile above 0 and at most 1, got 0"):
        find_close_pairs(affect, quantile=0)
    with pytest.raises(UsageError, match="at least 1 pair, got 0 and 5"):
        find_close_pairs(affect, radius=1, max_considered=0, max_pairs=5)
    with pytest.raises(ShapeError, match="the labels of at least 2 texts, got 1"):
        find_close_pairs(affect[:1], radius=1)
    with pytest.raises(DataError, match=r"pairs at most 1e-09 apart in affect, got none among 435, the closest 0\.0"):
        find_close_pairs(affect, radius=1e-9)
