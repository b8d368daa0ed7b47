"""Load an encoder by name, as one that turns texts into vectors."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sentire.core.errors import ArtifactError, MissingExtraError, UnknownNameError, UsageError, quote
from sentire.core.pooling import POOLINGS
from sentire.encoders.sources import REGISTERED_ENCODERS, EncoderFiles, find_encoder
from sentire.representations.model_encoder import ModelEncoder
from sentire.representations.text_encoder import TextEncoder
from sentire.runtime.encoder_model import EncoderModel
from sentire.runtime.load import EMBEDDED_MODELS, load
from sentire.runtime.model_folder import MODEL_FORMAT
from sentire.storage.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from sentire.representations.sentence_encoder import SentenceEncoder

MODELS_WITH_VECTORS = ("default",)
"""Names of the embedded models that turn texts into vectors."""


def load_encoder(
    name: str | Path, *, revision: str = "", pooling: str | None = None, max_tokens: int | None = None
) -> TextEncoder:
    """Load an encoder whose ``encode`` turns N texts into an (N, D) array.

    Args:
        name: ``default``, the embedded model, or the folder of a trained one: the vectors from which it judges, without
            torch. Or what ``load_torch_encoder`` takes: ``minilm``, the folder of an encoder, a name on the hub.
            A Path is always a folder.
        revision: For the hub, and required there: the full commit.
        pooling: ``mean`` or ``cls``, instead of what the folder says; not for a model, whose vectors are its own.
        max_tokens: Of a text, special tokens included, instead of what the folder says; not for a model.

    Raises:
        UnknownNameError: No such encoder or pooling.
        UsageError: A name that is none, a hub name without a commit, more tokens than the encoder takes, or a model
            that has no vectors or whose vectors are asked to be others.
        MissingExtraError: Torch, transformers, or the package of the registered encoder is not installed.
        FetchError: The hub cannot be reached, or does not have the encoder.
        ArtifactError: A file is missing, damaged or of an unsupported kind, or the tokenizer is another encoder's.

    Example:
        >>> encoder = load_encoder("default")
        >>> encoder.encode(["What a day!", "So glad."]).shape
        (2, 384)
    """
    name = _take_name(name)
    if name in EMBEDDED_MODELS or _holds_model(name):
        if revision or pooling is not None or max_tokens is not None:
            raise UsageError(
                expected="no revision, pooling or max_tokens for a model, whose vectors are its own",
                got="one of them",
                where=name,
            )
        return _load_model_encoder(name)
    _check_settings(pooling, max_tokens)
    try:
        files = _find(name, revision)
    except UnknownNameError as error:
        raise _unknown(name) from error
    return _load_found(files, pooling, max_tokens)


def load_torch_encoder(
    name: str | Path, *, revision: str = "", pooling: str | None = None, max_tokens: int | None = None
) -> "SentenceEncoder":
    """Load an encoder with torch: one that can be trained further, or saved.

    What a folder says as a sentence-transformers model is followed: its pooling, its longest text, and whether vectors
    are scaled to length 1. Any other encoder is pooled by the mean, takes as many tokens as it has positions, and its
    vectors keep their lengths. It lies on the GPU where there is one.

    Args:
        name: A registered name (``minilm``), a folder in the layout of transformers or sentence-transformers, or
            ``owner/name`` on the Hugging Face hub.
        revision: For the hub, and required there: the full commit.
        pooling: ``mean`` or ``cls``, instead of what the folder says.
        max_tokens: Of a text, special tokens included, instead of what the folder says.

    Raises:
        UnknownNameError, UsageError, MissingExtraError, FetchError, ArtifactError: As ``load_encoder``.
    """
    _check_settings(pooling, max_tokens)
    return _load_found(_find(_take_name(name), revision), pooling, max_tokens)


def _take_name(name: str | Path) -> str:
    if not isinstance(name, str | Path):
        raise UsageError(
            expected="the name or the folder of a model or an encoder", got=f"{type(name).__name__} {quote(name)}"
        )
    taken = str(name)
    is_taken_for_another = isinstance(name, Path) and (taken in EMBEDDED_MODELS or taken in REGISTERED_ENCODERS)
    return f"./{taken}" if is_taken_for_another else taken


def _holds_model(folder: str) -> bool:
    """Tell whether a folder has a manifest of ours; other tools, too, put files of that name into an encoder's.

    It is not parsed: that one of ours is damaged is for its reader to say.
    """
    try:
        return f'"{MODEL_FORMAT}"'.encode() in (Path(folder) / MANIFEST_NAME).read_bytes()
    except (OSError, ValueError):  # there is none, or it is a name that no folder can have
        return False


def _check_settings(pooling: str | None, max_tokens: int | None) -> None:
    if pooling is not None and pooling not in POOLINGS:
        raise UnknownNameError.among("pooling", pooling, POOLINGS)
    if max_tokens is not None and (not isinstance(max_tokens, int) or isinstance(max_tokens, bool)):
        raise UsageError(expected="a whole number", got=quote(max_tokens), where="max_tokens")


def _find(name: str, revision: str) -> EncoderFiles:
    """Find an encoder's files before torch is imported, which takes seconds, or is missed."""
    if revision and (find_spec("torch") is None or find_spec("transformers") is None):
        # What has a revision is fetched from the hub: for nothing, if it cannot be loaded then.
        raise MissingExtraError(extra="train", needed_for=f"the encoder {quote(name)}")
    return find_encoder(name, revision=revision)


def _load_found(files: EncoderFiles, pooling: str | None, max_tokens: int | None) -> "SentenceEncoder":
    from sentire.encoders.device import find_device
    from sentire.encoders.load import build_encoder
    from sentire.encoders.sentence_layout import MODULES_NAME, read_sentence_layout
    from sentire.encoders.tokenizer import load_tokenizer
    from sentire.representations.sentence_encoder import SentenceEncoder

    layout = read_sentence_layout(files, pooling=pooling)
    model, shape = build_encoder(files)
    tokenizer = load_tokenizer(files.tokenizer, vocab_size=shape.vocab_size)
    if layout.is_lowercased and (tokenizer.normalizer is None or tokenizer.normalizer.normalize_str("É") == "É"):
        raise ArtifactError(
            expected="a tokenizer that lowers capitals itself, where do_lower_case is set",
            got="one that keeps them",
            where=str(files.folder / MODULES_NAME),
        )
    longest = shape.n_positions if layout.max_tokens is None else min(layout.max_tokens, shape.n_positions)
    return SentenceEncoder(
        model.to(find_device()),
        tokenizer,
        shape,
        name=files.name,
        revision=files.revision,
        pooling=layout.pooling,
        max_tokens=longest if max_tokens is None else max_tokens,
        is_normalised=layout.is_normalised,
    )


def _load_model_encoder(name: str) -> ModelEncoder:
    model = load(name)
    if not isinstance(model, EncoderModel):
        raise UsageError(
            expected=f"a model that has vectors, such as default, or an encoder ({', '.join(REGISTERED_ENCODERS)})",
            got=quote(name),
            where="encoder",
        )
    return ModelEncoder(model, name=name)


def _unknown(name: str) -> UnknownNameError:
    error = UnknownNameError.among("model or encoder", name, [*MODELS_WITH_VECTORS, *REGISTERED_ENCODERS])
    return UnknownNameError(
        expected=f"{error.expected}, the folder of one, or owner/name on the Hugging Face hub",
        got=error.got,
        hint=error.hint,
    )
