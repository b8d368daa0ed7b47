import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from sentire.metrics import regression
from sentire.metrics.regression import RegressionStatistic


@st.composite
def paired(draw):
    shape = (draw(st.integers(3, 25)), 2)
    # Quarters on a scale from 1 to 5: many ties, as ratings have.
    ratings = hnp.arrays(np.int64, shape, elements=st.integers(4, 20)).map(lambda array: array / 4)
    return draw(ratings), draw(ratings)


def test_worked_example():
    predicted, targets = np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [2.0], [5.0]])
    # Around the means 2 and 3: x = -1 0 1, y = -1 -1 2; sums xy = 3, xx = 2, yy = 6.
    assert regression.pearson_r(predicted, targets)[0] == pytest.approx(3 / np.sqrt(12))
    # Ranks 1 2 3 and 1.5 1.5 3.
    assert regression.spearman_r(predicted, targets)[0] == pytest.approx(1.5 / np.sqrt(2 * 1.5))
    assert regression.concordance(predicted, targets)[0] == pytest.approx(2 * 3 / 3 / (2 / 3 + 6 / 3 + 1))
    assert regression.rmse(predicted, targets)[0] == pytest.approx(np.sqrt(5 / 3))
    assert regression.mae(predicted, targets)[0] == pytest.approx(1.0)
    assert regression.rmse_of_mean(targets)[0] == pytest.approx(np.sqrt(2))
    assert regression.rmse_of_mean(targets, train_mean=[4.0])[0] == pytest.approx(np.sqrt(3))


@settings(max_examples=100, deadline=None)
@given(paired())
def test_equals_scipy_and_scikit_learn(pair):
    predicted, targets = pair
    for column in range(2):
        x, y = predicted[:, column], targets[:, column]
        one = predicted[:, [column]], targets[:, [column]]
        if np.ptp(x) and np.ptp(y):
            assert regression.pearson_r(*one)[0] == pytest.approx(stats.pearsonr(x, y).statistic)
            assert regression.spearman_r(*one)[0] == pytest.approx(stats.spearmanr(x, y).statistic)
        else:
            assert np.isnan(regression.pearson_r(*one)[0])
            assert np.isnan(regression.spearman_r(*one)[0])
        assert regression.rmse(*one)[0] == pytest.approx(root_mean_squared_error(y, x))
        assert regression.mae(*one)[0] == pytest.approx(mean_absolute_error(y, x))
        assert regression.rmse_of_mean(one[1])[0] == pytest.approx(np.std(y), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(paired(), st.integers(0, 2**32 - 1))
def test_weights_are_repetitions(pair, seed):
    predicted, targets = pair
    weights = np.random.default_rng(seed).integers(0, 3, size=(len(targets), 3))
    assume((weights.sum(axis=0) > 0).all())
    found = RegressionStatistic(predicted, targets, train_mean=[3.0, 2.5])(weights.astype(float))
    for column in range(3):
        rows = np.repeat(np.arange(len(targets)), weights[:, column])
        repeated = predicted[rows], targets[rows]
        for name, measure in (
            ("pearson", regression.pearson_r),
            ("spearman", regression.spearman_r),
            ("concordance", regression.concordance),
            ("rmse", regression.rmse),
            ("mae", regression.mae),
        ):
            np.testing.assert_allclose(found[name][column], measure(*repeated), atol=1e-9, err_msg=name)
        expected = regression.rmse_of_mean(targets[rows], train_mean=[3.0, 2.5])
        np.testing.assert_allclose(found["rmse_mean_baseline"][column], expected, atol=1e-9)
        spread = RegressionStatistic(predicted, targets)(weights.astype(float))["rmse_mean_baseline"][column]
        np.testing.assert_allclose(spread, targets[rows].std(axis=0), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(paired(), st.floats(0.1, 10), st.floats(-5, 5))
def test_correlations_ignore_scale_and_concordance_does_not_exceed_them(pair, factor, shift):
    predicted, targets = pair
    moved = factor * predicted + shift
    np.testing.assert_allclose(
        regression.pearson_r(moved, targets), regression.pearson_r(predicted, targets), atol=1e-9
    )
    r, agreement = regression.pearson_r(predicted, targets), regression.concordance(predicted, targets)
    defined = np.isfinite(r)
    assert (np.abs(agreement[defined]) <= np.abs(r[defined]) + 1e-12).all()
    np.testing.assert_allclose(regression.concordance(targets, predicted), agreement, atol=1e-12)


@pytest.mark.parametrize("constant", [3.3, 0.1, 1e6 + 0.1])
def test_a_constant_answer_has_no_correlation_whatever_its_rounding(constant):
    targets = np.linspace(1, 5, 7)[:, None]
    always = np.full((7, 1), constant)
    assert np.isnan(regression.pearson_r(always, targets)[0])
    assert np.isnan(regression.spearman_r(always, targets)[0])
    assert regression.concordance(always, targets)[0] == 0.0
    assert np.isnan(regression.concordance(always, always)[0])
    # A resample can be constant although the sample is not.
    weights = np.zeros((7, 1))
    weights[2] = 7
    assert np.isnan(RegressionStatistic(targets * constant, targets)(weights)["pearson"][0, 0])


def test_concordance_punishes_a_shift_that_correlation_does_not_see():
    targets = np.array([[1.0], [2.0], [3.0]])
    assert regression.pearson_r(targets + 2, targets)[0] == pytest.approx(1.0)
    assert regression.concordance(targets + 2, targets)[0] == pytest.approx(2 * 2 / 3 / (4 / 3 + 4))


def test_values_far_from_zero_keep_their_digits():
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(200, 1)), generator.normal(size=(200, 1))
    expected = regression.pearson_r(x, y)
    np.testing.assert_allclose(regression.pearson_r(x + 1e6, y - 1e6), expected, atol=1e-8)
