"""Vectors as places in a plane, for a picture: t-SNE."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import MissingExtraError

try:
    from sklearn.manifold import TSNE
except ImportError as error:
    raise MissingExtraError(extra="classical", needed_for="vectors in a plane") from error

PERPLEXITY = 30.0


def place_in_plane(vectors: ArrayLike, *, seed: int) -> NDArray[np.float32]:
    """Return a place for each vector, near those of the vectors that are near by cosine; shape (N, 2).

    Distances between groups, their sizes and the axes mean nothing.

    Source: van der Maaten and Hinton 2008, Visualizing data using t-SNE.

    Args:
        vectors: Shape (N, D), none of them 0; N above three times the perplexity of 30.
        seed: Of the method's random choices.
    """
    array = np.asarray(vectors, np.float32)
    method = TSNE(
        metric="cosine", perplexity=min(PERPLEXITY, (len(array) - 1) / 3), init="pca", random_state=seed, n_jobs=1
    )
    places: NDArray[np.float32] = method.fit_transform(array).astype(np.float32)
    return places
