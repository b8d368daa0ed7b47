"""What a representation is learned from: texts as token numbers, with their classes, labels and affect."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentire.classifiers.labelled import LabelledSplit, read_labelled
from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import DataError
from sentire.core.labels import LabelSpace, load_label_space
from sentire.core.seeding import make_generator
from sentire.data.cards import DatasetCard
from sentire.data.registry import parse_split_name
from sentire.encoders.token_batches import TokenAssembler
from sentire.runtime.load import load
from sentire.training.label_affect import NORMS, mix_label_affect, read_label_affect
from sentire.training.representation_recipe import (
    LABELS,
    MODEL_PREFIX,
    PEOPLE,
    AffectSourceSection,
    RepresentationDataSection,
    RepresentationRecipe,
)
from sentire.training.sources import RatedSplit, keep_each_once, read_rated

NO_CLASS = -1
"""The class of a text that has no single label."""

_NOT_SINGLE = "without_one_label_alone"


@dataclass(frozen=True, kw_only=True)
class AffectTexts:
    """Texts with valence and arousal, and where these come from.

    Attributes:
        name: Data set and split.
        origin: ``people``, ``labels`` or ``model:NAME``.
        cards: Of the data set, and of the lexicon that the affect of its labels is from.
        texts: N texts.
        affect: Valence and arousal from -1 to 1, shape (N, 2).
        left_out: Rows that were not usable, by reason.
    """

    name: str
    origin: str
    cards: tuple[DatasetCard, ...]
    texts: list[str]
    affect: NDArray[np.float32]
    left_out: dict[str, int]

    @property
    def title(self) -> str:
        """Name and origin, for reports."""
        return f"{self.name}, affect by {self.origin}"


@dataclass(frozen=True, kw_only=True)
class RepresentationSources:
    """All that a recipe learns from and is measured on, as text.

    Attributes:
        labelled: The train split, or None.
        further: The second task's, or None.
        rated: Texts with affect.
        dev: With one label each, or None.
        dev_rated: With ratings by people, or None.
    """

    labelled: LabelledSplit | None
    further: LabelledSplit | None
    rated: tuple[AffectTexts, ...]
    dev: LabelledSplit | None
    dev_rated: RatedSplit | None

    @property
    def space(self) -> LabelSpace | None:
        """Of the labels."""
        return None if self.labelled is None else self.labelled.space

    @property
    def texts(self) -> list[str]:
        """All that is learned from, in the order of the material."""
        parts = [split.texts for split in (self.labelled, self.further) if split is not None]
        return [text for part in (*parts, *(split.texts for split in self.rated)) for text in part]

    @property
    def left_out(self) -> dict[str, dict[str, int]]:
        """Rows of each split that were not usable, by reason."""
        splits = [split for split in (self.labelled, self.further, self.dev) if split is not None]
        left_out = {split.name: split.left_out for split in splits}
        left_out |= {one.title: one.left_out for one in self.rated}
        if self.dev_rated is not None:
            left_out[f"{self.dev_rated.name}, affect by {PEOPLE}"] = self.dev_rated.left_out
        return left_out

    @property
    def n_dev_texts(self) -> dict[str, int]:
        """How many texts of each split are measured on."""
        counts = {} if self.dev is None else {self.dev.name: len(self.dev)}
        if self.dev_rated is not None:
            counts[f"{self.dev_rated.name}, affect by {PEOPLE}"] = len(self.dev_rated.texts)
        return counts

    @property
    def split_names(self) -> list[str]:
        """Of all that is learned from."""
        names = [split.name for split in (self.labelled, self.further) if split is not None]
        return [*names, *(split.name for split in self.rated)]

    @property
    def cards(self) -> list[DatasetCard]:
        """Of every data set and lexicon that is learned from, each once."""
        cards = [split.card for split in (self.labelled, self.further) if split is not None]
        cards += [card for split in self.rated for card in split.cards]
        return keep_each_once(cards)


@dataclass(frozen=True, kw_only=True)
class RepresentationMaterial:
    """N texts as a network learns from them.

    Attributes:
        tokens: Token numbers without special tokens.
        classes: The only label of each text, or ``NO_CLASS``; shape (N,).
        targets: Labels, 0 or 1, shape (N, C); all 0 in texts of other splits.
        degrees: Of the labels, from 0 to 1 where the data says so, else the labels themselves, shape (N, C).
        has_labels: Shape (N,).
        further_classes: The second task's class, or ``NO_CLASS``; shape (N,).
        affect: Valence and arousal in standard deviations around the mean, shape (N, 2).
        has_affect: Shape (N,).
    """

    tokens: list[list[int]]
    classes: NDArray[np.int64]
    targets: NDArray[np.float32]
    degrees: NDArray[np.float32]
    has_labels: NDArray[np.bool_]
    further_classes: NDArray[np.int64]
    affect: NDArray[np.float32]
    has_affect: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.tokens)


def read_representation_sources(recipe: RepresentationRecipe, data_root: Path | None = None) -> RepresentationSources:
    """Read every split that a recipe names, and draw from those that are larger than it wants.

    Raises:
        DataError, LabelError, UnknownNameError: As their messages say.
    """
    data, seed = recipe.data, recipe.seed
    labelled = _read_labels(data.train, data, data_root) if data.train else None
    dev = _read_labels(data.dev, data, data_root, None if labelled is None else labelled.space) if data.dev else None
    further = read_labelled(data.further_train, None, data_root) if data.further_train else None
    if further is not None and further.space.task != "single-label":
        raise DataError(
            expected="a second task with single labels", got=f"{further.space.id}", where=data.further_train
        )
    rated = tuple(_read_affect(source, data_root) for source in data.affect_train)
    dev_rated = read_rated(data.affect_dev, data_root) if data.affect_dev else None
    return RepresentationSources(
        labelled=None if labelled is None else _draw_labelled(labelled, data.n_train, seed),
        further=None if further is None else _draw_labelled(further, data.n_train, seed),
        rated=tuple(_draw_affect(one, data.n_train, seed) for one in rated),
        dev=None if dev is None else _keep_single(_draw_labelled(dev, data.n_dev, seed)),
        dev_rated=None if dev_rated is None else _draw_rated(dev_rated, data.n_dev, seed),
    )


def make_representation_material(sources: RepresentationSources, assembler: TokenAssembler) -> RepresentationMaterial:
    """Turn all that is learned from into token numbers and targets.

    Raises:
        DataError: Valence or arousal is the same in every text.
    """
    n_labels = 1 if sources.space is None else len(sources.space)
    classes, targets, degrees, further, affect = [], [], [], [], []
    for split in (sources.labelled, sources.further):
        if split is None:
            continue
        is_own = split is sources.labelled
        single = find_single_labels(split.targets)
        nothing = np.full(len(split), NO_CLASS)
        classes.append(single if is_own else nothing)
        further.append(nothing if is_own else single)
        no_labels = np.zeros((len(split), n_labels), np.float32)
        targets.append(split.targets.astype(np.float32) if is_own else no_labels)
        degrees.append(split.soft_targets if is_own else no_labels)
        affect.append(np.full((len(split), 2), np.nan))
    for rated in sources.rated:
        nothing = np.full(len(rated.texts), NO_CLASS)
        classes.append(nothing)
        further.append(nothing)
        targets.append(np.zeros((len(rated.texts), n_labels), np.float32))
        degrees.append(targets[-1])
        affect.append(rated.affect)
    joined = np.concatenate(affect).astype(np.float64)
    has_affect: NDArray[np.bool_] = np.all(np.isfinite(joined), axis=1)
    texts = sources.texts
    n_own = 0 if sources.labelled is None else len(sources.labelled)
    return RepresentationMaterial(
        tokens=assembler.tokenise(texts),
        classes=np.concatenate(classes).astype(np.int64),
        targets=np.concatenate(targets),
        degrees=np.concatenate(degrees),
        has_labels=np.arange(len(texts)) < n_own,
        further_classes=np.concatenate(further).astype(np.int64),
        affect=_standardise(joined, has_affect),
        has_affect=has_affect,
    )


def find_single_labels(targets: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the class of each text that has one label, and ``NO_CLASS`` of the others; shape (N,)."""
    return np.where(targets.sum(axis=1) == 1, targets.argmax(axis=1), NO_CLASS).astype(np.int64)


