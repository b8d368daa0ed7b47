import warnings

import numpy as np
import pytest

from sentire.core.errors import UnknownNameError
from sentire.metrics.calibration import log_loss, micro_ece
from sentire.metrics.ranking import roc_auc_per_label
from sentire.runtime.calibration import CALIBRATION_METHODS, sigmoid

pytest.importorskip("sklearn")

from sklearn.linear_model import LogisticRegression

from sentire.classifiers.calibrate import (
    compare_calibrations,
    fit_calibrator,
    fit_isotonic,
    fit_platt,
    fit_temperature,
    make_calibrated_folds,
)


def plant(n=1500, *, stretch=1.0, shift=0.0, rates=(0.4, 0.1, 0.02), seed=0):
    """True logits, drawn labels, and the logits that a model would claim: stretched and shifted."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n, len(rates))) * 1.5 + np.log(np.array(rates) / (1 - np.array(rates)))
    targets = rng.random(true.shape) < sigmoid(true)
    return (true * stretch + shift).astype(np.float32), targets


def sigmoid64(logits):
    return 1 / (1 + np.exp(-logits))


def mean_loss(logits, smoothed):
    return np.mean(np.logaddexp(0, logits) - smoothed * logits)


@pytest.mark.parametrize("stretch", [0.3, 1.0, 4.0])
def test_temperature_is_the_best_of_a_fine_grid(stretch):
    logits, targets = plant(stretch=stretch)
    found = fit_temperature(logits, targets).temperature
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 12_000))
    losses = [mean_loss(logits.astype(float) / temperature, targets) for temperature in grid]
    assert found == pytest.approx(grid[np.argmin(losses)], rel=1e-3)
    assert mean_loss(logits.astype(float) / found, targets) <= min(losses) + 1e-9
    assert found == pytest.approx(stretch, rel=0.15)


def smooth(targets):
    n_positive = int(targets.sum())
    n_negative = len(targets) - n_positive
    return np.where(targets, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))


@pytest.mark.parametrize("stretch", [0.01, 0.5, 1.0, 3.0, 300.0])
def test_platt_stands_where_the_likelihood_of_smoothed_targets_is_level(stretch):
    logits, targets = plant(stretch=stretch, shift=0.7)
    fitted = fit_platt(logits, targets)
    for column in range(3):
        scores = logits[:, column].astype(float)
        residual = sigmoid64(scores * fitted.slopes[column] + fitted.offsets[column]) - smooth(targets[:, column])
        # Both derivatives are 0; the loss is convex, so this is its one minimum.
        assert abs(residual.mean()) < 1e-10
        assert abs((residual * scores).mean()) < 1e-10 * max(stretch, 1)
    assert np.mean(fitted.slopes) == pytest.approx(1 / stretch, rel=0.2)


def test_platt_equals_scikit_learns_logistic_regression_on_both_answers_weighted():
    logits, targets = plant(800, shift=-0.5)
    fitted = fit_platt(logits, targets)
    for column in range(3):
        smoothed = smooth(targets[:, column])
        scores = logits[:, [column]].astype(float)
        theirs = LogisticRegression(C=1e8, tol=1e-10, solver="newton-cholesky").fit(
            np.concatenate([scores, scores]),
            np.repeat([1, 0], len(scores)),
            sample_weight=np.concatenate([smoothed, 1 - smoothed]),
        )
        assert fitted.slopes[column] == pytest.approx(theirs.coef_[0, 0], rel=1e-5)
        assert fitted.offsets[column] == pytest.approx(theirs.intercept_[0], rel=1e-5)


def test_platt_of_labels_that_the_scores_tell_apart_is_finite():
    scores = np.linspace(-3, 3, 200, dtype=np.float32)[:, None]
    for targets in (scores > 0, scores > 2.98, scores > -2.98):
        fitted = fit_platt(scores, targets)
        assert np.isfinite(fitted.slopes).all()
        proba = fitted.apply(scores)
        assert proba[targets].min() > proba[~targets].max()


def test_platt_of_scores_with_outliers():
    # Few texts and far outliers: whole Newton steps overshoot in some of these cases.
    rng = np.random.default_rng(0)
    n_sloped = 0
    for _ in range(400):
        n = int(rng.integers(3, 40))
        scores = (rng.normal(size=(n, 1)) ** int(rng.choice([1, 3, 5]))).astype(np.float32)
        targets = rng.random((n, 1)) < sigmoid(rng.choice([1.0, 5.0, 30.0]) * (scores - rng.choice([0.0, 1.0, 2.0])))
        fitted = fit_platt(scores, targets)
        wide, smoothed = scores[:, 0].astype(float), smooth(targets[:, 0])
        residual = sigmoid(fitted.slopes[0] * wide + fitted.offsets[0]).astype(float) - smoothed
        assert abs(residual.mean()) < 1e-6
        slope_gradient = (residual * wide).mean() / wide.std()
        if fitted.slopes[0] > 0:
            n_sloped += 1
            assert abs(slope_gradient) < 1e-6
        else:
            assert slope_gradient > -1e-6  # a slope above 0 would be worse
    assert n_sloped > 200


def test_platt_of_scores_that_are_all_the_same():
    targets = np.arange(40)[:, None] < 10
    fitted = fit_platt(np.full((40, 1), 1.5, np.float32), targets)
    assert fitted.slopes == (0.0,)
    assert sigmoid64(fitted.offsets[0]) == pytest.approx(smooth(targets[:, 0]).mean())


def test_platt_never_turns_the_order_round():
    logits, targets = plant(rates=(0.3,))
    fitted = fit_platt(-logits, targets)
    assert fitted.slopes == (0.0,)
    mean = smooth(targets[:, 0]).mean()
    assert fitted.offsets[0] == pytest.approx(np.log(mean / (1 - mean)), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1e3, 1e5])
def test_platt_takes_scores_of_any_scale_without_a_warning(scale):
    logits, targets = plant()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proba = fit_platt(logits * np.float32(scale), targets).apply(logits * np.float32(scale))
    assert log_loss(targets, proba) < log_loss(targets, np.full(targets.shape, targets.mean(axis=0))) + 0.01


def pool_adjacent_violators(scores, values, weights):
    """The non-decreasing least-squares fit, at the sorted distinct scores, by the textbook's loop."""
    distinct = np.unique(scores)
    blocks = []
    for score in distinct:
        here = scores == score
        blocks.append([np.average(values[here], weights=weights[here]), weights[here].sum(), 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (low, low_weight, low_n), (high, high_weight, high_n) = blocks[-2:]
            total = low_weight + high_weight
            blocks[-2:] = [[(low * low_weight + high * high_weight) / total, total, low_n + high_n]]
    return distinct, np.repeat([block[0] for block in blocks], [block[2] for block in blocks])


@pytest.mark.parametrize("n_distinct", [None, 30])
def test_isotonic_equals_the_textbook_loop_with_the_stated_departures(n_distinct):
    logits, targets = plant(300)
    if n_distinct is not None:  # many equal logits
        logits = np.round(logits * 5).clip(-15, 15).astype(np.float32) / 5
    proba = fit_isotonic(logits, targets).apply(logits)
    for column in range(3):
        scores = logits[:, column].astype(float)
        # One text with the label and one without, each half at the lowest and half at the highest logit.
        ends = [scores.min(), scores.max()]
        distinct, curve = pool_adjacent_violators(
            np.concatenate([scores, ends, ends]),
            np.concatenate([targets[:, column], [0, 0, 1, 1]]),
            np.concatenate([np.ones(len(scores)), [0.5] * 4]),
        )
        expected = 0.98 * curve[np.searchsorted(distinct, scores)] + 0.02 / (1 + np.exp(-scores))
        np.testing.assert_allclose(proba[:, column], expected, rtol=0, atol=2e-6)


def test_isotonic_keeps_the_ranking():
    logits, targets = plant(800, rates=(0.4, 0.2))
    logits = np.round(logits, 2).clip(-4, 4)
    proba = fit_isotonic(logits, targets).apply(logits)
    np.testing.assert_allclose(
        roc_auc_per_label(targets, proba), roc_auc_per_label(targets, logits), rtol=0, atol=1e-12
    )


def test_no_probability_is_0_or_1_because_a_label_is_rare_or_absent():
    logits, _ = plant(400)
    targets = np.zeros(logits.shape, dtype=bool)
    targets[int(logits[:, 1].argmax()), 1] = True  # the second label once, at the top; the first never
    targets[:, 2] = True
    for method in CALIBRATION_METHODS:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            proba = fit_calibrator(method, logits, targets).apply(logits)
        assert np.isfinite(proba).all(), method
        if method in ("platt", "isotonic"):
            # The middle of the texts: nearly never, nearly never, nearly always.
            assert 0 < proba[:, 0].min() <= np.median(proba[:, 0]) < 0.01, method
            assert 0 < proba[:, 1].min() <= np.median(proba[:, 1]) < 0.02, method
            assert 0.97 < np.median(proba[:, 2]) <= proba[:, 2].max() < 1, method


def test_the_error_of_a_model_that_claims_too_much_falls():
    logits, targets = plant(3000, stretch=3.0)
    fresh_logits, fresh_targets = plant(3000, stretch=3.0, seed=1)
    before = micro_ece(fresh_targets, sigmoid(fresh_logits))
    assert before > 0.03
    for method in ("temperature", "platt", "isotonic"):
        after = fit_calibrator(method, logits, targets).apply(fresh_logits)
        assert micro_ece(fresh_targets, after) < before / 3
        assert log_loss(fresh_targets, after) < log_loss(fresh_targets, sigmoid(fresh_logits)) * 0.8


def test_each_fold_is_fitted_without_the_texts_it_is_judged_on():
    logits, targets = plant(200)
    folds = make_calibrated_folds("isotonic", logits, targets, n_folds=4, seed=3)
    assert sorted(np.concatenate([fold.judged for fold in folds]).tolist()) == list(range(200))
    for fold in folds:
        alone = fit_isotonic(logits[fold.fitted_on], targets[fold.fitted_on]).apply(logits)
        np.testing.assert_array_equal(fold.proba, alone.astype(np.float64))
        turned = targets.copy()
        turned[fold.judged] = ~turned[fold.judged]
        again = make_calibrated_folds("isotonic", logits, turned, n_folds=4, seed=3)
        same = next(one for one in again if np.array_equal(one.judged, fold.judged))
        np.testing.assert_array_equal(same.proba, fold.proba)


def test_the_comparison_is_made_on_texts_not_fitted_on():
    logits, targets = plant(600, stretch=3.0, rates=(0.3, 0.1))
    measured = compare_calibrations(logits, targets, n_folds=3, seed=0)
    assert tuple(measured) == CALIBRATION_METHODS
    assert measured["none"]["micro_ece"] == pytest.approx(micro_ece(targets, sigmoid(logits)), abs=1e-12)
    assert measured["none"]["log_loss"] == pytest.approx(log_loss(targets, sigmoid(logits)), abs=1e-9)
    assert measured["temperature"]["log_loss"] < measured["none"]["log_loss"]
    # Labels without any pattern: a curve that was judged where it was fitted would look better than their mean.
    noise = np.random.default_rng(5).random((200, 4)) < 0.3
    scores = np.random.default_rng(6).normal(size=(200, 4)).astype(np.float32)
    honest = compare_calibrations(scores, noise, n_folds=5, seed=0)["isotonic"]["log_loss"]
    flattered = log_loss(noise, fit_isotonic(scores, noise).apply(scores))
    of_the_mean = log_loss(noise, np.full(noise.shape, noise.mean()))
    assert flattered < of_the_mean - 0.005
    assert honest > of_the_mean


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownNameError, match=r'a calibration method .*got .plat.; did you mean "platt"'):
        fit_calibrator("plat", *plant(20))
