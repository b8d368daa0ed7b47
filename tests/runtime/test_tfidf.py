from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentire.core.errors import ArtifactError, ShapeError
from sentire.runtime.texts import prepare_texts
from sentire.runtime.tfidf import SparseRows, TfidfFeatures
from sentire.runtime.tokenisers import token_pattern

TEXTS = [
    "The soup was cold, the waiter was not, and the soup was late",
    "thank you THANK YOU thank you so so so much!!",
    "I don't know :) :( <3 what's this?!",
    "ΟΔΟΣ οδός ΟΔΟΣ ΜΟΥ Σ ΣΣ ΑΣ'Α",
    "İstanbul ISTANBUL ısparta Straße STRASSE",
    "",
    "x y z",
    "😀😀 great 🎉 day",
    "soup",
    "über-cool naïve café 第一 第一 第一 العربية नमस्ते",
    "the the the the",
    "8) ;-) :D :P =/ 3.14 a_b_c __ snake_case it's it's",
]

WORDS = [
    "soup", "Soup", "cold", "so", "the", "no", "it's", "ΟΔΟΣ", "Σ", "ΑΣ", "İ", "I", "ı", "ß", "😀", "🎉", ":)", ":D",
    "!!", "?", "<3", "'", "’", "_", "a", "8)", "\x00", "\ud800", "\udfff", "\u0307", "\u200d", "é", "e\u0301", "\n",
]  # fmt: skip

texts_of_words = st.lists(st.sampled_from(WORDS), max_size=12).flatmap(
    lambda words: st.sampled_from([" ", "", ", "]).map(lambda glue: glue.join(words))
)
any_text = st.one_of(texts_of_words, st.text(st.characters(), max_size=25))


def make_pair(texts, tokeniser, *, max_ngram=2, is_sublinear=False, max_features=None):
    """scikit-learn's vectoriser and ours over the same vocabulary."""
    text_features = pytest.importorskip("sklearn.feature_extraction.text")
    theirs = text_features.TfidfVectorizer(
        token_pattern=token_pattern(tokeniser),
        ngram_range=(1, max_ngram),
        sublinear_tf=is_sublinear,
        max_features=max_features,
    ).fit(texts)
    ours = TfidfFeatures(
        tokeniser=tokeniser,
        terms=theirs.get_feature_names_out().tolist(),
        idf=theirs.idf_.astype(np.float32),
        is_sublinear=is_sublinear,
    )
    return theirs, ours


def to_dense(rows: SparseRows, n_columns: int):
    dense = np.zeros((len(rows), n_columns))
    for row in range(len(rows)):
        entries = slice(rows.starts[row], rows.starts[row + 1])
        assert (np.diff(rows.columns[entries]) > 0).all()
        dense[row, rows.columns[entries]] = rows.values[entries]
    return dense


def get_row(rows: SparseRows, row: int):
    entries = slice(rows.starts[row], rows.starts[row + 1])
    return rows.columns[entries].tolist(), rows.values[entries].tobytes()


@pytest.mark.parametrize("tokeniser", ["word", "social"])
@pytest.mark.parametrize("is_sublinear", [False, True])
@pytest.mark.parametrize("max_ngram", [1, 2])
@pytest.mark.parametrize("max_features", [None, 17])
def test_same_rows_as_scikit_learn(tokeniser, is_sublinear, max_ngram, max_features):
    theirs, ours = make_pair(
        TEXTS, tokeniser, max_ngram=max_ngram, is_sublinear=is_sublinear, max_features=max_features
    )
    asked = [*TEXTS, "cold soup the soup", "qqq zzz", "soup ΟΔΟΣ\n\nthe  the", "so much the cold"]
    rows = ours.transform(asked)
    assert rows.values.dtype == np.float32
    np.testing.assert_allclose(to_dense(rows, len(ours)), theirs.transform(asked).toarray(), rtol=0, atol=1e-6)
    assert rows.n_entries.max() > 1


@settings(max_examples=150, deadline=None)
@given(
    learned=st.lists(any_text, max_size=6),
    asked=st.lists(any_text, max_size=6),
    tokeniser=st.sampled_from(["word", "social"]),
    is_sublinear=st.booleans(),
    max_features=st.sampled_from([None, 5]),
)
def test_same_rows_as_scikit_learn_on_any_text(learned, asked, tokeniser, is_sublinear, max_features):
    learned = prepare_texts([*learned, "cold soup"])
    asked = prepare_texts([*asked, *learned])
    theirs, ours = make_pair(learned, tokeniser, is_sublinear=is_sublinear, max_features=max_features)
    expected = theirs.transform(asked).toarray()
    np.testing.assert_allclose(to_dense(ours.transform(asked), len(ours)), expected, rtol=0, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), texts=st.lists(any_text, min_size=1, max_size=8), tokeniser=st.sampled_from(["word", "social"]))
