"""What a sentence-transformers model says beside its encoder: how its tokens become one vector, and how long a text is.

Its ``modules.json`` lists what stands after each other. Understood are an encoder, a pooling, and at most one scaling
to unit length; with any other module the vectors would be others, so such a model is refused and never half loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from sentire.core.errors import ArtifactError, describe, list_names, quote
from sentire.core.pooling import POOLINGS
from sentire.encoders.shape import LARGEST_CONFIG_BYTES, read_json_file
from sentire.encoders.sources import TOKENIZER_CONFIG_NAME, EncoderFiles, fetch_beside

MODULES_NAME = "modules.json"
POOLING_FOLDER = "1_Pooling"
POOLING_CONFIG_NAME = "config.json"
NORMALIZE_FOLDER = "2_Normalize"
TRANSFORMER_CONFIG_NAME = "sentence_bert_config.json"
SENTENCE_CONFIG_NAME = "config_sentence_transformers.json"

_SENTENCE_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_KINDS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])


@dataclass(frozen=True, kw_only=True)
class SentenceLayout:
    """How an encoder's folder wants its texts turned into vectors.

    Attributes:
        pooling: ``mean`` or ``cls``; ``mean`` where the folder does not say.
        is_normalised: Whether vectors are scaled to length 1.
        max_tokens: Of a text, special tokens included; None where the folder does not say.
        is_lowercased: Whether texts are put into small letters before the tokenizer sees them.
    """

    pooling: str = "mean"
    is_normalised: bool = False
    max_tokens: int | None = None
    is_lowercased: bool = False


def read_sentence_layout(files: EncoderFiles, *, pooling: str | None = None) -> SentenceLayout:
    """Read the files of a sentence-transformers model, where they are there.

    Args:
        files: From ``find_encoder``.
        pooling: What to do instead of what the folder says; its pooling is then not looked at.

    Raises:
        ArtifactError: A module or a pooling that is not supported, a default prompt before each text, or a file that
            cannot be read.
        FetchError: The hub cannot be reached.
    """
    fetch_beside(files, MODULES_NAME)
    modules = files.folder / MODULES_NAME
    limit = _read_length(_read_optional(files.folder / TOKENIZER_CONFIG_NAME), "model_max_length", is_checked=False)
    if not modules.is_file():
        return SentenceLayout(pooling=pooling or "mean", max_tokens=limit)
    for name in (TRANSFORMER_CONFIG_NAME, SENTENCE_CONFIG_NAME):
        fetch_beside(files, name)
    kinds, folders = _read_modules(modules)
    _refuse_prompt(files.folder / SENTENCE_CONFIG_NAME)
    transformer = _read_optional(files.folder / TRANSFORMER_CONFIG_NAME)
    if pooling is None:
        name = str(PurePosixPath(folders[1], POOLING_CONFIG_NAME))
        fetch_beside(files, name)
        pooling = _read_pooling(files.folder / name)
    length = _read_length(transformer, "max_seq_length", where=str(files.folder / TRANSFORMER_CONFIG_NAME))
    return SentenceLayout(
        pooling=pooling,
        is_normalised="Normalize" in kinds,
        max_tokens=limit if length is None else length,
        is_lowercased=transformer.get("do_lower_case") is True,
    )


def _read_modules(path: Path) -> tuple[list[str], list[str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(expected=f"a {path.name}", got=describe(error), where=str(path)) from error
    try:
        modules = orjson.loads(content if len(content) <= LARGEST_CONFIG_BYTES else b"")
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        folders = [str(module["path"]) for module in modules]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ArtifactError(
            expected="a list of modules with type and path", got=quote(content[:60]), where=str(path)
        ) from error
    if kinds not in _KINDS:
        raise ArtifactError(
            expected="the modules Transformer, Pooling and, where wanted, Normalize",
            got=list_names(kinds) or "none",
            where=str(path),
            hint="with another module the vectors would be others",
        )
    is_plain = all(folder.replace("_", "").isalnum() for folder in folders[1:])
    if folders[0] or not is_plain:
        raise ArtifactError(
            expected="an encoder in the folder itself and its modules in folders below",
            got=quote(folders),
            where=str(path),
        )
    return kinds, folders


def _read_pooling(path: Path) -> str:
    config = read_json_file(path)
    found = config.get("pooling_mode")
    if found is None:
        found = [name for key, name in _SENTENCE_POOLINGS.items() if config.get(key)] or ["mean"]
    names = [found] if isinstance(found, str) else found
    if not isinstance(names, list) or len(names) != 1 or names[0] not in POOLINGS:
        raise ArtifactError(
            expected=f"a pooling ({', '.join(POOLINGS)})",
            got=quote(found),
            where=str(path),
            hint="name the pooling to take instead; the vectors are then others than the model's own",
        )
    return str(names[0])


def _refuse_prompt(path: Path) -> None:
    config = _read_optional(path)
    prompts, default = config.get("prompts"), config.get("default_prompt_name")
    prompt = prompts.get(default) if isinstance(prompts, Mapping) and isinstance(default, str) else None
    if prompt:
        raise ArtifactError(
            expected="a model without a default prompt before each text",
            got=quote(prompt),
            where=str(path),
            hint="set default_prompt_name to null and put the prompt into the texts",
        )


def _read_length(config: Mapping[str, Any], key: str, *, where: str = "", is_checked: bool = True) -> int | None:
    value = config.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000:
        return value
    if value is not None and is_checked:
        raise ArtifactError(expected=f"a {key} of 1 token or more, or null", got=quote(value), where=where)
    return None  # tokenizers write 1e30 for no limit


def _read_optional(path: Path) -> dict[str, Any]:
    return read_json_file(path) if path.is_file() else {}
