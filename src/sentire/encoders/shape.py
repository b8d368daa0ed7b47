"""The configuration of a pre-trained encoder: which kinds are supported, and the numbers that describe one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from sentire.core.errors import ArtifactError, describe, quote

LARGEST_CONFIG_BYTES = 4 * 1024 * 1024

ROBERTA_TYPES = frozenset({"roberta", "xlm-roberta"})
"""Their positions begin after the padding token's id, and their files know one token type."""

SUPPORTED_ACTIVATIONS = frozenset({"gelu", "gelu_python"})
"""Two names of one function: x times the normal distribution's share below x."""

_COMMON_KEYS = MappingProxyType(
    {
        "vocab_size": "vocab_size",
        "hidden_size": "hidden_size",
        "n_layers": "num_hidden_layers",
        "n_heads": "num_attention_heads",
        "intermediate_size": "intermediate_size",
        "n_rows": "max_position_embeddings",
        "activation": "hidden_act",
    }
)
_DISTILBERT_KEYS = MappingProxyType(
    {
        "vocab_size": "vocab_size",
        "hidden_size": "dim",
        "n_layers": "n_layers",
        "n_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "n_rows": "max_position_embeddings",
        "activation": "activation",
    }
)
SUPPORTED_TYPES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "bert": _COMMON_KEYS,
        "distilbert": _DISTILBERT_KEYS,
        "electra": _COMMON_KEYS,
        "roberta": _COMMON_KEYS,
        "xlm-roberta": _COMMON_KEYS,
    }
)
"""The supported ``model_type`` of a config.json, and what each calls its numbers."""

# Beyond anything that exists; a file that asks for more would only fill the memory.
_LARGEST = {
    "vocab_size": 4_000_000,
    "hidden_size": 16_384,
    "n_layers": 256,
    "n_heads": 512,
    "intermediate_size": 131_072,
    "n_rows": 1_000_000,
}
_DEFAULT_EPSILON = 1e-12
_ROBERTA_PADDING = 1


@dataclass(frozen=True, kw_only=True)
class EncoderShape:
    """The numbers that describe an encoder.

    Attributes:
        model_type: ``bert``, ``roberta``, ``xlm-roberta``, ``distilbert`` or ``electra``.
        hidden_size: D, the length of a token's vector.
        n_layers: Transformer layers.
        n_heads: Attention heads of a layer; they divide D.
        intermediate_size: Width inside a layer's feed-forward part.
        vocab_size: Rows of the token embeddings.
        n_positions: Tokens that the encoder can take at once, special ones included.
        layer_norm_eps: Added to the variance in every layer norm.
        position_offset: Position of the first token in the table of positions: 0, or 2 for the RoBERTa kind, whose
            table has ``position_offset + n_positions`` rows.
        n_token_types: Rows of the token types once loaded: at least 2, or 0 for DistilBERT, which has none.
        padding_id: The token that fills up short rows in training.
    """

    model_type: str
    hidden_size: int
    n_layers: int
    n_heads: int
    intermediate_size: int
    vocab_size: int
    n_positions: int
    layer_norm_eps: float
    position_offset: int
    n_token_types: int
    padding_id: int