def test_a_row_depends_on_its_own_text_alone_bit_by_bit(data, texts, tokeniser):
    _, ours = make_pair(TEXTS, tokeniser, is_sublinear=True)
    texts = prepare_texts([*texts, "the soup the soup was cold", ""])
    together = ours.transform(texts)
    order = data.draw(st.permutations(range(len(texts))))
    shuffled = ours.transform([texts[position] for position in order])
    for place, position in enumerate(order):
        alone = get_row(ours.transform([texts[position]]), 0)
        assert get_row(together, position) == alone
        assert get_row(shuffled, place) == alone


def test_worked_example_with_repeated_terms():
    idf = np.array([1.5, 2.0, 3.0], dtype=np.float32)
    text = ["soup soup, soup cold soup"]
    # soup 4 times, cold once, "cold soup" once, and idf in column order.
    for is_sublinear, frequency in ((False, 4.0), (True, 1 + log(4))):
        features = TfidfFeatures(
            tokeniser="word", terms=["cold", "cold soup", "soup"], idf=idf, is_sublinear=is_sublinear
        )
        weights = [1.5, 2.0, 3.0 * frequency]
        norm = sqrt(sum(weight * weight for weight in weights))
        rows = features.transform(text)
        assert rows.columns.tolist() == [0, 1, 2]
        np.testing.assert_allclose(rows.values, [weight / norm for weight in weights], rtol=1e-6)


def test_a_pair_counts_although_its_words_do_not():
    features = TfidfFeatures(
        tokeniser="word", terms=["good morning", "night"], idf=np.ones(2, np.float32), is_sublinear=False
    )
    rows = features.transform(
        ["good morning", "good", "morning good", "good, morning!", "good night", "good old morning"]
    )
    assert [get_row(rows, row)[0] for row in range(6)] == [[0], [], [], [0], [1], []]


def test_no_pair_reaches_over_the_border_of_two_texts():
    features = TfidfFeatures(tokeniser="social", terms=["a b", "a"], idf=np.ones(2, np.float32), is_sublinear=False)
    rows = features.transform(["b a", "b", "a b"])
    assert [get_row(rows, row)[0] for row in range(3)] == [[1], [], [0, 1]]


def test_an_unknown_word_makes_no_pair():
    features = TfidfFeatures(tokeniser="social", terms=["a b"], idf=np.ones(1, np.float32), is_sublinear=False)
    # A key made with the number of an unknown word would be that of another pair.
    texts = ["b zzz", "zzz b", "a zzz b", "zzz a", "zzz a b zzz"]
    assert features.transform(texts).n_entries.tolist() == [0, 0, 0, 0, 1]


def test_rows_have_length_one_or_are_empty():
    _, ours = make_pair(TEXTS, "social", max_features=30)
    dense = to_dense(ours.transform([*TEXTS, "qqq"]), len(ours))
    norms = np.linalg.norm(dense, axis=1)
    assert norms[-1] == 0
    np.testing.assert_allclose(norms[norms > 0], 1, atol=1e-6)


def test_no_texts_and_no_terms():
    _, ours = make_pair(TEXTS, "word")
    assert len(ours.transform([])) == 0
    assert ours.transform([]).n_entries.shape == (0,)
    nothing = TfidfFeatures(tokeniser="word", terms=[], idf=np.ones(0, np.float32), is_sublinear=False)
    assert nothing.transform(["some words", ""]).n_entries.tolist() == [0, 0]


def test_idf_that_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"expected idf of shape \(2,\), got shape \(3,\)"):
        TfidfFeatures(tokeniser="word", terms=["a", "b"], idf=np.ones(3, np.float32), is_sublinear=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -1.0])
def test_idf_that_would_give_no_numbers_is_refused(bad):
    with pytest.raises(ArtifactError, match="finite, positive idf"):
        TfidfFeatures(tokeniser="word", terms=["a", "b"], idf=np.array([1, bad], np.float32), is_sublinear=False)
