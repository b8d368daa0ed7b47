"""The bytes of an ONNX file, looked through before any library runs them.

The format is Protocol Buffers: fields of a number and a value, the value a number or a run of bytes, which may be a
message again. That is read here by hand, in two dozen lines, because the base installation has no ``onnx`` package.
Every tensor is found wherever it may stand: initialisers, sparse ones, attributes of nodes, subgraphs, functions and
graphs of a training.

Source: onnx.proto of ONNX 1.19 for the numbers of the fields; protobuf.dev, Encoding, for the bytes.
"""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, quote

LARGEST_ONNX_BYTES = 2**31 - 1
"""Protocol Buffers take no more."""

DEEPEST_GRAPH = 8

REFUSED_OPERATORS = frozenset({"Loop", "Scan", "If", "EPContext"})
"""An encoder goes straight through: what may run for hours, or name a file of its own, has no place in it."""

Message = Literal["model", "graph", "node", "attribute", "tensor", "sparse tensor", "function", "training"]

_INNER: MappingProxyType[Message, dict[int, Message]] = MappingProxyType(
    {
        "model": {7: "graph", 20: "training", 25: "function"},
        "training": {1: "graph", 2: "graph"},
        "function": {7: "node", 11: "attribute"},
        "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
        "node": {5: "attribute"},
        "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
        "sparse tensor": {1: "tensor", 2: "tensor"},
        "tensor": {},
    }
)
"""For each message, the numbers of its fields that lead to tensors, and what stands there."""

_GRAPH_OF_MODEL = 7
_OPERATOR_OF_NODE = 4

_DATA_TYPE, _FLOAT_DATA, _INT32_DATA, _NAME, _RAW_DATA, _DOUBLE_DATA, _EXTERNAL_DATA, _DATA_LOCATION = (
    2, 4, 5, 8, 9, 10, 13, 14,
)  # fmt: skip
_EXTERNAL = 1

_FLOAT_TYPES = MappingProxyType({1: "<f4", 10: "<f2", 11: "<f8"})
_BFLOAT16 = 16

_VARINT, _EIGHT_BYTES, _RUN, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST_VARINT = 10


class _NotOnnxError(ValueError):
    """The bytes cannot be read as Protocol Buffers."""


def check_onnx(content: bytes, *, where: str) -> None:
    """Make sure that the bytes are an ONNX model that is whole in itself and holds finite numbers only.

    Args:
        content: Of the file.
        where: What messages call the file.

    Raises:
        ArtifactError: Not Protocol Buffers or without a graph, too large, data outside the file, a floating-point
            tensor with NaN or infinity, or an operator that has no place in an encoder.

    Cost: about 15 ms for 20 MB.
    """
    if len(content) > LARGEST_ONNX_BYTES:
        raise ArtifactError(
            expected=f"an ONNX file of at most {LARGEST_ONNX_BYTES} bytes", got=f"{len(content)} bytes", where=where
        )
    if content[4:8] == b"ORTM":  # onnxruntime would read it by other rules than these
        raise ArtifactError(expected="an ONNX file", got="onnxruntime's own format", where=where)
    try:
        n_graphs = sum(number == _GRAPH_OF_MODEL for number, _ in _iterate_fields(memoryview(content)))
        if n_graphs != 1:
            raise _NotOnnxError(f"{n_graphs} graphs")
        _check_message("model", memoryview(content), 0, where)
    except _NotOnnxError as error:
        raise ArtifactError(
            expected="a whole ONNX file", got=str(error), where=where, hint="copy the whole folder again"
        ) from error


def _check_message(kind: Message, message: memoryview, depth: int, where: str) -> None:
    if kind == "tensor":
        _check_tensor(message, where)
        return
    if kind == "graph":
        depth += 1
        if depth > DEEPEST_GRAPH:
            raise ArtifactError(expected=f"at most {DEEPEST_GRAPH} graphs inside each other", got="more", where=where)
    inner = _INNER[kind]
    for number, value in _iterate_fields(message):
        if number in inner:
            _check_message(inner[number], _take_run(value), depth, where)
        elif kind == "node" and number == _OPERATOR_OF_NODE:
            operator = _take_run(value).tobytes().decode(errors="replace")
            if operator in REFUSED_OPERATORS:
                raise ArtifactError(expected="the operators of an encoder", got=f"the operator {operator}", where=where)


def _check_tensor(message: memoryview, where: str) -> None:
    data_type, name, parts = 0, "", []
    has_int32, is_external = False, False
    for number, value in _iterate_fields(message):
        if number == _DATA_TYPE and isinstance(value, int):
            data_type = value
        elif number == _NAME:
            name = _take_run(value).tobytes().decode(errors="replace")
        elif number in (_FLOAT_DATA, _DOUBLE_DATA, _RAW_DATA):
            parts.append((number, _take_run(value)))
        elif number == _INT32_DATA:
            has_int32 = True
        elif number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == _EXTERNAL):
            is_external = True
    if is_external:
        raise ArtifactError(
            expected="an ONNX file that holds all its weights",
            got=f"{quote(name)} with data outside the file",
            where=where,
            hint="files that a model names are never read; export it in one file",
        )
    if has_int32 and data_type in (10, _BFLOAT16):
        raise ArtifactError(expected=f"16-bit numbers of {quote(name)} as raw data", got="integers", where=where)
    for number, data in parts:
        if not _is_finite(number, data, data_type):
            raise ArtifactError(
                expected="weights that are finite numbers", got=f"NaN or infinity in {quote(name)}", where=where
            )


def _is_finite(field: int, data: memoryview, data_type: int) -> bool:
    if field == _RAW_DATA and data_type == _BFLOAT16:
        exponents = np.bitwise_and(_read_array(data, "<u2"), 0x7F80)
        return bool((exponents != 0x7F80).all())  # an exponent of ones only is NaN or infinity
    dtype = {_FLOAT_DATA: "<f4", _DOUBLE_DATA: "<f8"}.get(field) or _FLOAT_TYPES.get(data_type)
    return dtype is None or bool(np.isfinite(_read_array(data, dtype)).all())


def _read_array(data: memoryview, dtype: str) -> NDArray[Any]:
    if len(data) % np.dtype(dtype).itemsize:
        raise _NotOnnxError("a tensor whose bytes do not fit its type")
    return np.frombuffer(data, dtype=dtype)


def _take_run(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise _NotOnnxError("a number in the place of a message")
    return value


def _iterate_fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of every field of a message: an integer, or the bytes of anything else."""
    position, end = 0, len(message)
    while position < end:
        key, position = _read_varint(message, position)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise _NotOnnxError("a field without a number")
        if wire_type == _VARINT:
            value, position = _read_varint(message, position)
            yield number, value
            continue
        if wire_type == _RUN:
            n_bytes, position = _read_varint(message, position)
        elif wire_type in (_EIGHT_BYTES, _FOUR_BYTES):
            n_bytes = 8 if wire_type == _EIGHT_BYTES else 4
        else:
            raise _NotOnnxError("bytes that are no ONNX")
        if n_bytes > end - position:
            raise _NotOnnxError("a file that ends too early")
        yield number, message[position : position + n_bytes]
        position += n_bytes


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        if position >= len(message):
            raise _NotOnnxError("a file that ends too early")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _NotOnnxError("bytes that are no ONNX")
