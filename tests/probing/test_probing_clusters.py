from dataclasses import asdict

import numpy as np
import orjson
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, fowlkes_mallows_score

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.core.seeding import make_generator
from sentire.probing.clusters import cluster


def make_case(seed, spread=0.3, n=120):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, size=n)
    return np.eye(3)[labels] + spread * generator.normal(size=(n, 3)), labels


def test_classes_that_lie_apart_are_found_whatever_their_names():
    embeddings, labels = make_case(0, spread=0.05)
    found = cluster(embeddings, np.array(["joy", "anger", "fear"])[labels], n_restarts=3)
    assert found.ami.mean == pytest.approx(1)
    assert found.ari.mean == pytest.approx(1)
    assert found.fms.mean == pytest.approx(1)
    assert (found.n_clusters, found.n_texts, found.n_restarts) == (3, 120, 3)
    assert orjson.loads(orjson.dumps(asdict(found)))["ami"]["values"] == pytest.approx([1, 1, 1])


def test_chance_is_taken_off():
    embeddings, _ = make_case(1)
    found = cluster(embeddings, np.random.default_rng(2).integers(0, 3, size=120), n_restarts=3)
    assert abs(found.ami.mean) < 0.1
    assert abs(found.ari.mean) < 0.1


def test_every_run_is_scored_by_itself_as_scikit_learn_scores_it():
    embeddings, labels = make_case(3, spread=1.0)
    found = cluster(embeddings, labels, n_restarts=4, seed=5)
    assert found == cluster(embeddings, labels, n_restarts=4, seed=5)
    assert found != cluster(embeddings, labels, n_restarts=4, seed=6)
    assert len(set(found.ami.values)) > 1
    assert found.ami.low < found.ami.mean < found.ami.high
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    starts = make_generator(5, "starts of k-means").integers(0, 2**31, size=4)
    runs = [KMeans(3, n_init=1, random_state=int(start)).fit(unit).labels_ for start in starts]
    for name, score in (
        ("ami", adjusted_mutual_info_score),
        ("ari", adjusted_rand_score),
        ("fms", fowlkes_mallows_score),
    ):
        expected = [score(labels, run) for run in runs]
        # Single against double precision: a text between two clusters may go to either.
        assert getattr(found, name).values == pytest.approx(expected, abs=0.02)


def test_length_counts_only_where_it_is_kept():
    embeddings, labels = make_case(4, spread=0.05)
    stretched = embeddings * np.exp(np.random.default_rng(4).normal(scale=3, size=(120, 1)))
    assert cluster(stretched, labels, n_restarts=2).ami.mean == pytest.approx(1)
    assert cluster(stretched, labels, n_restarts=2, is_unit=False).ami.mean < 0.5


def test_what_makes_no_sense_is_refused():
    embeddings, labels = make_case(5)
    with pytest.raises(DataError, match="texts of at least 2 classes, got 1 at labels"):
        cluster(embeddings, labels * 0)
    with pytest.raises(DataError, match="at least 3 different embeddings, one a class, got 2"):
        cluster([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0, 1, 2])
    with pytest.raises(DataError, match="finite numbers, got nan at embeddings, row 0, column 0"):
        cluster(embeddings * np.nan, labels)
    with pytest.raises(ShapeError, match=r"one label a text, shape \(120,\), got shape \(119,\)"):
        cluster(embeddings, labels[1:])
    with pytest.raises(UsageError, match="at least 1 run of k-means, got 0"):
        cluster(embeddings, labels, n_restarts=0)
