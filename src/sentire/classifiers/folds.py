"""Parts of a data set on which a setting is fitted, and the rest on which it is judged."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import UsageError
from sentire.core.seeding import make_generator


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedFold:
    """What one fold knows: everything but the texts that it will be judged on.

    Attributes:
        fitted_on: Positions that the calibrator was fitted on.
        judged: The other positions.
        proba: This calibrator's probabilities of all N texts, shape (N, C).
    """

    fitted_on: NDArray[np.int64]
    judged: NDArray[np.int64]
    proba: NDArray[np.float64]


def make_folds(n_examples: int, n_folds: int, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield, for each fold, the positions to fit on and the positions to judge on.

    The examples are shuffled once; every example is judged in exactly one fold, and fold sizes differ by at most 1.

    Raises:
        UsageError: There are fewer than 2 folds or fewer examples than folds.
    """
    if not 2 <= n_folds <= n_examples:
        raise UsageError(expected=f"between 2 and {n_examples} folds", got=str(n_folds), where="n_folds")
    parts = np.array_split(make_generator(seed, "folds").permutation(n_examples), n_folds)
    for number, judged in enumerate(parts):
        fitted = np.concatenate(parts[:number] + parts[number + 1 :])
        yield np.sort(fitted), np.sort(judged)
