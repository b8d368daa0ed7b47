import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import UsageError
from sentire.data.splits import OWN_FRACTIONS, assign_split, is_in_own_split, make_group_folds

GROUPS = st.lists(st.text(max_size=3), min_size=1, max_size=60)


def test_the_split_of_a_group_never_moves():
    # Pinned: a change here silently reshuffles every corpus that we divide ourselves.
    found = {number: assign_split(f"person {number}", OWN_FRACTIONS, seed=0) for number in range(12)}
    assert {number: split for number, split in found.items() if split != "train"} == {1: "test", 9: "dev", 10: "dev"}


def test_the_shares_are_kept():
    splits = [assign_split(str(number), OWN_FRACTIONS, seed=3) for number in range(20_000)]
    for split, fraction in OWN_FRACTIONS.items():
        assert splits.count(split) / 20_000 == pytest.approx(fraction, abs=0.01)


def test_another_seed_is_another_division():
    first = [assign_split(str(number), OWN_FRACTIONS, seed=0) for number in range(300)]
    second = [assign_split(str(number), OWN_FRACTIONS, seed=1) for number in range(300)]
    assert first != second


@given(st.text())
def test_each_group_is_in_the_whole_and_in_exactly_one_part(group):
    assert is_in_own_split(group, "all")
    assert sum(is_in_own_split(group, split) for split in OWN_FRACTIONS) == 1


@pytest.mark.parametrize("fractions", [{}, {"train": 0.5}, {"train": 1.5, "test": -0.5}])
def test_fractions_must_be_shares_of_a_whole(fractions):
    with pytest.raises(UsageError, match="add up to 1"):
        assign_split("a", fractions, seed=0)


def test_a_split_without_a_share_gets_nothing():
    fractions = {"train": 0.0, "test": 1.0, "none": 0.0}
    assert {assign_split(str(number), fractions, seed=0) for number in range(500)} == {"test"}


@given(GROUPS, st.integers(0, 5))
def test_folds_cover_all_and_tear_no_group_apart(groups, seed):
    n_groups = len(set(groups))
    if n_groups < 2:
        return
    n_folds = min(3, n_groups)
    folds = make_group_folds(groups, n_folds, seed)
    assert len(folds) == n_folds
    assert sorted(place for _, test in folds for place in test) == list(range(len(groups)))
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(len(groups)))
        assert not {groups[place] for place in train} & {groups[place] for place in test}
    sizes = [len(test) for _, test in folds]
    assert min(sizes) > 0
    assert max(sizes) - min(sizes) <= max(groups.count(group) for group in groups)


def test_folds_of_equal_groups_are_of_equal_size_and_follow_the_seed():
    groups = [f"g{number // 4}" for number in range(40)]
    folds = make_group_folds(groups, 5, seed=0)
    assert [len(test) for _, test in folds] == [8] * 5
    again, other = make_group_folds(groups, 5, seed=0), make_group_folds(groups, 5, seed=1)
    assert all((one[1] == two[1]).all() for one, two in zip(folds, again, strict=True))
    assert any((one[1] != two[1]).any() for one, two in zip(folds, other, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_large_groups_are_placed_first(seed):
    # By hand: 4 | 1+1+1+1. Placing the small ones first would give 1+1+4 | 1+1.
    folds = make_group_folds([*"abcd", *"eeee"], 2, seed)
    assert [len(test) for _, test in folds] == [4, 4]


@pytest.mark.parametrize("n_folds", [0, 1, 4])
def test_the_number_of_folds_must_fit(n_folds):
    with pytest.raises(UsageError, match=r"between 2 folds and one fold a group \(3 groups\)"):
        make_group_folds(["a", "a", "b", "c"], n_folds, seed=0)
