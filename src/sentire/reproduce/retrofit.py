"""The experiments of the retrofitting paper (Shah, Reddy and Bhattacharyya 2023), part by part.

From the pre-trained encoder: contrast without preservation, contrast with it (each sampler and projection), transfer
learning and multi-task learning, several seeds each; clustering, retrieval and shift on emotion data; sentiment and
sarcasm by nearest neighbours, fine-tuned and from few examples; other domains; a map over λ and τ; the bias audit.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from sentire.classifiers.labelled import LabelledSplit
from sentire.core.config import config, parse_config
from sentire.core.errors import ConfigError, DataError
from sentire.core.progress import OnProgress, stay_quiet
from sentire.metrics.geometry import embedding_shift
from sentire.metrics.retrieval import retrieval
from sentire.probing.clusters import cluster
from sentire.probing.few_shot import draw_shots
from sentire.probing.neighbours import neighbour_probe
from sentire.probing.splits import EmbeddedSplit
from sentire.reproduce.bias import STRENGTH, audit_encoder
from sentire.reproduce.data_bias import METHOD, audit_data
from sentire.reproduce.fine_tuning import FineTuning, fine_tune
from sentire.reproduce.part import Figures, Part
from sentire.reproduce.shelf import PRETRAINED, Shelf
from sentire.reproduce.splits import Task, get_classes, read_single, read_task
from sentire.reproduce.suite_parts import SuiteParts, check_suite, name_encoder
from sentire.reproduce.suite_settings import Size, SuiteSettings, make_base, make_encoder_section
from sentire.training.representation_recipe import RepresentationRecipe

EMOTIONS = "goemotions"
TASKS = (
    Task(name="sst-2", data="sst-2"),
    Task(name="sst-5", data="sst-5"),
    Task(name="sarcasm", data="sarcasm-v2"),
)
DOMAINS = (Task(name="isear", data="isear"), Task(name="meld", data="meld"))

TITLES: Mapping[str, str] = {
    PRETRAINED: "pre-trained",
    "contrast": "SCL alone (λ = 0)",
    "retrofit": "SCL + VSP, per class, MLP",
    "retrofit-linear": "SCL + VSP, per class, linear",
    "retrofit-stratified": "SCL + VSP, stratified, MLP",
    "retrofit-stratified-linear": "SCL + VSP, stratified, linear",
    "retrofit-plain": "SCL + VSP, plain, MLP",
    "tlearn": "TLearn",
    "multitask": "MTL (with SST-2)",
}
"""The rows of the tables, by the names of their encoders."""

COMPARED = (PRETRAINED, "contrast", "retrofit", "tlearn")
"""The rows that are fine-tuned and taught from few examples."""

TRANSFERRED = (*COMPARED, "multitask")
"""The rows that are asked on other tasks and audited, frozen; the samplers and projections differ on emotions alone."""

N_AUDITED = 8000
"""Most texts that the classifier of the bias audit learns from."""

N_CHOICES = 4
"""Evaluations of a few-shot training, of which the best on dev is taken."""


@config
class RetrofitSettings(SuiteSettings):
    """The size of the suite; the defaults are the full size.

    See ``SuiteSettings`` for the rest.

    Attributes:
        n_train: Texts that an encoder is retrofitted on; 0 for all.
        n_dev: Texts of dev, on which its best weights are chosen.
        n_epochs: Of retrofitting.
        weight: λ.
        shots: Texts of each class to learn from, and as many, up to 32, to choose on; both drawn from the whole splits.
        few_shot_passes: Least number of times that these are seen.
        few_shot_steps: Least number of updates on them.
        fine_tuned: Tasks that are fine-tuned whole.
        map_weights: Values of λ of the map.
        map_temperatures: Values of τ of the map.
        n_map_train: Texts that each point of the map is trained on.
    """

    n_train: Size = 10000
    n_dev: Size = 2000
    n_task_train: Size = 4000
    n_epochs: Annotated[int, Field(ge=1)] = 1
    weight: Annotated[float, Field(ge=0)] = 10.0
    shots: Annotated[tuple[int, ...], Field(min_length=1)] = (16, 64, 256)
    few_shot_passes: Annotated[int, Field(ge=1)] = 4
    few_shot_steps: Annotated[int, Field(ge=1)] = 80
    fine_tuned: tuple[str, ...] = ("sst-2", "sst-5", "sarcasm")
    map_weights: tuple[float, ...] = (1.0, 10.0, 100.0)
    map_temperatures: tuple[float, ...] = (0.05, 0.1, 0.3)
    n_map_train: Annotated[int, Field(ge=0)] = 4000


QUICK: Mapping[str, Any] = {
    "seeds": [1],
    "n_train": 512,
    "n_dev": 150,
    "n_test": 120,
    "n_task_train": 240,
    "n_tuning_train": 240,
    "shots": [16],
    "few_shot_steps": 20,
    "fine_tuning_epochs": 1,
    "fine_tuned": ["sst-2"],
    "n_map_train": 256,
}
"""What the quick size has in the place of the full size."""


def make_recipes(settings: RetrofitSettings) -> dict[str, RepresentationRecipe]:
    """Return the recipe of every encoder that the suite trains, by ``NAME-SEED``, and those of the map.

    Raises:
        ConfigError: A value is out of its range.
    """
    recipes = {}
    for seed in settings.seeds:
        rows: dict[str, dict[str, Any]] = {
            "contrast": _contrast(settings, weight=0.0),
            "retrofit": _contrast(settings),
            "retrofit-linear": _contrast(settings, kind="linear"),
            "retrofit-stratified": _contrast(settings, sampler="stratified"),
            "retrofit-stratified-linear": _contrast(settings, kind="linear", sampler="stratified"),
            "retrofit-plain": _contrast(settings, sampler="plain"),
            "tlearn": {"classification": {"weight": 1.0}},
            "multitask": {  # of each of the two tasks two thirds of the texts that the other rows have
                "classification": {"weight": 1.0, "further_weight": 1.0},
                "data": {"further_train": "sst-2:train", "n_train": settings.n_train * 2 // 3},
            },
        }
        for name, sections in rows.items():
            recipes[f"{name}-{seed}"] = _make_recipe(settings, f"{name}-{seed}", seed, settings.n_train, sections)
    for weight in settings.map_weights:
        for temperature in settings.map_temperatures:
            name = name_map_point(weight, temperature)
            sections = _contrast(settings, weight=weight, temperature=temperature)
            recipes[name] = _make_recipe(settings, name, settings.seeds[0], settings.n_map_train, sections)
    return recipes


def name_map_point(weight: float, temperature: float) -> str:
    """Return the name of a point of the map."""
    return f"map-{weight!r}-{temperature!r}"


def make_parts(
    settings: RetrofitSettings, work: Path, *, data_root: Path | None = None, on_progress: OnProgress = stay_quiet
) -> list[Part]:
    """Return the parts of the suite in an order that fits.

    Args:
        settings: Its size.
        work: Folder for encoders and vectors.
        data_root: Where the corpora are; found by itself where None.
        on_progress: Told of the steps of trainings.

    Raises:
        ConfigError: A value is out of its range, or settings do not fit together.
        UnknownNameError: No such task, or no such encoder.
    """
    recipes = make_recipes(settings)
    check_suite(recipes, settings.fine_tuned, TASKS)
    if min(settings.shots) < 1:
        raise ConfigError(expected="at least 1 text of each class", got=str(min(settings.shots)), where="shots")
    shelf = Shelf(work, base=make_base(settings), recipes=recipes, data_root=data_root, on_progress=on_progress)
    suite = _Suite(settings, shelf, data_root, on_progress)
    parts = [suite.data_audit()]
    for seed in settings.seeds:
        for row in TITLES:
            if row == PRETRAINED:
                if seed == settings.seeds[0]:
                    parts += suite.frozen(row, seed)
                continue
            parts.append(suite.training(name_encoder(row, seed)))
            parts += suite.frozen(row, seed)
        for row in COMPARED:
            parts += suite.few_shot(row, seed)
    for seed in settings.seeds:
        for row in COMPARED:
            parts += suite.fine_tuned(row, seed)
    parts += [suite.training(name, part=name) for name in recipes if name.startswith("map-")]
    return parts


class _Suite(SuiteParts[RetrofitSettings]):
    def frozen(self, row: str, seed: int) -> list[Part]:
        """What the vectors of one encoder are worth as they are."""
        settings, name = self._settings, name_encoder(row, seed)
        emotions = self.measurement(
            f"emotions.{name}",
            name,
            partial(self._measure_emotions, name),
            data=(EMOTIONS,),
            settings={"n_test": settings.n_test},
        )
        if row not in TRANSFERRED:
            return [emotions]
        bias = self.measurement(
            f"bias.{name}",
            name,
            partial(self._audit, name),
            data=(EMOTIONS,),
            settings={"n_train": self._n_audited, "C": STRENGTH},
        )
        neighbours = [
            self.measurement(
                f"neighbours.{task.name}.{name}",
                name,
                partial(self._ask_neighbours, name, task),
                data=(task.data,),
                settings={"n_test": settings.n_test, "n_train": settings.n_task_train},
            )
            for task in (*TASKS, *DOMAINS)
        ]
        return [emotions, bias, *neighbours]

    def few_shot(self, row: str, seed: int) -> list[Part]:
        """What an encoder learns from few examples of each class."""
        settings, name = self._settings, name_encoder(row, seed)
        return [
            self.measurement(
                f"few-shot.{task.name}.{n_shots}.{row}-{seed}",
                name,
                partial(self._teach, name, task, n_shots, seed),
                data=(task.data,),
                settings={
                    "shots": n_shots,
                    "seed": seed,
                    "n_test": settings.n_test,
                    "n_passes": settings.few_shot_passes,
                    "n_steps": settings.few_shot_steps,
                    "n_choices": N_CHOICES,
                    **asdict(self._tune(n_shots)),
                    # Where dev is cut otherwise, that it is not cut here.
                    **({"dev": "whole"} if settings.n_test else {}),
                },
                check=partial(self._draw_shots, task, n_shots, seed),
            )
            for task in TASKS
            for n_shots in settings.shots
        ]

    def fine_tuned(self, row: str, seed: int) -> list[Part]:
        """What an encoder learns from a whole task."""
        settings, name = self._settings, name_encoder(row, seed)
        return [
            self.measurement(
                f"fine-tuned.{task.name}.{row}-{seed}",
                name,
                partial(self._teach, name, task, 0, seed),
                data=(task.data,),
                settings={
                    "seed": seed,
                    "n_train": settings.n_tuning_train,
                    "n_test": settings.n_test,
                    **asdict(self._tune(0)),
                },
            )
            for task in TASKS
            if task.name in settings.fine_tuned
        ]

    def data_audit(self) -> Part:
        """How often words for what somebody is stand in the emotion data, and with which labels."""
        return self.measurement(
            "bias.data",
            PRETRAINED,
            partial(audit_data, EMOTIONS, self._data_root),
            data=(EMOTIONS,),
            settings={"words": METHOD},
        )

    @property
    def _n_audited(self) -> int:
        return min(self._settings.n_train or N_AUDITED, N_AUDITED)

    def _tune(self, n_shots: int) -> FineTuning:
        if not n_shots:
            return FineTuning(n_epochs=self._settings.fine_tuning_epochs)
        return FineTuning(n_epochs=N_CHOICES, batch_size=16 if n_shots < 256 else 32)

    def _measure_emotions(self, name: str) -> Figures:
        test = read_single(f"{EMOTIONS}:test", self._settings.n_test, self._data_root)
        vectors, before = self._shelf.encode(name, test.texts), self._shelf.encode(PRETRAINED, test.texts)
        classes = get_classes(test)
        found = retrieval(vectors, classes)
        groups = cluster(vectors, classes)
        shift = embedding_shift(vectors, before)
        return {
            "n_test": len(test),
            **{name: asdict(getattr(groups, name)) for name in ("ami", "ari", "fms")},
            **{name: asdict(getattr(found, name)) for name in ("mrr", "precision_at_1", "precision_at_k", "map_at_r")},
            "shift": asdict(shift),
        }

    def _ask_neighbours(self, name: str, task: Task) -> Figures:
        splits = read_task(task, self._settings.n_task_train, self._settings.n_test, self._data_root)
        embedded = {
            split: EmbeddedSplit(embeddings=self._shelf.encode(name, texts.texts), targets=get_classes(texts))
            for split, texts in splits.items()
        }
        probe = neighbour_probe(embedded["train"], embedded["dev"], embedded["test"])
        return {
            "macro_f1": asdict(probe.quality.macro_f1),
            "accuracy": asdict(probe.quality.micro_f1),
            "k": probe.k,
            "vote": probe.vote,
            "n_train": len(splits["train"]),
            "n_test": len(splits["test"]),
        }

    def _audit(self, name: str) -> Figures:
        train = read_single(f"{EMOTIONS}:train", self._n_audited, self._data_root)
        return audit_encoder(partial(self._shelf.encode, name), train, name)

    def _teach(self, name: str, task: Task, n_shots: int, seed: int) -> Figures:
        splits = read_task(task, self._settings.n_tuning_train, self._settings.n_test, self._data_root)
        train, dev = splits["train"], splits["dev"]
        tuning = self._tune(n_shots)
        if n_shots:
            some, dev = self._draw_shots(task, n_shots, seed)
            n_steps = -(-len(some) // tuning.batch_size)
            n_passes = max(self._settings.few_shot_passes, -(-self._settings.few_shot_steps // n_steps))
            train = some.take(np.tile(np.arange(len(some)), -(-n_passes // N_CHOICES)))
        return fine_tune(
            self._shelf.find(name),
            train,
            dev,
            splits["test"],
            tuning,
            revision=self._shelf.get_revision(name),
            pooling=self._settings.pooling,
            seed=seed,
            on_progress=self._on_progress,
        )

    def _draw_shots(self, task: Task, n_shots: int, seed: int) -> tuple[LabelledSplit, LabelledSplit]:
        """Return so many texts of each class to learn from and, where these are few, as few to choose on.

        Both are drawn from the whole splits: in those that are cut to a size, a class may have fewer.
        """
        train, dev = (read_single(f"{task.data}:{split}", 0, self._data_root) for split in ("train", "dev"))
        return _draw(train, n_shots, seed), _draw(dev, min(n_shots, 32), seed)


def _draw(split: LabelledSplit, n_shots: int, seed: int) -> LabelledSplit:
    sizes = {label: n for label, n in zip(split.space.labels, split.targets.sum(axis=0).tolist(), strict=True) if n}
    rarest = min(sizes, key=sizes.__getitem__)
    if sizes[rarest] < n_shots:
        raise DataError(
            expected=f"at least {n_shots} texts of each class",
            got=f"{sizes[rarest]} of {rarest}",
            where=split.name,
            hint="set fewer shots",
        )
    return split.take(draw_shots(get_classes(split), n_shots, seed=seed).astype(np.intp))


def _contrast(
    settings: RetrofitSettings,
    *,
    weight: float | None = None,
    temperature: float | None = None,
    kind: str = "mlp",
    sampler: str = "per-class",
) -> dict[str, dict[str, Any]]:
    return {
        "contrast": {
            "weight": 1.0,
            "temperature": settings.temperature if temperature is None else temperature,
            "sampler": sampler,
            "per_class": 4,
        },
        "preservation": {"weight": settings.weight if weight is None else weight},
        "projection": {"kind": kind},
    }


def _make_recipe(
    settings: RetrofitSettings, name: str, seed: int, n_train: int, sections: Mapping[str, Mapping[str, Any]]
) -> RepresentationRecipe:
    metric = "macro_f1" if "classification" in sections else "map_at_r"
    table: dict[str, Any] = {
        "recipe": "representation",
        "name": name,
        "seed": seed,
        "encoder": make_encoder_section(settings, max_tokens=48),
        "optimisation": {
            "n_epochs": settings.n_epochs,
            "batch_size": settings.batch_size,
            "learning_rate": settings.learning_rate,
            "head_factor": 10.0,
            "metric": metric,
        },
        **sections,
    }
    own = {"train": f"{EMOTIONS}:train", "dev": f"{EMOTIONS}:dev", "n_train": n_train, "n_dev": settings.n_dev}
    table["data"] = {**own, **sections.get("data", {})}
    return parse_config(RepresentationRecipe, table)
