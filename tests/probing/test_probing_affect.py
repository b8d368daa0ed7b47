from dataclasses import asdict

import numpy as np
import orjson
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.metrics.regression import concordance, pearson_r, rmse, rmse_of_mean, spearman_r
from sentire.probing.affect import affect_probe
from sentire.probing.splits import EmbeddedSplit

PLANE = ("valence", "arousal")


def make_case(seed, n=500, d=6):
    generator = np.random.default_rng(seed)
    embeddings = generator.normal(size=(n, d)) * np.exp(generator.normal(size=d))
    targets = 3 + embeddings @ generator.normal(size=(d, 2)) * 0.3 + generator.normal(size=(n, 2))
    return embeddings, targets


def cut(embeddings, targets):
    rows = [slice(0, 250), slice(250, 350), slice(350, None)]
    return [EmbeddedSplit(embeddings=embeddings[row], targets=targets[row]) for row in rows]


def test_equals_scikit_learns_ridge_and_the_measures_of_regression():
    splits = train, dev, test = cut(*make_case(0))
    alphas = (0.1, 10.0, 1000.0)
    found = affect_probe(*splits, dimensions=PLANE, alphas=alphas, n_resamples=50)
    scaler = StandardScaler().fit(train.embeddings)
    for column, dimension in enumerate(PLANE):
        y = [split.targets[:, [column]] for split in splits]
        fitted = {a: Ridge(alpha=a).fit(scaler.transform(train.embeddings), y[0][:, 0]) for a in alphas}
        errors = {a: rmse(fitted[a].predict(scaler.transform(dev.embeddings))[:, None], y[1])[0] for a in alphas}
        best = min(errors, key=errors.get)
        assert found.alpha[dimension] == best
        assert found.dev_rmse[dimension] == pytest.approx(errors[best], rel=1e-5)
        predicted = fitted[best].predict(scaler.transform(test.embeddings))[:, None]
        ours = found.measures[dimension]
        assert ours["pearson"].value == pytest.approx(pearson_r(predicted, y[2])[0], abs=1e-5)
        assert ours["spearman"].value == pytest.approx(spearman_r(predicted, y[2])[0], abs=1e-3)
        assert ours["concordance"].value == pytest.approx(concordance(predicted, y[2])[0], abs=1e-5)
        assert ours["rmse"].value == pytest.approx(rmse(predicted, y[2])[0], abs=1e-5)
        baseline = rmse_of_mean(y[2], train_mean=y[0].mean(axis=0))[0]
        assert ours["rmse_mean_baseline"].value == pytest.approx(baseline)
        assert ours["pearson"].low < ours["pearson"].value < ours["pearson"].high
    assert (found.n_train, found.n_dev, found.n_test) == (250, 100, 150)
    assert orjson.loads(orjson.dumps(asdict(found)))["alpha"]["valence"] in alphas


def test_noise_predicts_the_mean():
    _, targets = make_case(1)
    noise = np.random.default_rng(2).normal(size=(500, 6))
    found = affect_probe(*cut(noise, targets), dimensions=PLANE, n_resamples=50).measures["valence"]
    assert found["rmse"].value == pytest.approx(found["rmse_mean_baseline"].value, rel=0.03)


def test_a_number_that_never_changes_says_nothing():
    embeddings, targets = make_case(3)
    padded = np.hstack([embeddings, np.full((500, 1), 0.1)])
    plain, wide = (affect_probe(*cut(one, targets), dimensions=PLANE, n_resamples=5) for one in (embeddings, padded))
    assert wide.measures["arousal"]["rmse"].value == pytest.approx(plain.measures["arousal"]["rmse"].value)


def test_what_makes_no_sense_is_refused():
    train, dev, test = cut(*make_case(4))
    with pytest.raises(ShapeError, match=r"targets of shape \(250, 3\), got shape \(250, 2\) at train targets"):
        affect_probe(train, dev, test)
    with pytest.raises(DataError, match="finite numbers, got nan at dev targets, row 0, column 0"):
        affect_probe(
            train, EmbeddedSplit(embeddings=dev.embeddings, targets=dev.targets * np.nan), test, dimensions=PLANE
        )
    with pytest.raises(UsageError, match=r"alphas above 0, got \[0\]"):
        affect_probe(train, dev, test, dimensions=PLANE, alphas=(0,))
