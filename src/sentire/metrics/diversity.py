"""How different texts are from one another: by their words, and by their vectors."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.core.normalise import normalise_text
from sentire.core.words import split_words
from sentire.metrics.inputs import FloatArray

_SMALLEST_EIGENVALUE = 1e-12


def distinct_n(texts: Iterable[str], n: int) -> float:
    """Return the share of different n-grams among all n-grams of words of some texts, 0 to 1.

    **Source** Li, Galley, Brockett, Gao and Dolan 2016, A Diversity-Promoting Objective Function for Neural
    Conversation Models, section 4.3. It falls with the number of texts: compare only sets of one size.

    Args:
        texts: In any form; words are those of their normal form, and single signs in scripts without blanks.
        n: Words of an n-gram, at least 1.

    Returns:
        NaN where no text has n words.

    Example:
        >>> distinct_n(["so it goes", "so it is"], 2)
        0.75
    """
    if n < 1:
        raise UsageError(expected="n-grams of at least 1 word", got=str(n))
    n_all = 0
    different: set[tuple[str, ...]] = set()
    for text in texts:
        words = split_words(normalise_text(text))
        grams = list(zip(*(words[start:] for start in range(n)), strict=False))
        n_all += len(grams)
        different.update(grams)
    return len(different) / n_all if n_all else float("nan")


def vendi_score(embeddings: ArrayLike) -> float:
    """Return the effective number of different texts, from 1 (all alike) to N or D (all at right angles).

    exp(- Σ λ log λ) over the eigenvalues λ of X Xᵀ / N, with the rows of X of length 1. They are those of the D by D
    matrix Xᵀ X / N, so that N may be large.

    **Source** Friedman and Dieng 2023, The Vendi Score, TMLR, definition 3.1, with the cosine as similarity.

    Args:
        embeddings: Shape (N, D); rows of zeros are left out.

    Returns:
        NaN where no row is left.

    Example:
        >>> round(vendi_score([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), 6)
        2.0
    """
    unit = _unit_rows(embeddings)
    if not len(unit):
        return float("nan")
    eigenvalues = np.linalg.eigvalsh(unit.T @ unit / len(unit))
    kept = eigenvalues[eigenvalues > _SMALLEST_EIGENVALUE]
    return float(np.exp(-(kept * np.log(kept)).sum()))


def group_similarity(embeddings: ArrayLike, groups: Sequence[str]) -> tuple[float, float]:
    """Return the mean cosine of two different texts of one group, and that of two texts of different groups.

    From the sums of the groups' unit vectors: the squared length of a sum is the sum of all cosines in it, so that all
    pairs are counted at the cost of one pass.

    Args:
        embeddings: Shape (N, D); rows of zeros are left out.
        groups: Of each text, such as the character who says it.

    Returns:
        NaN in the place of a mean over no pair.

    Example:
        >>> group_similarity([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], ["a", "a", "b"])
        (1.0, 0.0)
    """
    array = _check(embeddings)
    if len(array) != len(groups):
        raise ShapeError(expected=f"{len(array)} groups, one a row", got=str(len(groups)))
    groups = [group for group, row in zip(groups, array, strict=True) if row.any()]
    unit = _unit_rows(array)
    _, places, sizes = np.unique(np.asarray(groups, dtype=str), return_inverse=True, return_counts=True)
    sums = np.zeros((len(sizes), unit.shape[1]))
    np.add.at(sums, places, unit)
    within = float((sums**2).sum() - len(unit))
    n_within = float((sizes * (sizes - 1.0)).sum())
    everything = float((sums.sum(axis=0) ** 2).sum() - len(unit))
    n_across = len(unit) * (len(unit) - 1.0) - n_within
    return (
        within / n_within if n_within else float("nan"),
        (everything - within) / n_across if n_across else float("nan"),
    )


def _check(embeddings: ArrayLike) -> FloatArray:
    array: NDArray[np.float64] = np.asarray(embeddings, dtype=np.float64)
    if array.ndim != 2:
        raise ShapeError(expected="shape (N, D)", got=f"shape {array.shape}")
    if not np.isfinite(array).all():
        raise DataError(expected="embeddings of finite numbers", got="one that is none")
    return array


def _unit_rows(embeddings: ArrayLike) -> FloatArray:
    array = _check(embeddings)
    lengths = np.linalg.norm(array, axis=1)
    return np.asarray(array[lengths > 0] / lengths[lengths > 0, None])
