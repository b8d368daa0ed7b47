"""From the data sets that a recipe names to training material and dev sets."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire.classifiers.labelled import LabelledSplit, read_labelled
from sentire.core.affect import VAD_DIMENSIONS, VAD_UNIT
from sentire.core.errors import DataError
from sentire.core.labels import LabelSpace, load_label_space
from sentire.data.cards import DatasetCard
from sentire.data.reading import Reading
from sentire.data.registry import parse_split_name
from sentire.encoders.token_batches import TokenAssembler
from sentire.runtime.texts import prepare_texts
from sentire.training.material import Material, join_material
from sentire.training.recipe import EncoderDataSection, EncoderRecipe


@dataclass(frozen=True, kw_only=True)
class RatedSplit:
    """N texts with valence, arousal and dominance.

    Attributes:
        name: Data set and split.
        card: Of the data set.
        texts: N texts.
        ratings: Shape (N, 3), from -1 to 1.
        left_out: Rows that were not usable, by reason.
    """

    name: str
    card: DatasetCard
    texts: list[str]
    ratings: NDArray[np.float32]
    left_out: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """All that a recipe learns from and is measured on, as text.

    Attributes:
        labelled: The train split and the further ones.
        unlabelled: Texts without labels, by name of their split.
        rated: Texts with affect scores, or None.
        dev: With labels.
        dev_rated: With affect scores, or None.
    """

    labelled: list[LabelledSplit]
    unlabelled: dict[str, list[str]]
    rated: RatedSplit | None
    dev: LabelledSplit
    dev_rated: RatedSplit | None

    @property
    def space(self) -> LabelSpace:
        """Of the targets."""
        return self.labelled[0].space

    @property
    def cards(self) -> list[DatasetCard]:
        """Of every data set that weights are learned from, each once."""
        cards = [split.card for split in self.labelled]
        cards += [parse_split_name(name)[0].card for name in self.unlabelled]
        cards += [] if self.rated is None else [self.rated.card]
        return keep_each_once(cards)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that is learned from or chosen on."""
        rated = [one.texts for one in (self.rated, self.dev_rated) if one is not None]
        scores = [one.ratings.tobytes().hex() for one in (self.rated, self.dev_rated) if one is not None]
        splits = [split.fingerprint for split in (*self.labelled, self.dev)]
        return hashlib.sha256(orjson.dumps([splits, self.unlabelled, rated, scores])).hexdigest()[:16]


def keep_each_once(cards: Iterable[DatasetCard]) -> list[DatasetCard]:
    """Return the cards without repetitions; one name with another revision, licence or terms is another data set."""
    by_terms = {(card.name, card.revision, card.licence, card.weights_may_ship): card for card in cards}
    return list(by_terms.values())


def read_sources(data: EncoderDataSection, data_root: Path | None) -> Sources:
    """Read every split that a recipe names.

    Raises:
        DataError, LabelError, UnknownNameError: As their messages say.
    """
    wanted = load_label_space(data.label_space) if data.label_space else None
    train = read_labelled(data.train, wanted, data_root)
    if data.targets == "soft" and np.array_equal(train.soft_targets, train.targets):
        raise DataError(
            expected=f"degrees of the labels of {train.space.id}, for targets = 'soft'",
            got="none that differs from the hard labels",
            where=data.train,
            hint="set data.targets = 'hard', or give the data's scores the names of the labels",
        )
    return Sources(
        labelled=[train, *(read_labelled(name, train.space, data_root) for name in data.further_train)],
        unlabelled={name: _read_texts(name, data_root) for name in data.unlabelled},
        rated=read_rated(data.affect_train, data_root) if data.affect_train else None,
        dev=read_labelled(data.dev, train.space, data_root),
        dev_rated=read_rated(data.affect_dev, data_root) if data.affect_dev else None,
    )


def read_rated(name: str, data_root: Path | None) -> RatedSplit:
    """Read the texts of a split that carry all three scores.

    Raises:
        DataError: The data has no affect scores, or one is off its scale; the message names split and example.
    """
    dataset, split = parse_split_name(name)
    scale = dataset.card.affect_scale
    if scale is None:
        raise DataError(
            expected="a data set with valence, arousal and dominance",
            got=f"{dataset.name}, which names no scale of them",
            where=name,
            hint="in a description of your own data, set affect_scale",
        )
    reading, n_read = Reading(), 0
    texts: list[str] = []
    scores: list[list[float]] = []
    for example in dataset.iter_split(split, root=data_root, reading=reading):
        n_read += 1
        if all(dimension in example.scores for dimension in VAD_DIMENSIONS):
            row = [example.scores[dimension] for dimension in VAD_DIMENSIONS]
            scale.check(row, where=f"{name}, example {example.id}")
            texts.append(example.text)
            scores.append(row)
    if not texts:
        raise DataError(expected="examples with valence, arousal and dominance", got="none", where=name)
    ratings = scale.convert(scores, VAD_UNIT).astype(np.float32)
    return RatedSplit(
        name=name,
        card=dataset.card,
        texts=prepare_texts(texts),
        ratings=ratings,
        left_out={"rejected_rows": reading.n_rejected, "without_all_three_scores": n_read - len(texts)},
    )


