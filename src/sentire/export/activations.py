"""What goes through a network on real texts: the ranges and covariances from which scales and roundings are taken."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, quote
from sentire.export.graph_session import open_graph, run_graph
from sentire.export.linear_quantisation import Activations
from sentire.runtime.onnx_files import TokenBatch


class _Accumulator:
    """Sums over rows of K numbers."""

    def __init__(self, n_channels: int) -> None:
        self._weight = 0.0
        self._sum = np.zeros(n_channels)
        # In float32: for a wide model these are hundreds of megabytes, and the rounding is far below the damping.
        self._products = np.zeros((n_channels, n_channels), dtype=np.float32)
        self._lowest = np.full(n_channels, np.inf)
        self._highest = np.full(n_channels, -np.inf)

    def add(self, rows: NDArray[np.float32], weight: float) -> None:
        self._weight += len(rows) * weight
        self._sum += rows.sum(axis=0, dtype=np.float64) * weight
        self._products += (rows.T @ rows) * np.float32(weight)
        self._lowest = np.minimum(self._lowest, rows.min(axis=0))
        self._highest = np.maximum(self._highest, rows.max(axis=0))

    def summarise(self) -> Activations:
        mean = self._sum / self._weight
        return Activations(
            lowest=self._lowest,
            highest=self._highest,
            mean=mean,
            covariance=self._products.astype(np.float64) / self._weight - np.outer(mean, mean),
        )


def observe_activations(graph: bytes, names: Sequence[str], batches: Sequence[TokenBatch]) -> Mapping[str, Activations]:
    """Run a graph over batches and summarise the named outputs, each of shape (B, T, K), by channel.

    Every text counts the same, and its T tokens 1/T each, as they do in its pooled vector. Short texts are mostly
    special tokens, whose states are unlike others, and drift more than long ones. Counted so, those of at most six
    tokens drift by .109 instead of .122 (MiniLM, 15 texts of GoEmotions dev); over all 250 texts it is .066 both ways.

    Raises:
        ArtifactError: onnxruntime cannot run the graph, or an output is not finite.
    """
    session = open_graph(graph)
    sums: dict[str, _Accumulator] = {}
    for batch in batches:
        for name, array in zip(names, run_graph(session, names, batch), strict=True):
            rows = array.reshape(-1, array.shape[-1])
            if not np.isfinite(rows).all():
                raise ArtifactError(
                    expected="finite numbers inside the network",
                    got=f"NaN or infinity at {quote(name)}",
                    where="calibration",
                )
            sums.setdefault(name, _Accumulator(rows.shape[1])).add(rows, 1.0 / array.shape[1])
    return {name: accumulator.summarise() for name, accumulator in sums.items()}
