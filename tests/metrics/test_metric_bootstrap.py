import math
import tracemalloc

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from sentire.core.errors import ShapeError, UsageError
from sentire.core.seeding import make_generator
from sentire.metrics import bootstrap as module
from sentire.metrics.bootstrap import JointStatistic, bootstrap, iterate_weights, paired_bootstrap
from sentire.metrics.calibration import CalibrationStatistic
from sentire.metrics.classification import ClassificationStatistic
from sentire.metrics.ranking import RankingStatistic
from sentire.metrics.regression import RegressionStatistic


class Mean:
    """The mean of one value an example: the statistic whose bootstrap is known in closed form."""

    centred_names = frozenset()

    def __init__(self, values):
        self.values = np.asarray(values, dtype=float)
        self.n_examples = len(self.values)

    def __call__(self, weights):
        return {"mean": self.values @ weights / weights.sum(axis=0)}


def make_answers(seed, *, n=300, shift=0.0):
    generator = make_generator(seed, "test answers")
    logits = generator.normal(size=(n, 3)) + np.array([0.0, -1.0, -2.5])
    targets = generator.random((n, 3)) < 1 / (1 + np.exp(-logits))
    noisy = logits + generator.normal(size=(n, 3)) + shift * (targets - 0.5)
    proba = 1 / (1 + np.exp(-noisy))
    return targets, proba > 0.35, proba


def draw_rows(weights):
    return [np.repeat(np.arange(len(weights)), column.astype(int)) for column in weights.T]


def test_resamples_draw_n_of_n_with_replacement():
    weights = np.concatenate(list(iterate_weights(40, 3000, np.random.default_rng(0))), axis=1)
    assert weights.shape == (40, 3000)
    assert (weights.sum(axis=0) == 40).all()
    assert (weights == np.round(weights)).all()
    # Counts are binomial(N, 1/N): mean 1, variance 1 - 1/N, a share (1 - 1/N)^N of zeros.
    assert weights.var() == pytest.approx(1 - 1 / 40, rel=0.02)
    assert (weights == 0).mean() == pytest.approx((1 - 1 / 40) ** 40, rel=0.02)
    # No example is favoured: each mean has a standard error of 1 / sqrt(3000) = .018.
    assert np.abs(weights.mean(axis=1) - 1).max() < 0.075


def test_resamples_do_not_depend_on_how_they_are_cut(monkeypatch):
    whole = np.concatenate(list(iterate_weights(11, 20, np.random.default_rng(5))), axis=1)
    monkeypatch.setattr(module, "_CHUNK_CELLS", 33)
    chunks = list(iterate_weights(11, 20, np.random.default_rng(5)))
    assert [chunk.shape[1] for chunk in chunks] == [3, 3, 3, 3, 3, 3, 2]
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), whole)


def test_statistics_equal_other_implementations_on_the_drawn_examples():
    targets, decisions, proba = make_answers(1)
    statistic = JointStatistic(
        ClassificationStatistic(targets, decisions),
        RankingStatistic(targets, proba),
        CalibrationStatistic(targets, proba),
    )
    weights = next(iterate_weights(len(targets), 25, np.random.default_rng(2)))
    found = statistic(weights)
    for column, rows in enumerate(draw_rows(weights)):
        y, p, scores = targets[rows], decisions[rows], proba[rows]
        assert found["macro_f1"][column] == pytest.approx(f1_score(y, p, average="macro", zero_division=0))
        assert found["micro_f1"][column] == pytest.approx(f1_score(y, p, average="micro", zero_division=0))
        assert found["macro_roc_auc"][column] == pytest.approx(roc_auc_score(y, scores, average="macro"))
        assert found["micro_roc_auc"][column] == pytest.approx(roc_auc_score(y.ravel(), scores.ravel()))
        expected = [average_precision_score(y[:, label], scores[:, label]) for label in range(3)]
        np.testing.assert_allclose(found["average_precision"][column], expected)
        assert found["micro_brier"][column] == pytest.approx(np.mean((y - scores) ** 2))


