from dataclasses import asdict

import numpy as np
import orjson
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.probing.linear import fit_linear, linear_probe
from sentire.probing.splits import EmbeddedSplit, fit_cutoffs, judge_decisions


def make_case(seed, n=600, d=8):
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, 3, size=n)
    embeddings = 2 + generator.normal(size=(3, d))[classes] * 0.8 + generator.normal(size=(n, d))
    embeddings *= np.exp(generator.normal(size=d))
    labels = np.eye(3, dtype=bool)[classes]
    labels[generator.random(n) < 0.2, 2] = True
    return embeddings, classes, labels


def cut(embeddings, targets, n_train=300, n_dev=150):
    rows = [slice(0, n_train), slice(n_train, n_train + n_dev), slice(n_train + n_dev, None)]
    return [EmbeddedSplit(embeddings=embeddings[row], targets=targets[row]) for row in rows]


def standardise(embeddings):
    return (embeddings - embeddings.mean(axis=0)) / embeddings.std(axis=0)


@pytest.mark.parametrize("strength", [0.001, 0.1, 10.0])
def test_one_class_a_text_equals_scikit_learn(strength):
    embeddings, classes, _ = make_case(0)
    theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=2000).fit(standardise(embeddings), classes)
    ours = fit_linear(
        embeddings.astype(np.float32), np.eye(3, dtype=bool)[classes], C=strength, is_single_label=True, tolerance=1e-6
    )
    expected = theirs.predict_proba(standardise(embeddings))
    np.testing.assert_allclose(ours.predict_proba(embeddings), expected, atol=2e-3)
    np.testing.assert_allclose(ours.predict_proba(embeddings).sum(axis=1), 1)


@pytest.mark.parametrize("strength", [0.001, 0.1, 10.0])
def test_labels_equal_scikit_learn_for_each_label_alone(strength):
    embeddings, _, labels = make_case(1)
    ours = fit_linear(embeddings.astype(np.float32), labels, C=strength, is_single_label=False, tolerance=1e-6)
    found = ours.predict_proba(embeddings)
    for column in range(3):
        theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=2000)
        theirs.fit(standardise(embeddings), labels[:, column])
        expected = theirs.predict_proba(standardise(embeddings))[:, 1]
        np.testing.assert_allclose(found[:, column], expected, atol=2e-3)


def test_a_start_does_not_change_where_it_ends():
    embeddings, _, labels = make_case(2)
    vectors = embeddings.astype(np.float32)
    start = fit_linear(vectors, labels, C=0.001, is_single_label=False)
    cold, warm = (
        fit_linear(vectors, labels, C=0.1, is_single_label=False, start=one, tolerance=1e-6) for one in (None, start)
    )
    np.testing.assert_allclose(cold.weights, warm.weights, atol=5e-3)


def test_a_number_that_never_changes_says_nothing():
    embeddings, classes, _ = make_case(3)
    padded = np.hstack([embeddings, np.full((600, 1), 0.1)])
    plain, wide = (linear_probe(*cut(one, classes), n_resamples=10) for one in (embeddings, padded))
    assert plain.quality.macro_f1.value == pytest.approx(wide.quality.macro_f1.value)


def test_quality_is_scikit_learns_on_test():
    embeddings, classes, _ = make_case(4)
    names = np.array(["anger", "fear", "joy"])[classes]
    train, dev, test = cut(embeddings, names)
    found = linear_probe(train, dev, test, strengths=(0.1,), n_resamples=100)
    middle, spread = train.embeddings.mean(axis=0), train.embeddings.std(axis=0)
    theirs = LogisticRegression(C=0.1).fit((train.embeddings - middle) / spread, train.targets)
    predicted = theirs.predict((test.embeddings - middle) / spread)
    assert found.quality.micro_f1.value == pytest.approx(accuracy_score(test.targets, predicted), abs=0.014)
    assert found.quality.macro_f1.value == pytest.approx(f1_score(test.targets, predicted, average="macro"), abs=0.014)
    assert list(found.quality.f1_per_class) == ["anger", "fear", "joy"]
    assert found.quality.macro_f1.low < found.quality.macro_f1.value < found.quality.macro_f1.high
    assert (found.n_train, found.n_dev, found.quality.n_test, found.thresholds) == (300, 150, 150, None)
    assert orjson.loads(orjson.dumps(asdict(found)))["C"] == 0.1


def test_of_one_class_a_text_those_without_truth_and_answer_are_left_out_as_in_scikit_learn():
    truth, answers = np.array([0, 0, 1, 1, 4, 4]), np.array([0, 1, 1, 1, 4, 2])
    targets, decisions = (np.eye(5, dtype=bool)[one] for one in (truth, answers))
    expected = f1_score(truth, answers, average="macro")
    options = {"seed": 0, "n_resamples": 20, "confidence": 0.95}
    found = judge_decisions(targets, decisions, tuple("abcde"), is_single_label=True, **options)
    assert found.macro_f1.value == pytest.approx(expected)
    # Class c is answered and never true: it counts, with 0. Class d is neither.
    assert list(found.f1_per_class) == ["a", "b", "c", "e"]
    assert found.macro_f1.low <= found.macro_f1.value <= found.macro_f1.high
    on_dev = fit_cutoffs(decisions.astype(float), targets, is_single_label=True, seed=0)
    assert on_dev.dev_macro_f1 == pytest.approx(expected)
    # Of several labels a text every label of the space counts.
    wide = judge_decisions(targets, decisions, tuple("abcde"), is_single_label=False, **options)
    assert wide.macro_f1.value == pytest.approx(f1_score(targets, decisions, average="macro", zero_division=0))
    assert wide.macro_f1.value == pytest.approx(expected * 4 / 5)
    assert list(wide.f1_per_class) == list("abcde")


