from dataclasses import asdict

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.core.seeding import make_generator
from sentire.metrics import retrieval as module
from sentire.metrics.bootstrap import paired_bootstrap
from sentire.metrics.retrieval import RetrievalStatistic, measure_queries, retrieval


def on_circle(*degrees):
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def make_case(seed, n=40, d=6, n_classes=4):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, n_classes, size=n)
    middles = generator.normal(size=(n_classes, d))
    return middles[labels] + generator.normal(size=(n, d)), labels


def measure_slowly(embeddings, is_relevant, k):
    """Every measure of every query that has a relevant text, straight from the formulas."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    found = {}
    for query in range(len(unit)):
        others = [other for other in range(len(unit)) if other != query]
        others.sort(key=lambda other: -float(unit[query] @ unit[other]))
        hits = [bool(is_relevant[query, other]) for other in others]
        n_relevant = sum(hits)
        if not n_relevant:
            continue
        average = 0.0
        for place in range(1, n_relevant + 1):
            if hits[place - 1]:
                average += sum(hits[:place]) / place
        found[query] = (1 / (hits.index(True) + 1), float(hits[0]), sum(hits[:k]) / k, average / n_relevant)
    return found


def as_rows(values):
    return np.stack(
        [values.reciprocal_rank, values.precision_at_1, values.precision_at_k, values.average_precision_at_r], axis=1
    )


def test_worked_example():
    # From the text at 0 degrees the others lie at 10 (joy), 30 (anger), 50 (joy), 92 (anger), 170 (fear, alone).
    embeddings = on_circle(0, 10, 30, 50, 92, 170)
    labels = ["joy", "joy", "anger", "joy", "anger", "fear"]
    found = measure_queries(embeddings, labels, k=3)
    assert found.queries.tolist() == [0, 1, 2, 3, 4]
    assert found.n_left_out == 1
    # From 0: joy anger joy; R = 2, so AP@R = (1 + 0) / 2; P@3 = 2/3.
    assert as_rows(found)[0] == pytest.approx([1, 1, 2 / 3, 1 / 2])
    # From 30: joy and joy at 20 degrees, then joy at 30, then anger at 62: place 4, outside R = 1.
    assert as_rows(found)[2] == pytest.approx([1 / 4, 0, 0, 0])
    # From 50: anger at 20, joy at 40, anger at 42; R = 2, so AP@R = (0 + 1/2) / 2.
    assert as_rows(found)[3] == pytest.approx([1 / 2, 0, 1 / 3, 1 / 4])


def test_of_equally_similar_texts_the_irrelevant_stand_first():
    found = measure_queries(np.ones((6, 3)), [0, 0, 0, 1, 1, 1], k=3)
    # The 3 irrelevant, then the 2 relevant.
    np.testing.assert_allclose(as_rows(found), [[1 / 4, 0, 0, 0]] * 6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 45), st.integers(1, 6))
def test_equals_the_slow_loop(seed, n, n_classes):
    embeddings, labels = make_case(seed, n=n, n_classes=n_classes)
    k = min(5, n - 1)
    slow = measure_slowly(embeddings, labels[:, None] == labels, k)
    if not slow:
        with pytest.raises(DataError, match="texts that share a label"):
            measure_queries(embeddings, labels, k=k)
        return
    found = measure_queries(embeddings, labels, k=k)
    assert found.queries.tolist() == list(slow)
    assert found.n_left_out == n - len(slow)
    np.testing.assert_allclose(as_rows(found), list(slow.values()), atol=1e-12)


def test_several_labels_equal_the_slow_loop():
    embeddings, _ = make_case(3)
    generator = np.random.default_rng(4)
    labels = generator.random((40, 5)) < 0.15
    labels[:3] = False
    shares = (labels[:, None, :] & labels).any(axis=2)
    slow = measure_slowly(embeddings, shares, 5)
    found = measure_queries(embeddings, labels, k=5)
    assert found.queries.tolist() == list(slow)
    assert found.n_left_out == 40 - len(slow) >= 3
    np.testing.assert_allclose(as_rows(found), list(slow.values()), atol=1e-12)


def test_one_label_a_text_as_an_indicator_is_the_same():
    embeddings, labels = make_case(5)
    first, second = measure_queries(embeddings, labels), measure_queries(embeddings, np.eye(4, dtype=bool)[labels])
    np.testing.assert_array_equal(as_rows(first), as_rows(second))


@pytest.mark.parametrize("seed", range(3))
def test_equals_pytorch_metric_learning(seed):
    pytest.importorskip("pytorch_metric_learning")
    import torch
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    embeddings, labels = make_case(seed, n=60)
    labels[0] = 99  # alone: both leave it out
    calculator = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision_at_r", "mean_reciprocal_rank"),
        k=59,
        knn_func=CustomKNN(CosineSimilarity()),
    )
    theirs = calculator.get_accuracy(torch.tensor(embeddings), torch.tensor(labels))
    ours = retrieval(embeddings, labels, n_resamples=10)
    assert ours.n_left_out == 1
    assert ours.precision_at_1.value == pytest.approx(theirs["precision_at_1"])
    assert ours.map_at_r.value == pytest.approx(theirs["mean_average_precision_at_r"])
    assert ours.mrr.value == pytest.approx(theirs["mean_reciprocal_rank"], abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_turning_and_stretching_change_nothing(seed):
    embeddings, labels = make_case(seed)
    generator = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(generator.normal(size=(6, 6)))
    lengths = np.exp(generator.uniform(-40, 40, size=(40, 1)))
    expected = as_rows(measure_queries(embeddings, labels))
    np.testing.assert_allclose(as_rows(measure_queries(embeddings @ turn, labels)), expected, atol=1e-12)
    np.testing.assert_allclose(as_rows(measure_queries(embeddings * lengths, labels)), expected, atol=1e-12)


def test_blocks_do_not_matter(monkeypatch):
    embeddings, labels = make_case(6)
    expected = as_rows(measure_queries(embeddings, labels))
    monkeypatch.setattr(module, "_BLOCK_CELLS", 7 * 40)
    np.testing.assert_array_equal(as_rows(measure_queries(embeddings, labels)), expected)


def test_drawn_queries_are_asked_against_all_texts():
    embeddings, labels = make_case(7)
    everything = measure_queries(embeddings, labels)
    some = measure_queries(embeddings, labels, max_queries=9, seed=1)
    assert len(some.queries) + some.n_left_out == 9
    kept = np.isin(everything.queries, some.queries)
    np.testing.assert_array_equal(as_rows(everything)[kept], as_rows(some))
    assert not np.array_equal(measure_queries(embeddings, labels, max_queries=9, seed=2).queries, some.queries)


def test_intervals_are_over_queries():
    embeddings, labels = make_case(8, n=200)
    found = retrieval(embeddings, labels, seed=3)
    values = measure_queries(embeddings, labels)
    assert found.map_at_r.value == pytest.approx(values.average_precision_at_r.mean())
    spread = values.average_precision_at_r.std() / np.sqrt(200)
    assert found.map_at_r.high - found.map_at_r.low == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert found.map_at_r.low < found.map_at_r.value < found.map_at_r.high
    assert found == retrieval(embeddings, labels, seed=3)
    assert orjson.loads(orjson.dumps(asdict(found)))["n_texts"] == 200


def test_two_encoders_are_compared_on_the_same_queries():
    embeddings, labels = make_case(9, n=150)
    worse = embeddings + np.random.default_rng(1).normal(scale=2, size=embeddings.shape)
    first, second = (RetrievalStatistic(measure_queries(one, labels)) for one in (worse, embeddings))
    found = paired_bootstrap(first, second, generator=make_generator(0, "test"), n_resamples=200)
    difference = found["precision_at_1"].difference(n=150)
    assert difference.low > 0
    assert difference.p_value < 0.05


def test_what_makes_no_sense_is_refused():
    embeddings, labels = make_case(10)
    broken = embeddings.copy()
    broken[3, 2] = np.nan
    with pytest.raises(DataError, match="finite numbers, got nan at embeddings, row 3, column 2"):
        measure_queries(broken, labels)
    broken[3] = 0
    with pytest.raises(DataError, match=r"by cosine, got 1 of 40 that are all zeros at embeddings, row 3; a text with"):
        measure_queries(broken, labels)
    with pytest.raises(DataError, match="finite numbers, got 1e\\+200 at embeddings, row 0, column 0"):
        measure_queries(embeddings * 0 + 1e200, labels)
    with pytest.raises(ShapeError, match=r"one label a text, shape \(40,\), got shape \(39,\)"):
        measure_queries(embeddings, labels[:39])
    with pytest.raises(ShapeError, match="labels of 40 texts, got 39"):
        measure_queries(embeddings, np.eye(4)[labels][:39])
    with pytest.raises(DataError, match="labels as whole numbers or names, got values of float64"):
        measure_queries(embeddings, labels + 0.5)
    with pytest.raises(ShapeError, match="the vectors of at least 2 texts, got 1"):
        measure_queries(embeddings[:1], labels[:1])
    with pytest.raises(ShapeError, match=r"shape \(N, C\) with N and C at least 1, got shape \(40,\)"):
        measure_queries(embeddings[:, 0], labels)
    with pytest.raises(DataError, match="texts that share a label, got none among 40 queries and 40 texts"):
        measure_queries(embeddings, np.arange(40))
    with pytest.raises(UsageError, match="a k from 1 to 39, the other texts, got 40"):
        measure_queries(embeddings, labels, k=40)
    with pytest.raises(UsageError, match="at least 1 query, got 0"):
        measure_queries(embeddings, labels, max_queries=0)
    with pytest.raises(ShapeError, match=r"labels; several labels a text: give an indicator of shape \(N, C\)"):
        measure_queries(embeddings, [["joy"], ["joy", "anger"]] * 20)


def test_names_may_be_objects_as_in_a_column_of_a_table():
    embeddings, labels = make_case(11)
    names = np.array(["anger", "fear", "joy", "pride"])[labels]
    assert retrieval(embeddings, names.astype(object), n_resamples=5) == retrieval(embeddings, names, n_resamples=5)