def test_regression_statistics_equal_scipy_on_the_drawn_examples():
    generator = np.random.default_rng(8)
    targets = generator.integers(4, 20, size=(120, 3)) / 4
    predicted = (targets + generator.normal(size=(120, 3))).round(1)
    weights = next(iterate_weights(120, 25, generator))
    found = RegressionStatistic(predicted, targets)(weights)
    for column, rows in enumerate(draw_rows(weights)):
        for dimension in range(3):
            x, y = predicted[rows, dimension], targets[rows, dimension]
            assert found["pearson"][column, dimension] == pytest.approx(stats.pearsonr(x, y).statistic)
            assert found["spearman"][column, dimension] == pytest.approx(stats.spearmanr(x, y).statistic)


def test_interval_of_a_mean_is_the_normal_one():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    found = bootstrap(Mean(values), generator=np.random.default_rng(1), n_resamples=8000)["mean"].estimate(n=400)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)
    assert (found.n, found.n_undefined) == (400, 0)


def test_higher_confidence_gives_a_wider_interval():
    targets, decisions, _ = make_answers(2)
    statistic = ClassificationStatistic(targets, decisions)
    wide, narrow = (
        bootstrap(statistic, generator=np.random.default_rng(0), n_resamples=400, confidence=confidence)["micro_f1"]
        for confidence in (0.99, 0.5)
    )
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


@pytest.mark.parametrize(
    ("name", "bounds"),
    [("macro_f1", (0.91, 0.98)), ("micro_f1", (0.91, 0.98)), ("macro_roc_auc", (0.91, 0.985)), ("f1", (0.90, 0.98))],
)
def test_intervals_cover_the_population(name, bounds):
    def make_statistic(targets, decisions, proba):
        if "auc" in name:
            return RankingStatistic(targets, proba, has_micro=False, has_average_precision=False)
        return ClassificationStatistic(targets, decisions)

    population = make_statistic(*make_answers(10_000, n=200_000))
    truth = np.ravel(population(np.ones((200_000, 1)))[name])[0]
    generator = np.random.default_rng(3)
    n_trials, n_covered = 300, 0
    for seed in range(n_trials):
        found = bootstrap(make_statistic(*make_answers(seed)), generator=generator, n_resamples=300)[name]
        n_covered += np.ravel(found.low)[0] <= truth <= np.ravel(found.high)[0]
    low, high = bounds
    # 95 % of 300, give or take two and a half standard errors of 1.3 %.
    assert low <= n_covered / n_trials <= high


def test_interval_of_the_calibration_error_holds_what_other_samples_measure():
    def measure(seed):
        targets, _, proba = make_answers(seed)
        return CalibrationStatistic(targets, proba)

    others = [measure(seed)(np.ones((300, 1)))["micro_ece"][0] for seed in range(1000, 1300)]
    expected = np.mean(others)
    generator = np.random.default_rng(3)
    found = [bootstrap(measure(seed), generator=generator, n_resamples=300)["micro_ece"] for seed in range(120)]
    assert all(0 <= one.low <= one.value <= one.high for one in found)
    assert 0.9 <= np.mean([one.low <= expected <= one.high for one in found]) <= 1.0


def test_interval_of_a_calibrated_model_is_moved_back_to_its_value():
    generator = np.random.default_rng(0)
    n_unmoved_missed = 0
    for _ in range(60):
        proba = generator.random((200, 1))
        statistic = CalibrationStatistic(generator.random((200, 1)) < proba, proba)
        value = statistic(np.ones((200, 1)))["micro_ece"][0]
        # Resamples err more than the sample itself: unmoved, the interval would speak of their noise.
        resampled = statistic(next(iterate_weights(200, 128, generator)))["micro_ece"]
        n_unmoved_missed += np.quantile(resampled, 0.025) > value
        found = bootstrap(statistic, generator=generator, n_resamples=128)["micro_ece"]
        assert 0 <= found.low < value < found.high
    assert n_unmoved_missed > 3


