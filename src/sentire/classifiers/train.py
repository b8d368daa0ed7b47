"""Train a classical model by its recipe, from corpus to model folder."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire._version import __version__
from sentire.classifiers.calibrate import compare_calibrations, fit_calibrator, make_calibrated_folds
from sentire.classifiers.card import render_model_card
from sentire.classifiers.estimators import TfidfClassifier, TfidfLogisticRegression, TfidfNaiveBayes
from sentire.classifiers.folds import CalibratedFold
from sentire.classifiers.recipe import TfidfRecipe, ThresholdSection, classifier_grid
from sentire.classifiers.search import grid_search
from sentire.classifiers.thresholds import ThresholdFit, fit_fixed, fit_global, fit_likeliest, fit_per_label
from sentire.core.config import dump_config, fingerprint
from sentire.core.errors import ConfigError, DataError
from sentire.core.label_maps import load_label_map, maps_from
from sentire.core.labels import LabelSpace, load_label_space
from sentire.core.progress import OnProgress, stay_quiet
from sentire.core.records import Example
from sentire.data.cards import DatasetCard
from sentire.data.reading import Reading
from sentire.data.registry import parse_split_name
from sentire.runtime.linear import LinearScorer
from sentire.runtime.model_folder import ModelConfig, check_model_folder
from sentire.runtime.texts import prepare_texts
from sentire.runtime.tfidf_model import TfidfModel
from sentire.storage.atomic import make_directory, write_json

REPORT_NAME = "training.json"
SEARCH_NAME = "search.partial.json"

_CLASSIFIERS: MappingProxyType[str, Callable[..., TfidfClassifier]] = MappingProxyType(
    {"logistic-regression": TfidfLogisticRegression, "naive-bayes": TfidfNaiveBayes}
)


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A trained model, and what its training measured on dev."""

    model: TfidfModel
    report: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Split:
    card: DatasetCard
    space: LabelSpace
    texts: list[str]
    targets: NDArray[np.bool_]
    left_out: dict[str, int]
    n_without_label: int


def train_tfidf(
    recipe: TfidfRecipe,
    output: Path,
    *,
    data_root: Path | None = None,
    n_jobs: int | None = None,
    on_progress: OnProgress = stay_quiet,
) -> TrainedModel:
    """Train, calibrate, cut off and save a model.

    The classifier learns from the train split alone. Calibration and cut-offs are chosen on dev; what the report
    says of dev is cross-fitted, that is, measured on texts on which neither was fitted. The calibration method and the
    shrinkage are picked by these very figures, which flatters them a little. The test split is not read.

    Args:
        recipe: The whole experiment.
        output: Folder of the model; gets the model, ``training.json`` and, during a search, its finished cells.
        data_root: Where the corpora are; found by itself where None.
        n_jobs: Labels fitted at the same time.
        on_progress: Told what is going on.

    Raises:
        ConfigError, DataError, UnknownNameError, OutputError: As their messages say.
    """
    started = time.perf_counter()
    kind, settled, grid = classifier_grid(recipe)
    wanted = load_label_space(recipe.data.label_space) if recipe.data.label_space else None
    train = _read_split(recipe.data.train, wanted, data_root)
    dev = _read_split(recipe.data.dev, train.space, data_root)
    if train.space.task == "single-label" and recipe.thresholds != ThresholdSection():
        raise ConfigError(
            expected="no [thresholds] for a single-label space, where the likeliest label is given",
            got=f"method {recipe.thresholds.method!r} for {train.space.id}",
            where=recipe.name,
        )
    check_model_folder(output)
    make_directory(output)
    estimator = _CLASSIFIERS[kind](**vars(recipe.features), **settled, n_jobs=n_jobs)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=recipe.seed)

    checkpoint = output / SEARCH_NAME
    cells = []
    if grid:
        cells = grid_search(
            estimator,
            grid,
            train.texts,
            train.targets,
            n_folds=recipe.search.n_folds,
            seed=recipe.seed,
            cutoffs="likeliest" if train.space.task == "single-label" else recipe.search.cutoffs,
            checkpoint=checkpoint,
            fingerprint=f"{__version__}-{fingerprint(recipe)}-{_hash_split(train)}",
            on_progress=on_progress,
        )
        estimator.set_params(**max(cells, key=lambda cell: cell.mean).settings)
    on_progress(0, 3, "fitting on the whole train split")
    estimator.fit(train.texts, train.targets)
    scorer = _round_weights(estimator.scorer_, recipe.output.precision)
    dev_logits = scorer.score(estimator.features_.transform(dev.texts))

    on_progress(1, 3, "calibrating on dev")
    calibrations = compare_calibrations(dev_logits, dev.targets, n_folds=recipe.calibration.n_folds, seed=recipe.seed)
    method: str = recipe.calibration.method
    if method == "best":
        method = min(calibrations, key=lambda name: calibrations[name]["log_loss"])
    calibrator = fit_calibrator(method, dev_logits, dev.targets)
    dev_proba = calibrator.apply(dev_logits)
    folds = make_calibrated_folds(method, dev_logits, dev.targets, n_folds=recipe.calibration.n_folds, seed=recipe.seed)

    on_progress(2, 3, "choosing cut-offs on dev")
    chosen = fit_thresholds(recipe.thresholds, train.space, dev.targets, dev_proba, folds)
    projected = _fit_projected(recipe, train.space, dev.targets, dev_proba, folds)
    compared = _compare_thresholds(recipe, train.space, dev.targets, dev_logits, dev_proba, folds)
    report = {
        "dev": dev.card.name,
        "n_train": len(train.texts),
        "n_dev": len(dev.texts),
        "n_train_without_label": train.n_without_label,
        "left_out": {"train": train.left_out, "dev": dev.left_out},
        "classifier": {"kind": kind, **_plain_settings(estimator)},
        "n_features": len(estimator.features_),
        "search": [cell.as_dict() for cell in cells],
        "calibration": {"chosen": method, "cross_fitted_on_dev": calibrations},
        "thresholds": {
            "chosen": chosen.method,
            "shrinkage": chosen.shrinkage,
            "cross_fitted_on_dev": {**compared, "chosen": chosen.cross_fitted},
            "projected": {
                name: {"cross_fitted_on_dev": fit.cross_fitted, "shrinkage": fit.shrinkage}
                for name, fit in projected.items()
            },
        },
    }
    model = TfidfModel(
        config=ModelConfig(
            name=recipe.name,
            label_space=train.space,
            thresholds=chosen.thresholds,
            threshold_method=chosen.method
            if train.space.task == "single-label"
            else f"{chosen.method}, chosen on {recipe.data.dev}",
            projected_thresholds={name: fit.thresholds for name, fit in projected.items()},
            training={
                "recipe": dump_config(recipe),
                "recipe_fingerprint": fingerprint(recipe),
                "data": {"name": train.card.name, "revision": train.card.revision, "licence": train.card.licence},
                "seed": recipe.seed,
                "sentire_version": __version__,
            },
        ),
        features=estimator.features_,
        scorer=scorer,
        calibrator=calibrator,
    )
    model.save(output, card=render_model_card(recipe, train.card, report), precision=recipe.output.precision)
    write_json(output / REPORT_NAME, {**report, "seconds": round(time.perf_counter() - started, 1)})
    checkpoint.unlink(missing_ok=True)
    on_progress(3, 3, "saved")
    return TrainedModel(model=model, report=report)


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


