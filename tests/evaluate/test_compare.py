import json
from dataclasses import replace

import numpy as np
import pytest

from sentire.core.errors import UsageError
from sentire.core.records import Example
from sentire.evaluate.affect import evaluate_affect
from sentire.evaluate.compare import compare_results
from sentire.evaluate.evaluator import evaluate_classifier
from sentire.evaluate.result import read_result, write_result
from sentire.metrics import classification
from sentire.metrics.multiple_testing import holm

FACTS = {"data_name": "remarks", "data_revision": "r1", "split": "test", "n_resamples": 10}


@pytest.fixture(scope="module")
def evaluated(case):
    def evaluate(seed, *, noise=1.0, name="table", order=None, **changes):
        predictor, examples = case(seed, noise=noise, name=name)
        chosen = examples if order is None else [examples[place] for place in order]
        return evaluate_classifier(predictor, chosen, **{**FACTS, **changes})

    return evaluate


def test_a_model_does_not_differ_from_itself(evaluated):
    result = evaluated(1)
    found = compare_results(result, result, n_resamples=200)
    for name, difference in found.metrics.items():
        if name != "macro_f1_min50":
            assert (difference.difference, difference.low, difference.high, difference.p_value) == (0, 0, 0, 1), name
    assert all(label.p_holm == 1 and label.f1.difference == 0 for label in found.per_label.values())
    assert (found.changes.n, found.changes.n_changed, found.changes.answers) == (120, 0, ())


def test_a_planted_improvement_is_found(evaluated):
    worse, better = evaluated(1, noise=2.0, name="worse"), evaluated(2, noise=0.8, name="better")
    found = compare_results(worse, better, n_resamples=1000)
    for name in ("micro_f1", "macro_f1", "weighted_f1", "exact_match", "macro_roc_auc"):
        difference = found.metrics[name]
        assert difference.p_value < 0.01, name
        assert 0 < difference.low < difference.difference < difference.high
        assert difference.difference == pytest.approx(better.metrics[name].value - worse.metrics[name].value, abs=1e-4)
    assert found.changes.n_mended > found.changes.n_broken
    assert (found.model_a.name, found.model_b.name) == ("worse", "better")


def test_two_samples_of_the_same_skill_are_not_told_apart(evaluated):
    found = compare_results(evaluated(1), evaluated(2), n_resamples=500)
    assert found.metrics["micro_f1"].low < 0 < found.metrics["micro_f1"].high
    assert found.metrics["micro_f1"].p_value > 0.05


def test_values_and_labels_equal_the_results(evaluated):
    a, b = evaluated(1), evaluated(2, noise=1.5)
    found = compare_results(a, b, n_resamples=300)
    for name, difference in found.metrics.items():
        np.testing.assert_allclose(difference.value_a, a.metrics[name].value, atol=1e-4, err_msg=name)
        np.testing.assert_allclose(difference.value_b, b.metrics[name].value, atol=1e-4, err_msg=name)
    p_values = [label.f1.p_value for label in found.per_label.values()]
    np.testing.assert_allclose([label.p_holm for label in found.per_label.values()], holm(p_values))
    for label, difference in found.per_label.items():
        assert difference.f1.value_a == pytest.approx(a.per_label[label]["f1"].value)
        assert difference.f1.n == a.per_label[label]["f1"].n
    assert found.smallest_p_value == pytest.approx(2 / 301)


def test_the_order_of_rows_does_not_matter(evaluated):
    order = np.random.default_rng(0).permutation(120).tolist()
    a, b = evaluated(1), evaluated(2)
    expected = compare_results(a, b, n_resamples=100).as_dict()
    assert compare_results(a, evaluated(2, order=order), n_resamples=100).as_dict() == expected
    assert compare_results(evaluated(1, order=order), b, n_resamples=100).as_dict() == expected


def test_exchanging_the_models_turns_everything_around(evaluated):
    a, b = evaluated(1), evaluated(2)
    there, back = compare_results(a, b, n_resamples=100), compare_results(b, a, n_resamples=100)
    for name, difference in there.metrics.items():
        np.testing.assert_allclose(difference.difference, -back.metrics[name].difference)
        np.testing.assert_equal(difference.p_value, back.metrics[name].p_value)
    assert there.changes.n_mended == back.changes.n_broken
    assert [(one.gained, one.lost) for one in there.changes.answers] == [
        (one.lost, one.gained) for one in back.changes.answers
    ]


def test_changed_answers_of_a_worked_example(table_predictor):
    examples = [
        Example(id="a", text="1", labels=("calm",)),
        Example(id="b", text="2", labels=("glad",)),
        Example(id="c", text="3", labels=("cross",)),
        Example(id="d", text="4", labels=("calm", "glad")),
    ]
    before = table_predictor({"1": [1, 0, 0], "2": [1, 0, 0], "3": [0, 0, 1], "4": [0, 0, 0]}, name="before")
    after = table_predictor({"1": [1, 0, 0], "2": [0, 1, 0], "3": [0, 1, 1], "4": [1, 0, 0]}, name="after")
    a, b = (evaluate_classifier(one, examples, **FACTS) for one in (before, after))
    changes = compare_results(a, b, n_resamples=10).changes
    assert [(one.id, one.gained, one.lost, one.is_right_in_a, one.is_right_in_b) for one in changes.answers] == [
        ("b", ("glad",), ("calm",), False, True),
        ("c", ("glad",), (), True, False),
        ("d", ("calm",), (), False, False),
    ]
    assert (changes.n, changes.n_changed, changes.n_mended, changes.n_broken, changes.n_still_wrong) == (4, 3, 1, 1, 1)
    glad, calm = changes.by_label["glad"], changes.by_label["calm"]
    assert (glad.n_gained, glad.n_lost, glad.n_mended, glad.n_broken) == (2, 0, 1, 1)
    assert (calm.n_gained, calm.n_lost, calm.n_mended, calm.n_broken) == (1, 1, 2, 0)


