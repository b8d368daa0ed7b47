"""Find a model by its name or folder and load it."""

import os
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from sentire.core.errors import ArtifactError, UnknownNameError, UsageError, quote
from sentire.runtime.model_folder import read_model_manifest
from sentire.runtime.tfidf_model import KIND as TFIDF_KIND
from sentire.runtime.tfidf_model import TfidfModel, read_tfidf_model

Model = TfidfModel
"""Every kind of model that the runtime can load."""

EMBEDDED_MODELS: Mapping[str, str] = MappingProxyType({"default": "linear", "linear": "linear"})
"""Names of the models in the package, and the folder of each under ``assets``."""

_READERS: Mapping[str, Callable[[Path, Mapping[str, Any]], Model]] = MappingProxyType({TFIDF_KIND: read_tfidf_model})


def load(name_or_path: str | Path = "default") -> Model:
    """Load a model.

    Args:
        name_or_path: The name of an embedded model (``default``, ``linear``) or the folder of a trained one.

    Returns:
        The model; ``model.predict_proba(texts)`` gives calibrated probabilities of shape (N, C),
        ``model.predict(texts)`` decisions, ``model.label_space`` the labels of the columns.

    Raises:
        UsageError: It is neither a name nor a path.
        UnknownNameError: There is no such model and no such folder.
        ArtifactError: The model is damaged, or of a kind or version that this version of Sentire does not know.

    Example:
        >>> model = load("linear")
        >>> model.predict_proba(["Thank you so much!"]).shape
        (1, 28)
    """
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
    return reader(folder, manifest)


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