def read_json_file(path: Path) -> dict[str, Any]:
    """Read a small JSON file that holds an object.

    Raises:
        ArtifactError: It cannot be read, is too large, or holds something else.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_CONFIG_BYTES + 1)
    except (OSError, ValueError) as error:
        got = describe(error) if isinstance(error, OSError) else str(error)
        raise ArtifactError(expected=f"an encoder's {path.name}", got=got, where=str(path)) from error
    if len(content) > LARGEST_CONFIG_BYTES:
        raise ArtifactError(expected=f"at most {LARGEST_CONFIG_BYTES} bytes", got="a larger file", where=str(path))
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ArtifactError(expected=f"{path.name} in JSON", got=error.msg, where=str(path)) from error
    if not isinstance(value, dict):
        raise ArtifactError(expected="a JSON object", got=quote(value), where=str(path))
    return value


def refuse_remote_code(config: Mapping[str, Any], *, where: str) -> None:
    """Refuse a configuration that asks to run code which comes with it.

    Raises:
        ArtifactError: It has an ``auto_map``.
    """
    if "auto_map" in config:
        raise ArtifactError(
            expected="an encoder without code of its own",
            got=f"auto_map {quote(config['auto_map'])}",
            where=where,
            hint="code from a model's folder is never run; choose an encoder of a supported type",
        )


def describe_encoder(config: Mapping[str, Any], *, where: str = "config.json") -> EncoderShape:
    """Check a ``config.json`` and return what it says, without torch.

    Args:
        config: The content of the file.
        where: The file, for messages.

    Raises:
        ArtifactError: Code of its own, a type, activation or kind of positions that is not supported, or a number that
            is missing or makes no sense.
    """
    refuse_remote_code(config, where=where)
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in SUPPORTED_TYPES:
        raise ArtifactError(
            expected=f"an encoder of a supported model_type ({', '.join(sorted(SUPPORTED_TYPES))})",
            got=quote(model_type),
            where=where,
        )
    keys = SUPPORTED_TYPES[model_type]
    _check_kind(config, model_type, keys["activation"], where)
    sizes = {name: _take_int(config, keys[name], 1, largest, where) for name, largest in _LARGEST.items()}
    if sizes["hidden_size"] % sizes["n_heads"]:
        raise ArtifactError(
            expected=f"a {keys['hidden_size']} that {keys['n_heads']} divides",
            got=f"{sizes['hidden_size']} and {sizes['n_heads']}",
            where=where,
        )
    is_roberta = model_type in ROBERTA_TYPES
    default_padding = _ROBERTA_PADDING if is_roberta else 0
    padding_id = _take_int(config, "pad_token_id", 0, sizes["vocab_size"] - 1, where, default=default_padding)
    offset = padding_id + 1 if is_roberta else 0
    if sizes["n_rows"] <= offset:
        raise ArtifactError(expected=f"more than {offset} {keys['n_rows']}", got=str(sizes["n_rows"]), where=where)
    return EncoderShape(
        model_type=model_type,
        hidden_size=sizes["hidden_size"],
        n_layers=sizes["n_layers"],
        n_heads=sizes["n_heads"],
        intermediate_size=sizes["intermediate_size"],
        vocab_size=sizes["vocab_size"],
        n_positions=sizes["n_rows"] - offset,
        layer_norm_eps=_take_epsilon(config, model_type, where),
        position_offset=offset,
        n_token_types=0 if model_type == "distilbert" else max(2, count_file_token_types(config, where=where)),
        padding_id=padding_id,
    )


def count_file_token_types(config: Mapping[str, Any], *, where: str = "config.json") -> int:
    """Return the rows of the token types in the weights file of a checked configuration; 0 for DistilBERT.

    Raises:
        ArtifactError: The number makes no sense.
    """
    if config.get("model_type") == "distilbert":
        return 0
    return _take_int(config, "type_vocab_size", 1, 64, where, default=2)


def _check_kind(config: Mapping[str, Any], model_type: str, activation_key: str, where: str) -> None:
    activation = config.get(activation_key, "gelu")
    if not isinstance(activation, str) or activation not in SUPPORTED_ACTIVATIONS:
        raise ArtifactError(
            expected=f"an encoder with the activation {' or '.join(sorted(SUPPORTED_ACTIVATIONS))}",
            got=quote(activation),
            where=where,
        )
    positions = config.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise ArtifactError(expected="an encoder with absolute positions", got=quote(positions), where=where)
    for key in ("is_decoder", "add_cross_attention", "is_encoder_decoder"):
        if config.get(key):
            raise ArtifactError(expected="an encoder", got=f"a decoder ({key})", where=where)
    if "quantization_config" in config:
        raise ArtifactError(expected="weights that are not quantised", got="quantization_config", where=where)
    if model_type == "electra" and config.get("embedding_size") != config.get("hidden_size"):
        raise ArtifactError(
            expected="an ELECTRA whose embedding_size is its hidden_size (without embedding projection)",
            got=f"{quote(config.get('embedding_size'))} and {quote(config.get('hidden_size'))}",
            where=where,
        )


def _take_int(
    config: Mapping[str, Any], key: str, smallest: int, largest: int, where: str, *, default: int | None = None
) -> int:
    value = config.get(key)
    if value is None and default is not None:
        value = default
    if not isinstance(value, int) or isinstance(value, bool) or not smallest <= value <= largest:
        got = "no such key" if key not in config else quote(value)
        raise ArtifactError(expected=f"a {key} between {smallest} and {largest}", got=got, where=where)
    return value


def _take_epsilon(config: Mapping[str, Any], model_type: str, where: str) -> float:
    if model_type == "distilbert":  # fixed in its code
        return _DEFAULT_EPSILON
    value = config.get("layer_norm_eps", _DEFAULT_EPSILON)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
        raise ArtifactError(expected="a layer_norm_eps between 0 and 1", got=quote(value), where=where)
    return float(value)
