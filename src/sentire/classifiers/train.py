"""Train a classical model by its recipe, from corpus to model folder."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson

from sentire._version import __version__
from sentire.classifiers.card import render_model_card
from sentire.classifiers.dev_apart import check_dev_apart
from sentire.classifiers.dev_fit import fit_on_dev
from sentire.classifiers.estimators import TfidfClassifier, TfidfLogisticRegression, TfidfNaiveBayes
from sentire.classifiers.labelled import join_labelled, read_labelled
from sentire.classifiers.recipe import TfidfRecipe, ThresholdSection, classifier_grid
from sentire.classifiers.search import grid_search
from sentire.core.config import dump_config, fingerprint
from sentire.core.errors import ConfigError
from sentire.core.labels import load_label_space
from sentire.core.progress import OnProgress, stay_quiet
from sentire.runtime.linear import LinearScorer
from sentire.runtime.model_folder import ModelConfig, check_model_folder
from sentire.runtime.tfidf_model import TfidfModel
from sentire.storage.atomic import make_directory, write_json
from sentire.storage.folders import restore_folder

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


def train_tfidf(
    recipe: TfidfRecipe,
    output: Path,
    *,
    data_root: Path | None = None,
    n_jobs: int | None = None,
    on_progress: OnProgress = stay_quiet,
) -> TrainedModel:
    """Train, calibrate, cut off and save a model.

    The classifier learns from the train split and the further ones that the recipe names. Calibration and cut-offs are
    chosen on dev; what the report says of dev is cross-fitted, that is, measured on texts on which neither was fitted.
    The calibration method and the shrinkage are picked by these very figures, which flatters them a little. The test
    split is not read.

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
    check_dev_apart(
        recipe.name,
        chosen_on={"data.dev": recipe.data.dev},
        learned_from=(recipe.data.train, *recipe.data.further_train),
    )
    wanted = load_label_space(recipe.data.label_space) if recipe.data.label_space else None
    train = read_labelled(recipe.data.train, wanted, data_root)
    dev = read_labelled(recipe.data.dev, train.space, data_root)
    cards, n_own, is_grouped = [train.card], len(train), any(train.groups)
    for name in recipe.data.further_train:
        further = read_labelled(name, train.space, data_root)
        cards += [further.card] if further.card not in cards else []
        train = join_labelled(train, further)
    if train.space.task == "single-label" and recipe.thresholds != ThresholdSection():
        raise ConfigError(
            expected="no [thresholds] for a single-label space, where the likeliest label is given",
            got=f"method {recipe.thresholds.method!r} for {train.space.id}",
            where=recipe.name,
        )
    restore_folder(output)
    check_model_folder(output)
    make_directory(output)
    estimator = _CLASSIFIERS[kind](**vars(recipe.features), **settled, n_jobs=n_jobs)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=recipe.seed)

    checkpoint = output / SEARCH_NAME
    cells = []
    if grid:
        groups = [group or name for group, name in zip(train.groups, train.ids, strict=True)] if is_grouped else []
        folds = f"-{hashlib.sha256(orjson.dumps(groups)).hexdigest()[:16]}" if groups else ""
        cells = grid_search(
            estimator,
            grid,
            train.texts,
            train.targets,
            n_folds=recipe.search.n_folds,
            seed=recipe.seed,
            groups=groups,
            n_judged=n_own,
            cutoffs="likeliest" if train.space.task == "single-label" else recipe.search.cutoffs,
            checkpoint=checkpoint,
            fingerprint=f"{__version__}-{fingerprint(recipe)}-{train.fingerprint}{folds}",
            on_progress=on_progress,
        )
        estimator.set_params(**max(cells, key=lambda cell: cell.mean).settings)
    on_progress(0, 3, "fitting on the whole train split")
    estimator.fit(train.texts, train.targets)
    scorer = _round_weights(estimator.scorer_, recipe.output.precision)
    dev_logits = scorer.score(estimator.features_.transform(dev.texts))

    on_progress(1, 3, "choosing calibration and cut-offs on dev")
    fitted = fit_on_dev(
        dev_logits,
        dev.targets,
        train.space,
        calibration=recipe.calibration,
        thresholds=recipe.thresholds,
        seed=recipe.seed,
    )
    on_progress(2, 3, "saving")
    report = {
        "dev": dev.card.name,
        "n_train": len(train.texts),
        "n_dev": len(dev.texts),
        "n_train_without_label": train.n_without_label,
        "left_out": {"train": train.left_out, "dev": dev.left_out},
        "classifier": {"kind": kind, **_plain_settings(estimator)},
        "n_features": len(estimator.features_),
        "search": [cell.as_dict() for cell in cells],
        **fitted.report,
    }
    model = TfidfModel(
        config=ModelConfig(
            name=recipe.name,
            label_space=train.space,
            thresholds=fitted.thresholds.thresholds,
            threshold_method=fitted.thresholds.method
            if train.space.task == "single-label"
            else f"{fitted.thresholds.method}, chosen on {recipe.data.dev}",
            projected_thresholds={name: fit.thresholds for name, fit in fitted.projected.items()},
            training={
                "recipe": dump_config(recipe),
                "recipe_fingerprint": fingerprint(recipe),
                "data": {
                    "name": train.card.name,
                    "revision": train.card.revision,
                    "licence": " and ".join(dict.fromkeys(card.licence for card in cards)),
                },
                "seed": recipe.seed,
                "sentire_version": __version__,
            },
        ),
        features=estimator.features_,
        scorer=scorer,
        calibrator=fitted.calibrator,
    )
    model.save(output, card=render_model_card(recipe, cards, report), precision=recipe.output.precision)
    write_json(output / REPORT_NAME, {**report, "seconds": round(time.perf_counter() - started, 1)})
    checkpoint.unlink(missing_ok=True)
    on_progress(3, 3, "saved")
    return TrainedModel(model=model, report=report)


def _round_weights(scorer: LinearScorer, precision: str) -> LinearScorer:
    if precision == "float32":
        return scorer
    return LinearScorer(weights=scorer.weights.astype(np.float16).astype(np.float32), bias=scorer.bias)


def _plain_settings(estimator: TfidfClassifier) -> dict[str, Any]:
    return {name: value for name, value in estimator.get_params().items() if name != "n_jobs"}
