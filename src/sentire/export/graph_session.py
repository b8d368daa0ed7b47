"""Graphs that are only in memory, run as the runtime runs them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, quote
from sentire.runtime.onnx_files import INPUTS, TokenBatch

_FATAL = 4


def open_graph(content: bytes) -> Any:
    """Open a session of one thread.

    Raises:
        ArtifactError: onnxruntime refuses the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _FATAL
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no family of errors of its own
        raise ArtifactError(
            expected="a graph that onnxruntime can run", got=quote(" ".join(str(error).split())), where="graph"
        ) from error


def run_graph(session: Any, names: Sequence[str], batch: TokenBatch) -> list[NDArray[np.float32]]:
    """Return the named outputs for a batch.

    Raises:
        ArtifactError: onnxruntime cannot compute them, for example for a token that the network does not know.
    """
    try:
        answers: list[NDArray[np.float32]] = session.run(list(names), {name: getattr(batch, name) for name in INPUTS})
    except Exception as error:
        raise ArtifactError(
            expected="a batch that the graph can take", got=quote(" ".join(str(error).split())), where="graph"
        ) from error
    return answers
