"""Load a pre-trained encoder into torch, after its files have been checked against each other."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sentire.core.errors import ArtifactError, MissingExtraError, list_names, quote
from sentire.encoders.shape import EncoderShape, count_file_token_types, describe_encoder, read_json_file
from sentire.encoders.sources import EncoderFiles
from sentire.encoders.tokenizer import load_tokenizer

try:
    import torch
    import transformers
    from safetensors import SafetensorError, safe_open
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="loading an encoder") from error

_CLASSES = MappingProxyType(
    {
        "bert": ("BertConfig", "BertModel"),
        "distilbert": ("DistilBertConfig", "DistilBertModel"),
        "electra": ("ElectraConfig", "ElectraModel"),
        "roberta": ("RobertaConfig", "RobertaModel"),
        "xlm-roberta": ("XLMRobertaConfig", "XLMRobertaModel"),
    }
)
_WITH_POOLER = frozenset({"bert", "roberta", "xlm-roberta"})

# Only these settings reach transformers: others could fetch kernels, quantise, or change what the encoder is.
_PASSED_ON = frozenset(
    {
        "vocab_size",
        "max_position_embeddings",
        "initializer_range",
        "pad_token_id",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "hidden_act",
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "type_vocab_size",
        "layer_norm_eps",
        "embedding_size",
        "dim",
        "n_layers",
        "n_heads",
        "hidden_dim",
        "activation",
        "dropout",
        "attention_dropout",
    }
)
_PREFIXES = ("bert.", "roberta.", "distilbert.", "electra.")
_HEADS = ("cls.", "lm_head.", "classifier.", "pooler.", "qa_outputs.", "pre_classifier.", "vocab_", "discriminator_")
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
_OLD_NAMES = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))
_TYPE_EMBEDDINGS = "embeddings.token_type_embeddings.weight"
_FLOATS = frozenset({"F16", "BF16", "F32", "F64"})


def build_encoder(files: EncoderFiles, *, seed: int = 0) -> tuple[torch.nn.Module, EncoderShape]:
    """Build an encoder with the weights of its file, in float32, on the CPU, in evaluation mode.

    The model is a ``transformers`` one without pooler and heads; ``model(input_ids=…, attention_mask=…)`` gives
    ``last_hidden_state`` of shape (B, T, D). Attention is torch's own (``sdpa``). Encoders that know one token type
    get a second one that begins as a copy of the first, so that a context can be told from its text.

    Args:
        files: From ``find_encoder``.
        seed: Of the numbers that stand in the model before the file's take their place; the state of torch's own
            generator is left as it was.

    Returns:
        The model and its shape.

    Raises:
        ArtifactError: The configuration is not supported, the weights cannot be read, do not fit it or are not finite
            numbers, or the tokenizer is not the encoder's own.
    """
    config = read_json_file(files.config)
    shape = describe_encoder(config, where=str(files.config))
    settings = {key: value for key, value in config.items() if key in _PASSED_ON}
    settings["pad_token_id"] = shape.padding_id
    if shape.n_token_types:
        settings |= {"type_vocab_size": shape.n_token_types, "layer_norm_eps": shape.layer_norm_eps}
    with torch.device("meta"):  # names and shapes alone, before any memory is asked for
        expected = {name: tuple(value.shape) for name, value in _build(shape, settings, files).state_dict().items()}
    if shape.n_token_types:
        expected[_TYPE_EMBEDDINGS] = (count_file_token_types(config), shape.hidden_size)
    weights = _read_weights(files.weights, expected)
    # After the weights, which are what tells whether the numbers of config.json hold.
    load_tokenizer(files.tokenizer, vocab_size=shape.vocab_size, padding_id=shape.padding_id)
    if shape.n_token_types:
        weights[_TYPE_EMBEDDINGS] = _enlarge(weights[_TYPE_EMBEDDINGS], shape.n_token_types)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _build(shape, settings, files)
    model.load_state_dict(weights, strict=True)
    return model.eval(), shape


def _build(shape: EncoderShape, settings: Mapping[str, Any], files: EncoderFiles) -> torch.nn.Module:
    config_class, model_class = (getattr(transformers, name) for name in _CLASSES[shape.model_type])
    options = {"add_pooling_layer": False} if shape.model_type in _WITH_POOLER else {}
    try:
        config = config_class(**settings, attn_implementation="sdpa")
        model: torch.nn.Module = model_class(config, **options)
    except Exception as error:  # a setting of the wrong kind: the library has errors of many families for it
        raise ArtifactError(
            expected=f"settings of a {shape.model_type} encoder",
            got=quote(" ".join(str(error).split())),
            where=str(files.config),
        ) from error
    return model.float()


def _read_weights(path: Path, expected: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Read the weights that the encoder needs, under its own names, each of the expected shape."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = _match_names(list(file.keys()), expected, path)
            for name, stored in names.items():
                _check_entry(file.get_slice(stored), name, expected[name], path)
            weights = {name: file.get_tensor(stored).to(torch.float32) for name, stored in names.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(
            expected="a whole safetensors file",
            got=quote(" ".join(str(error).split())),
            where=str(path),
            hint="fetch the file again",
        ) from error
    for name, weight in weights.items():
        if torch.isfinite(weight.sum()):  # one NaN or infinity spoils the sum, and a sum is quicker than a look at each
            continue
        if n_bad := int((~torch.isfinite(weight)).sum()):
            raise ArtifactError(
                expected="weights that are finite numbers", got=f"{n_bad} NaN or infinite in {name}", where=str(path)
            )
    return weights


def _match_names(stored: list[str], expected: Mapping[str, Any], path: Path) -> dict[str, str]:
    """Return which entry of the file holds each weight of the encoder; heads and poolers of the file are left out."""
    prefix = next((one for one in _PREFIXES if any(name.startswith(one) for name in stored)), "")
    names: dict[str, str] = {}
    unexpected = []
    for entry in sorted(stored):
        if prefix and not entry.startswith(prefix):  # beside the encoder: the heads of a task
            continue
        name = entry.removeprefix(prefix)
        for old, new in _OLD_NAMES:
            name = name.replace(old, new)
        if name in expected and name not in names:
            names[name] = entry
        elif name not in _BUFFERS and not name.startswith(_HEADS):
            unexpected.append(entry)
    missing = sorted(expected.keys() - names.keys())
    if missing or unexpected:
        parts = [f"without {list_names(missing[:3])}"] if missing else []
        parts += [f"with {list_names(unexpected[:3])}"] if unexpected else []
        raise ArtifactError(
            expected=f"the {len(expected)} weights that the encoder's config.json asks for",
            got=f"a file {' and '.join(parts)} ({len(missing)} missing, {len(unexpected)} unknown)",
            where=str(path),
        )
    return names


def _check_entry(entry: Any, name: str, expected: tuple[int, ...], path: Path) -> None:
    if tuple(entry.get_shape()) != expected:
        raise ArtifactError(
            expected=f"{name} of shape {expected}, as config.json says",
            got=f"shape {tuple(entry.get_shape())}",
            where=str(path),
        )
    if entry.get_dtype() not in _FLOATS:
        raise ArtifactError(expected=f"{name} as floating-point numbers", got=str(entry.get_dtype()), where=str(path))


def _enlarge(token_types: torch.Tensor, n_rows: int) -> torch.Tensor:
    """Add rows to the token types, each a copy of the first."""
    n_missing = n_rows - token_types.shape[0]
    return torch.cat([token_types, token_types[:1].expand(n_missing, -1)]) if n_missing else token_types