def _read_labels(
    name: str, data: RepresentationDataSection, data_root: Path | None, space: LabelSpace | None = None
) -> LabelledSplit:
    wanted = load_label_space(data.label_space) if data.label_space else space
    split = read_labelled(name, wanted, data_root)
    if data.rows == "all":
        return split
    single = _take_single(split)
    if not len(single):
        raise DataError(expected="texts with one label", got="none", where=name, hint='set data.rows = "all"')
    return single


def _take_single(split: LabelledSplit) -> LabelledSplit:
    """Leave out the texts that have not one label alone, and count them."""
    rows = np.flatnonzero(find_single_labels(split.targets) != NO_CLASS)
    left_out = {**split.left_out, _NOT_SINGLE: len(split) - len(rows)}
    return replace(split.take(rows), left_out=left_out)


def _keep_single(dev: LabelledSplit) -> LabelledSplit:
    """Keep of dev what can be measured on: a text's class is its only label.

    After the draw, so that what is drawn is what it always was; where all have one label already, nothing is done.
    """
    if _NOT_SINGLE in dev.left_out:
        return dev
    single = _take_single(dev)
    if not len(single):
        raise DataError(
            expected="dev texts with one label",
            got="none",
            where=dev.name,
            hint="take another metric and no data.dev",
        )
    return single


