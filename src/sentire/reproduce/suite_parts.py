"""What the suites have in common: the trainings of encoders, and the parts that wait for them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from sentire.core.config import dump_config
from sentire.core.errors import ConfigError, UnknownNameError
from sentire.core.progress import OnProgress
from sentire.data.cards import DatasetCard
from sentire.data.registry import load_dataset, parse_split_name
from sentire.metrics.retrieval import DEFAULT_K
from sentire.reproduce.part import Figures, Part
from sentire.reproduce.shelf import METHOD_VERSION, PRETRAINED, Shelf, list_revisions
from sentire.reproduce.splits import Task
from sentire.training.representation_dev import N_NEIGHBOURS
from sentire.training.representation_objective import check_batches
from sentire.training.representation_recipe import RepresentationRecipe, check_representation_recipe, has_momentum

SettingsT = TypeVar("SettingsT")


class SuiteParts(Generic[SettingsT]):
    """Makes the parts of one suite.

    Args:
        settings: Its size.
        shelf: Where its encoders are.
        data_root: Where the corpora are; found by itself where None.
        on_progress: Told of the steps of trainings.
    """

    def __init__(self, settings: SettingsT, shelf: Shelf, data_root: Path | None, on_progress: OnProgress) -> None:
        self._settings, self._shelf, self._data_root, self._on_progress = settings, shelf, data_root, on_progress

    def training(self, name: str, *, part: str = "") -> Part:
        """The training of one encoder; the part is called ``train.NAME`` unless told."""
        key = {"method": METHOD_VERSION, "encoder": self._describe(name)}
        return Part(
            name=part or name_training(name),
            key=key,
            run=partial(self._train, name),
            list_data=partial(self._shelf.list_data, name),
        )

    def measurement(
        self,
        name: str,
        encoder: str,
        run: Callable[[], Figures],
        *,
        data: Iterable[str],
        settings: Mapping[str, Any],
        check: Callable[[], object] | None = None,
    ) -> Part:
        """What is done with one encoder, once it is there.

        Args:
            name: Of the part.
            encoder: Name of the encoder.
            run: Does it.
            data: Names of the data sets that it reads.
            settings: All else that determines its outcome.
            check: Finds out before any training whether it can be done.
        """
        cards = {one: load_dataset(one).card for one in data}

        def list_data() -> list[DatasetCard]:
            return [*cards.values(), *self._shelf.list_data(encoder)]

        key = {
            "method": METHOD_VERSION,
            "encoder": self._describe(encoder),
            "data": {one: card.revision for one, card in cards.items()},
            **settings,
        }
        after = () if encoder == PRETRAINED else (name_training(encoder),)
        return Part(name=name, key=key, run=run, after=after, list_data=list_data, check=check)

    def _train(self, name: str) -> Figures:
        report = self._shelf.report(name)
        return {key: report[key] for key in ("n_texts", "evaluations", "best_step", "shift_on_dev")}

    def _describe(self, name: str) -> Mapping[str, Any]:
        """What determines an encoder."""
        base = {"base": self._shelf.describe_base()}
        if name == PRETRAINED:
            return base
        recipe = self._shelf.recipes[name]
        return base | {"recipe": dump_config(recipe), "data": list_revisions(recipe)}


def check_suite(recipes: Mapping[str, RepresentationRecipe], fine_tuned: Sequence[str], tasks: Sequence[Task]) -> None:
    """Make sure that a suite's settings fit together, before anything is done.

    Args:
        recipes: Of its encoders.
        fine_tuned: Names of the tasks that are fine-tuned.
        tasks: Those that there are.

    Raises:
        ConfigError: The sections of a recipe do not fit together, its queue is longer than its data, its texts do not
            fill a batch, or those of dev are too few to tell good vectors from bad ones.
        UnknownNameError: There is no such task.
    """
    for recipe in recipes.values():
        check_representation_recipe(recipe)
        _check_queue(recipe)
        _check_sizes(recipe)
    names = [task.name for task in tasks]
    for name in fine_tuned:
        if name not in names:
            raise UnknownNameError.among("task", name, names)


def _check_queue(recipe: RepresentationRecipe) -> None:
    """Refuse what the training would refuse hours later, by the sizes on the data cards."""
    data, momentum = recipe.data, recipe.momentum
    names = [data.train] if momentum.targets == "labels" else [one.data for one in data.affect_train]
    n_keyed = sum(_count_drawn(name, data.n_train) for name in names)
    if has_momentum(recipe) and momentum.queue_size > n_keyed:
        raise ConfigError(
            expected=f"a queue of at most {n_keyed} keys, one a text",
            got=str(momentum.queue_size),
            where=f"momentum.queue_size of {recipe.name}",
        )


def _check_sizes(recipe: RepresentationRecipe) -> None:
    """Do the same for the texts of train and dev.

    Which classes are drawn is known only once the texts are: here they are as many as they can be.
    """
    data, batch_size = recipe.data, recipe.optimisation.batch_size
    names = [name for name in (data.train, data.further_train, *(one.data for one in data.affect_train)) if name]
    space = parse_split_name(data.train)[0].card.label_space if data.train else None
    n_rows = sum(_count_drawn(name, data.n_train) for name in names)
    if n_rows < batch_size:
        raise ConfigError(
            expected=f"a batch of at most {n_rows} texts, as many as are drawn",
            got=str(batch_size),
            where=f"optimisation.batch_size of {recipe.name}",
            hint="take smaller batches, or more texts to train on",
        )
    # More rows than fill one batch would say nothing more.
    check_batches(recipe, np.arange(batch_size) % (1 if space is None else len(space)))
    for name, n_asked in ((data.dev, DEFAULT_K), (data.affect_dev, N_NEIGHBOURS + 1)):
        if name and _count_drawn(name, data.n_dev) <= n_asked:
            raise ConfigError(
                expected=f"more than {n_asked} texts of {name}",
                got=str(_count_drawn(name, data.n_dev)),
                where=f"data.n_dev of {recipe.name}",
                hint="with fewer, good vectors cannot be told from bad ones",
            )


def _count_drawn(name: str, n_wanted: int) -> int:
    """Return how many texts of a split are drawn, by its card; of 0 all are."""
    dataset, split = parse_split_name(name)
    size = dataset.card.split_counts[split]
    return min(size, n_wanted or size)


def name_encoder(row: str, seed: int) -> str:
    """Return the name of a row's encoder; the pre-trained one is the same with every seed."""
    return row if row == PRETRAINED else f"{row}-{seed}"


def name_training(name: str) -> str:
    """Return the name of the part that trains an encoder."""
    return f"train.{name}"
