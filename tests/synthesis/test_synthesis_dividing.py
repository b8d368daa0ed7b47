from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.synthesis.dividing import SPLITS, divide

ORIG, CONTEXT = (0.8, 0.1, 0.1), (0.9, 0.05, 0.05)


def names(n):
    return [f"story {number}" for number in range(n)]


def count(found):
    counts = Counter(found.values())
    return tuple(counts[split] for split in SPLITS)


@pytest.mark.parametrize(
    ("n", "shares", "counts"),
    [
        (0, ORIG, (0, 0, 0)),
        (1, ORIG, (1, 0, 0)),
        (2, ORIG, (1, 0, 1)),
        (3, ORIG, (1, 1, 1)),
        (4, ORIG, (2, 1, 1)),
        (10, ORIG, (8, 1, 1)),
        (12, ORIG, (10, 1, 1)),
        (200, ORIG, (160, 20, 20)),
        (200, CONTEXT, (180, 10, 10)),
        (1000, CONTEXT, (900, 50, 50)),
        (10, (1.0, 0.0, 0.0), (10, 0, 0)),
        (10, (0.5, 0.0, 0.5), (5, 0, 5)),
        (10, (0.9, 0.1, 0.0), (9, 1, 0)),
        (1, (0.5, 0.0, 0.5), (1, 0, 0)),
    ],
)
def test_shares_are_met(n, shares, counts):
    assert count(divide(names(n), shares, seed=0)) == counts


@pytest.mark.parametrize(
    ("shares", "counts"), [((0.0, 0.5, 0.5), (0, 5, 5)), ((0.0, 0.0, 1.0), (0, 0, 10)), ((0.0, 0.2, 0.8), (0, 2, 8))]
)
def test_a_split_without_a_share_gets_no_story(shares, counts):
    assert count(divide(names(10), shares, seed=0)) == counts


shares_of = st.tuples(st.integers(1, 20), st.integers(0, 10), st.integers(0, 10)).map(
    lambda parts: tuple(part / sum(parts) for part in parts)
)


@given(st.integers(0, 60), shares_of, st.integers(0, 5))
def test_every_story_has_one_split_and_every_share_its_stories(n, shares, seed):
    found = divide(names(n), shares, seed)
    assert set(found) == set(names(n))
    counts = count(found)
    assert sum(counts) == n
    for n_stories, share in zip(counts, shares, strict=True):
        if not share:
            assert n_stories == 0
        elif n >= 3:
            assert n_stories >= 1
            assert abs(n_stories - share * n) <= 2


@given(st.permutations(names(12)), st.lists(st.sampled_from(names(12)), max_size=30))
def test_neither_order_nor_repeats_change_a_split(order, repeats):
    assert divide([*order, *repeats], ORIG, seed=3) == divide(names(12), ORIG, seed=3)


def test_another_seed_is_another_division():
    assert divide(names(40), ORIG, seed=0) != divide(names(40), ORIG, seed=1)
    assert divide(names(40), ORIG, seed=1) == divide(names(40), ORIG, seed=1)


@pytest.mark.parametrize("n", [3, 20, 57, 200])
def test_the_smaller_test_split_lies_inside_the_larger(n):
    orig, context = (divide(names(n), shares, seed=0) for shares in (ORIG, CONTEXT))
    for split in ("test", "dev"):
        inside = {name for name, own in context.items() if own == split}
        assert inside <= {name for name, own in orig.items() if own == split}
        assert inside
