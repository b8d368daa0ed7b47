import numpy as np
import pytest

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.probing.few_shot import draw_shots
from sentire.probing.seeds import summarise_seeds

LABELS = np.random.default_rng(0).permutation(np.repeat(["anger", "fear", "joy"], [40, 90, 300]))


def test_each_class_has_as_many():
    drawn = draw_shots(LABELS, 16, seed=1)
    assert np.unique(LABELS[drawn], return_counts=True)[1].tolist() == [16, 16, 16]
    assert len(np.unique(drawn)) == 48
    assert (np.diff(drawn) > 0).all()


def test_draws_are_nested_and_go_by_the_seed():
    sizes = [set(draw_shots(LABELS, size, seed=2).tolist()) for size in (8, 16, 40)]
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[1] != set(draw_shots(LABELS, 16, seed=3).tolist())
    assert sizes[1] == set(draw_shots(LABELS, 16, seed=2).tolist())


def test_the_places_of_equal_classes_are_drawn_apart():
    labels = np.repeat([0, 1], 50)
    drawn = draw_shots(labels, 10, seed=0)
    assert drawn[:10].tolist() != (drawn[10:] - 50).tolist()


def test_too_little_is_refused():
    with pytest.raises(DataError, match="at least 41 texts of each class, got 40 of anger at labels; draw fewer"):
        draw_shots(LABELS, 41, seed=0)
    with pytest.raises(UsageError, match="at least 1 text of each class, got 0"):
        draw_shots(LABELS, 0, seed=0)
    with pytest.raises(DataError, match="labels to draw from, got none"):
        draw_shots(np.array([], dtype=int), 1, seed=0)
    with pytest.raises(ShapeError, match=r"one label a text, shape \(2,\), got shape \(2, 2\)"):
        draw_shots(np.eye(2, dtype=int), 1, seed=0)
    with pytest.raises(ShapeError, match="one label a text, got several in lists at labels"):
        draw_shots([["joy"], ["joy", "anger"]], 1, seed=0)


def test_names_may_be_objects_as_in_a_column_of_a_table():
    assert draw_shots(LABELS.astype(object), 16, seed=1).tolist() == draw_shots(LABELS, 16, seed=1).tolist()


def test_summary_by_hand():
    # Of 1 2 3 4: mean 2.5, sd √(5/3); t with 3 degrees of freedom at 97.5 % is 3.1824.
    found = summarise_seeds([1, 2, 3, 4])
    reach = 3.182446 * np.sqrt(5 / 3) / 2
    assert (found.mean, found.sd) == (2.5, pytest.approx(np.sqrt(5 / 3)))
    assert (found.low, found.high) == (pytest.approx(2.5 - reach), pytest.approx(2.5 + reach))
    assert found.values == (1, 2, 3, 4)
    assert summarise_seeds([1, 2, 3, 4], confidence=0.5).high < found.high


def test_one_run_has_no_interval():
    found = summarise_seeds([0.4])
    assert found.mean == 0.4
    assert np.isnan([found.sd, found.low, found.high]).all()


def test_a_figure_that_is_no_number_is_refused():
    with pytest.raises(DataError, match="at least one finite figure, got nan"):
        summarise_seeds([0.4, float("nan")])
    with pytest.raises(DataError, match="at least one finite figure, got none"):
        summarise_seeds([])
    with pytest.raises(UsageError, match="a confidence between 0 and 1, got 1"):
        summarise_seeds([0.4], confidence=1)
