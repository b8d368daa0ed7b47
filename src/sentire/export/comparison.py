"""How far a graph's answers are from those of the network that it was written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ShapeError, UsageError
from sentire.export.graph_session import open_graph, run_graph
from sentire.runtime.onnx_files import TokenBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far one output is from its reference, over N rows.

    Attributes:
        largest: Greatest absolute difference of any number.
        mean: Mean absolute difference.
        relative: Root mean square of the differences, over that of the reference's own differences between rows
            (around the mean of each column): the share of noise in what tells texts apart. NaN where all rows are
            equal.
        n_rows: N.
    """

    largest: float
    mean: float
    relative: float
    n_rows: int


def compare_graph(
    graph: bytes, batches: Sequence[TokenBatch], references: Sequence[Mapping[str, NDArray[np.floating]]]
) -> dict[str, Drift]:
    """Run a graph and compare its outputs with those of another implementation.

    Args:
        graph: Bytes of the ONNX file.
        batches: What to run.
        references: For each batch, by the output's name, what is right: shape (B, width). All have the same names.

    Returns:
        For each output of the references.

    Raises:
        ArtifactError: onnxruntime cannot run the graph.
        ShapeError: An output and its reference have different shapes.
        UsageError: There is not one reference a batch, or nothing to compare.
    """
    if not batches or len(batches) != len(references):
        raise UsageError(
            expected="batches and one reference for each",
            got=f"{len(batches)} batches and {len(references)} references",
            where="references",
        )
    session, names = open_graph(graph), list(references[0])
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    right: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    for batch, reference in zip(batches, references, strict=True):
        for name, answer in zip(names, run_graph(session, names, batch), strict=True):
            if answer.shape != np.shape(reference[name]):
                raise ShapeError(
                    expected=f"a reference of shape {answer.shape} for {name}", got=f"shape {np.shape(reference[name])}"
                )
            found[name].append(answer.astype(np.float64))
            right[name].append(np.asarray(reference[name], dtype=np.float64))
    return {name: _measure(np.concatenate(found[name]), np.concatenate(right[name])) for name in names}


def _measure(found: NDArray[np.float64], right: NDArray[np.float64]) -> Drift:
    errors = found - right
    spread = float(np.sqrt(right.var(axis=0).mean()))
    return Drift(
        largest=float(np.abs(errors).max()),
        mean=float(np.abs(errors).mean()),
        relative=float(np.sqrt((errors**2).mean())) / spread if spread > 0 else float("nan"),
        n_rows=len(right),
    )
