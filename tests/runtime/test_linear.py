import numpy as np
import pytest

from sentire.core.errors import ArtifactError, ShapeError
from sentire.runtime.linear import LinearScorer
from sentire.runtime.tfidf import SparseRows


def make_rows(lengths, n_columns, seed=0):
    rng = np.random.default_rng(seed)
    columns = [np.sort(rng.choice(n_columns, size=length, replace=False)) for length in lengths]
    values = rng.random(sum(lengths)).astype(np.float32)
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return SparseRows(starts, np.concatenate([np.zeros(0, np.int64), *columns]).astype(np.int64), values)


def make_scorer(n_columns, n_labels, seed=1):
    rng = np.random.default_rng(seed)
    return LinearScorer(
        weights=rng.normal(size=(n_columns, n_labels)).astype(np.float32),
        bias=rng.normal(size=n_labels).astype(np.float32),
    )


@pytest.mark.parametrize(
    "lengths",
    [
        [3, 1, 4],
        [0, 3, 1],
        [3, 1, 0],
        [2, 0, 0, 5],
        [0, 0, 4, 0, 0, 1, 0],
        [0],
        [0, 0],
        [30, 17, 0, 25],
    ],
)
@pytest.mark.parametrize("n_labels", [1, 2, 28])
def test_scores_equal_a_slow_loop(lengths, n_labels):
    rows, scorer = make_rows(lengths, 40), make_scorer(40, n_labels)
    expected = np.empty((len(lengths), n_labels))
    for row in range(len(lengths)):
        for label in range(n_labels):
            total = float(scorer.bias[label])
            for entry in range(rows.starts[row], rows.starts[row + 1]):
                total += float(rows.values[entry]) * float(scorer.weights[rows.columns[entry], label])
            expected[row, label] = total
    scores = scorer.score(rows)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    for row, length in enumerate(lengths):
        if length == 0:
            assert np.array_equal(scores[row], scorer.bias)


def test_no_rows():
    assert make_scorer(4, 3).score(make_rows([], 4)).shape == (0, 3)


@pytest.mark.parametrize("n_labels", [1, 7, 28])
def test_a_score_does_not_depend_on_the_neighbours_bit_by_bit(n_labels):
    lengths = [5, 0, 200, 1, 33, 0, 129, 8, 9, 64]
    rows, scorer = make_rows(lengths, 300), make_scorer(300, n_labels)
    together = scorer.score(rows)
    for row in range(len(lengths)):
        entries = slice(rows.starts[row], rows.starts[row + 1])
        alone = SparseRows(np.array([0, lengths[row]]), rows.columns[entries], rows.values[entries])
        assert np.array_equal(scorer.score(alone)[0], together[row])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(bad):
    weights, bias = np.zeros((3, 2), np.float32), np.zeros(2, np.float32)
    weights[1, 1] = bad
    with pytest.raises(ArtifactError, match="expected finite weights, got NaN or infinity at linear scorer"):
        LinearScorer(weights=weights, bias=bias)
    with pytest.raises(ArtifactError, match="expected finite weights"):
        LinearScorer(weights=np.zeros((3, 2), np.float32), bias=np.array([0, bad], np.float32))


@pytest.mark.parametrize(("weights", "bias"), [((3, 2), (3,)), ((3,), (3,)), ((3, 2), (1, 2)), ((3, 2, 1), (2, 1))])
def test_shapes_that_do_not_fit_are_refused(weights, bias):
    with pytest.raises(ShapeError, match=r"weights of shape \(F, C\) and bias of shape \(C,\), got shapes \(3"):
        LinearScorer(weights=np.zeros(weights, np.float32), bias=np.zeros(bias, np.float32))