def test_interval_of_the_average_precision_of_rare_labels_is_moved_back_to_its_value():
    rng = np.random.default_rng(3)
    targets = np.zeros((300, 80), bool)
    targets[:240] = np.tile(np.eye(80, dtype=bool), (3, 1))  # three positives a label
    scores = rng.random((300, 80))
    resampled = module._resample(RankingStatistic(targets, scores), 200, make_generator(0, "test"))
    found = bootstrap(RankingStatistic(targets, scores), generator=make_generator(0, "test"), n_resamples=200)
    for name in ("average_precision", "macro_average_precision", "micro_average_precision"):
        intervals = found[name]
        assert np.all((intervals.low >= 0) & (intervals.low <= intervals.value)), name
        assert np.all((intervals.high <= 1) & (intervals.high >= intervals.value)), name
    assert np.quantile(resampled["macro_average_precision"], 0.025) > found["macro_average_precision"].value
    width = np.ptp(np.quantile(resampled["macro_average_precision"], [0.025, 0.975]))
    macro = found["macro_average_precision"]
    assert macro.high - macro.low == pytest.approx(width)
    auc = np.quantile(resampled["macro_roc_auc"], [0.025, 0.975])  # does not grow, and stays where it is
    assert (found["macro_roc_auc"].low, found["macro_roc_auc"].high) == pytest.approx(tuple(auc))


def test_no_end_of_an_interval_leaves_the_measure_s_range():
    targets = np.array([[True], [False], [True], [False]] * 5)
    scores = np.where(targets, 0.9, 0.1)
    found = bootstrap(RankingStatistic(targets, scores), generator=make_generator(0, "test"), n_resamples=50)
    one = found["average_precision"].estimate(n=10, column=0)
    assert (one.value, one.low, one.high) == (1.0, 1.0, 1.0)


def test_undefined_resamples_are_left_out_and_counted():
    targets = np.zeros((20, 2), dtype=bool)
    targets[0, 0] = True
    scores = np.linspace(1, 0, 20)[:, None] * np.ones((1, 2))
    found = bootstrap(RankingStatistic(targets, scores), generator=np.random.default_rng(0), n_resamples=2000)
    rare, never = (found["roc_auc"].estimate(n=1, column=column) for column in (0, 1))
    # The one positive is missed by (1 - 1/20)^20 = 36 % of the resamples.
    assert rare.n_undefined / 2000 == pytest.approx(0.95**20, abs=0.04)
    assert (rare.value, rare.low, rare.high) == (1.0, 1.0, 1.0)
    assert never.n_undefined == 2000
    assert math.isnan(never.value)
    assert math.isnan(never.low)
    assert math.isnan(never.high)


def test_same_seed_same_interval_and_other_seed_another():
    targets, decisions, _ = make_answers(5)
    statistic = ClassificationStatistic(targets, decisions)
    first, again, other = (
        bootstrap(statistic, generator=make_generator(seed, "bootstrap"), n_resamples=50)["macro_f1"]
        for seed in (1, 1, 2)
    )
    assert (first.low, first.high) == (again.low, again.high)
    assert (first.low, first.high) != (other.low, other.high)


def test_joint_statistics_share_their_resamples():
    targets, decisions, proba = make_answers(6)
    alone = bootstrap(RankingStatistic(targets, proba), generator=np.random.default_rng(4), n_resamples=60)
    joint = bootstrap(
        JointStatistic(ClassificationStatistic(targets, decisions), RankingStatistic(targets, proba)),
        generator=np.random.default_rng(4),
        n_resamples=60,
    )
    for name, intervals in alone.items():
        np.testing.assert_array_equal(intervals.low, joint[name].low)
    with pytest.raises(ShapeError, match=r"statistics of the same examples, got \[3, 4\] examples"):
        JointStatistic(Mean([1, 2, 3]), Mean([1, 2, 3, 4]))


def test_a_model_does_not_differ_from_itself():
    targets, decisions, proba = make_answers(7)
    statistic = JointStatistic(ClassificationStatistic(targets, decisions), RankingStatistic(targets, proba))
    for name, found in paired_bootstrap(
        statistic, statistic, generator=np.random.default_rng(0), n_resamples=100
    ).items():
        if found.p_value.ndim:
            assert (found.p_value == 1).all(), name
        elif name != "macro_f1_min50":
            one = found.difference(n=300)
            assert (one.difference, one.low, one.high, one.p_value) == (0.0, 0.0, 0.0, 1.0), name


