from dataclasses import asdict

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from sentire.core.errors import DataError, ShapeError, UnknownNameError, UsageError
from sentire.probing import neighbours as module
from sentire.probing.neighbours import CosineIndex, nearest, neighbour_probe
from sentire.probing.splits import EmbeddedSplit


def make_case(seed, n=500, d=5):
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, 3, size=n)
    return generator.normal(size=(3, d))[classes] + generator.normal(size=(n, d)), classes


def cut(embeddings, targets):
    rows = [slice(0, 250), slice(250, 350), slice(350, None)]
    return [EmbeddedSplit(embeddings=embeddings[row], targets=targets[row]) for row in rows]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30))
def test_equals_scikit_learn(seed, n_texts, n_queries):
    generator = np.random.default_rng(seed)
    collection, queries = generator.normal(size=(n_texts, 4)), generator.normal(size=(n_queries, 4))
    k = int(generator.integers(1, n_texts + 1))
    places, similarities = nearest(queries, collection, k)
    theirs = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(collection)
    distances, expected = theirs.kneighbors(queries)
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_allclose(similarities, 1 - distances, atol=1e-6)


def test_blocks_and_single_queries_give_the_same(monkeypatch):
    embeddings, _ = make_case(0)
    expected = nearest(embeddings[:50], embeddings, 7)
    assert expected[0][:, 0].tolist() == list(range(50))
    monkeypatch.setattr(module, "_BLOCK_CELLS", 3 * 500)
    index = CosineIndex(embeddings)
    for found in (
        index.nearest(embeddings[:50], 7),
        [
            np.concatenate(part)
            for part in zip(*(index.nearest(embeddings[[row]], 7) for row in range(50)), strict=True)
        ],
    ):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


def test_equally_similar_texts_come_in_their_order():
    places, similarities = nearest([[1.0, 0.0]], [[0.0, 1.0], [2.0, 0.0], [3.0, 0.0], [1.0, 0.0]], 4)
    assert places.tolist() == [[1, 2, 3, 0]]
    assert similarities.tolist() == [[1, 1, 1, 0]]


def test_majority_equals_scikit_learn():
    embeddings, classes = make_case(1)
    train, dev, test = cut(embeddings, classes)
    # Seven neighbours of three classes can be level: compared where they are not.
    found = neighbour_probe(train, dev, test, neighbour_counts=(7,), votes=("majority",), n_resamples=50)
    theirs = KNeighborsClassifier(7, metric="cosine").fit(train.embeddings, train.targets)
    proba = theirs.predict_proba(test.embeddings)
    scores = module._count_votes(
        np.eye(3, dtype=bool)[train.targets], *nearest(test.embeddings, train.embeddings, 7), k=7, vote="majority"
    )
    np.testing.assert_allclose(scores, proba, atol=1e-5)
    assert found.quality.macro_f1.value == pytest.approx(f1_score(test.targets, scores.argmax(axis=1), average="macro"))


def test_votes_by_hand():
    targets = np.eye(2, dtype=bool)[[0, 1, 1]]
    places, similarities = np.array([[0, 1, 2]]), np.array([[0.9, 0.83, 0.76]], dtype=np.float32)
    np.testing.assert_allclose(
        module._count_votes(targets, places, similarities, k=3, vote="majority"), [[1 / 3, 2 / 3]], atol=1e-5
    )
    first, second, third = 1, np.exp(-1), np.exp(-2)
    whole = first + second + third
    np.testing.assert_allclose(
        module._count_votes(targets, places, similarities, k=3, vote="similarity"),
        [[first / whole, (second + third) / whole]],
        atol=1e-5,
    )
    # Level at one vote each: the more similar neighbour decides.
    level = module._count_votes(targets, places, similarities, k=2, vote="majority")
    assert level[0, 0] > level[0, 1]


def test_choices_come_from_dev():
    embeddings, classes = make_case(2)
    labels = np.eye(3, dtype=bool)[classes]
    labels[::5, 1] = True
    for targets in (classes, labels):
        found = neighbour_probe(*cut(embeddings, targets), n_resamples=20)
        assert f"{found.vote} {found.k}" == max(found.dev_macro_f1, key=found.dev_macro_f1.get)
        assert len(found.dev_macro_f1) == 10
        assert found.quality.macro_f1.value > 0.5
        assert (found.thresholds is None) == (targets.ndim == 1)
        assert orjson.loads(orjson.dumps(asdict(found)))["k"] == found.k


def test_counts_above_the_size_of_train_are_left_out():
    embeddings, classes = make_case(3)
    train, dev, test = cut(embeddings, classes)
    few = EmbeddedSplit(embeddings=train.embeddings[:12], targets=train.targets[:12])
    assert list(neighbour_probe(few, dev, test, votes=("majority",), n_resamples=5).dev_macro_f1) == [
        "majority 1",
        "majority 5",
        "majority 10",
    ]


def test_what_makes_no_sense_is_refused():
    embeddings, classes = make_case(4)
    with pytest.raises(UsageError, match="a k from 1 to 500, got 501"):
        nearest(embeddings, embeddings, 501)
    with pytest.raises(ShapeError, match="queries of 5 numbers, as the collection has, got 4"):
        nearest(embeddings[:, :4], embeddings, 1)
    with pytest.raises(DataError, match="all zeros at collection, row 0"):
        nearest(embeddings, embeddings * 0, 1)
    with pytest.raises(UnknownNameError, match=r"the name of a vote \(majority, similarity\), got 'loudest'"):
        neighbour_probe(*cut(embeddings, classes), votes=("loudest",))
    with pytest.raises(UsageError, match=r"counts of neighbours from 1 to 250 and a vote, got \[0, 5\]"):
        neighbour_probe(*cut(embeddings, classes), neighbour_counts=(0, 5))
