import numpy as np
import pytest

from sentire.core.errors import ShapeError
from sentire.core.label_maps import LabelMap
from sentire.core.labels import make_label_space
from sentire.runtime.decisions import decide, project_answers

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


def make_map(target):
    groups = {"x": ("a", "b"), "y": ("c",)}
    return LabelMap(source=MANY, target=target, version=1, groups=groups, note="made up")


SOURCE_PROBA = np.array([[0.4, 0.5, 0.1], [0.1, 0.2, 0.9], [0.0, 0.0, 0.05]], dtype=np.float32)
JOINED = [[1 - 0.6 * 0.5, 0.1], [1 - 0.9 * 0.8, 0.9], [0.0, 0.05]]
SOURCE_DECISIONS = np.array([[False, True, False], [False, False, True], [False, False, True]])


def test_answers_in_another_space_at_its_own_cutoffs():
    label_map = make_map(make_label_space("few", ["x", "y"]))
    proba, decisions = project_answers(label_map, SOURCE_PROBA, SOURCE_DECISIONS, np.array([0.69, 0.95]))
    np.testing.assert_allclose(proba, JOINED, atol=1e-7)
    assert decisions.tolist() == [[True, False], [False, False], [False, False]]


def test_without_cutoffs_the_decisions_are_united():
    label_map = make_map(make_label_space("few", ["x", "y"]))
    proba, decisions = project_answers(label_map, SOURCE_PROBA, SOURCE_DECISIONS, None)
    np.testing.assert_allclose(proba, JOINED, atol=1e-7)
    assert decisions.tolist() == [[True, False], [False, True], [False, True]]


@pytest.mark.parametrize("cutoffs", [None, np.array([0.99, 0.99])])
def test_in_a_single_label_space_the_likeliest_whatever_the_cutoffs(cutoffs):
    label_map = make_map(make_label_space("few", ["x", "y"], task="single-label"))
    proba, decisions = project_answers(label_map, SOURCE_PROBA, SOURCE_DECISIONS, cutoffs)
    np.testing.assert_allclose(proba, [[x / (x + y), y / (x + y)] for x, y in JOINED], atol=1e-7)
    assert decisions.tolist() == [[True, False], [False, True], [False, True]]
