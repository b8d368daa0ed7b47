"""All that is chosen on dev once a classifier's logits are there: calibration and cut-offs, with what each brings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire.classifiers.calibrate import compare_calibrations, fit_calibrator, make_calibrated_folds
from sentire.classifiers.folds import CalibratedFold
from sentire.classifiers.recipe import CalibrationSection, ThresholdSection
from sentire.classifiers.thresholds import ThresholdFit, fit_fixed, fit_global, fit_likeliest, fit_per_label
from sentire.core.label_maps import maps_from
from sentire.core.labels import LabelSpace
from sentire.runtime.calibration import Calibrator


@dataclass(frozen=True, kw_only=True)
class DevFit:
    """What was chosen on dev.

    Attributes:
        calibrator: From logits to probabilities.
        thresholds: The cut-offs of the label space.
        projected: Cut-offs for answers that are projected to other label spaces, by the space's name.
        report: What was measured, all of it cross-fitted, as plain data: ``calibration`` and ``thresholds``.
    """

    calibrator: Calibrator
    thresholds: ThresholdFit
    projected: dict[str, ThresholdFit]
    report: dict[str, Any]


def fit_on_dev(
    logits: NDArray[np.float32],
    targets: NDArray[np.bool_],
    space: LabelSpace,
    *,
    calibration: CalibrationSection,
    thresholds: ThresholdSection,
    seed: int,
) -> DevFit:
    """Choose the calibration and the cut-offs of a classifier.

    What the report says is measured on texts on which neither was fitted. The calibration method and the shrinkage are
    picked by these very figures, which flatters them a little.

    Args:
        logits: The classifier's, on dev, shape (N, C).
        targets: Shape (N, C).
        space: Of the C labels.
        calibration: Which methods.
        thresholds: Which cut-offs; not read for a single-label space.
        seed: Of the folds.
    """
    compared = compare_calibrations(logits, targets, n_folds=calibration.n_folds, seed=seed)
    method: str = calibration.method
    if method == "best":
        method = min(compared, key=lambda name: compared[name]["log_loss"])
    calibrator = fit_calibrator(method, logits, targets)
    proba = calibrator.apply(logits)
    folds = make_calibrated_folds(method, logits, targets, n_folds=calibration.n_folds, seed=seed)
    chosen = fit_thresholds(thresholds, space, targets, proba, folds)
    projected = _fit_projected(thresholds, space, targets, proba, folds)
    uncalibrated = make_calibrated_folds("none", logits, targets, n_folds=calibration.n_folds, seed=seed)
    return DevFit(
        calibrator=calibrator,
        thresholds=chosen,
        projected=projected,
        report={
            "calibration": {"chosen": method, "cross_fitted_on_dev": compared},
            "thresholds": {
                "chosen": chosen.method,
                "shrinkage": chosen.shrinkage,
                "cross_fitted_on_dev": {
                    **_compare_thresholds(space, targets, proba, folds, uncalibrated),
                    "chosen": chosen.cross_fitted,
                },
                "projected": {
                    name: {"cross_fitted_on_dev": fit.cross_fitted, "shrinkage": fit.shrinkage}
                    for name, fit in projected.items()
                },
            },
        },
    )


def fit_thresholds(
    section: ThresholdSection,
    space: LabelSpace,
    targets: NDArray[np.bool_],
    proba: NDArray[np.floating],
    folds: Sequence[CalibratedFold],
) -> ThresholdFit:
    """Choose cut-offs as a recipe says; in a single-label space there is nothing to choose."""
    if space.task == "single-label":
        return fit_likeliest(targets, folds)
    if section.method == "fixed":
        return fit_fixed(targets, folds, section.value)
    if section.method == "global":
        return fit_global(targets, proba, folds)
    return fit_per_label(targets, proba, folds, shrinkages=section.shrinkages)


def _fit_projected(
    section: ThresholdSection,
    space: LabelSpace,
    targets: NDArray[np.bool_],
    proba: NDArray[np.float32],
    folds: Sequence[CalibratedFold],
) -> dict[str, ThresholdFit]:
    return {
        label_map.target.name: fit_thresholds(
            section,
            label_map.target,
            label_map.project_indicator(targets),
            label_map.project_proba(proba),
            [replace(fold, proba=label_map.project_proba(fold.proba)) for fold in folds],
        )
        for label_map in maps_from(space)
        if label_map.target.task == "multi-label"
    }


def _compare_thresholds(
    space: LabelSpace,
    targets: NDArray[np.bool_],
    proba: NDArray[np.float32],
    folds: Sequence[CalibratedFold],
    uncalibrated: Sequence[CalibratedFold],
) -> dict[str, dict[str, float]]:
    if space.task == "single-label":
        return {}
    return {
        "fixed .5, uncalibrated": fit_fixed(targets, uncalibrated, 0.5).cross_fitted,
        "fixed .5": fit_fixed(targets, folds, 0.5).cross_fitted,
        "global": fit_global(targets, proba, folds).cross_fitted,
        "per label, no shrinkage": fit_per_label(targets, proba, folds, shrinkages=(0.0,)).cross_fitted,
    }
