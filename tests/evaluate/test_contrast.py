"""The contrast score: by hand, against a slow loop, and beyond the reach of any model without context."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.normalise import normalise_text
from sentire.data.registry import load_dataset
from sentire.evaluate.contrast import measure_contrast
from sentire.evaluate.run import evaluate_model
from sentire.runtime.load import load


def make_targets(*columns, n_labels=4):
    targets = np.zeros((len(columns), n_labels), np.bool_)
    for row, labels in enumerate(columns):
        targets[row, list(labels)] = True
    return targets


def answer(*columns, n_labels=4):
    return np.eye(n_labels)[list(columns)]


def test_by_hand():
    groups = ["a", "a", "b", "b", "b", "alone"]
    targets = make_targets([0], [1], [0], [1, 2], [3], [0])
    found = measure_contrast(groups, targets, answer(0, 1, 0, 2, 2, 0))
    assert found.accuracy.value == pytest.approx(4 / 5)
    assert found.pair_accuracy.value == pytest.approx((1 + 1) / (1 + 3))
    assert found.ceiling == pytest.approx(2 / 5)
    assert (found.n_utterances, found.n_contexts, found.accuracy.n, found.pair_accuracy.n) == (2, 5, 5, 4)
    assert found.accuracy.low <= found.accuracy.value <= found.accuracy.high


@given(st.lists(st.integers(2, 4), min_size=1, max_size=8), st.integers(0, 10_000))
def test_no_model_without_context_exceeds_the_ceiling(sizes, seed):
    generator = np.random.default_rng(seed)
    groups, targets, proba = [], [], []
    for number, size in enumerate(sizes):
        labels = generator.permutation(8)
        given_to_all = generator.random(8)
        is_coarse = generator.random() < 0.5  # labels that coincide where they are coarser
        for place in range(size):
            groups.append(f"g{number}")
            own = labels[2 * place : 2 * place + 2]
            targets.append(np.isin(np.arange(8), own // 2 if is_coarse else own))
            proba.append(given_to_all)
    found = measure_contrast(groups, np.array(targets), np.array(proba), n_resamples=10)
    if found is None:  # every utterance's contexts share their labels
        return
    assert found.accuracy.value <= found.ceiling + 1e-12
    assert found.pair_accuracy.value == 0.0


@given(st.integers(2, 30), st.integers(0, 10_000))
def test_the_score_is_its_slow_loop(n_rows, seed):
    generator = np.random.default_rng(seed)
    groups = [f"g{number}" for number in generator.integers(0, 6, n_rows)]
    targets = generator.random((n_rows, 4)) < 0.35
    proba = generator.random((n_rows, 4))
    n_contexts = n_right = n_alike = n_pairs = n_both = 0
    for group in set(groups):
        rows = [row for row in range(n_rows) if groups[row] == group]
        pairs = [
            (one, other)
            for one in rows
            for other in rows
            if one < other and any(targets[one]) and any(targets[other]) and not any(targets[one] & targets[other])
        ]
        if pairs:
            right = {row for row in rows if targets[row, int(np.argmax(proba[row]))]}
            n_contexts, n_right, n_pairs = n_contexts + len(rows), n_right + len(right), n_pairs + len(pairs)
            n_alike += max(sum(targets[row, label] for row in rows) for label in range(4))
            n_both += sum({one, other} <= right for one, other in pairs)
    found = measure_contrast(groups, targets, proba, n_resamples=10)
    if not n_pairs:
        assert found is None
        return
    assert found.accuracy.value == pytest.approx(n_right / n_contexts, abs=1e-12)
    assert found.pair_accuracy.value == pytest.approx(n_both / n_pairs, abs=1e-12)
    assert found.ceiling == pytest.approx(n_alike / n_contexts, abs=1e-12)


def test_contexts_that_share_a_label_are_no_pair_and_raise_the_ceiling():
    groups = ["a", "a", "a", "b", "b"]
    targets = make_targets([0], [0, 1], [2], [1], [1])
    found = measure_contrast(groups, targets, answer(0, 1, 2, 1, 1))
    assert found.accuracy.value == 1.0
    assert found.ceiling == pytest.approx(2 / 3)  # label 0 in two of three; b says nothing
    assert (found.n_utterances, found.n_contexts, found.pair_accuracy.n) == (1, 3, 2)
    assert measure_contrast(groups, targets, answer(0, 0, 0, 0, 0)).pair_accuracy.value == 0.0


def test_without_pairs_there_is_no_score():
    assert measure_contrast(["a", "b"], make_targets([0], [1]), answer(0, 1)) is None


def test_the_shipped_set_is_a_contrast():
    examples = load_dataset("context-contrast").read_split("test")
    groups = {}
    for example in examples:
        groups.setdefault(example.group, []).append(example)
    assert len(groups) >= 200
    assert all(len(rows) >= 2 for rows in groups.values())
    for rows in groups.values():
        assert len({row.text for row in rows}) == 1
        labels = [label for row in rows for label in row.labels]
        assert len(labels) == len(set(labels))
    assert {label for example in examples for label in example.labels} == set(
        load_dataset("context-contrast").card.label_space.labels
    )
    assert {example.notes["kind"] for example in examples} == {"situation", "turns"}
    assert len({example.notes["domain"] for example in examples}) == 16
    assert all(len(example.annotations) == 3 for example in examples)


def test_a_model_that_reads_no_context_stays_below_the_ceiling_on_the_shipped_set():
    found = evaluate_model(load("linear"), "context-contrast:test", n_resamples=200, keep_rows=False).contrast
    assert (found.n_utterances, found.n_contexts, found.pair_accuracy.n) == (213, 501, 363)
    assert found.ceiling == pytest.approx(213 / 501)
    assert 0 < found.accuracy.low <= found.accuracy.value <= found.accuracy.high < found.ceiling
    assert (found.pair_accuracy.value, found.pair_accuracy.low, found.pair_accuracy.high) == (0, 0, 0)


def test_the_shipped_set_and_what_models_learned_from_have_no_text_in_common():
    own = load_dataset("context-contrast").read_split("test")
    for name, split in (("situations", "all"), ("rare-labels", "train")):
        others = load_dataset(name).read_split(split)
        assert {normalise_text(one.text) for one in own}.isdisjoint(normalise_text(one.text) for one in others)
        assert {one.context for one in own}.isdisjoint(one.context for one in others)
