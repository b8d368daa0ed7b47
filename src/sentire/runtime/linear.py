"""Linear scores: what logistic regression and naive Bayes have in common once they are trained."""

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, ShapeError
from sentire.runtime.tfidf import SparseRows


class LinearScorer:
    """Logits ``z = x W + b`` of sparse rows.

    One-vs-rest logistic regression is of this form as it stands. So is one-vs-rest multinomial naive Bayes, with
    ``W = log p(t | present) - log p(t | absent)`` and ``b`` the log ratio of the priors.

    Args:
        weights: W, shape (F, C), float32, finite.
        bias: b, shape (C,), float32, finite.
    """

    def __init__(self, *, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        if weights.ndim != 2 or bias.shape != weights.shape[1:]:
            raise ShapeError(
                expected="weights of shape (F, C) and bias of shape (C,)",
                got=f"shapes {weights.shape} and {bias.shape}",
            )
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ArtifactError(expected="finite weights", got="NaN or infinity", where="linear scorer")
        self.weights = weights
        self.bias = bias

    def score(self, rows: SparseRows) -> NDArray[np.float32]:
        """Return the logits, shape (N, C).

        Each row is summed on its own and in the same order in every batch, so the answer to a text does not depend
        on its neighbours.
        """
        scores = np.zeros((len(rows), len(self.bias)), dtype=np.float32)
        filled = rows.n_entries > 0
        if filled.any():
            products = self.weights[rows.columns]
            products *= rows.values[:, None]
            # reduceat sums from each start to the next; empty rows would repeat a neighbour's first entry.
            scores[filled] = np.add.reduceat(products, rows.starts[:-1][filled], axis=0)
        scores += self.bias
        return scores
