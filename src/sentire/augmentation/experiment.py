"""Does it help? The same recipe without and with what was made, on the same test, with several seeds."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from sentire._version import __version__
from sentire.augmentation.config import AugmentationConfig, check_apart, check_augmentation
from sentire.augmentation.templates import identify_templates
from sentire.classifiers.labelled import read_labelled
from sentire.classifiers.recipe import TfidfRecipe
from sentire.classifiers.train import train_tfidf
from sentire.core.config import dump_config, parse_config, read_table
from sentire.core.errors import ConfigError
from sentire.core.progress import OnProgress, stay_quiet
from sentire.encoders.sources import CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME, find_encoder
from sentire.evaluate.run import evaluate_model
from sentire.probing.seeds import summarise_seeds
from sentire.runtime.load import load
from sentire.storage.atomic import write_json
from sentire.storage.manifest import hash_file
from sentire.training.earlier_run import identify_start
from sentire.training.recipe import EncoderRecipe, EncoderSection
from sentire.training.sources import read_sources
from sentire.training.teachers import TRANSFORMERS, TRANSFORMERS_SIGMOID
from sentire.training.train import train_encoder

OVERALL = ("macro_f1", "micro_f1")

MakeData = Callable[[int], str]
"""Makes the augmentation of a seed and returns the name of its split."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One figure without and with what was made, over seeds.

    The interval is the t-interval of the mean difference. It tells how far the figures rest on the rows that a seed
    drew, and on the chance in an encoder's training; the texts of the test are the same for all seeds, and are not in
    it.

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
    They are made again where settings, recipe, the rows of a split, the model that checks labels, the encoder, the
    earlier run or a teacher of the recipe, templates, prompts, definitions of labels, the language model or its file of
    replies, or the version of Sentire differ.

    Args:
        settings: With an experiment.
        base: Folder that relative paths start from.
        folder: For the models and the figures.
        labels: The rare ones.
        make_data: Makes the rows of a seed.
        data_root: Where the corpora are; found by itself where None.
        on_progress: Told after every training.

    Raises:
        ConfigError: There is no experiment, its recipe is of another kind, learns from another split than rows are
            made for or in other labels, or its dev or test is not kept apart.
        DataError, LabelError, UnknownNameError: A split or a model is not there, as their messages say.
        GenerationError: The file of replies cannot be read.
    """
    experiment = settings.experiment
    if experiment is None:
        raise ConfigError(expected="a section [experiment]", got="none", where="experiment")
    check_augmentation(settings)
    recipe = _read_recipe(base / experiment.recipe)
    if recipe.data.train != settings.data.train:
        raise ConfigError(
            expected=f"{settings.data.train}, for which rows are made",
            got=recipe.data.train,
            where=f"data.train of {experiment.recipe}",
            hint="name the same split in both: rows would be made for one split and added to another",
        )
    if recipe.data.label_space:
        raise ConfigError(
            expected="a recipe in the data's own labels, for which rows are made",
            got=recipe.data.label_space,
            where=f"data.label_space of {experiment.recipe}",
            hint="leave it out",
        )
    if recipe.data.dev:
        check_apart(settings.data, recipe.data.dev, what=f"on which {experiment.recipe} chooses")
    data = _fingerprint_data(settings, recipe, data_root)
    making = _fingerprint_making(settings, base, data_root)
    figures: dict[str, dict[str, list[float]]] = {"before": {}, "after": {}}
    n_all = 2 * len(experiment.seeds)
    for place, seed in enumerate(experiment.seeds):
        for step, name in enumerate(figures):
            on_progress(2 * place + step, n_all, f"seed {seed}, {name}")
            key = _make_key(settings, recipe, data, seed, making if name == "after" else ())
            path = folder / f"{name}-{seed}.figures.json"
            found = _read_figures(path, key)
            if found is None:
                extra = (make_data(seed),) if name == "after" else ()
                model = folder / f"{name}-{seed}"
                _train(recipe, model, seed=seed, extra=extra, data_root=data_root)
                result = evaluate_model(load(str(model)), experiment.test, data_root=data_root, keep_rows=False)
                found = {metric: result.metrics[metric].value for metric in OVERALL}
                found |= {label: result.per_label[label]["f1"].value for label in labels}
                write_json(path, {"key": key, "figures": found})
            for metric, value in found.items():
                figures[name].setdefault(metric, []).append(value)
    return {metric: _compare(figures["before"][metric], figures["after"][metric]) for metric in figures["before"]}


def _read_recipe(path: Path) -> TfidfRecipe | EncoderRecipe:
    table = read_table(path)
    if table.get("recipe") == "tfidf":
        return parse_config(TfidfRecipe, table, where=str(path))
    if table.get("recipe") == "encoder":
        return parse_config(EncoderRecipe, table, where=str(path))
    raise ConfigError(expected='recipe = "tfidf" or "encoder"', got=str(table.get("recipe")), where=str(path))


def _fingerprint_data(
    settings: AugmentationConfig, recipe: TfidfRecipe | EncoderRecipe, data_root: Path | None
) -> list[str]:
    """Return a hash of each split that figures rest on, and of all that an encoder's recipe starts or learns from.

    The dev of the recipe and test are among the splits that are kept apart.
    """
    train = read_labelled(settings.data.train, None, data_root)
    apart = [read_labelled(name, train.space, data_root) for name in settings.data.apart]
    marks = [split.fingerprint for split in (train, *apart)]
    if isinstance(recipe, TfidfRecipe):
        marks += [read_labelled(name, train.space, data_root).fingerprint for name in recipe.data.further_train]
    if isinstance(recipe, EncoderRecipe) and recipe.data.dev:  # one without a dev is refused by its training
        marks.append(read_sources(recipe.data, data_root).fingerprint)
        marks += _identify_encoder(recipe.encoder)
        marks += [mark for name in recipe.distillation.teachers for mark in _identify_teacher(name)]
    return marks


def _identify_encoder(section: EncoderSection) -> list[str]:
    """Return what tells the encoder, and the earlier run that it starts from, from others in the same folders."""
    files = find_encoder(section.name, revision=section.revision, weights_sha256=section.weights_sha256)
    marks = [files.weights_sha256, hash_file(files.config), hash_file(files.tokenizer)]
    return [*marks, identify_start(Path(section.start))] if section.start else marks


def _identify_teacher(name: str) -> list[str]:
    """Return what tells a teacher from another one of that name; one from the hub is named with its commit."""
    for prefix in (TRANSFORMERS, TRANSFORMERS_SIGMOID):
        if name.startswith(prefix):
            folder = Path(name.removeprefix(prefix))
            files = (folder / one for one in (CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME))
            return [hash_file(path) for path in files if path.is_file()]  # the training tells what is missing
    return [load(name).fingerprint]


def _fingerprint_making(settings: AugmentationConfig, base: Path, data_root: Path | None) -> list[Any]:
    """Return what determines the rows that are made, apart from seed and data."""
    left_out = ("name", "seed", "licence", "limits", "retries", "budget", "experiment")
    dumped = {key: value for key, value in dump_config(settings).items() if key not in left_out}
    check_model = settings.quality.check_model
    judge = load(check_model).fingerprint if check_model else ""
    templates = identify_templates() if "templates" in settings.sources else ""
    return [dumped, judge, templates, _identify_prompts(settings), *_identify_model(settings, base, data_root)]


def _identify_model(settings: AugmentationConfig, base: Path, data_root: Path | None) -> list[Any]:
    """Return the model that texts are asked of, of a file of replies with its hash, and what it is told of labels."""
    if settings.provider is None or set(settings.sources) == {"templates"}:
        return []
    from sentire.llm.model_names import name_model  # the extra llm, as for the prompts
    from sentire.synthesis.definitions import read_definitions

    told: list[Any] = []
    if "rephrase" in settings.sources:
        told = [dict(read_definitions(read_labelled(settings.data.train, None, data_root).space))]
    return [name_model(settings.provider, folder=base), *told]


def _identify_prompts(settings: AugmentationConfig) -> list[str]:
    if settings.provider is None:
        return []
    from sentire.augmentation.asked_sources import HOME, REPHRASE, TRANSLATE  # the extra llm, for those who ask alone
    from sentire.synthesis.prompts import identify_prompt

    return [identify_prompt(name, HOME) for name in (REPHRASE, TRANSLATE)]


def _make_key(
    settings: AugmentationConfig,
    recipe: TfidfRecipe | EncoderRecipe,
    data: Sequence[str],
    seed: int,
    making: Sequence[Any],
) -> str:
    """Return what determines the figures of one model, as a hash; ``making`` is empty for the one without such rows."""
    dumped = dump_config(settings)
    asked = [
        __version__,
        dump_config(recipe),
        data,
        seed,
        dumped["data"],
        dumped["labels"],
        dumped["experiment"] and dumped["experiment"]["test"],
        making,
    ]
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _read_figures(path: Path, key: str) -> dict[str, float] | None:
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return content["figures"] if isinstance(content, dict) and content.get("key") == key else None


def _train(
    recipe: TfidfRecipe | EncoderRecipe, output: Path, *, seed: int, extra: tuple[str, ...], data_root: Path | None
) -> None:
    if isinstance(recipe, TfidfRecipe):
        words = replace(recipe.data, further_train=(*recipe.data.further_train, *extra))
        train_tfidf(replace(recipe, seed=seed, data=words), output, data_root=data_root, n_jobs=1)
    else:
        data = replace(recipe.data, further_train=(*recipe.data.further_train, *extra))
        seeded = replace(recipe, name=f"{recipe.name}-{seed}", seed=seed, data=data)
        train_encoder(seeded, output, data_root=data_root)


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
