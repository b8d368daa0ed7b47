"""A split as a classifier learns from it: texts, contexts, targets, and what had to be left out."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire.core.errors import DataError, LabelError, list_names
from sentire.core.label_maps import load_label_map
from sentire.core.labels import LABEL_SPACES, LabelSpace
from sentire.core.records import Example
from sentire.data.cards import DatasetCard
from sentire.data.reading import Reading
from sentire.data.registry import parse_split_name
from sentire.runtime.texts import prepare_text, prepare_texts


@dataclass(frozen=True, kw_only=True)
class LabelledSplit:
    """N texts with labels of one space.

    Attributes:
        name: Data set and split, as the recipe names them.
        card: Of the data set.
        space: Of the targets; the data's own, or the one its labels were mapped to.
        ids: Of the texts.
        texts: N texts.
        contexts: For each text the earlier turns or the situation, oldest first; empty where none is known.
        groups: For each text what must stay on one side of a split; empty where there is no such thing.
        targets: Hard labels, shape (N, C).
        soft_targets: Degrees from 0 to 1, shape (N, C): what the data says of each label where it says it, the hard
            label elsewhere.
        left_out: Rows that were not usable, by reason.
        n_without_label: Texts to which the data gives no label, which is a truth to learn from.
    """

    name: str
    card: DatasetCard
    space: LabelSpace
    ids: list[str]
    texts: list[str]
    contexts: list[tuple[str, ...]]
    groups: list[str]
    targets: NDArray[np.bool_]
    soft_targets: NDArray[np.float32]
    left_out: dict[str, int]
    n_without_label: int

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def fingerprint(self) -> str:
        """A hash of all that is learned from: the revision of a card does not change with your own files' rows."""
        digest = hashlib.sha256(orjson.dumps([self.card.revision, self.space.id, self.texts, self.contexts]))
        digest.update(self.targets.tobytes())
        digest.update(self.soft_targets.tobytes())
        return digest.hexdigest()[:16]

    def take(self, rows: NDArray[np.intp]) -> "LabelledSplit":
        """Return some of the texts, in the given order."""
        chosen = rows.tolist()
        return replace(
            self,
            ids=[self.ids[row] for row in chosen],
            texts=[self.texts[row] for row in chosen],
            contexts=[self.contexts[row] for row in chosen],
            groups=[self.groups[row] for row in chosen],
            targets=self.targets[rows],
            soft_targets=self.soft_targets[rows],
            n_without_label=int((~self.targets[rows].any(axis=1)).sum()),
        )


def join_labelled(first: LabelledSplit, second: LabelledSplit) -> LabelledSplit:
    """Return the texts of both, with the name and the card of the first; ids stay unique by the second's name.

    Raises:
        LabelError: Their label spaces are not the same.
    """
    if first.space.labels != second.space.labels:
        raise LabelError(
            expected=f"the labels of {first.space.id}", got=f"those of {second.space.id}", where=second.name
        )
    left_out = {reason: first.left_out.get(reason, 0) + n for reason, n in second.left_out.items()}
    return replace(
        first,
        ids=[*first.ids, *(f"{second.name}/{one}" for one in second.ids)],
        texts=[*first.texts, *second.texts],
        contexts=[*first.contexts, *second.contexts],
        groups=[*first.groups, *second.groups],
        targets=np.concatenate([first.targets, second.targets]),
        soft_targets=np.concatenate([first.soft_targets, second.soft_targets]),
        left_out={**first.left_out, **left_out},
        n_without_label=first.n_without_label + second.n_without_label,
    )


def read_labelled(name: str, wanted: LabelSpace | None = None, data_root: Path | None = None) -> LabelledSplit:
    """Read a split with labels, mapped to the wanted space where that is another one.

    Args:
        name: Such as ``goemotions:train`` or ``FILE.toml:SPLIT``.
        wanted: Label space of the targets; None for the data's own.
        data_root: Where the corpora are; found by itself where None.

    Raises:
        DataError: The data has no labels, or no usable example, or a soft label is not a number from 0 to 1.
        LabelError: The data's labels are others, and no map leads from them to the wanted ones.
        UnknownNameError: No such data set, split, or map between the label spaces.
    """
    dataset, split = parse_split_name(name)
    space = dataset.card.label_space
    if space is None:
        raise DataError(expected="a data set with labels", got=dataset.card.name, where=name)
    reading = Reading()
    examples = dataset.read_split(split, root=data_root, reading=reading)
    labels: list[tuple[str, ...]] = [example.labels for example in examples]
    is_mapped = wanted is not None and wanted != space
    if wanted is not None and wanted.id == space.id and wanted.labels != space.labels:
        raise LabelError(expected=f"the labels of {wanted.id} in their order", got=", ".join(space.labels), where=name)
    if is_mapped and wanted is not None and (space.name not in LABEL_SPACES or wanted.name not in LABEL_SPACES):
        raise LabelError(
            expected=f"labels of {wanted.id}, since there are no maps between label spaces of your own",
            got=f"{space.id} with {list_names(space.labels)}",
            where=name,
            hint="give both descriptions the same name and the same labels",
        )
    if is_mapped and wanted is not None:
        label_map = load_label_map(space.name, wanted.name)
        space, labels = label_map.target, [label_map.map_labels(row) for row in labels]
    usable = [(example, row) for example, row in zip(examples, labels, strict=True) if _is_usable(example, row, space)]
    if not any(row for _, row in usable):
        raise DataError(expected=f"examples with labels of {space.id}", got="none", where=name)
    targets = space.encode(row for _, row in usable)
    return LabelledSplit(
        name=name,
        card=dataset.card,
        space=space,
        ids=[example.id for example, _ in usable],
        texts=prepare_texts([example.text for example, _ in usable]),
        contexts=[tuple(prepare_text(turn) for turn in example.context) for example, _ in usable],
        groups=[example.group for example, _ in usable],
        targets=targets,
        # Degrees are given in the data's own labels; no map says what becomes of a degree.
        soft_targets=targets.astype(np.float32)
        if is_mapped
        else _read_degrees([example for example, _ in usable], targets, space, where=name),
        left_out={"rejected_rows": reading.n_rejected, "without_usable_label": len(examples) - len(usable)},
        n_without_label=sum(not row for _, row in usable),
    )


def _is_usable(example: Example, labels: tuple[str, ...], space: LabelSpace) -> bool:
    if not example.is_labelled:
        return False
    if space.task == "single-label":
        return len(labels) == 1
    # No label at all is a truth to learn from; labels that lead nowhere in the wanted space are not.
    return bool(labels) or not example.labels


def _read_degrees(
    examples: list[Example], targets: NDArray[np.bool_], space: LabelSpace, *, where: str
) -> NDArray[np.float32]:
    degrees = targets.astype(np.float32)
    for row, example in enumerate(examples):
        for label, degree in example.scores.items():
            if label not in space:
                continue
            if not 0 <= degree <= 1:  # also what is no number
                raise DataError(
                    expected="soft labels from 0 to 1",
                    got=f"{label} {degree:g}",
                    where=f"{where}, example {example.id}",
                )
            degrees[row, space.index(label)] = degree
    return degrees
