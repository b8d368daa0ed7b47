import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.classifiers.folds import make_folds
from sentire.core.errors import UsageError


@given(st.integers(2, 60), st.integers(2, 12), st.integers(0, 1000))
def test_every_example_is_judged_once_and_never_where_it_was_fitted_on(n_examples, n_folds, seed):
    if n_folds > n_examples:
        return
    folds = list(make_folds(n_examples, n_folds, seed))
    assert len(folds) == n_folds
    assert sorted(np.concatenate([judged for _, judged in folds]).tolist()) == list(range(n_examples))
    for fitted, judged in folds:
        assert sorted([*fitted.tolist(), *judged.tolist()]) == list(range(n_examples))
        assert (np.diff(fitted) > 0).all()
        assert (np.diff(judged) > 0).all()
    sizes = [len(judged) for _, judged in folds]
    assert max(sizes) - min(sizes) <= 1


def test_folds_depend_on_the_seed_and_are_shuffled():
    def judged(seed):
        return [part.tolist() for _, part in make_folds(30, 3, seed)]

    assert judged(1) == judged(1)
    assert judged(1) != judged(2)
    assert judged(1)[0] != list(range(10))


@pytest.mark.parametrize(("n_examples", "n_folds"), [(10, 1), (10, 0), (10, 11), (1, 2)])
def test_numbers_of_folds_that_make_no_sense(n_examples, n_folds):
    with pytest.raises(UsageError, match=f"between 2 and {n_examples} folds, got {n_folds} at n_folds"):
        list(make_folds(n_examples, n_folds, 0))
