"""What a model has learned from, as far as it tells and as far as that can be read here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sentire.core.affect import VAD_DIMENSIONS, AffectScale
from sentire.core.errors import SentireError
from sentire.core.records import Example
from sentire.data.dataset import Dataset
from sentire.data.registry import parse_split_name
from sentire.runtime.load import Model
from sentire.training.earlier_data import EARLIER_DATA, UNKNOWN

Target = Literal["labels", "affect"]
"""What is measured: labels, or valence, arousal and dominance."""

TARGETS: tuple[Target, ...] = get_args(Target)

_CHOSEN_ON = {
    "labels": "cut-offs and calibration were chosen on this very split",
    "affect": "the model was chosen on this very split",
}


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What a model learned the target from, and the reasons for caution that follow.

    Attributes:
        name: Of its training split, such as ``emobank:train``; empty where that is not known, cannot be read, or is
            the measured split itself.
        texts: Of that split, and of further ones that can be read; None where ``name`` is empty.
        mean_scores: Mean valence, arousal and dominance, shape (3,), on ``scale``; None where they were not looked
            for or no text carries all three.
        scale: Of the mean.
        cautions: Reasons to read figures with care.
    """

    name: str = ""
    texts: tuple[str, ...] | None = None
    mean_scores: NDArray[np.float64] | None = None
    scale: AffectScale | None = None
    cautions: tuple[str, ...] = ()

    def mean_on(self, scale: AffectScale) -> NDArray[np.float64] | None:
        """Return the mean scores on another scale, shape (3,), or None where there are none."""
        if self.mean_scores is None or self.scale is None:
            return None
        return self.scale.convert(self.mean_scores, scale, where=self.name)


def look_at_training(
    model: Model, dataset: Dataset, split: str, data_root: Path | None, *, target: Target
) -> TrainingData:
    """Read the splits that a model was trained on, where it names them and they are at hand.

    For labels these are ``train``, ``further_train`` and ``unlabelled`` of the model's recipe, and ``affect_train``
    where teachers labelled its texts; for affect scores ``affect_train``, or ``train`` where the recipe names no other
    and that data set has scores. ``dev`` and ``affect_dev`` are where it was chosen. What the models before it had
    learned from, its start and its teachers, counts as if it had learned from that itself.

    Args:
        model: The model that is measured.
        dataset: On which it is measured.
        split: On which it is measured.
        data_root: Where the corpora are; found by itself where None.
        target: Which of the model's answers are measured.
    """
    recipe = _as_mapping(model.config.training.get("recipe"))
    earlier = _as_mapping(model.config.training.get(EARLIER_DATA))
    named = _as_mapping(recipe.get("data"))
    main = "affect_train" if target == "affect" and "affect_train" in named else "train"
    dev = main.replace("train", "dev")
    parts = {part: _list_names(named.get(part)) for part in (main, dev)}
    if target == "labels":
        parts |= {part: _list_names(named.get(part)) for part in ("further_train", "unlabelled")}
        if _list_names(_as_mapping(recipe.get("distillation")).get("teachers")):
            parts["affect_train"] = _list_names(named.get("affect_train"))
    parts[EARLIER_DATA] = _list_names(earlier.get(target))
    cautions: list[str] = []
    found = TrainingData()
    for part, names in parts.items():
        who = "a model before it" if part == EARLIER_DATA else "the model"
        whose = "an earlier model's" if part == EARLIER_DATA else f"the model's {part}"
        for name in names:
            try:
                seen, seen_split = parse_split_name(name)
                if target == "affect" and seen.card.affect_scale is None:
                    continue
                if (seen.name, seen.card.revision, seen_split) == (dataset.name, dataset.card.revision, split):
                    cautions.append(_CHOSEN_ON[target] if part == dev else f"{who} was trained on this very split")
                elif part == main:
                    found = _read(name, seen, seen_split, data_root, target)
                elif part != dev and found.texts is not None:
                    more = _read(name, seen, seen_split, data_root, target).texts or ()
                    found = replace(found, texts=(*found.texts, *more))
            except SentireError:
                # Why not would name folders of this machine, and a result may be given away.
                cautions.append(f"{whose} split, {name}, cannot be read here")
    cautions += [
        f"what {name} learned from, before the model learned from it, is not known"
        for name in _list_names(earlier.get(UNKNOWN))
    ]
    if found.texts is None:
        cautions.append("texts that also occur in the training data were not looked for")
    return replace(found, cautions=tuple(cautions))


def get_affect_scores(example: Example) -> list[float] | None:
    """Return an example's valence, arousal and dominance, or None where one of them is missing."""
    if any(dimension not in example.scores for dimension in VAD_DIMENSIONS):
        return None
    return [example.scores[dimension] for dimension in VAD_DIMENSIONS]


def _read(name: str, dataset: Dataset, split: str, data_root: Path | None, target: Target) -> TrainingData:
    texts: list[str] = []
    scores: list[list[float]] = []
    for example in dataset.iter_split(split, root=data_root):
        texts.append(example.text)
        rated = get_affect_scores(example) if target == "affect" else None
        if rated is not None:
            scores.append(rated)
    return TrainingData(
        name=name,
        texts=tuple(texts),
        mean_scores=np.mean(scores, axis=0) if scores else None,
        scale=dataset.card.affect_scale,
    )


def _as_mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list_names(value: object) -> list[str]:
    names = value if isinstance(value, list | tuple) else [value]
    return [name for name in names if isinstance(name, str) and name]