def test_a_class_that_test_lacks_and_nobody_answers_does_not_count():
    embeddings, classes, _ = make_case(8)
    embeddings[classes == 2] += 100
    train, dev, test = cut(embeddings, classes)
    rows = test.targets != 2
    some = EmbeddedSplit(embeddings=test.embeddings[rows], targets=test.targets[rows])
    found = linear_probe(train, dev, some, n_resamples=20)
    assert list(found.quality.f1_per_class) == ["0", "1"]
    assert found.quality.macro_f1.value == pytest.approx(np.mean(list(found.quality.f1_per_class.values())))


def test_names_may_be_objects_as_in_a_column_of_a_table():
    embeddings, classes, _ = make_case(9)
    names = np.array(["anger", "fear", "joy"])[classes]
    plain, objects = (linear_probe(*cut(embeddings, one), n_resamples=10) for one in (names, names.astype(object)))
    assert plain == objects


def test_too_few_dev_texts_for_cutoffs_are_refused():
    embeddings, classes, labels = make_case(10)
    train, dev, test = cut(embeddings, labels)
    few = EmbeddedSplit(embeddings=dev.embeddings[:4], targets=dev.targets[:4])
    with pytest.raises(
        DataError, match="at least 5 dev texts, since cut-offs are cross-fitted, got 4 at dev; give more dev texts"
    ):
        linear_probe(train, few, test)
    train, dev, test = cut(embeddings, classes)
    few = EmbeddedSplit(embeddings=dev.embeddings[:4], targets=dev.targets[:4])
    assert linear_probe(train, few, test, n_resamples=5).n_dev == 4


def test_strength_and_cutoffs_come_from_dev():
    embeddings, _, labels = make_case(5)
    found = linear_probe(*cut(embeddings, labels), n_resamples=50)
    assert float(max(found.dev_macro_f1, key=found.dev_macro_f1.get)) == found.C
    assert len(found.thresholds) == 3
    train, dev, test = cut(embeddings, labels)
    turned = EmbeddedSplit(embeddings=test.embeddings, targets=~np.asarray(test.targets))
    other = linear_probe(train, dev, turned, n_resamples=50)
    assert (other.C, other.thresholds) == (found.C, found.thresholds)
    assert other.quality.macro_f1.value < found.quality.macro_f1.value


def test_noise_is_at_chance():
    _, classes, _ = make_case(6)
    found = linear_probe(*cut(np.random.default_rng(0).normal(size=(600, 8)), classes), n_resamples=50)
    assert found.quality.micro_f1.value == pytest.approx(1 / 3, abs=0.12)


def test_what_makes_no_sense_is_refused():
    embeddings, classes, labels = make_case(7)
    train, dev, test = cut(embeddings, classes)
    with pytest.raises(DataError, match="at least 2 classes to tell apart, got 1 at train targets"):
        linear_probe(EmbeddedSplit(embeddings=train.embeddings, targets=train.targets * 0), dev, test)
    with pytest.raises(DataError, match="finite numbers, got nan at dev embeddings, row 0, column 0"):
        linear_probe(train, EmbeddedSplit(embeddings=dev.embeddings * np.nan, targets=dev.targets), test)
    with pytest.raises(ShapeError, match="same size in every split, got train 8, dev 8, test 7"):
        linear_probe(train, dev, EmbeddedSplit(embeddings=test.embeddings[:, :7], targets=test.targets))
    with pytest.raises(ShapeError, match=r"targets of 150 texts, shape \(N,\) or \(N, C\), got shape \(149,\)"):
        linear_probe(train, dev, EmbeddedSplit(embeddings=test.embeddings, targets=test.targets[1:]))
    with pytest.raises(ShapeError, match=r"the same kind in every split, got train \(300,\), dev \(150,\), test"):
        linear_probe(train, dev, EmbeddedSplit(embeddings=test.embeddings, targets=labels[450:]))
    with pytest.raises(DataError, match="classes as whole numbers or names, got values of float64 at train targets"):
        linear_probe(EmbeddedSplit(embeddings=train.embeddings, targets=train.targets / 2), dev, test)
    with pytest.raises(ShapeError, match=r"dev targets; several labels a text: give an indicator of shape \(N, C\)"):
        linear_probe(train, EmbeddedSplit(embeddings=dev.embeddings, targets=[["joy"], ["joy", "anger"]] * 75), test)
    with pytest.raises(ShapeError, match="got rows of different lengths at dev embeddings"):
        linear_probe(train, EmbeddedSplit(embeddings=[[1.0], [1.0, 2.0]], targets=dev.targets), test)
    with pytest.raises(DataError, match="labels to learn, got none at train targets"):
        linear_probe(*cut(embeddings, labels & False))
    with pytest.raises(UsageError, match=r"strengths above 0, got \[0.1, 0\]"):
        linear_probe(train, dev, test, strengths=(0.1, 0))
