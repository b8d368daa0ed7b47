"""Draw a few examples of each class, for training curves from little data."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, UsageError
from sentire.core.seeding import make_generator
from sentire.metrics.inputs import as_labels, check_classes


def draw_shots(labels: ArrayLike, n_a_class: int, *, seed: int) -> NDArray[np.int64]:
    """Draw equally many texts of each class.

    Draws of one seed are nested: the 16 of a class are among its 64, and these among its 256, so that a curve over
    sizes only ever adds texts. Each class is shuffled once, by the seed and its own place alone.

    Args:
        labels: One class a text, shape (N,), whole numbers or names.
        n_a_class: Texts of each class, at least 1.
        seed: Of the draw.

    Returns:
        Positions in rising order, shape (K n_a_class,).

    Raises:
        UsageError: Fewer than one text a class.
        ShapeError: The labels are not one a text.
        DataError: A class has fewer texts.

    Example:
        >>> len(draw_shots(["joy", "anger", "joy", "anger", "joy"], 2, seed=0))
        4
    """
    if n_a_class < 1:
        raise UsageError(expected="at least 1 text of each class", got=str(n_a_class), where="n_a_class")
    array = as_labels(labels)
    classes = check_classes(array, n_texts=len(array) if array.ndim else 0)
    if not len(classes):
        raise DataError(expected="labels to draw from", got="none", where="labels")
    names = np.unique(array)
    sizes = np.bincount(classes)
    if sizes.min() < n_a_class:
        rarest = int(sizes.argmin())
        raise DataError(
            expected=f"at least {n_a_class} texts of each class",
            got=f"{sizes[rarest]} of {names[rarest]!s}",
            where="labels",
            hint="draw fewer, or leave the class out",
        )
    chosen = [
        make_generator(seed, f"shots of class {number}").permutation(np.flatnonzero(classes == number))[:n_a_class]
        for number in range(len(names))
    ]
    drawn: NDArray[np.int64] = np.sort(np.concatenate(chosen))
    return drawn
