"""The weights of an int8 encoder model as floating-point numbers, read back out of its graph.

An embedded model is its graph and nothing else: the weights before rounding are not part of it. So that other
libraries can be measured with the same weights, this undoes what `sentire.export` did to them. The integers, each times
its scale, *are* the weights of the model; the steps that its layer norms were divided by go back to where they came
from; the centres stay where they are, since what a layer norm gives less, the biases behind it give more. What comes
out is an ordinary BERT that computes what the graph computes, without the rounding of what goes from layer to layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from sentire.encoders.shape import EncoderShape

Floats = NDArray[np.float32]

_LAYER = "encoder.encoder.layer"


@dataclass(frozen=True, kw_only=True)
class GraphWeights:
    """What an int8 graph holds.

    Attributes:
        arrays: Under the names of a state dict, as ``sentire.export`` takes them: ``encoder.…`` with the names of
            transformers, ``emotion_head.…`` and, where there is such a head, ``affect_head.…``.
        shape: Of the encoder.
    """

    arrays: Mapping[str, Floats]
    shape: EncoderShape


def read_weights(content: bytes) -> GraphWeights:
    """Read the weights of an int8 graph of the BERT kind.

    Raises:
        SystemExit: It is no such graph.
    """
    graph = onnx.load_model_from_string(content).graph
    constants = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    try:
        return _read(graph, constants)
    except KeyError as error:
        raise SystemExit(
            f"expected the int8 graph of a BERT as sentire.export writes it, got none of {error}"
        ) from error


def _read(graph: Any, constants: Mapping[str, NDArray[Any]]) -> GraphWeights:
    words = constants["words"] * constants["words.scales"]
    n_layers = sum(node.op_type == "MultiHeadAttention" for node in graph.node)
    arrays: dict[str, Floats] = {
        "encoder.embeddings.word_embeddings.weight": words,
        "encoder.embeddings.position_embeddings.weight": constants["positions"],
        "encoder.embeddings.token_type_embeddings.weight": constants["token_types"],
    }

    def put(name: str, weight: Floats, bias: Floats) -> None:
        arrays[f"{name}.weight"] = np.ascontiguousarray(weight, dtype=np.float32)
        arrays[f"{name}.bias"] = np.ascontiguousarray(bias, dtype=np.float32)

    def put_norm(name: str, place: str, step: Floats | float) -> None:
        put(name, constants[f"{place}.norm.weight"] * step, constants[f"{place}.norm.bias"] * step)

    def put_product(name: str, place: str, step: Floats | float) -> None:
        weight = constants[f"{place}.weight"] * constants[f"{place}.scales"]
        put(name, weight.T / step, constants[f"{place}.bias"])

    norm = "encoder.embeddings.LayerNorm"
    for number in range(n_layers):
        place, layer = f"layer{number}", f"{_LAYER}.{number}"
        hidden, middle = constants[f"{place}.hidden.step"], constants[f"{place}.middle.step"]
        put_norm(norm, f"{place}.hidden", hidden)
        for part in ("query", "key", "value"):
            put_product(f"{layer}.attention.self.{part}", f"{place}.{part}", hidden)
        # Values and the product behind them are left scaled: the two scalings cancel.
        put_product(f"{layer}.attention.output.dense", f"{place}.attention_output", 1.0)
        put_norm(f"{layer}.attention.output.LayerNorm", f"{place}.middle", middle)
        put_product(f"{layer}.intermediate.dense", f"{place}.intermediate", middle)
        put_product(f"{layer}.output.dense", f"{place}.output", 1.0 / constants[f"{place}.inner.rate"])
        norm = f"{layer}.output.LayerNorm"
    put_norm(norm, "last_hidden", 1.0)
    for head, output in (("emotion_head", "logits"), ("affect_head", "vad")):
        if f"{output}.weight" in constants:
            put(head, constants[f"{output}.weight"].T, constants[f"{output}.bias"])
    shape = EncoderShape(
        model_type="bert",
        hidden_size=words.shape[1],
        n_layers=n_layers,
        n_heads=int(_attribute(graph, "MultiHeadAttention", "num_heads")),
        intermediate_size=len(constants["layer0.intermediate.bias"]),
        vocab_size=len(words),
        n_positions=len(constants["positions"]),
        layer_norm_eps=float(_attribute(graph, "LayerNormalization", "epsilon")),
        position_offset=0,
        n_token_types=len(constants["token_types"]),
        padding_id=0,
    )
    return GraphWeights(arrays=arrays, shape=shape)


def _attribute(graph: Any, operator: str, name: str) -> Any:
    for node in graph.node:
        for attribute in node.attribute:
            if (node.op_type, attribute.name) == (operator, name):
                return onnx.helper.get_attribute_value(attribute)
    raise KeyError(f"{operator}.{name}")
