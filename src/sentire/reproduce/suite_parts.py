"""What the suites have in common: the trainings of encoders, and the parts that wait for them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from sentire.core.config import dump_config
from sentire.core.errors import UnknownNameError
from sentire.core.progress import OnProgress
from sentire.data.registry import load_dataset
from sentire.reproduce.part import Figures, Part
from sentire.reproduce.shelf import METHOD_VERSION, PRETRAINED, Shelf, list_revisions
from sentire.reproduce.splits import Task
from sentire.training.representation_recipe import RepresentationRecipe, check_representation_recipe

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
        return Part(name=part or name_training(name), key=key, run=partial(self._train, name))

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
        key = {
            "method": METHOD_VERSION,
            "encoder": self._describe(encoder),
            "data": {one: load_dataset(one).card.revision for one in data},
            **settings,
        }
        after = () if encoder == PRETRAINED else (name_training(encoder),)
        return Part(name=name, key=key, run=run, after=after, check=check)

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
        ConfigError: The sections of a recipe do not fit together.
        UnknownNameError: There is no such task.
    """
    for recipe in recipes.values():
        check_representation_recipe(recipe)
    names = [task.name for task in tasks]
    for name in fine_tuned:
        if name not in names:
            raise UnknownNameError.among("task", name, names)


def name_encoder(row: str, seed: int) -> str:
    """Return the name of a row's encoder; the pre-trained one is the same with every seed."""
    return row if row == PRETRAINED else f"{row}-{seed}"


def name_training(name: str) -> str:
    """Return the name of the part that trains an encoder."""
    return f"train.{name}"
