import numpy as np
import pytest

from sentire.core.errors import ShapeError
from sentire.training.material import Material, draw_contexts, join_material, measure_base_rates


def make(n, *, has_context=None, start=0):
    given = np.zeros(n, np.bool_) if has_context is None else np.asarray(has_context)
    return Material(
        texts=[[start + row, 100, 200] for row in range(n)],
        contexts=[[900 + row] if given[row] else [] for row in range(n)],
        targets=np.arange(start, start + n, dtype=np.float32)[:, None],
        has_labels=np.ones(n, np.bool_),
        affect=np.zeros((n, 3), np.float32),
        has_affect=np.zeros(n, np.bool_),
    )


def draw(material, *, epoch=0, seed=3, unrelated=0.0, dropped=0.0, most=2):
    return draw_contexts(
        material,
        epoch=epoch,
        seed=seed,
        unrelated_fraction=unrelated,
        dropped_fraction=dropped,
        max_context_tokens=most,
    )


def test_joined_rows_stay_together():
    joined = join_material([make(3), make(2, has_context=[True, False], start=10), make(3)])
    assert [row[0] for row in joined.texts] == joined.targets[:, 0].astype(int).tolist() == [0, 1, 2, 10, 11, 0, 1, 2]
    assert joined.contexts[3:5] == [[900], []]


def test_rows_of_unequal_number_are_refused():
    material = make(3)
    with pytest.raises(ShapeError, match=r"3 rows of everything, got \[2, 3\] at training material"):
        Material(**{**vars(material), "contexts": material.contexts[:2]})


def test_contexts_depend_on_seed_and_epoch_alone():
    material = make(400, has_context=np.arange(400) % 2 == 0)
    first = draw(material, epoch=5, unrelated=0.3, dropped=0.3)
    draw(material, epoch=4, unrelated=0.3, dropped=0.3)
    assert draw(material, epoch=5, unrelated=0.3, dropped=0.3).contexts == first.contexts
    assert draw(material, epoch=6, unrelated=0.3, dropped=0.3).contexts != first.contexts
    assert draw(material, epoch=5, seed=4, unrelated=0.3, dropped=0.3).contexts != first.contexts


def test_the_asked_share_is_dropped_and_the_asked_share_gets_an_unrelated_text():
    n = 4000
    has_context = np.arange(n) % 2 == 0
    material = make(n, has_context=has_context)
    drawn = draw(material, unrelated=0.25, dropped=0.4)
    kept = np.array([bool(turns) for turns in drawn.contexts])
    assert 1 - kept[has_context].mean() == pytest.approx(0.4, abs=0.03)
    assert kept[~has_context].mean() == pytest.approx(0.25, abs=0.03)
    for row in range(n):
        if kept[row] and has_context[row]:
            assert drawn.contexts[row] == material.contexts[row]
        elif kept[row]:  # the end of another row's text, cut to what a context may have
            assert drawn.contexts[row] == [100, 200]
    assert drawn.texts is material.texts
    assert drawn.targets is material.targets


def test_an_unrelated_context_is_never_the_text_itself():
    drawn = draw(make(50), unrelated=1.0, most=3)
    for row, context in enumerate(drawn.contexts):
        assert context == [] or context[0] != row
    assert sum(bool(context) for context in drawn.contexts) > 40


def test_all_or_nothing():
    material = make(60, has_context=np.arange(60) % 2 == 0)
    assert draw(material) is material
    assert all(not turns for turns in draw(material, dropped=1.0).contexts)


def test_base_rates_are_those_of_the_texts_that_teach_and_never_0_or_1():
    material = Material(
        texts=[[1]] * 5,
        contexts=[[]] * 5,
        targets=np.array([[1, 0, 1], [1, 0, 0.5], [1, 0, 0], [1, 1, 1], [1, 1, 1]], np.float32),
        has_labels=np.array([True, True, True, False, False]),
        affect=np.array([[9, 9, 9], [0.5, -0.5, 0], [1, 0, -1], [0, 0.5, 1], [9, 9, 9]], np.float32),
        has_affect=np.array([False, True, True, True, False]),
    )
    rates, affect = measure_base_rates(material)
    np.testing.assert_allclose(rates, [3.5 / 4, 0.5 / 4, 2 / 4])
    np.testing.assert_allclose(affect, [0.5, 0, 0], atol=1e-7)
    unrated = Material(**{**vars(material), "has_affect": np.zeros(5, np.bool_)})
    assert measure_base_rates(unrated)[1].tolist() == [0, 0, 0]