def test_p_value_counts_resamples_beyond_zero():
    values = np.array([1.0, 1.0, 1.0, -1.0, 0.5, 0.2])
    found = paired_bootstrap(Mean(np.zeros(6)), Mean(values), generator=np.random.default_rng(9), n_resamples=500)[
        "mean"
    ].difference(n=6)
    weights = np.concatenate(list(iterate_weights(6, 500, np.random.default_rng(9))), axis=1)
    differences = values @ weights / 6
    n_beyond = min(sum(d <= 0 for d in differences), sum(d >= 0 for d in differences))
    assert 0 < n_beyond < 250
    assert found.p_value == pytest.approx(2 * (1 + n_beyond) / 501)
    assert found.difference == pytest.approx(values.mean())
    assert (found.value_a, found.value_b) == (0.0, pytest.approx(values.mean()))


def test_certain_improvement_gets_the_smallest_p_value():
    found = paired_bootstrap(
        Mean(np.zeros(50)), Mean(np.ones(50)), generator=np.random.default_rng(0), n_resamples=199
    )["mean"]
    assert found.p_value == pytest.approx(2 / 200)


def test_exchanging_the_models_turns_the_difference_around():
    targets, decisions_a, _ = make_answers(7)
    decisions_b = decisions_a ^ (np.random.default_rng(0).random(decisions_a.shape) < 0.1)
    a, b = ClassificationStatistic(targets, decisions_a), ClassificationStatistic(targets, decisions_b)
    there = paired_bootstrap(a, b, generator=np.random.default_rng(0), n_resamples=200)["micro_f1"]
    back = paired_bootstrap(b, a, generator=np.random.default_rng(0), n_resamples=200)["micro_f1"]
    assert there.intervals.value == -back.intervals.value
    assert there.intervals.low == pytest.approx(-back.intervals.high)
    assert there.p_value == back.p_value


def test_p_values_of_equal_models_are_seldom_small_and_of_better_ones_often():
    def share_below(level, shift):
        found = []
        for seed in range(200):
            generator = make_generator(seed, "two models")
            targets, _, _ = make_answers(seed, n=200)
            answers = [targets ^ (generator.random(targets.shape) < error) for error in (0.2, 0.2 - shift)]
            a, b = (ClassificationStatistic(targets, one) for one in answers)
            p_value = paired_bootstrap(a, b, generator=generator, n_resamples=200)["micro_f1"].p_value
            found.append(float(p_value) < level)
        return np.mean(found)

    # A level of 10 % with 200 trials has a standard error of 2.1 %.
    assert 0.04 <= share_below(0.1, 0.0) <= 0.16
    assert share_below(0.1, 0.06) > 0.7


def test_memory_does_not_grow_with_the_number_of_resamples():
    generator = np.random.default_rng(0)
    targets, proba = generator.random((20_000, 4)) < 0.2, generator.random((20_000, 4))
    statistic = JointStatistic(RankingStatistic(targets, proba), CalibrationStatistic(targets, proba))
    peaks = []
    for n_resamples in (110, 330):
        tracemalloc.start()
        bootstrap(statistic, generator=generator, n_resamples=n_resamples)
        peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
        tracemalloc.stop()
    assert max(peaks) < 150
    assert peaks[1] < peaks[0] * 1.1


def test_settings_that_make_no_sense_are_refused():
    statistic = Mean([1.0, 2.0])
    with pytest.raises(UsageError, match="at least 1 resample, got 0"):
        bootstrap(statistic, generator=np.random.default_rng(0), n_resamples=0)
    for confidence in (0.0, 1.0, 95.0, math.nan):
        with pytest.raises(UsageError, match="a confidence between 0 and 1"):
            bootstrap(statistic, generator=np.random.default_rng(0), confidence=confidence)
    with pytest.raises(ShapeError, match="answers to the same 2 examples, got 3 examples"):
        paired_bootstrap(statistic, Mean([1, 2, 3]), generator=np.random.default_rng(0))