def list_untaught(sources: Sources) -> dict[str, list[str]]:
    """Return the texts that teachers are asked about, by the names under which their answers are kept."""
    train = sources.labelled[0]
    texts = {train.name: train.texts, **sources.unlabelled}
    if sources.rated is not None:
        texts[_name_rated(sources, sources.rated)] = sources.rated.texts
    return texts


def make_material(
    sources: Sources, recipe: EncoderRecipe, assembler: TokenAssembler, soft_labels: dict[str, NDArray[np.float32]]
) -> Material:
    """Turn all that is learned from into token numbers and targets.

    Args:
        sources: The texts.
        recipe: Says which targets, and how often the further splits are repeated.
        assembler: Tokenises.
        soft_labels: The teachers' probabilities by the names of ``list_untaught``, each of shape (N, C); empty without
            teachers.
            Texts whose context the student reads and the teachers do not keep their own labels, and so do the further
            splits, which are there to teach what the teachers do not know.
    """
    parts: list[Material] = []
    hard_fraction = recipe.distillation.hard_fraction
    for number, split in enumerate(sources.labelled):
        own = split.soft_targets if recipe.data.targets == "soft" else split.targets.astype(np.float32)
        contexts = split.contexts if recipe.context.is_used else [()] * len(split)
        if number == 0 and split.name in soft_labels:
            mixed = hard_fraction * own + (1 - hard_fraction) * soft_labels[split.name]
            has_context = np.array([bool(turns) for turns in contexts])
            own = np.where(has_context[:, None], own, mixed).astype(np.float32)
        part = _label(split.texts, contexts, own, assembler)
        parts += [part] * (recipe.data.further_repeats if number else 1)
    n_labels = len(sources.space)
    for name, texts in sources.unlabelled.items():
        parts.append(_label(texts, [()] * len(texts), soft_labels[name], assembler))
    if sources.rated is not None:
        taught = soft_labels.get(_name_rated(sources, sources.rated))
        parts.append(_rate(sources.rated, n_labels, assembler, taught))
    return join_material(parts)


def make_dev_material(
    sources: Sources, recipe: EncoderRecipe, assembler: TokenAssembler
) -> tuple[Material, Material | None]:
    """Turn what is measured on into token numbers and targets: labelled texts, and rated ones or None."""
    dev = sources.dev
    contexts = dev.contexts if recipe.context.is_used else [()] * len(dev)
    labelled = _label(dev.texts, contexts, dev.targets.astype(np.float32), assembler)
    rated = sources.dev_rated
    return labelled, None if rated is None else _rate(rated, len(sources.space), assembler, None)


def _name_rated(sources: Sources, rated: RatedSplit) -> str:
    # One split may carry labels and ratings, and not all of its rows both.
    is_taken = rated.name == sources.labelled[0].name or rated.name in sources.unlabelled
    return f"{rated.name}, affect" if is_taken else rated.name


def _label(
    texts: list[str],
    contexts: Sequence[tuple[str, ...]],
    targets: NDArray[np.float32],
    assembler: TokenAssembler,
) -> Material:
    n = len(texts)
    return Material(
        texts=assembler.tokenise(texts),
        contexts=assembler.tokenise_contexts(contexts),
        targets=targets,
        has_labels=np.ones(n, np.bool_),
        affect=np.zeros((n, 3), np.float32),
        has_affect=np.zeros(n, np.bool_),
    )


def _rate(
    split: RatedSplit, n_labels: int, assembler: TokenAssembler, soft_labels: NDArray[np.float32] | None
) -> Material:
    n = len(split.texts)
    return Material(
        texts=assembler.tokenise(split.texts),
        contexts=[[] for _ in range(n)],
        targets=np.zeros((n, n_labels), np.float32) if soft_labels is None else soft_labels,
        has_labels=np.full(n, soft_labels is not None),
        affect=split.ratings,
        has_affect=np.ones(n, np.bool_),
    )


def _read_texts(name: str, data_root: Path | None) -> list[str]:
    dataset, split = parse_split_name(name)
    return prepare_texts([example.text for example in dataset.iter_split(split, root=data_root, reading=Reading())])
