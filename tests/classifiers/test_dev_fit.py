"""What is chosen on dev: the best by the figures, which are those of texts that nothing was fitted on."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sentire.classifiers.calibrate import fit_calibrator
from sentire.classifiers.dev_fit import fit_on_dev, fit_thresholds
from sentire.classifiers.folds import make_folds
from sentire.classifiers.recipe import CalibrationSection, ThresholdSection
from sentire.classifiers.thresholds import fit_label_thresholds
from sentire.core.label_maps import maps_from
from sentire.core.labels import load_label_space, make_label_space
from sentire.metrics.calibration import log_loss
from sentire.metrics.classification import macro_f1, micro_f1
from sentire.runtime.calibration import CALIBRATION_METHODS

OWN = make_label_space("own", ("glad", "cross", "tense"))


def make_dev(n=400, n_labels=3, seed=0, *, stretch=3.0):
    """Return overconfident logits that say something of the targets."""
    rng = np.random.default_rng(seed)
    leanings = rng.normal(size=(n, n_labels)) - 1
    targets = rng.random((n, n_labels)) < 1 / (1 + np.exp(-leanings))
    return (stretch * leanings + rng.normal(size=(n, n_labels))).astype(np.float32), targets


def fit(logits, targets, space=OWN, *, seed=1, thresholds=None, **calibration):
    return fit_on_dev(
        logits,
        targets,
        space,
        calibration=CalibrationSection(**calibration),
        thresholds=thresholds or ThresholdSection(),
        seed=seed,
    )


def test_every_figure_is_that_of_texts_that_nothing_was_fitted_on():
    """A slow loop over the folds, with a calibrator and cut-offs for each that know nothing of what they judge."""
    logits, targets = make_dev()
    fitted = fit(logits, targets)
    report = fitted.report
    method = report["calibration"]["chosen"]
    for name in CALIBRATION_METHODS:
        proba = np.zeros(logits.shape)
        for seen, judged in make_folds(len(logits), 5, 1):
            proba[judged] = fit_calibrator(name, logits[seen], targets[seen]).apply(logits[judged])
        measured = report["calibration"]["cross_fitted_on_dev"][name]
        assert measured["log_loss"] == pytest.approx(log_loss(targets, proba))
    decisions = np.zeros(targets.shape, np.bool_)
    for seen, judged in make_folds(len(logits), 5, 1):
        calibrator = fit_calibrator(method, logits[seen], targets[seen])
        cutoffs = fit_label_thresholds(
            targets[seen], calibrator.apply(logits[seen]), shrinkage=report["thresholds"]["shrinkage"]
        )
        decisions[judged] = calibrator.apply(logits[judged]) >= cutoffs
    chosen = report["thresholds"]["cross_fitted_on_dev"]["chosen"]
    assert chosen == {"macro_f1": macro_f1(targets, decisions), "micro_f1": micro_f1(targets, decisions)}
    assert chosen == fitted.thresholds.cross_fitted


def test_best_is_the_lowest_log_loss_and_a_named_method_is_taken():
    logits, targets = make_dev()
    fitted = fit(logits, targets)
    losses = {name: row["log_loss"] for name, row in fitted.report["calibration"]["cross_fitted_on_dev"].items()}
    assert fitted.report["calibration"]["chosen"] == min(losses, key=losses.__getitem__)
    assert fitted.report["calibration"]["chosen"] != "none"  # these logits are far too sure
    for name in CALIBRATION_METHODS:
        named = fit(logits, targets, method=name)
        assert named.report["calibration"]["chosen"] == name
        assert named.calibrator == fit_calibrator(name, logits, targets)


def test_cut_offs_are_fitted_to_the_calibrated_probabilities_of_all_texts():
    logits, targets = make_dev()
    fitted = fit(logits, targets)
    expected = fit_label_thresholds(
        targets, fitted.calibrator.apply(logits), shrinkage=fitted.report["thresholds"]["shrinkage"]
    )
    np.testing.assert_array_equal(fitted.thresholds.thresholds, expected)


@pytest.mark.parametrize(
    ("section", "method", "shrinkage"),
    [
        (ThresholdSection(method="fixed", value=0.3), "fixed", None),
        (ThresholdSection(method="global"), "global", None),
        (ThresholdSection(shrinkages=(7.0,)), "per-label", 7.0),
    ],
)
def test_cut_offs_as_the_recipe_says(section, method, shrinkage):
    logits, targets = make_dev()
    fitted = fit(logits, targets, thresholds=section)
    assert (fitted.thresholds.method, fitted.thresholds.shrinkage) == (method, shrinkage)
    assert fitted.report["thresholds"]["chosen"] == method
    found = fitted.thresholds.thresholds
    if method == "fixed":
        assert (found == 0.3).all()
    if method == "global":
        assert len(set(found.tolist())) == 1
    compared = fitted.report["thresholds"]["cross_fitted_on_dev"]
    assert list(compared) == [
        "fixed .5, uncalibrated",
        "fixed .5",
        "global",
        "per label, no shrinkage",
        "chosen",
    ]


def test_the_seed_draws_the_folds_and_nothing_else():
    logits, targets = make_dev()
    first, again, other = fit(logits, targets), fit(logits, targets), fit(logits, targets, seed=2)
    assert first.report == again.report
    assert first.report != other.report
    assert fit_calibrator("platt", logits, targets) == fit(logits, targets, seed=2, method="platt").calibrator


def test_in_a_single_label_space_there_is_nothing_to_choose():
    logits, _ = make_dev()
    rng = np.random.default_rng(0)
    targets = np.eye(3, dtype=np.bool_)[(logits + rng.normal(size=logits.shape)).argmax(axis=1)]
    space = make_label_space("own", OWN.labels, task="single-label")
    fitted = fit(logits, targets, space, method="none")
    assert fitted.thresholds.method == "likeliest label"
    assert (fitted.thresholds.thresholds == 0.5).all()
    assert fitted.projected == {}
    right = targets[np.arange(len(logits)), logits.argmax(axis=1)].mean()
    assert fitted.report["thresholds"]["cross_fitted_on_dev"] == {"chosen": fitted.thresholds.cross_fitted}
    assert fitted.thresholds.cross_fitted["micro_f1"] == pytest.approx(right)


def test_spaces_that_answers_are_projected_to_get_cut_offs_of_their_own():
    space = load_label_space("goemotions")
    logits, targets = make_dev(n=300, n_labels=len(space))
    fitted = fit(logits, targets, space, n_folds=3, method="platt")
    wanted = {one.target.name: one for one in maps_from(space) if one.target.task == "multi-label"}
    assert fitted.projected.keys() == wanted.keys() != set()
    for name, label_map in wanted.items():
        expected = fit_label_thresholds(
            label_map.project_indicator(targets),
            label_map.project_proba(fitted.calibrator.apply(logits)),
            shrinkage=fitted.projected[name].shrinkage,
        )
        np.testing.assert_array_equal(fitted.projected[name].thresholds, expected)
        shown = fitted.report["thresholds"]["projected"][name]
        assert shown["cross_fitted_on_dev"] == fitted.projected[name].cross_fitted


def test_labels_that_nobody_carries_do_no_harm():
    logits, targets = make_dev()
    targets[:, 1] = False
    fitted = fit(logits, targets)
    assert np.isfinite(fitted.thresholds.thresholds).all()
    proba = fitted.calibrator.apply(logits)
    assert np.isfinite(proba).all()
    assert ((proba >= 0) & (proba <= 1)).all()


def test_cut_offs_alone():
    logits, targets = make_dev()
    proba = 1 / (1 + np.exp(-logits.astype(np.float64)))
    from sentire.classifiers.calibrate import make_calibrated_folds

    folds = make_calibrated_folds("none", logits, targets, n_folds=3, seed=0)
    assert fit_thresholds(ThresholdSection(method="fixed", value=0.2), OWN, targets, proba, folds).method == "fixed"
