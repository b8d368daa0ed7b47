"""Splits that never tear a group apart: by hash, stable when rows are added, and in balanced folds."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import UsageError, quote
from sentire.core.seeding import make_generator

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Positions of the training and of the test examples."""

WHOLE = "all"
"""The name of the split that is the whole corpus."""

OWN_FRACTIONS: Mapping[str, float] = {"train": 0.8, "dev": 0.1, "test": 0.1}
"""How corpora without official splits are divided."""

OWN_SPLIT_SEED = 0
"""Of those divisions; a change of it is a new revision of every such card."""


def assign_split(group: str, fractions: Mapping[str, float], seed: int) -> str:
    """Choose the split of a group by its hash.

    A number in [0, 1) is taken from SHA-256 of seed and group; the splits divide that interval in the order of
    ``fractions``. It depends on nothing but the group, so that rows that are added later move no other row.

    Args:
        group: What must stay together.
        fractions: Share of each split, each at least 0, sum 1.
        seed: Of the division.

    Raises:
        UsageError: The fractions are not shares of a whole.

    Example:
        >>> assign_split("dialogue-7", {"train": 1.0}, seed=0)
        'train'
    """
    if not fractions or min(fractions.values()) < 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise UsageError(expected="fractions of at least 0 that add up to 1", got=quote(dict(fractions)))
    digest = hashlib.sha256(f"{seed}:{group}".encode("utf-8", "surrogatepass")).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    end = 0.0
    for split, fraction in fractions.items():
        end += fraction
        if place < end:
            return split
    # Only rounding of the sum leads here: the last split that has a share.
    return [split for split, fraction in fractions.items() if fraction > 0][-1]


def is_in_own_split(group: str, split: str) -> bool:
    """Tell whether a group of a corpus without official splits is in the split."""
    return split == WHOLE or assign_split(group, OWN_FRACTIONS, OWN_SPLIT_SEED) == split


def make_group_folds(groups: Sequence[str], n_folds: int, seed: int) -> list[Fold]:
    """Divide examples into folds for cross-validation with no group on both sides.

    The largest groups are placed first, each into the fold that has the fewest examples so far; groups of equal
    size are in an order that the seed draws. The sizes of two folds differ by no more than the largest group.

    Args:
        groups: Of each of N examples.
        n_folds: At least 2, at most the number of different groups.
        seed: Non-negative.

    Returns:
        For each fold the positions of its training and of its test examples, ascending.

    Raises:
        UsageError: The number of folds does not fit.
    """
    sizes = Counter(groups)
    if not 2 <= n_folds <= len(sizes):
        raise UsageError(expected=f"between 2 folds and one fold a group ({len(sizes)} groups)", got=str(n_folds))
    names = sorted(sizes)
    order = make_generator(seed, "group folds").permutation(len(names))
    totals = [0] * n_folds
    fold_of: dict[str, int] = {}
    for position in sorted(order.tolist(), key=lambda place: -sizes[names[place]]):
        smallest = totals.index(min(totals))
        fold_of[names[position]] = smallest
        totals[smallest] += sizes[names[position]]
    numbers = np.array([fold_of[group] for group in groups])
    return [(np.flatnonzero(numbers != fold), np.flatnonzero(numbers == fold)) for fold in range(n_folds)]