def _read_affect(source: AffectSourceSection, data_root: Path | None) -> AffectTexts:
    if source.ratings == PEOPLE:
        rated = read_rated(source.data, data_root)
        return AffectTexts(
            name=source.data,
            origin=PEOPLE,
            cards=(rated.card,),
            texts=rated.texts,
            affect=rated.ratings[:, :2],
            left_out=rated.left_out,
        )
    split = read_labelled(source.data, None, data_root)
    if source.ratings == LABELS:
        affect, is_known = mix_label_affect(split.soft_targets, read_label_affect(split.space, data_root))
        rows = np.flatnonzero(is_known)
        return AffectTexts(
            name=source.data,
            origin=LABELS,
            cards=(split.card, parse_split_name(NORMS)[0].card),
            texts=_take(split.texts, rows),
            affect=affect[rows, :2],
            left_out={**split.left_out, "without_a_label": len(split) - len(rows)},
        )
    model = load(source.ratings.removeprefix(MODEL_PREFIX))
    answered = model.judge(split.texts).vad
    if answered is None:
        raise DataError(
            expected="a model that answers valence and arousal", got="one without", where=f"ratings {source.ratings}"
        )
    return AffectTexts(
        name=source.data,
        origin=source.ratings,
        cards=(split.card,),
        texts=split.texts,
        affect=answered[:, :2],
        left_out=split.left_out,
    )


def _draw_rows(n_rows: int, n_wanted: int, seed: int, name: str) -> NDArray[np.intp] | None:
    if not n_wanted or n_wanted >= n_rows:
        return None
    return np.sort(make_generator(seed, f"drawn from {name}").choice(n_rows, size=n_wanted, replace=False))


def _draw_labelled(split: LabelledSplit, n_wanted: int, seed: int) -> LabelledSplit:
    rows = _draw_rows(len(split), n_wanted, seed, split.name)
    return split if rows is None else split.take(rows)


def _draw_affect(split: AffectTexts, n_wanted: int, seed: int) -> AffectTexts:
    rows = _draw_rows(len(split.texts), n_wanted, seed, split.name)
    return split if rows is None else replace(split, texts=_take(split.texts, rows), affect=split.affect[rows])


def _draw_rated(split: RatedSplit, n_wanted: int, seed: int) -> RatedSplit:
    rows = _draw_rows(len(split.texts), n_wanted, seed, split.name)
    return split if rows is None else replace(split, texts=_take(split.texts, rows), ratings=split.ratings[rows])


def _take(texts: Sequence[str], rows: NDArray[np.intp]) -> list[str]:
    return [texts[row] for row in rows]


def _standardise(affect: NDArray[np.float64], is_known: NDArray[np.bool_]) -> NDArray[np.float32]:
    if not is_known.any():
        return np.zeros(affect.shape, np.float32)
    known = affect[is_known]
    spread = known.std(axis=0)
    for dimension, one in zip(VAD_DIMENSIONS[:2], spread, strict=True):
        if one < 1e-6:
            raise DataError(
                expected=f"texts that differ in {dimension}", got="the same in all of them", where="data.affect_train"
            )
    scaled: NDArray[np.float32] = ((affect - known.mean(axis=0)) / spread).astype(np.float32)
    scaled[~is_known] = 0
    return scaled
