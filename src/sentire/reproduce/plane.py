"""Vectors as places in a plane, for a picture: t-SNE."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, MissingExtraError, ShapeError
from sentire.metrics.inputs import check_embeddings, check_unit_rows

try:
    from sklearn.manifold import TSNE
except ImportError as error:
    raise MissingExtraError(extra="classical", needed_for="vectors in a plane") from error

PERPLEXITY = 30.0
"""How many neighbours count for a vector; of 90 vectors or fewer, a third of the others."""

FEWEST_VECTORS = 5
"""With fewer the perplexity would be 1 or less, so that none but the nearest neighbour counts."""


def place_in_plane(vectors: ArrayLike, *, seed: int) -> NDArray[np.float32]:
    """Return a place for each vector, near those of the vectors that are near by cosine; shape (N, 2).

    Distances between groups, their sizes and the axes mean nothing.

    Source: van der Maaten and Hinton 2008, Visualizing data using t-SNE.

    Args:
        vectors: Shape (N, D), N at least 5 and D at least 2. The perplexity is 30, or (N - 1) / 3 where that is less.
        seed: Of the method's random choices.

    Raises:
        ShapeError: Not (N, D), or too few vectors or numbers a vector.
        DataError: A vector is not finite or all zeros, or all are the same.
    """
    array = check_embeddings(vectors, name="vectors", n_at_least=FEWEST_VECTORS)
    if array.shape[1] < 2:
        raise ShapeError(expected="vectors of at least 2 numbers", got=str(array.shape[1]), where="vectors")
    check_unit_rows(array, name="vectors")  # for its refusals: the method's own start goes by the vectors as they are
    if (array == array[0]).all():
        # The method would divide by their spread, and its trees of places that are no numbers end the process.
        raise DataError(expected="vectors that differ", got=f"{len(array)} that are all the same", where="vectors")
    method = TSNE(
        metric="cosine", perplexity=min(PERPLEXITY, (len(array) - 1) / 3), init="pca", random_state=seed, n_jobs=1
    )
    places: NDArray[np.float32] = method.fit_transform(array).astype(np.float32)
    return places
