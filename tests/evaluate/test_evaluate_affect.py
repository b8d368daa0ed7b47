import numpy as np
import pytest

from sentire.core.affect import VAD_1_5, VAD_UNIT
from sentire.core.errors import DataError, ShapeError
from sentire.evaluate.affect import evaluate_affect
from sentire.metrics import regression

FACTS = {
    "model_name": "ridge",
    "model_fingerprint": "abc",
    "data_name": "ratings",
    "data_revision": "r1",
    "split": "test",
    "n_resamples": 60,
}


@pytest.fixture
def scores():
    generator = np.random.default_rng(2)
    targets = generator.integers(4, 21, size=(80, 3)) / 4
    return targets + generator.normal(size=(80, 3)), targets


def name_ids(n):
    return [f"s{number}" for number in range(n)]


def test_every_metric_equals_the_metrics_unit(scores):
    predicted, targets = scores
    result = evaluate_affect(predicted, targets, ids=name_ids(80), train_mean=[3.0, 3.1, 2.9], **FACTS)
    expected = {}
    for column, initial in enumerate("vad"):
        expected[f"pearson_{initial}"] = regression.pearson_r(predicted, targets)[column]
        expected[f"spearman_{initial}"] = regression.spearman_r(predicted, targets)[column]
        expected[f"concordance_{initial}"] = regression.concordance(predicted, targets)[column]
        expected[f"rmse_{initial}"] = regression.rmse(predicted, targets)[column]
        expected[f"mae_{initial}"] = regression.mae(predicted, targets)[column]
        baseline = regression.rmse_of_mean(targets, train_mean=[3.0, 3.1, 2.9])[column]
        expected[f"rmse_{initial}_mean_baseline"] = baseline
    assert {name: found.value for name, found in result.metrics.items()} == pytest.approx(expected)
    for name, found in result.metrics.items():
        assert found.low < found.value < found.high, name
        assert found.n == 80


def test_what_the_result_says_of_itself(scores):
    predicted, targets = scores
    result = evaluate_affect(predicted, targets, ids=name_ids(80), n_unscored=4, **FACTS)
    assert result.task == "affect"
    assert (result.data.labels, result.data.label_space) == (("valence", "arousal", "dominance"), "vad-1-5.v1")
    assert (result.data.n, result.data.n_unscored, result.per_label) == (80, 4, {})
    assert result.model.thresholds == {}
    assert result.rows.targets[0] == tuple(targets[0])
    np.testing.assert_allclose(result.rows.predictions, predicted, atol=5e-6)
    assert evaluate_affect(predicted, targets, ids=name_ids(80), keep_rows=False, **FACTS).rows is None


def test_the_mean_of_the_targets_is_the_baseline_without_training(scores):
    predicted, targets = scores
    result = evaluate_affect(predicted, targets, ids=name_ids(80), **FACTS)
    assert result.metrics["rmse_v_mean_baseline"].value == pytest.approx(targets[:, 0].std())


def test_leaked_examples_are_removed_in_a_second_set_of_figures(scores):
    predicted, targets = scores
    is_leaked = np.arange(80) < 30
    again = evaluate_affect(predicted, targets, ids=name_ids(80), is_leaked=is_leaked, **FACTS).without_leaked
    assert (again.n, again.n_removed) == (50, 30)
    expected = regression.pearson_r(predicted[30:], targets[30:])
    assert again.metrics["pearson_a"].value == pytest.approx(expected[1])
    everything = evaluate_affect(predicted, targets, ids=name_ids(80), is_leaked=np.ones(80, dtype=bool), **FACTS)
    assert (everything.without_leaked.n, everything.without_leaked.metrics) == (0, {})


def test_fewer_dimensions_and_other_scales(scores):
    predicted, targets = (VAD_1_5.convert(np.clip(one[:, :2], 1, 5), VAD_UNIT) for one in scores)
    result = evaluate_affect(
        predicted, targets, ids=name_ids(80), scale=VAD_UNIT, dimensions=("valence", "arousal"), **FACTS
    )
    assert "pearson_a" in result.metrics
    assert "pearson_d" not in result.metrics
    assert result.data.label_space == "vad-unit.v1"


def test_what_does_not_fit_is_refused(scores):
    predicted, targets = scores
    with pytest.raises(ShapeError, match="expected 80 ids and 3 dimensions, got 79 ids and 3 dimensions"):
        evaluate_affect(predicted, targets, ids=name_ids(79), **FACTS)
    with pytest.raises(ShapeError, match="80 ids and 2 dimensions"):
        evaluate_affect(predicted[:, :2], targets[:, :2], ids=name_ids(80), **FACTS)
    with pytest.raises(DataError, match="unique ids, got 1 repeated at ratings:test"):
        evaluate_affect(predicted, targets, ids=[*name_ids(79), "s0"], **FACTS)
    with pytest.raises(DataError, match=r"between 1 and 5 \(vad-1-5.v1\), got 6 at ratings:test"):
        evaluate_affect(predicted, np.where(targets == targets.max(), 6.0, targets), ids=name_ids(80), **FACTS)
    with pytest.raises(ShapeError, match=r"shape \(80,\), got shape \(3,\) at is_leaked"):
        evaluate_affect(predicted, targets, ids=name_ids(80), is_leaked=[True, False, True], **FACTS)
