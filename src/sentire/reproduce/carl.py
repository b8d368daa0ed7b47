"""The experiments of the CARL paper (Son, Saurez and Har 2025), part by part.

From the pre-trained encoder: the momentum contrast of valence and arousal with perturbed token detection, and its
ablations, several seeds each; valence and arousal by a ridge probe; polarity, sentiment and emotions by a linear probe
and fine-tuned; alignment and uniformity; the plane of the vectors, coloured by valence.

**Departures** The paper reads valence and arousal with a regression head that is trained along; here they are read by a
ridge probe on the frozen vectors, the same for every encoder.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sentire.core.config import config, parse_config
from sentire.core.progress import OnProgress, stay_quiet
from sentire.core.seeding import make_generator
from sentire.metrics.geometry import alignment, embedding_shift, find_close_pairs, uniformity
from sentire.probing.affect import affect_probe
from sentire.probing.linear import linear_probe
from sentire.probing.splits import EmbeddedSplit
from sentire.reproduce.fine_tuning import FineTuning, fine_tune
from sentire.reproduce.part import Figures, Part
from sentire.reproduce.plane import place_in_plane
from sentire.reproduce.shelf import PRETRAINED, Shelf
from sentire.reproduce.splits import Task, get_classes, read_rated_texts, read_task
from sentire.reproduce.suite_parts import SuiteParts, check_suite, name_encoder
from sentire.reproduce.suite_settings import MAX_TOKENS, Size, SuiteSettings, make_base, make_encoder_section
from sentire.training.representation_recipe import RepresentationRecipe
from sentire.training.sources import RatedSplit

AFFECT = "emobank"
EMOTIONS = "goemotions"
TASKS = (
    Task(name="polarity", data="sst-2"),
    Task(name="sentiment", data="sst-5"),
    Task(name="emotion", data=EMOTIONS),
)

TITLES: Mapping[str, str] = {
    PRETRAINED: "pre-trained",
    "carl": "CARL: MCCL + PTD (people's V and A)",
    "mccl": "MCCL alone",
    "ptd": "PTD alone",
    "discrete": "MCCL + PTD, quadrants for labels",
    "no-momentum": "MCCL + PTD, no momentum",
    "no-queue": "MCCL + PTD, no queue",
    "carl-labels": "CARL on GoEmotions, V and A of the labels' words",
    "carl-categories": "CARL on GoEmotions, shared labels",
}
"""The rows of the tables, by the names of their encoders."""

FINE_TUNED = (PRETRAINED, "carl")
PLANES = (PRETRAINED, "carl", "carl-labels")

CLOSE_QUANTILE = 0.02
"""Pairs nearer in valence and arousal than all but this share count as alike, for alignment."""


@config
class CarlSettings(SuiteSettings):
    """The size of the suite; the defaults are the full size.

    See ``SuiteSettings`` for the rest.

    Attributes:
        n_epochs: Of CARL on EmoBank.
        n_label_train: Texts of GoEmotions for the last two rows, for one epoch; 0 for all.
        bandwidth: σ, in standard deviations.
        queue_size: K.
        momentum: m.
        detection_weight: β.
        share: r.
        step: ε.
        fine_tuned: Tasks that are fine-tuned whole.
        n_plane: Texts in the plane.
    """

    n_task_train: Size = 4000
    n_epochs: Annotated[int, Field(ge=1)] = 1
    n_label_train: Annotated[int, Field(ge=0)] = 10000
    bandwidth: Annotated[float, Field(gt=0)] = 0.5
    queue_size: Annotated[int, Field(ge=1)] = 1024
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99
    detection_weight: Annotated[float, Field(gt=0)] = 0.5
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.15
    step: Annotated[float, Field(gt=0)] = 0.5
    fine_tuned: tuple[str, ...] = ("polarity", "sentiment", "emotion")
    n_plane: Annotated[int, Field(ge=50)] = 1000


QUICK: Mapping[str, Any] = {
    "seeds": [1],
    "n_train": 320,
    "n_dev": 120,
    "n_test": 120,
    "n_task_train": 240,
    "n_tuning_train": 240,
    "n_epochs": 1,
    "n_label_train": 320,
    "queue_size": 128,
    "fine_tuning_epochs": 1,
    "fine_tuned": ["polarity"],
    "n_plane": 100,
}
"""What the quick size has in the place of the full size."""


def make_recipes(settings: CarlSettings) -> dict[str, RepresentationRecipe]:
    """Return the recipe of every encoder that the suite trains, by ``NAME-SEED``.

    Raises:
        ConfigError: A value is out of its range.
    """
    momentum = {
        "weight": 1.0,
        "temperature": settings.temperature,
        "bandwidth": settings.bandwidth,
        "queue_size": settings.queue_size,
        "momentum": settings.momentum,
    }
    detection = {"weight": settings.detection_weight, "share": settings.share, "step": settings.step}
    rows: dict[str, dict[str, Any]] = {
        "carl": {"momentum": momentum, "token_detection": detection},
        "mccl": {"momentum": momentum},
        "ptd": {"momentum": momentum | {"weight": 0.0}, "token_detection": detection},
        "discrete": {"momentum": momentum | {"targets": "quadrants"}, "token_detection": detection},
        "no-momentum": {"momentum": momentum | {"momentum": 0.0}, "token_detection": detection},
        "no-queue": {"momentum": momentum | {"queue_size": 0}, "token_detection": detection},
        "carl-labels": {"momentum": momentum, "token_detection": detection},
        "carl-categories": {"momentum": momentum | {"targets": "labels"}, "token_detection": detection},
    }
    return {
        f"{name}-{seed}": _make_recipe(settings, name, seed, sections)
        for seed in settings.seeds
        for name, sections in rows.items()
    }


def make_parts(
    settings: CarlSettings, work: Path, *, data_root: Path | None = None, on_progress: OnProgress = stay_quiet
) -> list[Part]:
    """Return the parts of the suite in an order that fits; arguments and errors as of the retrofitting suite."""
    recipes = make_recipes(settings)
    check_suite(recipes, settings.fine_tuned, TASKS)
    shelf = Shelf(work, base=make_base(settings), recipes=recipes, data_root=data_root, on_progress=on_progress)
    suite = _Suite(settings, shelf, data_root, on_progress)
    parts: list[Part] = []
    for seed in settings.seeds:
        is_first = seed == settings.seeds[0]
        for row in TITLES:
            name = name_encoder(row, seed)
            if row == PRETRAINED and not is_first:
                continue
            if row != PRETRAINED:
                parts.append(suite.training(name))
            parts += suite.frozen(name)
            if is_first and row in PLANES:
                parts.append(suite.plane(name))
    for seed in settings.seeds:
        for row in FINE_TUNED:
            parts += suite.fine_tuned(row, seed)
    return parts


class _Suite(SuiteParts[CarlSettings]):
    def frozen(self, name: str) -> list[Part]:
        """What the vectors of one encoder are worth as they are."""
        sizes = {"n_test": self._settings.n_test, "n_train": self._settings.n_task_train}
        parts = [
            self.measurement(
                f"affect.{name}",
                name,
                partial(self._measure_affect, name),
                data=(AFFECT,),
                settings=sizes | {"close_quantile": CLOSE_QUANTILE},
            )
        ]
        for task in TASKS:
            run = partial(self._probe, name, task)
            parts.append(self.measurement(f"probe.{task.name}.{name}", name, run, data=(task.data,), settings=sizes))
        return parts

    def plane(self, name: str) -> Part:
        """The places of test texts in a plane; no text is kept."""
        sizes = {"n_test": self._settings.n_test, "n_plane": self._settings.n_plane}
        return self.measurement(f"plane.{name}", name, partial(self._place, name), data=(AFFECT,), settings=sizes)

    def fine_tuned(self, row: str, seed: int) -> list[Part]:
        """What an encoder learns from a whole task."""
        settings, name = self._settings, name_encoder(row, seed)
        return [
            self.measurement(
                f"fine-tuned.{task.name}.{row}-{seed}",
                name,
                partial(self._fine_tune, name, task, seed),
                data=(task.data,),
                settings={
                    "seed": seed,
                    "n_train": settings.n_tuning_train,
                    "n_test": settings.n_test,
                    **asdict(FineTuning(n_epochs=settings.fine_tuning_epochs)),
                },
            )
            for task in TASKS
            if task.name in settings.fine_tuned
        ]

    def _measure_affect(self, name: str) -> Figures:
        embedded = {}
        for split in ("train", "dev", "test"):
            rated = self._read_rated(split)
            vectors = self._shelf.encode(name, rated.texts)
            embedded[split] = EmbeddedSplit(embeddings=vectors, targets=rated.ratings[:, :2])
        probe = affect_probe(embedded["train"], embedded["dev"], embedded["test"], dimensions=("valence", "arousal"))
        vectors, test = np.asarray(embedded["test"].embeddings), self._read_rated("test")
        close = find_close_pairs(_standardise(test.ratings[:, :2]), quantile=CLOSE_QUANTILE)
        before = self._shelf.encode(PRETRAINED, test.texts)
        return {
            "probe": {
                dimension: {measure: asdict(one) for measure, one in measures.items()}
                for dimension, measures in probe.measures.items()
            },
            "alignment": asdict(alignment(vectors, close.pairs)),
            "uniformity": asdict(uniformity(vectors)),
            "shift": asdict(embedding_shift(vectors, before)),
            "n_test": len(test.texts),
        }

    def _probe(self, name: str, task: Task) -> Figures:
        splits = read_task(task, self._settings.n_task_train, self._settings.n_test, self._data_root)
        embedded = {
            split: EmbeddedSplit(embeddings=self._shelf.encode(name, texts.texts), targets=get_classes(texts))
            for split, texts in splits.items()
        }
        probe = linear_probe(embedded["train"], embedded["dev"], embedded["test"])
        return {
            "macro_f1": asdict(probe.quality.macro_f1),
            "accuracy": asdict(probe.quality.micro_f1),
            "C": probe.C,
            "n_iterations": probe.n_iterations,
            "n_train": len(splits["train"]),
            "n_test": len(splits["test"]),
        }

    def _fine_tune(self, name: str, task: Task, seed: int) -> Figures:
        splits = read_task(task, self._settings.n_tuning_train, self._settings.n_test, self._data_root)
        settings = FineTuning(n_epochs=self._settings.fine_tuning_epochs)
        return fine_tune(
            self._shelf.find(name),
            splits["train"],
            splits["dev"],
            splits["test"],
            settings,
            revision=self._shelf.get_revision(name),
            pooling=self._settings.pooling,
            seed=seed,
            on_progress=self._on_progress,
        )

    def _place(self, name: str) -> Figures:
        test = self._read_rated("test")
        n_texts = min(self._settings.n_plane, len(test.texts))
        rows = make_generator(0, "plane").choice(len(test.texts), size=n_texts, replace=False)
        places = place_in_plane(self._shelf.encode(name, test.texts)[rows], seed=0)
        return {
            "places": places.round(3).tolist(),
            "valence": test.ratings[rows, 0].round(3).tolist(),
            "arousal": test.ratings[rows, 1].round(3).tolist(),
        }

    def _read_rated(self, split: str) -> RatedSplit:
        n_texts = self._settings.n_task_train if split == "train" else self._settings.n_test
        return read_rated_texts(AFFECT, split, n_texts, self._data_root)


def _standardise(ratings: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = (ratings - ratings.mean(axis=0)) / ratings.std(axis=0)
    return scaled


def _make_recipe(
    settings: CarlSettings, name: str, seed: int, sections: Mapping[str, Mapping[str, Any]]
) -> RepresentationRecipe:
    people = {"affect_train": [{"data": f"{AFFECT}:train"}], "affect_dev": f"{AFFECT}:dev", "n_train": settings.n_train}
    data: dict[str, Any] = people
    metric, n_epochs = "neighbour_affect", settings.n_epochs
    if name == "carl-labels":
        data = people | {"affect_train": [{"data": f"{EMOTIONS}:train", "ratings": "labels"}]}
    if name == "carl-categories":
        data, metric = {"train": f"{EMOTIONS}:train", "dev": f"{EMOTIONS}:dev", "rows": "all"}, "map_at_r"
    if name in ("carl-labels", "carl-categories"):
        data, n_epochs = data | {"n_train": settings.n_label_train}, 1
    return parse_config(
        RepresentationRecipe,
        {
            "recipe": "representation",
            "name": f"{name}-{seed}",
            "seed": seed,
            "data": data | {"n_dev": settings.n_dev or (2000 if name == "carl-categories" else 0)},
            "encoder": make_encoder_section(settings, max_tokens=MAX_TOKENS),
            "optimisation": {
                "n_epochs": n_epochs,
                "batch_size": settings.batch_size,
                "learning_rate": settings.learning_rate,
                "head_factor": 10.0,
                "metric": metric,
            },
            **sections,
        },
    )
