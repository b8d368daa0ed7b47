"""Find a model by its name or folder and load it."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, UnknownNameError, UsageError, quote
from sentire.core.protocols import Context, Predictor
from sentire.runtime.encoder_model import KIND as ENCODER_KIND
from sentire.runtime.encoder_model import check_threads, read_encoder_model
from sentire.runtime.judgement import Judgement
from sentire.runtime.model_folder import ModelConfig, read_model_manifest
from sentire.runtime.tfidf_model import KIND as TFIDF_KIND
from sentire.runtime.tfidf_model import read_tfidf_model


class Model(Predictor, Protocol):
    """What every kind of model that the runtime can load offers."""

    @property
    def config(self) -> ModelConfig:
        """Name, label space, cut-offs and where the model comes from."""

    @property
    def has_vad(self) -> bool:
        """Whether it answers with valence, arousal and dominance."""

    def find_context_start(self, context: str) -> int:
        """Return where the part of a prepared context that is read begins, in characters; at its end where none is."""

    def judge(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> Judgement:
        """Return all that the model says of N texts."""

    def predict_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the scores before calibration, shape (N, C)."""


EMBEDDED_MODELS: Mapping[str, str] = MappingProxyType({"default": "default", "linear": "linear"})
"""Names of the models in the package, and the folder of each under ``assets``."""

_READERS: Mapping[str, Callable[[Path, Mapping[str, Any], int | None], Model]] = MappingProxyType(
    {
        # Linear models are faster than the reading of texts on one core, and never use a second one.
        TFIDF_KIND: lambda folder, manifest, _: read_tfidf_model(folder, manifest),
        ENCODER_KIND: lambda folder, manifest, n_threads: read_encoder_model(folder, manifest, n_threads=n_threads),
    }
)


def load(name_or_path: str | Path = "default", *, n_threads: int | None = None) -> Model:
    """Load a model.

    Args:
        name_or_path: The name of an embedded model (``default``, ``linear``) or the folder of a trained one.
        n_threads: How many cores an encoder may use; None for all. Linear models use one.

    Returns:
        The model; ``model.predict_proba(texts)`` gives calibrated probabilities of shape (N, C),
        ``model.predict(texts)`` decisions, ``model.label_space`` the labels of the columns.

    Raises:
        UsageError: It is neither a name nor a path, or the number of threads is none.
        UnknownNameError: There is no such model and no such folder.
        ArtifactError: The model is damaged, or of a kind or version that this version of Sentire does not know.

    Example:
        >>> model = load("linear")
        >>> model.predict_proba(["Thank you so much!"]).shape
        (1, 28)
    """
    if n_threads is not None:
        check_threads(n_threads)
    if not isinstance(name_or_path, str | Path):
        raise UsageError(
            expected="the name of a model or the folder of a trained one",
            got=f"{type(name_or_path).__name__} {quote(name_or_path)}",
        )
    if isinstance(name_or_path, str) and name_or_path in EMBEDDED_MODELS:
        folder = Path(str(files("sentire"))) / "assets" / EMBEDDED_MODELS[name_or_path]
    else:
        folder = Path(name_or_path)
        # Unlike Path.is_dir, this does not stumble over names that no file system takes.
        if not os.path.isdir(folder):  # noqa: PTH112
            raise _unknown(str(name_or_path), folder)
    manifest = read_model_manifest(folder)
    reader = _READERS.get(str(manifest.get("kind")))
    if reader is None:
        raise ArtifactError(
            expected=f"a model of the kind {', '.join(_READERS)}", got=quote(manifest.get("kind")), where=str(folder)
        )
    return reader(folder, manifest, n_threads)


def take_model(model: str | Path | Model) -> Model:
    """Return a model that is loaded already, or load the one that is named.

    Raises:
        UsageError: It is neither a model nor a name or path.
        UnknownNameError: There is no such model and no such folder.
        ArtifactError: The model is damaged.
    """
    is_loaded = not isinstance(model, str | Path) and callable(getattr(model, "judge", None))
    return cast("Model", model) if is_loaded else load(cast("str | Path", model))


def _unknown(name: str, folder: Path) -> UnknownNameError:
    error = UnknownNameError.among("model", name, EMBEDDED_MODELS)
    got = f"the file {name}" if os.path.isfile(folder) else quote(name)  # noqa: PTH113
    return UnknownNameError(expected=f"{error.expected} or the folder of a trained model", got=got, hint=error.hint)
