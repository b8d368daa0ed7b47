"""The arrays of a trained network, by what they do instead of by the name that their library gave them.

The encoders of the BERT family compute the same thing under different names: DistilBERT renames its layers and has no
token types; RoBERTa begins its table of positions with rows that no token ever takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import ArtifactError, list_names, quote
from sentire.encoders.shape import EncoderShape

Floats = NDArray[np.float32]

_BERT_LAYER = MappingProxyType(
    {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "attention_output": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "intermediate": "intermediate.dense",
        "output": "output.dense",
        "output_norm": "output.LayerNorm",
    }
)
_DISTILBERT_LAYER = MappingProxyType(
    {
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "attention_output": "attention.out_lin",
        "attention_norm": "sa_layer_norm",
        "intermediate": "ffn.lin1",
        "output": "ffn.lin2",
        "output_norm": "output_layer_norm",
    }
)
_LAYERS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        "bert": ("encoder.encoder.layer", _BERT_LAYER),
        "electra": ("encoder.encoder.layer", _BERT_LAYER),
        "roberta": ("encoder.encoder.layer", _BERT_LAYER),
        "xlm-roberta": ("encoder.encoder.layer", _BERT_LAYER),
        "distilbert": ("encoder.transformer.layer", _DISTILBERT_LAYER),
    }
)
_UNUSED = ("encoder.pooler.", "encoder.embeddings.position_ids", "encoder.embeddings.token_type_ids")
"""What may be there and changes no hidden state."""


@dataclass(frozen=True, slots=True)
class Linear:
    """``y = W x + b``.

    Attributes:
        weight: W, shape (outputs, inputs).
        bias: b, shape (outputs,).
    """

    weight: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm, ``y = weight (x - mean) / sqrt(variance + epsilon) + bias``; both of shape (D,)."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderLayer:
    """One transformer layer: attention and feed-forward part, each with a layer norm over its sum with its input."""

    query: Linear
    key: Linear
    value: Linear
    attention_output: Linear
    attention_norm: Norm
    intermediate: Linear
    output: Linear
    output_norm: Norm


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkArrays:
    """A whole network.

    Attributes:
        words: Token embeddings, shape (V, D).
        positions: Shape (P, D); row 0 is that of the first token.
        token_types: Shape (types, D), or None for an encoder without them.
        embedding_norm: Over the sum of the three.
        layers: First to last.
        emotion_head: From the pooled vector to C logits.
        affect_head: To valence, arousal and dominance, or None.
    """

    words: Floats
    positions: Floats
    token_types: Floats | None
    embedding_norm: Norm
    layers: tuple[EncoderLayer, ...]
    emotion_head: Linear
    affect_head: Linear | None


class _Reader:
    """Takes arrays by name, and remembers which were taken."""

    def __init__(self, arrays: Mapping[str, NDArray[np.floating]]) -> None:
        self._arrays = arrays
        self._taken: set[str] = set()

    def take(self, name: str, *shape: int | None) -> Floats:
        """Return an array after checking it; None stands for any size."""
        if name not in self._arrays:
            raise ArtifactError(expected=f"the array {name}", got="weights without it", where="weights to export")
        array = np.asarray(self._arrays[name])
        is_right = array.ndim == len(shape) and all(
            size in (None, found) for size, found in zip(shape, array.shape, strict=True)
        )
        if not is_right or not np.issubdtype(array.dtype, np.floating):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise ArtifactError(
                expected=f"{name} as floating-point numbers of shape ({wanted})",
                got=f"{array.dtype} of shape {array.shape}",
                where="weights to export",
            )
        if not np.isfinite(array).all():
            raise ArtifactError(expected=f"finite numbers in {name}", got="NaN or infinity", where="weights to export")
        self._taken.add(name)
        return np.ascontiguousarray(array, dtype=np.float32)

    def take_linear(self, name: str, n_outputs: int | None, n_inputs: int) -> Linear:
        weight = self.take(f"{name}.weight", n_outputs, n_inputs)
        return Linear(weight, self.take(f"{name}.bias", len(weight)))

    def take_norm(self, name: str, size: int) -> Norm:
        return Norm(self.take(f"{name}.weight", size), self.take(f"{name}.bias", size))

    def refuse_others(self) -> None:
        others = [name for name in self._arrays if name not in self._taken and not name.startswith(_UNUSED)]
        if others:
            raise ArtifactError(
                expected="the arrays of an encoder and its heads and no others",
                got=list_names(sorted(others)),
                where="weights to export",
                hint="the graph would leave them out and answer something else",
            )


def read_network(arrays: Mapping[str, NDArray[np.floating]], shape: EncoderShape) -> NetworkArrays:
    """Sort the arrays of a state dict.

    Args:
        arrays: Names as PyTorch gives them: ``encoder.`` and the name in transformers, ``emotion_head.weight`` and
            ``.bias``, and where there is such a head ``affect_head.weight`` and ``.bias``.
        shape: Of the encoder.

    Raises:
        ArtifactError: An array is missing, of another shape, no floating-point numbers, not finite, or has no place.
    """
    if shape.model_type not in _LAYERS:
        raise ArtifactError(
            expected=f"a model_type that can be exported ({list_names(sorted(_LAYERS))})", got=quote(shape.model_type)
        )
    reader, size, inner = _Reader(arrays), shape.hidden_size, shape.intermediate_size
    embeddings = "encoder.embeddings"
    positions = reader.take(f"{embeddings}.position_embeddings.weight", shape.position_offset + shape.n_positions, size)
    prefix, names = _LAYERS[shape.model_type]

    def take_layer(number: int) -> EncoderLayer:
        place = f"{prefix}.{number}"

        def take_linear(part: str, n_outputs: int, n_inputs: int) -> Linear:
            return reader.take_linear(f"{place}.{names[part]}", n_outputs, n_inputs)

        return EncoderLayer(
            query=take_linear("query", size, size),
            key=take_linear("key", size, size),
            value=take_linear("value", size, size),
            attention_output=take_linear("attention_output", size, size),
            attention_norm=reader.take_norm(f"{place}.{names['attention_norm']}", size),
            intermediate=take_linear("intermediate", inner, size),
            output=take_linear("output", size, inner),
            output_norm=reader.take_norm(f"{place}.{names['output_norm']}", size),
        )

    network = NetworkArrays(
        words=reader.take(f"{embeddings}.word_embeddings.weight", shape.vocab_size, size),
        positions=positions[shape.position_offset :],
        token_types=reader.take(f"{embeddings}.token_type_embeddings.weight", shape.n_token_types, size)
        if shape.n_token_types
        else None,
        embedding_norm=reader.take_norm(f"{embeddings}.LayerNorm", size),
        layers=tuple(take_layer(number) for number in range(shape.n_layers)),
        emotion_head=reader.take_linear("emotion_head", None, size),
        affect_head=reader.take_linear("affect_head", len(VAD_DIMENSIONS), size)
        if "affect_head.weight" in arrays
        else None,
    )
    reader.refuse_others()
    return network
