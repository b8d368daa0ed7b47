import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import ShapeError, UnknownNameError
from sentire.core.pooling import make_pooling_weights


def pool_slowly(types, mask, pooling, has_context):
    """Say the contract again, token by token."""
    rows = []
    for row_types, row_mask, is_pair in zip(types, mask, has_context, strict=True):
        counted = []
        for place, (segment, is_real) in enumerate(zip(row_types, row_mask, strict=True)):
            if pooling == "cls":
                counted.append(place == 0)
            elif is_pair:
                counted.append(place == 0 or (is_real == 1 and segment == 1))
            else:
                counted.append(is_real == 1)
        rows.append([1 / sum(counted) if one else 0.0 for one in counted])
    return rows


@st.composite
def batches(draw):
    """Rows ``[CLS] context [SEP] text [SEP]`` and ``[CLS] text [SEP]``, padded at the end to one length."""
    rows = draw(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=6))
    longest = max(before + after for _, before, after in rows) + draw(st.integers(0, 3))
    types, mask = [], []
    for is_pair, before, after in rows:
        segments = [0] * before + [int(is_pair)] * after
        types.append(segments + [0] * (longest - len(segments)))
        mask.append([1] * len(segments) + [0] * (longest - len(segments)))
    return types, mask, [is_pair for is_pair, _, _ in rows]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@given(batch=batches())
def test_the_weights_are_those_of_the_contract(batch, pooling):
    types, mask, has_context = batch
    weights = make_pooling_weights(types, mask, pooling=pooling, has_context=has_context)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, pool_slowly(types, mask, pooling, has_context), rtol=1e-6)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)


@given(batch=batches(), n_more=st.integers(1, 5))
def test_padding_changes_no_weight(batch, n_more):
    types, mask, has_context = (np.array(part) for part in batch)
    alone = make_pooling_weights(types, mask, pooling="mean", has_context=has_context)
    more = [(0, 0), (0, n_more)]
    # Whatever type the padding has, it is not counted.
    padded = make_pooling_weights(
        np.pad(types, more, constant_values=1), np.pad(mask, more), pooling="mean", has_context=has_context
    )
    np.testing.assert_array_equal(padded[:, : types.shape[1]], alone)
    assert not padded[:, types.shape[1] :].any()


def test_a_worked_example():
    # [CLS] how are you [SEP] fine ! [SEP] [PAD], and [CLS] fine ! [SEP] with five of padding
    types = [[0, 0, 0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0]]
    mask = [[1, 1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0, 0, 0, 0]]
    weights = make_pooling_weights(types, mask, pooling="mean", has_context=[True, False])
    assert weights.tolist() == [[0.25, 0, 0, 0, 0, 0.25, 0.25, 0.25, 0], [0.25] * 4 + [0.0] * 5]
    assert make_pooling_weights(types, mask, pooling="cls", has_context=[True, False])[:, 0].tolist() == [1, 1]


def test_types_of_a_lone_text_are_not_looked_at():
    mask = [[1, 1, 1]]
    expected = make_pooling_weights([[0, 0, 0]], mask, pooling="mean", has_context=[False])
    found = make_pooling_weights([[0, 1, 1]], mask, pooling="mean", has_context=[False])
    np.testing.assert_array_equal(found, expected)


def test_no_rows():
    nothing = np.zeros((0, 5), dtype=np.int64)
    assert make_pooling_weights(nothing, nothing, pooling="mean", has_context=[]).shape == (0, 5)


def test_an_unknown_pooling_has_near_matches():
    with pytest.raises(UnknownNameError, match=r"a pooling \(cls, mean\), got 'meen'; did you mean \"mean\""):
        make_pooling_weights([[0]], [[1]], pooling="meen", has_context=[False])


@pytest.mark.parametrize(
    ("types", "mask", "has_context", "message"),
    [
        ([[0, 0]], [[1]], [False], r"got \(1, 2\), \(1, 1\) and \(1,\)"),
        ([0], [1], [False], r"got \(1,\), \(1,\) and \(1,\)"),
        ([[0]], [[1]], [False, True], r"got \(1, 1\), \(1, 1\) and \(2,\)"),
        ([[0]], [[1]], True, r"has_context of shape \(B,\), got .* and \(\)"),
        ([[0, 0]], [[0, 1]], [False], "begins with padding"),
        ([[0, 0], [0, 0]], [[1, 1], [0, 0]], [False, False], "begins with padding"),
        ([[]], [[]], [False], "is empty"),
    ],
)
def test_shapes_that_do_not_fit(types, mask, has_context, message):
    with pytest.raises(ShapeError, match=message):
        make_pooling_weights(types, mask, pooling="mean", has_context=has_context)
