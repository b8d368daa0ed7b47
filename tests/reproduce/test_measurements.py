"""What the parts of a suite measure with: splits cut to size, fine-tuning, the bias audit, the plane."""

import re

import numpy as np
import pytest

from tiny_training import write_data, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")

from sentire.classifiers.labelled import read_labelled
from sentire.core.errors import DataError, ShapeError
from sentire.evaluate.identity_terms import TERMS
from sentire.reproduce import fine_tuning as module
from sentire.reproduce.bias import audit_encoder
from sentire.reproduce.fine_tuning import FineTuning, fine_tune
from sentire.reproduce.plane import place_in_plane
from sentire.reproduce.splits import get_classes, read_single


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("suite-data"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_tiny_encoder(tmp_path_factory.mktemp("suite-encoder") / "tiny")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


def test_a_split_is_cut_to_the_same_texts_with_one_label_each_time(data):
    whole = read_labelled(f"{data}:train")
    everything, some = read_single(f"{data}:train", 0, None), read_single(f"{data}:train", 10, None)
    assert len(everything) == (whole.targets.sum(axis=1) == 1).sum()
    assert len(some) == 10
    assert set(some.ids) < set(everything.ids)
    assert some.space.task == "single-label"
    assert some.targets[np.arange(10), get_classes(some)].all()
    read_single.cache_clear()
    assert read_single(f"{data}:train", 10, None).ids == some.ids
    assert len(read_single(f"{data}:train", 10_000, None)) == len(everything)


def fine_tune_on(encoder, data, test, seed=1):
    train, dev = (read_single(f"{data}:{split}", 0, None) for split in ("train", "dev"))
    settings = FineTuning(n_epochs=2, batch_size=16, learning_rate=0.01, max_tokens=24)
    return fine_tune(str(encoder), train, dev, test, settings, seed=seed)


def test_fine_tuning_is_judged_on_test_and_chosen_without_it(encoder, data, monkeypatch):
    asked = []

    def find_present(targets, decisions):
        asked.append((targets, decisions))
        return find_in(targets, decisions)

    find_in = module.find_present
    monkeypatch.setattr(module, "find_present", find_present)
    test = read_single(f"{data}:more", 0, None)
    found = fine_tune_on(encoder, data, test)
    # Other truths on test change what is said of the answers, and not the answers.
    turned = test.take(np.arange(len(test)))
    turned.targets[:] = np.roll(test.targets, 1, axis=1)
    other = fine_tune_on(encoder, data, turned)
    (targets, decisions), (_, same) = asked
    np.testing.assert_array_equal(decisions, same)
    assert (decisions.sum(axis=1) == 1).all()
    right = (targets & decisions).any(axis=1).mean()
    assert found["accuracy"]["value"] == pytest.approx(right)
    assert other["accuracy"]["value"] == pytest.approx((turned.targets & same).any(axis=1).mean())
    assert found["accuracy"]["low"] <= right <= found["accuracy"]["high"]
    assert (found["n_train"], found["n_test"]) == (len(read_single(f"{data}:train", 0, None)), len(test))
    assert fine_tune_on(encoder, data, test) == found
    fine_tune_on(encoder, data, test, seed=2)
    assert len(asked) == 4


def test_a_class_that_test_lacks_and_nobody_answers_does_not_count(encoder, data, monkeypatch):
    from sklearn.metrics import f1_score

    test = read_single(f"{data}:more", 0, None)
    test = test.take(np.flatnonzero(get_classes(test) != 2))
    answers = np.where(np.arange(len(test)) % 3, get_classes(test), 0)
    monkeypatch.setattr(module, "run_network", lambda *_: (np.eye(3)[answers], None))
    found = fine_tune_on(encoder, data, test)
    assert found["macro_f1"]["value"] == pytest.approx(f1_score(get_classes(test), answers, average="macro"))
    assert found["accuracy"]["value"] == pytest.approx((get_classes(test) == answers).mean())


def test_the_bias_of_an_encoder_is_0_where_it_does_not_see_the_words(data):
    train = read_single(f"{data}:train", 0, None)
    words = {word: place for place, word in enumerate(sorted({w for group in TERMS.values() for w in group}))}
    generator = np.random.default_rng(0)
    of_words = generator.normal(size=(len(words), 4)).astype(np.float32)

    def see_nothing(texts):
        return np.stack([np.float32([len(text.split()) % 2, 1, 0, 2]) for text in texts])

    def see_words(texts):
        rows = []
        for text in texts:
            seen = [of_words[place] for word, place in words.items() if re.search(rf"\b{word}\b", text)]
            rows.append(np.sum(seen, axis=0) if seen else generator.normal(size=4).astype(np.float32))
        return np.stack(rows).astype(np.float32)

    blind, seeing = audit_encoder(see_nothing, train, "blind"), audit_encoder(see_words, train, "seeing")
    assert set(blind["groups"]) == set(TERMS)
    assert blind["n_train"] == len(train)
    assert blind["mean_absolute_shift"] == pytest.approx(0, abs=1e-6)
    assert seeing["mean_absolute_shift"] > 1e-3
    shifts = [group["mean_absolute_shift"] for group in seeing["groups"].values()]
    assert seeing["mean_absolute_shift"] == pytest.approx(np.mean(shifts))


def test_vectors_that_lie_apart_lie_apart_in_the_plane():
    generator = np.random.default_rng(0)
    group = np.arange(120) % 2
    vectors = np.eye(6)[group] * 5 + generator.normal(size=(120, 6))
    places = place_in_plane(vectors, seed=0)
    assert places.shape == (120, 2)
    np.testing.assert_array_equal(places, place_in_plane(vectors, seed=0))
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (group[distances.argmin(axis=1)] == group).mean() > 0.95


def test_vectors_without_a_place_in_the_plane_are_refused():
    vectors = np.random.default_rng(0).normal(size=(20, 6))
    # Below 91 texts the perplexity is a third of the others.
    assert np.isfinite(place_in_plane(vectors[:5], seed=0)).all()
    with pytest.raises(ShapeError, match="the vectors of at least 5 texts, got 4 at vectors"):
        place_in_plane(vectors[:4], seed=0)
    with pytest.raises(ShapeError, match="vectors of at least 2 numbers, got 1 at vectors"):
        place_in_plane(vectors[:, :1], seed=0)
    broken = vectors.copy()
    broken[3, 2] = np.nan
    with pytest.raises(DataError, match="finite numbers, got nan at vectors, row 3, column 2"):
        place_in_plane(broken, seed=0)
    broken[3] = 0
    with pytest.raises(DataError, match="got 1 of 20 that are all zeros at vectors, row 3"):
        place_in_plane(broken, seed=0)
    with pytest.raises(DataError, match="vectors that differ, got 20 that are all the same at vectors"):
        place_in_plane(np.ones((20, 6)), seed=0)


def test_a_split_without_a_single_label_is_refused(tmp_path):
    path = write_data(tmp_path / "own")
    row = (
        '{"nr": "a", "text": "so glad", "labels": ["glad", "cross"], "context": [], "who": "p", "v": 3, "a": 3, "d": 3}'
    )
    (tmp_path / "own" / "train.jsonl").write_text(row + "\n")
    with pytest.raises(DataError, match=r"texts with one label, got none at .*toy\.toml:train"):
        read_single(f"{path}:train", 0, None)
