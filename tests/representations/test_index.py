"""Searching is the cosine with every text, sorted."""

import numpy as np
import pytest

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.representations.index import Index, make_index, search

PLANE = {"east": (1.0, 0.0), "north": (0.0, 2.0), "north-east": (3.0, 3.0), "west": (-1.0, 0.0), "nowhere": (0.0, 0.0)}


class PlaneEncoder:
    """Knows the directions of five words."""

    fingerprint = "plane"
    n_dimensions = 2

    def encode(self, texts, *, on_progress=None):  # noqa: ARG002  the shape of an encoder
        return np.array([PLANE[text] for text in texts], dtype=np.float32).reshape(-1, 2)


ENCODER = PlaneEncoder()


def test_a_worked_example():
    index = make_index(ENCODER, ["west", "north", "north-east"], ids=["w", "n", "ne"])
    found = search(index, "east", 2)
    assert [(one.id, one.text) for one in found] == [("ne", "north-east"), ("n", "north")]
    assert found[0].similarity == pytest.approx(np.sqrt(0.5))
    assert found[1].similarity == pytest.approx(0.0, abs=1e-7)
    assert search(index, "east", 99)[-1].as_dict() == {"similarity": -1.0, "id": "w", "text": "west"}
    assert make_index(ENCODER, iter(["west", "east"])).ids == ["1", "2"]


def test_a_slow_loop_over_all_texts_finds_the_same():
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(300, 2)) * rng.uniform(0.1, 9, size=(300, 1))
    vectors[100:200] = vectors[:100]  # equal ones stay in their order
    numbers = [str(number) for number in range(300)]
    index = Index(ENCODER, numbers, numbers, vectors)
    for top in (1, 7, 150, 300):
        query = rng.normal(size=2)
        cosines = [float(row @ query / np.linalg.norm(row) / np.linalg.norm(query)) for row in vectors]
        expected = sorted(range(300), key=lambda place: (-round(cosines[place], 6), place))[:top]
        found = index.find(query, top)
        assert [int(one.id) for one in found] == expected
        np.testing.assert_allclose([one.similarity for one in found], [cosines[place] for place in expected], atol=1e-6)


@pytest.mark.parametrize(("bad", "length"), [(np.nan, "nan"), (np.inf, "inf"), (0.0, "0")])
def test_a_row_without_a_direction(bad, length):
    with pytest.raises(
        DataError, match=rf"none of length 0, got 1 others, the first of length {length} at index, row 2"
    ):
        Index(ENCODER, ["a", "b"], ["a", "b"], [[1.0, 2.0], [bad, 0.0]])


def test_what_is_asked_has_a_direction():
    index = make_index(ENCODER, ["west"])
    with pytest.raises(DataError, match="a vector of finite numbers, not of length 0, got length 0"):
        search(index, "nowhere")
    with pytest.raises(ShapeError, match=r"a vector of shape \(2,\), got shape \(3,\)"):
        index.find([1, 2, 3], 1)
    with pytest.raises(UsageError, match="1 text or more, got 0 at top"):
        index.find([1, 2], 0)
    for text in ("", " \n\t"):
        with pytest.raises(UsageError, match="a text to look for, got an empty one at text"):
            search(index, text)


@pytest.mark.parametrize("top", [2.5, "3", None, True])
def test_a_number_of_texts_that_is_none(top):
    index = make_index(ENCODER, ["west", "east"])
    with pytest.raises(UsageError, match=rf"1 text or more, got {top!r} at top"):
        index.find([1, 2], top)
    assert len(index.find([1, 2], np.int64(2))) == 2


def test_an_index_of_nothing_and_of_other_shapes():
    with pytest.raises(DataError, match="at least one text to search in, got none"):
        make_index(ENCODER, [])
    with pytest.raises(ShapeError, match=r"2 ids and vectors of shape \(2, 2\), got 2 ids and shape \(2, 3\)"):
        Index(ENCODER, ["a", "b"], ["a", "b"], np.ones((2, 3)))
    with pytest.raises(ShapeError, match="got 1 ids"):
        make_index(ENCODER, ["west", "east"], ids=["w"])
    with pytest.raises(DataError, match="texts to search in, got 2 of white space alone at text 2"):
        make_index(ENCODER, ["west", "", " \n"])
