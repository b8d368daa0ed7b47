"""What a model has learned by way of others: the encoder and the weights it starts from, its teachers and raters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from sentire.core.errors import SentireError
from sentire.data.cards import DatasetCard
from sentire.data.registry import parse_split_name
from sentire.runtime.load import load
from sentire.training.label_affect import NORMS
from sentire.training.representation_recipe import LABELS

EARLIER_DATA = "earlier_data"
"""Under which a model's facts of its training say what ``EarlierData.as_facts`` returns."""

LEXICONS = "lexicons"
"""Among these facts: word lists whose ratings stood for those of texts. No text of theirs was learned from."""

UNKNOWN = "unknown"
"""Among these facts: the names of models of which nothing more is known."""

_REPORT_NAME = "training.json"


@dataclass(frozen=True, kw_only=True)
class EarlierData:
    """What the models before a model had learned from.

    Attributes:
        splits: Data sets and splits, by what was learned from them: ``labels``, ``affect``, or by way of ``lexicons``
            that gave texts their affect.
        cards: Of these data sets.
        unknown: Names of models of which that cannot be known here.
        unread: Those of the splits whose data sets, and so their terms, are not at hand.
    """

    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cards: tuple[DatasetCard, ...] = ()
    unknown: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def as_facts(self, *, beside: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return plain data for the facts of a training: what its own recipe does not name; empty where there is none.

        Args:
            beside: What the recipe names, as ``list_learned`` returns it.
        """
        facts: dict[str, Any] = {}
        for kind, names in self.splits.items():
            more = [name for name in names if name not in beside.get(kind, ())]
            facts |= {kind: more} if more else {}
        facts |= {UNKNOWN: list(self.unknown)} if self.unknown else {}
        return {EARLIER_DATA: facts} if facts else {}

    def describe(self, *, beside: Iterable[str]) -> str:
        """Return lines of a card, each with its line break: the splits that are not named anyway, and what is unknown.

        Args:
            beside: Splits that the card names already.
        """
        named = frozenset(beside)
        more = sorted({name for names in self.splits.values() for name in names} - named)
        lines = ""
        if more:
            lines += f"\nThe models that it comes from learned from {_quote(more)}.\n"
        if self.unknown:
            lines += f"\nIt comes from {_quote(self.unknown)}, too, and what that learned from is not known here."
        if self.unread:
            lines += f"\nThe terms of {_quote(self.unread)} are not known here."
        if self.unknown or self.unread:
            lines += "\nAsk for the terms of that data before the weights are given away.\n"
        return lines


def find_earlier_data(*, encoder: str, start: str = "", teachers: Sequence[str] = ()) -> EarlierData:
    """Collect what was learned before, as far as the folders of the earlier models tell.

    Args:
        encoder: Name or folder of the encoder; one whose representation was trained by a recipe is an earlier model,
            one that was pre-trained elsewhere is not.
        start: Folder of the run that is gone on from, or nothing.
        teachers: Names or folders of models that say what is right.
    """
    splits: dict[str, list[str]] = {}
    unknown: list[str] = []
    unread: list[str] = []
    for training in (_read_representation(encoder), *(_read_model(name) for name in (start, *teachers) if name)):
        recorded = _as_mapping(training.get(EARLIER_DATA))
        for learned in (list_learned(_as_mapping(training.get("recipe"))), recorded):
            for kind in ("labels", "affect", LEXICONS):
                splits.setdefault(kind, []).extend(_list_names(learned.get(kind)))
        unknown += _list_names(recorded.get(UNKNOWN))
    cards: list[DatasetCard] = []
    for name in dict.fromkeys(name for names in splits.values() for name in names):
        try:
            cards.append(parse_split_name(name)[0].card)
        except SentireError:
            unread.append(name)
    return EarlierData(
        splits={kind: tuple(dict.fromkeys(names)) for kind, names in splits.items() if names},
        cards=tuple(cards),
        unknown=tuple(dict.fromkeys(unknown)),
        unread=tuple(unread),
    )


def list_learned(recipe: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the splits that a recipe of any kind learns from, by ``labels``, ``affect`` or ``lexicons``.

    Args:
        recipe: As plain data; what is not as it should be is passed over.
    """
    data = _as_mapping(recipe.get("data"))
    labels = [name for key in ("train", "further_train", "unlabelled") for name in _list_names(data.get(key))]
    affect = _list_names(data.get("affect_train"))
    if _list_names(_as_mapping(recipe.get("distillation")).get("teachers")):
        labels += affect  # the teachers are asked about these texts, too
    rated = data.get("affect_train")
    sources = rated if isinstance(rated, list | tuple) else ()
    is_by_words = any(_as_mapping(source).get("ratings") == LABELS for source in sources)
    return {"labels": labels, "affect": affect, LEXICONS: [NORMS] if is_by_words else []}


def _read_model(name: str) -> Mapping[str, Any]:
    """Return the facts of a model's training; where there are none, that they are not known."""
    try:
        training = load(name, n_threads=1).config.training
    except SentireError:  # another kind of teacher, or a run that is not there any more
        training = {}
    # Its name alone: facts and cards are given away, and need not name the folders of this machine.
    return training if "recipe" in training else {EARLIER_DATA: {UNKNOWN: [Path(name).name]}}


def _read_representation(encoder: str) -> Mapping[str, Any]:
    """Return the report of the training of an encoder's representation; empty where no recipe of ours trained it."""
    try:
        report = _as_mapping(orjson.loads((Path(encoder) / _REPORT_NAME).read_bytes()))
    except (OSError, ValueError):
        return {}
    return report if _as_mapping(report.get("recipe")).get("recipe") == "representation" else {}


def _quote(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _as_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list_names(value: object) -> list[str]:
    """Return the names in a value of a recipe: one, several, or those of tables with ``data``."""
    several = value if isinstance(value, list | tuple) else [value]
    names = [one.get("data") if isinstance(one, Mapping) else one for one in several]
    return [name for name in names if isinstance(name, str) and name]
