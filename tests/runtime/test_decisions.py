import numpy as np
import pytest

from sentire.core.errors import ShapeError
from sentire.core.labels import make_label_space
from sentire.runtime.decisions import decide

MANY = make_label_space("many", ["a", "b", "c"])
ONE = make_label_space("one", ["a", "b", "c"], task="single-label")
PROBA = np.array([[0.5, 0.2, 0.9], [0.1, 0.1, 0.1], [0.49, 0.7, 0.7]], dtype=np.float32)


def test_every_label_that_reaches_its_cutoff():
    chosen = decide(PROBA, np.array([0.5, 0.3, 0.8]), MANY)
    assert chosen.dtype == np.bool_
    assert chosen.tolist() == [[True, False, True], [False, False, False], [False, True, False]]


def test_a_cutoff_is_compared_in_double_precision():
    proba = np.full((1, 3), 0.1, dtype=np.float32)  # a little above .1
    assert decide(
        proba, np.array([0.1, np.float64(proba[0, 0]), np.nextafter(np.float64(proba[0, 0]), 1)]), MANY
    ).tolist() == [[True, True, False]]


def test_the_likeliest_of_a_single_label_space_whatever_the_cutoffs():
    chosen = decide(PROBA, np.array([1.0, 1.0, 1.0]), ONE)
    assert chosen.tolist() == [[False, False, True], [True, False, False], [False, True, False]]
    assert (chosen.sum(axis=1) == 1).all()


@pytest.mark.parametrize("space", [MANY, ONE])
def test_no_texts(space):
    assert decide(np.zeros((0, 3), np.float32), np.full(3, 0.5), space).shape == (0, 3)


@pytest.mark.parametrize(("proba", "cutoffs"), [((2, 4), (3,)), ((2, 3), (4,)), ((3,), (3,)), ((2, 3), (1, 3))])
def test_shapes_that_do_not_fit_are_refused(proba, cutoffs):
    with pytest.raises(ShapeError, match=r"probabilities \(N, 3\) and cut-offs \(3,\), got shapes"):
        decide(np.zeros(proba), np.zeros(cutoffs), MANY)