def test_results_from_files_compare_like_results_in_memory(evaluated, tmp_path):
    a, b = evaluated(1), evaluated(2)
    write_result(tmp_path / "a.json", a)
    write_result(tmp_path / "b.json", b)
    found = compare_results(read_result(tmp_path / "a.json"), read_result(tmp_path / "b.json"), n_resamples=50)
    assert found.as_dict() == compare_results(a, b, n_resamples=50).as_dict()


def test_as_dict_is_json_without_nan(evaluated):
    plain = compare_results(evaluated(1), evaluated(2), n_resamples=20).as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert set(plain["metrics"]["micro_f1"]) >= {"value_a", "value_b", "difference", "low", "high", "p_value", "n"}
    assert plain["changes"]["answers"][0]["id"].startswith("e")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_name": "other"}, "the same data, got 'remarks' in A and 'other' in B"),
        ({"data_revision": "r2"}, "the same revision, got 'r1' in A and 'r2' in B"),
        ({"split": "dev"}, "the same split, got 'test' in A and 'dev' in B"),
        ({"order": list(range(118))}, "the same examples, got 2 ids in A only and 0 in B only, such as 'e118'"),
        ({"keep_rows": False}, r"results that keep their rows, got none at result B \(table\)"),
    ],
)
def test_results_on_different_data_are_refused(evaluated, change, message):
    with pytest.raises(UsageError, match=message):
        compare_results(evaluated(1), evaluated(2, **change), n_resamples=10)


def test_other_labels_and_targets_are_refused(evaluated):
    a, b = evaluated(1), evaluated(2)
    other_space = replace(b, data=replace(b.data, label_space="moods.v2"))
    with pytest.raises(UsageError, match=r"the same label space, got 'moods\.v1' in A and 'moods.v2' in B"):
        compare_results(a, other_space)
    other_labels = replace(b, data=replace(b.data, labels=("glad", "calm", "cross")))
    with pytest.raises(UsageError, match="the same labels"):
        compare_results(a, other_labels)
    targets = (tuple({0, 1, 2} - set(b.rows.targets[0])), *b.rows.targets[1:])
    with pytest.raises(UsageError, match=r"the same targets, got other targets for 'e000'"):
        compare_results(a, replace(b, rows=replace(b.rows, targets=targets)))


def test_affect_results_compare_by_correlation_and_error(evaluated):
    generator = np.random.default_rng(5)
    targets = generator.uniform(1, 5, size=(150, 3))

    def evaluate(noise, order):
        predicted = targets + np.random.default_rng(6).normal(size=targets.shape) * noise
        return evaluate_affect(
            predicted[order],
            targets[order],
            ids=[f"s{place}" for place in order],
            model_name=f"noise {noise}",
            model_fingerprint="f",
            **FACTS,
        )

    straight, shuffled = np.arange(150), generator.permutation(150)
    found = compare_results(evaluate(1.5, straight), evaluate(0.5, shuffled), n_resamples=300)
    assert found.metrics["pearson_v"].difference > 0
    assert found.metrics["pearson_v"].p_value == pytest.approx(2 / 301)
    assert found.metrics["rmse_d"].difference < 0
    assert "rmse_v_mean_baseline" not in found.metrics
    assert (found.per_label, found.changes) == ({}, None)
    with pytest.raises(UsageError, match="the same task, got 'multi-label' in A and 'affect' in B"):
        compare_results(evaluated(1), evaluate(1.0, straight))


def test_differences_equal_the_slow_way(evaluated):
    a, b = evaluated(1), evaluated(2)
    found = compare_results(a, b, n_resamples=10)

    def indicate(rows):
        full = np.zeros((120, 3), dtype=bool)
        for number, row in enumerate(rows):
            full[number, list(row)] = True
        return full

    targets = indicate(a.rows.targets)
    for name in ("micro_f1", "macro_f1", "weighted_f1", "exact_match"):
        measure = getattr(classification, name)
        expected = measure(targets, indicate(b.rows.predictions)) - measure(targets, indicate(a.rows.predictions))
        assert found.metrics[name].difference == pytest.approx(expected), name


def test_what_to_be_careful_about_is_kept_of_both(evaluated):
    a, b = evaluated(1, cautions=("small",)), evaluated(2, cautions=("seen", "small"), protocol="one for all")
    b = replace(b, data=replace(b.data, label_map="other-to-moods.v1"))
    found = compare_results(a, b, n_resamples=10)
    assert (found.cautions_a, found.cautions_b) == (("small",), ("seen", "small"))
    assert (found.data.label_map, found.label_map_b) == (None, "other-to-moods.v1")
    plain = found.as_dict()
    assert plain["cautions_b"] == ["seen", "small"]
    assert plain["data"]["cautions"] == ["small"]  # as before
