"""Does it help? The same recipe without and with what was made, on the same test, with several seeds."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from sentire.augmentation.config import AugmentationConfig, check_apart, check_augmentation
from sentire.classifiers.recipe import TfidfRecipe
from sentire.classifiers.train import train_tfidf
from sentire.core.config import dump_config, parse_config, read_table
from sentire.core.errors import ConfigError
from sentire.core.progress import OnProgress, stay_quiet
from sentire.evaluate.run import evaluate_model
from sentire.probing.seeds import summarise_seeds
from sentire.runtime.load import load
from sentire.storage.atomic import write_json
from sentire.training.recipe import EncoderRecipe
from sentire.training.train import train_encoder

OVERALL = ("macro_f1", "micro_f1")

MakeData = Callable[[int], str]
"""Makes the augmentation of a seed and returns the name of its split."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One figure without and with what was made, over seeds; the intervals are t-intervals of the mean.

    Attributes:
        before: Of each seed.
        after: Of each seed.
        difference: Mean of ``after - before``.
        low: Of the interval of the difference; NaN with one seed.
        high: Of it.
    """

    before: tuple[float, ...]
    after: tuple[float, ...]
    difference: float
    low: float
    high: float


def run_experiment(
    settings: AugmentationConfig,
    base: Path,
    folder: Path,
    labels: Sequence[str],
    make_data: MakeData,
    *,
    data_root: Path | None = None,
    on_progress: OnProgress = stay_quiet,
) -> dict[str, Comparison]:
    """Train without and with, measure both on test, and compare the overall figures and each rare label.

    The figures of every model are kept in a small file, so that an experiment which was stopped goes on with the next.

    Args:
        settings: With an experiment.
        base: Folder that relative paths start from.
        folder: For the models and the figures.
        labels: The rare ones.
        make_data: Makes the rows of a seed.
        data_root: Where the corpora are; found by itself where None.
        on_progress: Told after every training.

    Raises:
        ConfigError: There is no experiment, its recipe is of another kind, or its dev or test is not kept apart.
    """
    experiment = settings.experiment
    if experiment is None:
        raise ConfigError(expected="a section [experiment]", got="none", where="experiment")
    check_augmentation(settings)
    recipe = read_table(base / experiment.recipe)
    own = recipe.get("data")
    if isinstance(own, dict) and own.get("dev"):
        check_apart(settings.data, str(own["dev"]), what=f"on which {experiment.recipe} chooses")
    figures: dict[str, dict[str, list[float]]] = {"before": {}, "after": {}}
    n_all = 2 * len(experiment.seeds)
    for place, seed in enumerate(experiment.seeds):
        for step, name in enumerate(figures):
            on_progress(2 * place + step, n_all, f"seed {seed}, {name}")
            key = _make_key(settings, recipe, name, seed)
            path = folder / f"{name}-{seed}.figures.json"
            found = _read_figures(path, key)
            if found is None:
                extra = (make_data(seed),) if name == "after" else ()
                model = folder / f"{name}-{seed}"
                where = str(base / experiment.recipe)
                _train(recipe, model, seed=seed, extra=extra, data_root=data_root, where=where)
                result = evaluate_model(load(str(model)), experiment.test, data_root=data_root, keep_rows=False)
                found = {metric: result.metrics[metric].value for metric in OVERALL}
                found |= {label: result.per_label[label]["f1"].value for label in labels}
                write_json(path, {"key": key, "figures": found})
            for metric, value in found.items():
                figures[name].setdefault(metric, []).append(value)
    return {metric: _compare(figures["before"][metric], figures["after"][metric]) for metric in figures["before"]}


def _make_key(settings: AugmentationConfig, recipe: Mapping[str, Any], name: str, seed: int) -> str:
    """Return what determines the figures of one model, as a hash."""
    dumped = dump_config(settings)
    asked = [
        recipe,
        name,
        seed,
        dumped["data"],
        dumped["labels"],
        dumped["experiment"] and dumped["experiment"]["test"],
    ]
    if name == "after":
        left_out = ("name", "seed", "licence", "limits", "retries", "budget", "experiment")
        asked.append({key: value for key, value in dumped.items() if key not in left_out})
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _read_figures(path: Path, key: str) -> dict[str, float] | None:
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return content["figures"] if isinstance(content, dict) and content.get("key") == key else None


def _train(
    recipe_table: Mapping[str, Any],
    output: Path,
    *,
    seed: int,
    extra: tuple[str, ...],
    data_root: Path | None,
    where: str,
) -> None:
    table = {**recipe_table, "seed": seed}
    if table.get("recipe") == "tfidf":
        recipe_of_words = parse_config(TfidfRecipe, table, where=where)
        train_tfidf(recipe_of_words, output, further_train=extra, data_root=data_root, n_jobs=1)
    elif table.get("recipe") == "encoder":
        own = table.get("data", {})
        table["data"] = {**own, "further_train": [*own.get("further_train", ()), *extra]}
        recipe = parse_config(EncoderRecipe, table, where=where)
        train_encoder(replace(recipe, name=f"{recipe.name}-{seed}"), output, data_root=data_root)
    else:
        raise ConfigError(expected='recipe = "tfidf" or "encoder"', got=str(table.get("recipe")), where=where)


def _compare(before: Sequence[float], after: Sequence[float]) -> Comparison:
    differences = [other - one for one, other in zip(before, after, strict=True)]
    summary = summarise_seeds(differences)
    return Comparison(
        before=tuple(before), after=tuple(after), difference=summary.mean, low=summary.low, high=summary.high
    )


def describe_comparisons(found: Mapping[str, Comparison]) -> dict[str, Any]:
    """Return the comparisons as plain data."""
    return {
        name: {
            "before": list(one.before),
            "after": list(one.after),
            "difference": one.difference,
            "low": one.low,
            "high": one.high,
        }
        for name, one in found.items()
    }
