"""What the suites have in common: the trainings of encoders, and the parts that wait for them."""

from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from sentire.core.config import dump_config
from sentire.core.progress import OnProgress
from sentire.reproduce.part import Figures, Part
from sentire.reproduce.shelf import PRETRAINED, Shelf

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
        key = {"recipe": dump_config(self._shelf.recipes[name])}
        return Part(name=part or name_training(name), key=key, run=partial(self._train, name))

    def _train(self, name: str) -> Figures:
        report = self._shelf.report(name)
        return {key: report[key] for key in ("n_texts", "evaluations", "best_step", "shift_on_dev")}

    def _key(self, name: str) -> object:
        """What determines an encoder."""
        return self._shelf.base if name == PRETRAINED else dump_config(self._shelf.recipes[name])


def name_encoder(row: str, seed: int) -> str:
    """Return the name of a row's encoder; the pre-trained one is the same with every seed."""
    return row if row == PRETRAINED else f"{row}-{seed}"


def name_training(name: str) -> str:
    """Return the name of the part that trains an encoder."""
    return f"train.{name}"


def wait_for(name: str) -> tuple[str, ...]:
    """Return the parts that come before any measurement of an encoder."""
    return () if name == PRETRAINED else (name_training(name),)
