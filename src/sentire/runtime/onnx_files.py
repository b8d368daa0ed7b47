"""ONNX models: checked, opened in one onnxruntime session of one thread, tried out, and run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import ArtifactError, describe, list_names, quote
from sentire.runtime.onnx_check import LARGEST_ONNX_BYTES, check_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

INPUTS = MappingProxyType(
    {"input_ids": "tensor(int64)", "token_type_ids": "tensor(int64)", "pooling_weights": "tensor(float)"}
)
"""What an encoder's graph takes: each of shape (B, T), with no padding."""

LOGITS = "logits"
VAD = "vad"
EMBEDDING = "embedding"

_FATAL = 4
"""Of onnxruntime's levels of logging: a library does not print."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBatch:
    """B rows of T tokens each, as a graph takes them.

    Attributes:
        input_ids: Shape (B, T), int64.
        token_type_ids: Shape (B, T), int64: 0, and 1 in a text that stands after a context.
        pooling_weights: Shape (B, T), float32; each row sums to 1.
    """

    input_ids: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]
    pooling_weights: NDArray[np.float32]


class EncoderGraph:
    """The graph of an encoder model: from tokens to logits, affect and embeddings.

    ``run`` may be called from several threads at once; each call computes in the thread that makes it.

    Args:
        content: Of the ONNX file.
        n_labels: C, the columns of the logits.
        has_vad: Whether there is an output of valence, arousal and dominance.
        probe: Rows that the model must be able to take; tried at once.
        where: What messages call the file.

    Raises:
        ArtifactError: The file is damaged or unsafe (see ``check_onnx``), onnxruntime refuses it, its inputs and
            outputs are not those of an encoder model, or it cannot answer the probe with finite numbers.
    """

    def __init__(self, content: bytes, *, n_labels: int, has_vad: bool, probe: TokenBatch, where: str) -> None:
        check_onnx(content, where=where)
        self._where = where
        self._session = _open_session(content, where)
        widths: dict[str, int | None] = {LOGITS: n_labels, EMBEDDING: None}
        if has_vad:
            widths[VAD] = len(VAD_DIMENSIONS)
        self._check_names(widths)
        answers = dict(zip(widths, self.run(list(widths), probe), strict=True))
        for name, width in widths.items():
            self._check_answer(name, answers[name], len(probe.input_ids), width)
        self.n_dimensions = int(answers[EMBEDDING].shape[1])

    def run(self, names: Sequence[str], batch: TokenBatch) -> list[NDArray[np.float32]]:
        """Return the named outputs for a batch, each of shape (B, width).

        Raises:
            ArtifactError: onnxruntime cannot compute them.
        """
        feed = {name: getattr(batch, name) for name in INPUTS}
        try:
            answers: list[NDArray[np.float32]] = self._session.run(list(names), feed)
        except Exception as error:  # onnxruntime has no family of errors of its own
            raise self._refuse("a graph that takes a batch of tokens", error) from error
        return answers

    def _check_names(self, widths: dict[str, int | None]) -> None:
        inputs = {put.name: put for put in self._session.get_inputs()}
        outputs = {put.name: put for put in self._session.get_outputs()}
        for kind, expected, found in (("inputs", INPUTS, inputs), ("outputs", widths, outputs)):
            if sorted(found) != sorted(expected):
                raise ArtifactError(
                    expected=f"the {kind} {list_names(expected)}", got=list_names(found) or "none", where=self._where
                )
        for name, put in inputs.items():
            is_open = len(put.shape) == 2 and not any(isinstance(size, int) for size in put.shape)
            if put.type != INPUTS[name] or not is_open:
                raise ArtifactError(
                    expected=f"the input {name} as {INPUTS[name]} of any batch and length",
                    got=f"{put.type} {quote(put.shape)}",
                    where=self._where,
                )

    def _check_answer(self, name: str, answer: NDArray[np.float32], n_rows: int, width: int | None) -> None:
        shape: tuple[int, ...] = getattr(answer, "shape", ())
        is_right = len(shape) == 2 and shape[0] == n_rows and width in (None, shape[1])
        if not is_right or answer.dtype != np.float32:
            raise ArtifactError(
                expected=f"the output {name} as float32 of shape ({n_rows}, {'D' if width is None else width})",
                got=f"{getattr(answer, 'dtype', type(answer).__name__)} of shape {shape}",
                where=self._where,
            )
        if not np.isfinite(answer).all():
            raise ArtifactError(expected=f"finite numbers as {name}", got="NaN or infinity", where=self._where)

    def _refuse(self, expected: str, error: Exception) -> ArtifactError:
        return ArtifactError(expected=expected, got=quote(_one_line(error)), where=self._where)


def read_onnx_file(path: Path) -> bytes:
    """Read an ONNX file, unless it is larger than one can be.

    Raises:
        ArtifactError: It cannot be read or is too large.
    """
    try:
        n_bytes = path.stat().st_size
        if n_bytes <= LARGEST_ONNX_BYTES:
            return path.read_bytes()
    except OSError as error:
        raise ArtifactError(expected="an ONNX file that can be read", got=describe(error), where=str(path)) from error
    raise ArtifactError(
        expected=f"an ONNX file of at most {LARGEST_ONNX_BYTES} bytes", got=f"{n_bytes} bytes", where=str(path)
    )


def _open_session(content: bytes, where: str) -> "InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread a call: calls from several threads scale better than several threads in a call, and the order of
    # every sum, and so every answer, stays the same.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Both keep what was once needed, for every shape that ever came by.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = _FATAL
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no family of errors of its own
        raise ArtifactError(
            expected="an ONNX model that onnxruntime can run", got=quote(_one_line(error)), where=where
        ) from error
    # onnxruntime keeps the file's bytes beside the weights that it made of them, to open the session once more with
    # other providers, which nobody asks for here: as much again as the model.
    session._model_bytes = None
    return session


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
