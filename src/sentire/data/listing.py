"""The registered data sets at a glance, and whether their files are at hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentire.data.cards import DatasetCard
from sentire.data.registry import DATASETS
from sentire.data.root import find_data_root


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDataset:
    """A registered data set.

    Attributes:
        card: What is known of it.
        is_at_hand: Every file that it needs is in the data root; their content is not looked at.
    """

    card: DatasetCard
    is_at_hand: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the main facts as plain data."""
        return {
            "name": self.card.name,
            "title": self.card.title,
            "kind": self.card.kind,
            "splits": _known_counts(self.card),
            "label_space": None if self.card.label_space is None else self.card.label_space.id,
            "licence": self.card.licence,
            "weights_may_ship": self.card.weights_may_ship,
            "is_at_hand": self.is_at_hand,
        }


def list_known(root: Path | None = None) -> list[KnownDataset]:
    """Return all registered data sets in the order of the registry."""
    folder = root if root is not None else find_data_root()
    return [
        KnownDataset(card=dataset.card, is_at_hand=all((folder / file.path).exists() for file in dataset.card.files))
        for dataset in DATASETS.values()
    ]


def _known_counts(card: DatasetCard) -> dict[str, int | None]:
    # The card of data of your own is made before they are read: it knows the splits but not how long they are.
    return {split: count or None for split, count in card.split_counts.items()}


def card_as_dict(card: DatasetCard) -> dict[str, Any]:
    """Return a whole card as plain data."""
    return {
        "name": card.name,
        "title": card.title,
        "kind": card.kind,
        "revision": card.revision,
        "citation": card.citation,
        "homepage": card.homepage,
        "licence": card.licence,
        "weights_may_ship": card.weights_may_ship,
        "label_space": None if card.label_space is None else card.label_space.id,
        "labels": [] if card.label_space is None else list(card.label_space.labels),
        "affect_scale": None if card.affect_scale is None else card.affect_scale.id,
        "splits": _known_counts(card),
        "grouped_by": card.grouped_by,
        "has_context": card.has_context,
        "files": [
            {"path": file.path, "sha256": file.sha256, "url": file.url, "is_optional": file in card.optional_files}
            for file in (*card.files, *card.optional_files)
        ],
        "defects": list(card.defects),
        "changes": list(card.changes),
        "access": card.access,
        "is_ours": card.is_ours,
        "is_contrast_set": card.is_contrast_set,
    }
