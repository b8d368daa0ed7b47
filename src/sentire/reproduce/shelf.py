"""Encoders and vectors that the parts of a suite share: made once, found again, made anew where they are gone."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire.core.config import fingerprint
from sentire.core.errors import ArtifactError
from sentire.core.progress import OnProgress, stay_quiet
from sentire.data.cards import DatasetCard
from sentire.data.registry import parse_split_name
from sentire.encoders.sources import find_encoder
from sentire.representations.load import load_torch_encoder
from sentire.representations.sentence_encoder import SentenceEncoder
from sentire.storage.atomic import make_directory, open_atomic, write_json
from sentire.storage.locks import hold_lock
from sentire.training.label_affect import NORMS
from sentire.training.representation import REPORT_NAME, train_representation
from sentire.training.representation_recipe import LABELS, RepresentationRecipe

PRETRAINED = "pretrained"

METHOD_VERSION = 1
"""Of what the parts do. It stands in every part's file: raise it where a change of the code changes an outcome."""

ENCODERS_NAME = "encoders"
"""Folder of the encoders, one folder each, in that of a suite's work."""

_READY_NAME = "suite.json"


@dataclass(frozen=True, kw_only=True)
class Base:
    """The pre-trained encoder of a suite.

    Attributes:
        name: Registered, a folder, or on the hub.
        revision: The commit, for the hub.
        pooling: ``mean`` or ``cls``: of this encoder and of all that are trained from it.
        max_tokens: Of a text that is embedded.
    """

    name: str
    revision: str
    pooling: str
    max_tokens: int


class Shelf:
    """Where the encoders of a suite are.

    An encoder that is there is taken where its mark says that it is the very same: method, recipe, pre-trained encoder
    and revisions of the data. Else, as with a mark that lacks one of these, it is trained again.

    Args:
        folder: For what is large and can be made again.
        base: The pre-trained encoder.
        recipes: Of the encoders that are trained from it, by their names.
        data_root: Where the corpora are; found by itself where None.
        on_progress: Told of the trainings' steps.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base: Base,
        recipes: Mapping[str, RepresentationRecipe],
        data_root: Path | None = None,
        on_progress: OnProgress = stay_quiet,
    ) -> None:
        self.folder, self.base, self.recipes = folder, base, recipes
        self.data_root = data_root
        self._on_progress = on_progress
        self._open: dict[str, SentenceEncoder] = {}
        self._base_sha256: str | None = None

    def find(self, name: str) -> str:
        """Return the name by which ``find_encoder`` knows an encoder, after making sure that it is there.

        Raises:
            HeldError: Another process is training it.
        """
        if name == PRETRAINED:
            return self.base.name
        folder, recipe = self.folder / ENCODERS_NAME / name, self.recipes[name]
        with hold_lock(make_directory(self.folder / "locks" / f"encoder.{name}"), holder="process of this suite"):
            mark = self._mark(recipe)
            if not _is_ready(folder, mark):
                (folder / _READY_NAME).unlink(missing_ok=True)
                train_representation(
                    recipe,
                    folder,
                    data_root=self.data_root,
                    fixed_vectors=self._remember,
                    on_progress=self._on_progress,
                )
                write_json(folder / _READY_NAME, mark)
                _forget_checkpoints(folder)
        return str(folder)

    def list_data(self, name: str) -> list[DatasetCard]:
        """Return the cards of the data sets without which an encoder cannot be had: none where it is there."""
        if name == PRETRAINED:
            return []
        recipe = self.recipes[name]
        return [] if _is_ready(self.folder / ENCODERS_NAME / name, self._mark(recipe)) else _list_sources(recipe)

    def get_revision(self, name: str) -> str:
        """Return the revision that goes with the name of an encoder."""
        return self.base.revision if name == PRETRAINED else ""

    def describe_base(self) -> dict[str, object]:
        """Return what determines the vectors of the pre-trained encoder, as plain data."""
        if self._base_sha256 is None:
            self._base_sha256 = find_encoder(self.base.name, revision=self.base.revision).weights_sha256
        return {
            "weights_sha256": self._base_sha256,
            "pooling": self.base.pooling,
            "max_tokens": self.base.max_tokens,
        }

    def report(self, name: str) -> dict[str, object]:
        """Return the report of the training of an encoder."""
        content: dict[str, object] = orjson.loads((Path(self.find(name)) / REPORT_NAME).read_bytes())
        return content

    def encode(self, name: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts by an encoder, shape (N, D), from the shelf where they are on it."""
        return self._remember(self._load(name), list(texts))

    def _mark(self, recipe: RepresentationRecipe) -> dict[str, object]:
        return {
            "method": METHOD_VERSION,
            "recipe": fingerprint(recipe),
            "base": self.describe_base(),
            "data": list_revisions(recipe),
        }

    def _load(self, name: str) -> SentenceEncoder:
        if name not in self._open:
            # One beside the pre-trained one, with which most are compared.
            self._open = {kept: self._open[kept] for kept in self._open if kept == PRETRAINED}
            encoder = load_torch_encoder(
                self.find(name),
                revision=self.get_revision(name),
                pooling=self.base.pooling,
                max_tokens=self.base.max_tokens,
            )
            encoder.is_normalised = False  # a shift is measured between vectors as they are
            self._open[name] = encoder
        return self._open[name]

    def _remember(self, encoder: SentenceEncoder, texts: list[str]) -> NDArray[np.float32]:
        mark = hashlib.sha256(orjson.dumps([encoder.fingerprint, texts])).hexdigest()[:24]
        path = make_directory(self.folder / "vectors") / f"{mark}.npy"
        if path.exists():
            try:
                vectors: NDArray[np.float32] = np.load(path, allow_pickle=False)
            except (ValueError, OSError) as error:
                raise ArtifactError(
                    expected="vectors that can be read", got=str(error), where=str(path), hint="delete the file"
                ) from error
            if vectors.shape[0] == len(texts):
                return vectors
        vectors = encoder.encode(texts)
        with open_atomic(path) as file:
            np.save(file, vectors, allow_pickle=False)
        return vectors


def list_revisions(recipe: RepresentationRecipe) -> dict[str, str]:
    """Return the revision of each data set that a recipe learns from or chooses on, by its name."""
    return {card.name: card.revision for card in _list_cards(recipe)}


def _list_cards(recipe: RepresentationRecipe) -> list[DatasetCard]:
    data = recipe.data
    names = [data.train, data.further_train, data.dev, data.affect_dev, *(one.data for one in data.affect_train)]
    return [parse_split_name(name)[0].card for name in names if name]


def _list_sources(recipe: RepresentationRecipe) -> list[DatasetCard]:
    """Return what a training reads: its data sets and, where labels stand for affect, the norms of their words."""
    needs_norms = any(one.ratings == LABELS for one in recipe.data.affect_train)
    return [*_list_cards(recipe), *([parse_split_name(NORMS)[0].card] if needs_norms else [])]


def _forget_checkpoints(folder: Path) -> None:
    # Four times the size of the encoder, and of no use any more.
    for path in (folder / "checkpoints").glob("*.safetensors"):
        path.unlink()


def _is_ready(folder: Path, mark: Mapping[str, object]) -> bool:
    try:
        return bool(orjson.loads((folder / _READY_NAME).read_bytes()) == mark)
    except (OSError, orjson.JSONDecodeError):
        return False
