import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sentire.core.errors import SentireError, ShapeError, UsageError
from sentire.metrics.diversity import distinct_n, group_similarity, vendi_score


def distinct_slowly(texts, n):
    grams = []
    for text in texts:
        said = text.split()
        grams += [" ".join(said[start : start + n]) for start in range(len(said) - n + 1)]
    return len(set(grams)) / len(grams) if grams else float("nan")


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=8).map(" ".join), max_size=8), st.integers(1, 4))
def test_distinct_n_equals_the_slow_loop(texts, n):
    assert distinct_n(texts, n) == pytest.approx(distinct_slowly(texts, n), nan_ok=True)


def test_distinct_n_by_hand():
    texts = ["The sea, the SEA!", "the sea"]
    assert distinct_n(texts, 1) == pytest.approx(2 / 6)
    assert distinct_n(texts, 2) == pytest.approx(2 / 4)  # "the sea" three times and "sea the"
    assert distinct_n(texts, 4) == 1.0
    assert np.isnan(distinct_n(texts, 5))
    assert np.isnan(distinct_n([], 1))
    assert np.isnan(distinct_n(["", "  "], 1))
    assert distinct_n(iter(texts), 1) == distinct_n(texts, 1)


def test_signs_of_a_script_without_blanks_are_words():
    texts = ["下雨了。", "下雪了。"]
    assert distinct_n(texts, 1) == pytest.approx(4 / 6)
    assert distinct_n(texts, 2) == 1.0


def test_n_grams_do_not_reach_over_the_end_of_a_text():
    assert distinct_n(["a b", "c d"], 2) == 1.0
    assert np.isnan(distinct_n(["a", "b"], 2))


@pytest.mark.parametrize("n", [0, -1])
def test_n_grams_have_words(n):
    with pytest.raises(UsageError, match=f"n-grams of at least 1 word, got {n}"):
        distinct_n(["a"], n)


def make_embeddings(seed, n=20, d=6):
    return np.random.default_rng(seed).normal(size=(n, d))


def vendi_slowly(embeddings):
    """exp of the entropy of the eigenvalues of the N by N matrix of cosines, divided by N."""
    rows = [row / np.linalg.norm(row) for row in np.asarray(embeddings, dtype=float)]
    kernel = np.array([[float(a @ b) for b in rows] for a in rows]) / len(rows)
    return float(np.exp(-sum(value * np.log(value) for value in np.linalg.eigvalsh(kernel) if value > 1e-12)))


@pytest.mark.parametrize(("n", "d"), [(1, 4), (2, 4), (4, 12), (30, 5), (40, 40)])
def test_vendi_score_equals_the_one_of_all_pairs(n, d):
    for seed in range(5):
        embeddings = make_embeddings(seed, n=n, d=d)
        assert vendi_score(embeddings) == pytest.approx(vendi_slowly(embeddings), rel=1e-9)


def test_vendi_score_by_hand():
    assert vendi_score([[3.0, 0.0]]) == pytest.approx(1.0)
    assert vendi_score([[1.0, 0.0], [5.0, 0.0], [0.2, 0.0]]) == pytest.approx(1.0)
    assert vendi_score(np.eye(7)) == pytest.approx(7.0)
    # Three of one kind and one of another: exp(-(3/4 log 3/4 + 1/4 log 1/4)).
    expected = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert vendi_score([[1.0, 0.0]] * 3 + [[0.0, 1.0]]) == pytest.approx(expected)


def test_vendi_score_does_not_see_lengths_order_or_rows_of_zeros():
    embeddings = make_embeddings(0)
    score = vendi_score(embeddings)
    assert vendi_score(embeddings[::-1] * np.linspace(0.1, 9, 20)[:, None]) == pytest.approx(score)
    assert vendi_score(np.vstack([embeddings, np.zeros((3, 6))])) == pytest.approx(score)
    assert vendi_score(np.vstack([embeddings, embeddings])) == pytest.approx(score)
    assert vendi_score(embeddings.astype(np.float32)) == pytest.approx(score, rel=1e-5)


def test_vendi_score_of_nothing():
    assert np.isnan(vendi_score(np.zeros((0, 4))))
    assert np.isnan(vendi_score(np.zeros((3, 4))))


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=st.floats(-9, 9, width=16)))
def test_vendi_score_lies_between_one_and_the_number_of_texts(embeddings):
    n = int((np.linalg.norm(embeddings, axis=1) > 0).sum())
    if n:
        assert 1 - 1e-9 <= vendi_score(embeddings) <= min(n, embeddings.shape[1]) + 1e-9


def similarity_slowly(embeddings, groups):
    within, across = [], []
    for i, first in enumerate(embeddings):
        for j in range(i):
            second = embeddings[j]
            cosine = float(first @ second) / (np.linalg.norm(first) * np.linalg.norm(second))
            (within if groups[i] == groups[j] else across).append(cosine)
    return tuple(float(np.mean(several)) if several else float("nan") for several in (within, across))


@pytest.mark.parametrize("n_groups", [1, 2, 5, 20])
def test_similarity_equals_the_loop_over_all_pairs(n_groups):
    for seed in range(5):
        embeddings = make_embeddings(seed)
        groups = [f"g{place % n_groups}" for place in np.random.default_rng(seed).permutation(20)]
        expected = similarity_slowly(embeddings, groups)
        assert group_similarity(embeddings, groups) == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_similarity_where_there_are_no_pairs():
    for embeddings, groups in (([[1.0, 2.0]], ["a"]), (np.zeros((0, 2)), [])):
        assert np.isnan(group_similarity(embeddings, groups)).all()
    within, across = group_similarity(np.eye(3), ["a", "b", "c"])
    assert np.isnan(within)
    assert across == pytest.approx(0.0)
    within, across = group_similarity([[1.0, 0.0], [1.0, 0.0]], ["a", "a"])
    assert within == pytest.approx(1.0)
    assert np.isnan(across)


def test_similarity_leaves_out_rows_of_zeros_with_their_groups():
    # Who has the embeddings of all texts does not know which of them are zero.
    embeddings = make_embeddings(3)
    embeddings[[2, 11]] = 0.0
    groups = [f"g{place % 4}" for place in range(20)]
    kept = [place for place in range(20) if place not in (2, 11)]
    expected = similarity_slowly(embeddings[kept], [groups[place] for place in kept])
    assert group_similarity(embeddings, groups) == pytest.approx(expected)


def test_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"shape \(N, D\), got shape \(3,\)"):
        vendi_score([1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match=r"2 groups.*got 3"):
        group_similarity(np.eye(2), ["a", "b", "c"])
    with pytest.raises(ShapeError, match=r"2 groups.*got 1"):
        group_similarity(np.eye(2), ["a"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_that_are_no_numbers_are_not_left_out_in_silence(value):
    embeddings = make_embeddings(0)
    embeddings[4, 2] = value
    with pytest.raises(SentireError):
        vendi_score(embeddings)
    with pytest.raises(SentireError):
        group_similarity(embeddings, ["a"] * 20)
