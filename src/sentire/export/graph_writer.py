"""A graph in the making: nodes one after the other, constants beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire._version import __version__
from sentire.core.errors import MissingExtraError

try:
    from onnx import TensorProto, checker, helper, numpy_helper
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="writing an ONNX model") from error

OPERATOR_SET = 17
"""Of the standard operators: the first with layer norms, known to every onnxruntime that we support."""

FORMAT_VERSION = 8
CONTRIBUTED = "com.microsoft"
"""The domain of onnxruntime's own operators."""


class GraphWriter:
    """Collects nodes and constants, and makes the bytes of an ONNX file of them."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add an array and return its name."""
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def node(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a standard operator with one output, and return the output's name, which is ``name``."""
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def contributed_node(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add an operator of onnxruntime with one output, and return the output's name."""
        return self.node(operator, inputs, name, domain=CONTRIBUTED, **attributes)

    def render(
        self, inputs: Mapping[str, tuple[int, Sequence[str]]], outputs: Mapping[str, Sequence[str | int]]
    ) -> bytes:
        """Return the bytes of the file.

        Args:
            inputs: For each, its ONNX type and the names of its dimensions.
            outputs: For each, its dimensions; all are float32.
        """
        graph = helper.make_graph(
            self._nodes,
            "encoder",
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            producer_name="sentire",
            producer_version=__version__,
            ir_version=FORMAT_VERSION,
            opset_imports=[helper.make_opsetid("", OPERATOR_SET), helper.make_opsetid(CONTRIBUTED, 1)],
        )
        checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content
