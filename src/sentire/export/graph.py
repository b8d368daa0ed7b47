"""The graph of an encoder with its heads, written operator by operator.

An exporter traces a program and leaves it to an optimiser to find the large operations again. Here they are put down
at once: one attention operator a layer, GELU with its exact error function, whole layer norms, and in the int8 graph
products of bytes whose scales are part of the weights around them. There is no attention mask: all rows of a batch are
equally long.

Inputs are ``input_ids`` and ``token_type_ids`` (int64) and ``pooling_weights`` (float32), each of shape (B, T); outputs
are ``logits`` (B, C), ``embedding`` (B, D), and ``vad`` (B, 3) where the network has that head.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import MissingExtraError, UnknownNameError, UsageError
from sentire.encoders.shape import EncoderShape
from sentire.export.activations import observe_activations
from sentire.export.encoder_arrays import EncoderLayer, Linear, NetworkArrays, Norm, read_network
from sentire.export.graph_writer import GraphWriter
from sentire.export.linear_quantisation import (
    Activations,
    ByteScale,
    IntegerLinear,
    fit_centred_scale,
    fit_lopsided_scale,
    quantise_linear,
    quantise_rows,
    split_outputs,
)
from sentire.runtime.encoder_settings import PRECISIONS
from sentire.runtime.onnx_files import EMBEDDING, LOGITS, VAD, TokenBatch

try:
    from onnx import TensorProto
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="writing an ONNX model") from error

_HIDDEN, _ATTENDED, _MIDDLE, _INNER = "hidden", "attended", "middle", "inner"
"""What goes into the four products of a layer: into query, key and value; into the attention's output; into the
feed-forward part; and into its second half."""


def build_graph(
    arrays: Mapping[str, NDArray[np.floating]],
    shape: EncoderShape,
    *,
    precision: str,
    calibration: Sequence[TokenBatch] = (),
) -> bytes:
    """Write the ONNX file of a trained network.

    Args:
        arrays: State dict as numpy arrays, see ``read_network``; ``affect_head`` in it makes the output ``vad``.
        shape: Of the encoder.
        precision: ``float32`` or ``int8``. In int8 the products of the layers are of bytes and the token embeddings are
            stored in bytes; layer norms, softmax, GELU, positions and heads stay float32.
        calibration: For int8: texts like those that the model will read, from which the ranges of the activations are
            taken; about 1,000 short ones are enough. Never texts of a test split.

    Raises:
        ArtifactError: The arrays do not fit the shape, or are not finite.
        UnknownNameError: No such precision.
        UsageError: int8 without calibration.

    Cost: for MiniLM-L6, float32 a second; int8 about a minute of one core with 20,000 tokens of calibration, three
        quarters of it to run them.
    """
    if precision not in PRECISIONS:
        raise UnknownNameError.among("precision", precision, PRECISIONS)
    network = read_network(arrays, shape)
    if precision == "float32":
        return _write_float32(network, shape, observed=())
    if not calibration:
        raise UsageError(
            expected="texts to calibrate an int8 model on",
            got="none",
            where="calibration",
            hint="make them with make_calibration from texts of the training split",
        )
    sites = [_site(number, part) for number in range(shape.n_layers) for part in (_HIDDEN, _ATTENDED, _MIDDLE, _INNER)]
    seen = observe_activations(_write_float32(network, shape, observed=sites), sites, calibration)
    return _write_int8(network, shape, seen)


def _site(layer: int, part: str) -> str:
    return f"layer{layer}.{part}"


def _write_float32(network: NetworkArrays, shape: EncoderShape, *, observed: Sequence[str]) -> bytes:
    writer = GraphWriter()
    words = writer.node("Gather", [writer.constant("words", network.words), "input_ids"], "embeddings.words")
    summed = _write_embedding_sum(writer, network, words)
    hidden = _write_norm(writer, network.embedding_norm, shape, summed, _input_name(0, shape))
    for number, layer in enumerate(network.layers):
        hidden = _write_float32_layer(writer, layer, shape, number, hidden)
    _write_heads(writer, network, hidden)
    widths = {
        _site(number, part): shape.intermediate_size if part == _INNER else shape.hidden_size
        for number in range(shape.n_layers)
        for part in (_HIDDEN, _ATTENDED, _MIDDLE, _INNER)
    }
    return _render(writer, network, {name: ["batch", "tokens", widths[name]] for name in observed})


def _write_float32_layer(
    writer: GraphWriter, layer: EncoderLayer, shape: EncoderShape, number: int, hidden: str
) -> str:
    place = f"layer{number}"

    def multiply(name: str, linear: Linear, source: str) -> str:
        weight = writer.constant(f"{place}.{name}.weight", linear.weight.T)
        return writer.node("MatMul", [source, weight], f"{place}.{name}.product")

    parts = {"query": layer.query, "key": layer.key, "value": layer.value}
    products = [multiply(name, linear, hidden) for name, linear in parts.items()]
    biases = np.concatenate([linear.bias for linear in parts.values()])
    attended = writer.contributed_node(
        "MultiHeadAttention",
        [*products, writer.constant(f"{place}.attention.bias", biases)],
        _site(number, _ATTENDED),
        num_heads=shape.n_heads,
    )
    product = multiply("attention_output", layer.attention_output, attended)
    bias = writer.constant(f"{place}.attention_output.bias", layer.attention_output.bias)
    summed = writer.node("Sum", [product, hidden, bias], f"{place}.middle_sum")
    middle = _write_norm(writer, layer.attention_norm, shape, summed, _site(number, _MIDDLE))
    product = multiply("intermediate", layer.intermediate, middle)
    bias = writer.constant(f"{place}.intermediate.bias", layer.intermediate.bias)
    inner = writer.contributed_node("BiasGelu", [product, bias], _site(number, _INNER))
    product = multiply("output", layer.output, inner)
    bias = writer.constant(f"{place}.output.bias", layer.output.bias)
    summed = writer.node("Sum", [product, middle, bias], f"{place}.output_sum")
    return _write_norm(writer, layer.output_norm, shape, summed, _input_name(number + 1, shape))


def _write_int8(network: NetworkArrays, shape: EncoderShape, seen: Mapping[str, Activations]) -> bytes:
    """Write the int8 graph.

    Every product takes bytes ``round((x - centre) / step) + zero_point`` with a step and a centre for each channel.
    Dividing and centring is left to whatever made x, where it costs nothing: a layer norm has a weight and a bias for
    each channel anyway, and an attention's weights sum to 1, so that its values may be scaled and centred before it.
    Only behind GELU there is a multiplication of its own.
    """
    writer = GraphWriter()
    values, scales = quantise_rows(network.words)
    rows = writer.node("Gather", [writer.constant("words", values), "input_ids"], "embeddings.bytes")
    numbers = writer.node("Cast", [rows], "embeddings.numbers", to=TensorProto.FLOAT)
    scale = writer.node("Gather", [writer.constant("words.scales", scales), "input_ids"], "embeddings.scales")
    words = writer.node("Mul", [numbers, scale], "embeddings.words")
    summed = _write_embedding_sum(writer, network, words)
    writer.constant("one", np.array(1.0, dtype=np.float32))
    norm = network.embedding_norm
    for number, layer in enumerate(network.layers):
        summed = _Int8Layer(writer, layer, shape, number, seen).write(norm, summed)
        norm = layer.output_norm
    _write_heads(writer, network, _write_norm(writer, norm, shape, summed, _input_name(shape.n_layers, shape)))
    return _render(writer, network, {})


class _Int8Layer:
    """One layer of the int8 graph; what stands between two layers is the sum before the layer norm."""

    def __init__(
        self,
        writer: GraphWriter,
        layer: EncoderLayer,
        shape: EncoderShape,
        number: int,
        seen: Mapping[str, Activations],
    ) -> None:
        self._writer = writer
        self._layer = layer
        self._shape = shape
        self._place = f"layer{number}"
        self._number = number
        self._seen = {part: seen[_site(number, part)] for part in (_HIDDEN, _ATTENDED, _MIDDLE, _INNER)}
        parts = (layer.query, layer.key, layer.value)
        self._into_attention = Linear(
            np.concatenate([part.weight for part in parts]), np.concatenate([part.bias for part in parts])
        )
        self._scales = {
            _HIDDEN: fit_centred_scale(self._seen[_HIDDEN], self._into_attention.weight),
            _ATTENDED: fit_centred_scale(self._seen[_ATTENDED], layer.attention_output.weight),
            _MIDDLE: fit_centred_scale(self._seen[_MIDDLE], layer.intermediate.weight),
            _INNER: fit_lopsided_scale(self._seen[_INNER], layer.output.weight),
        }

    def write(self, norm: Norm, summed: str) -> str:
        """Write the norm over the sum from before, then the layer up to its own last sum; return that."""
        writer, layer, place = self._writer, self._layer, self._place
        hidden = self._write_scaled_norm(norm, summed, _HIDDEN)
        hidden_bytes = self._write_bytes(hidden, _HIDDEN)
        attended_scale = self._scales[_ATTENDED]
        query, key, value = split_outputs(self._quantise(self._into_attention, _HIDDEN), 3)
        value = IntegerLinear(
            values=value.values,
            scales=value.scales / attended_scale.step,
            bias=(value.bias - attended_scale.centre) / attended_scale.step,
        )
        products = [
            self._write_product(name, linear, hidden_bytes, _HIDDEN)
            for name, linear in (("query", query), ("key", key), ("value", value))
        ]
        attended = writer.contributed_node(
            "MultiHeadAttention", products, _site(self._number, _ATTENDED), num_heads=self._shape.n_heads
        )
        summed = self._write_sum("attention_output", layer.attention_output, attended, _ATTENDED, hidden, _HIDDEN)
        middle = self._write_scaled_norm(layer.attention_norm, summed, _MIDDLE)
        intermediate = self._quantise(layer.intermediate, _MIDDLE)
        product = self._write_product("intermediate", intermediate, self._write_bytes(middle, _MIDDLE), _MIDDLE)
        bent = writer.contributed_node("Gelu", [product], f"{place}.gelu")
        inner_steps = writer.constant(f"{place}.inner.rate", (1.0 / self._scales[_INNER].step).astype(np.float32))
        inner = writer.node("Mul", [bent, inner_steps], _site(self._number, _INNER))
        return self._write_sum("output", layer.output, inner, _INNER, middle, _MIDDLE)

    def _quantise(self, linear: Linear, part: str) -> IntegerLinear:
        return quantise_linear(linear, self._scales[part], self._seen[part])

    def _write_scaled_norm(self, norm: Norm, summed: str, part: str) -> str:
        scale = self._scales[part]
        scaled = Norm(
            (norm.weight / scale.step).astype(np.float32), ((norm.bias - scale.centre) / scale.step).astype(np.float32)
        )
        return _write_norm(self._writer, scaled, self._shape, summed, _site(self._number, part))

    def _write_bytes(self, source: str, part: str) -> str:
        zero = self._writer.constant(
            f"{self._place}.{part}.zero_point", np.array(self._scales[part].zero_point, dtype=np.uint8)
        )
        return self._writer.node("QuantizeLinear", [source, "one", zero], f"{self._place}.{part}.bytes")

    def _write_product(self, name: str, linear: IntegerLinear, source: str, part: str) -> str:
        constants = [
            self._writer.constant(f"{self._place}.{name}.weight", linear.values),
            "one",
            self._writer.constant(f"{self._place}.{name}.scales", linear.scales.astype(np.float32)),
            f"{self._place}.{part}.zero_point",
            "",  # weights have the zero point 0
            self._writer.constant(f"{self._place}.{name}.bias", linear.bias.astype(np.float32)),
        ]
        return self._writer.contributed_node(
            "MatMulIntegerToFloat", [source, *constants], f"{self._place}.{name}.product"
        )

    def _write_sum(self, name: str, linear: Linear, source: str, part: str, residual: str, residual_part: str) -> str:
        """Write the product of a layer and its sum with what it is added to, which is brought back to its own scale."""
        residual_scale: ByteScale = self._scales[residual_part]
        integers = self._quantise(linear, part)
        integers = IntegerLinear(
            values=integers.values, scales=integers.scales, bias=integers.bias + residual_scale.centre
        )
        product = self._write_product(name, integers, self._write_bytes(source, part), part)
        step = self._writer.constant(f"{self._place}.{residual_part}.step", residual_scale.step.astype(np.float32))
        unscaled = self._writer.node("Mul", [residual, step], f"{self._place}.{residual_part}.unscaled")
        return self._writer.node("Sum", [product, unscaled], f"{self._place}.{name}.sum")


def _write_embedding_sum(writer: GraphWriter, network: NetworkArrays, words: str) -> str:
    for name, number in (("zero", 0), ("second", 1)):
        writer.constant(name, np.array([number], dtype=np.int64))
    shape = writer.node("Shape", ["input_ids"], "embeddings.shape")
    length = writer.node("Gather", [shape, "second"], "embeddings.length")
    table = writer.constant("positions", network.positions)
    positions = writer.node("Slice", [table, "zero", length, "zero"], "embeddings.positions")
    if network.token_types is None:
        return writer.node("Sum", [words, positions], "embeddings.sum")
    types = writer.node(
        "Gather", [writer.constant("token_types", network.token_types), "token_type_ids"], "embeddings.types"
    )
    return writer.node("Sum", [words, positions, types], "embeddings.sum")


def _write_norm(writer: GraphWriter, norm: Norm, shape: EncoderShape, summed: str, name: str) -> str:
    # Not SkipLayerNormalization: on x86, onnxruntime 1.32 takes five times as long for it as for a sum and a layer
    # norm. The sums before are Sum and not Add, which a fusion of onnxruntime looks for; 1.32 leaves our int8 graph
    # alone either way.
    weight = writer.constant(f"{name}.norm.weight", norm.weight)
    bias = writer.constant(f"{name}.norm.bias", norm.bias)
    return writer.node("LayerNormalization", [summed, weight, bias], name, epsilon=shape.layer_norm_eps, axis=-1)


def _write_heads(writer: GraphWriter, network: NetworkArrays, hidden: str) -> None:
    weights = writer.node("Unsqueeze", ["pooling_weights", "second"], "pooling_rows")
    pooled = writer.node("MatMul", [weights, hidden], "pooled")
    embedding = writer.node("Squeeze", [pooled, "second"], EMBEDDING)
    for name, head in ((LOGITS, network.emotion_head), (VAD, network.affect_head)):
        if head is not None:
            product = writer.node(
                "MatMul", [embedding, writer.constant(f"{name}.weight", head.weight.T)], f"{name}.product"
            )
            writer.node("Add", [product, writer.constant(f"{name}.bias", head.bias)], name)


def _input_name(number: int, shape: EncoderShape) -> str:
    return _site(number, _HIDDEN) if number < shape.n_layers else "last_hidden"


def _render(writer: GraphWriter, network: NetworkArrays, observed: Mapping[str, Sequence[str | int]]) -> bytes:
    outputs: dict[str, Sequence[str | int]] = {
        LOGITS: ["batch", len(network.emotion_head.bias)],
        EMBEDDING: ["batch", network.words.shape[1]],
    }
    if network.affect_head is not None:
        outputs[VAD] = ["batch", len(VAD_DIMENSIONS)]
    rows = ("batch", "tokens")
    return writer.render(
        {
            "input_ids": (TensorProto.INT64, rows),
            "token_type_ids": (TensorProto.INT64, rows),
            "pooling_weights": (TensorProto.FLOAT, rows),
        },
        {**outputs, **observed},
    )