def _read_split(name: str, wanted: LabelSpace | None, data_root: Path | None) -> _Split:
    dataset, split = parse_split_name(name)
    space = dataset.card.label_space
    if space is None:
        raise DataError(expected="a data set with labels", got=dataset.card.name, where=name)
    reading = Reading()
    examples = dataset.read_split(split, root=data_root, reading=reading)
    labels: list[tuple[str, ...]] = [example.labels for example in examples]
    if wanted is not None and wanted != space:
        label_map = load_label_map(space.name, wanted.name)
        space, labels = label_map.target, [label_map.map_labels(row) for row in labels]
    usable = [
        (example.text, row) for example, row in zip(examples, labels, strict=True) if _is_usable(example, row, space)
    ]
    if not any(row for _, row in usable):
        raise DataError(expected=f"examples with labels of {space.id}", got="none", where=name)
    return _Split(
        card=dataset.card,
        space=space,
        texts=prepare_texts([text for text, _ in usable]),
        targets=space.encode(row for _, row in usable),
        left_out={"rejected_rows": reading.n_rejected, "without_usable_label": len(examples) - len(usable)},
        n_without_label=sum(not row for _, row in usable),
    )


def _is_usable(example: Example, labels: tuple[str, ...], space: LabelSpace) -> bool:
    if not example.is_labelled:
        return False
    if space.task == "single-label":
        return len(labels) == 1
    # No label at all is a truth to learn from; labels that lead nowhere in the wanted space are not.
    return bool(labels) or not example.labels


def _hash_split(split: _Split) -> str:
    # The revision of a card does not change with the rows of your own files; a stale search must not go on.
    digest = hashlib.sha256(orjson.dumps([split.card.revision, split.space.id, split.texts]))
    digest.update(split.targets.tobytes())
    return digest.hexdigest()[:16]


def _fit_projected(
    recipe: TfidfRecipe,
    space: LabelSpace,
    targets: NDArray[np.bool_],
    proba: NDArray[np.float32],
    folds: Sequence[CalibratedFold],
) -> dict[str, ThresholdFit]:
    return {
        label_map.target.name: fit_thresholds(
            recipe.thresholds,
            label_map.target,
            label_map.project_indicator(targets),
            label_map.project_proba(proba),
            [replace(fold, proba=label_map.project_proba(fold.proba)) for fold in folds],
        )
        for label_map in maps_from(space)
        if label_map.target.task == "multi-label"
    }


def _compare_thresholds(
    recipe: TfidfRecipe,
    space: LabelSpace,
    targets: NDArray[np.bool_],
    logits: NDArray[np.float32],
    proba: NDArray[np.float32],
    folds: Sequence[CalibratedFold],
) -> dict[str, dict[str, float]]:
    if space.task == "single-label":
        return {}
    uncalibrated = make_calibrated_folds("none", logits, targets, n_folds=recipe.calibration.n_folds, seed=recipe.seed)
    return {
        "fixed .5, uncalibrated": fit_fixed(targets, uncalibrated, 0.5).cross_fitted,
        "fixed .5": fit_fixed(targets, folds, 0.5).cross_fitted,
        "global": fit_global(targets, proba, folds).cross_fitted,
        "per label, no shrinkage": fit_per_label(targets, proba, folds, shrinkages=(0.0,)).cross_fitted,
    }


def _round_weights(scorer: LinearScorer, precision: str) -> LinearScorer:
    if precision == "float32":
        return scorer
    return LinearScorer(weights=scorer.weights.astype(np.float16).astype(np.float32), bias=scorer.bias)


def _plain_settings(estimator: TfidfClassifier) -> dict[str, Any]:
    return {name: value for name, value in estimator.get_params().items() if name != "n_jobs"}
