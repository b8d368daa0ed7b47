"""Batches of texts of nearly equal length, in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.core.seeding import make_generator


def make_epoch_batches(
    lengths: ArrayLike,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    bucket_batches: int = 50,
    most_tokens: int | None = None,
) -> list[NDArray[np.int64]]:
    """Put every example into one batch of an epoch.

    The examples are shuffled, cut into buckets of ``bucket_batches * batch_size``, sorted by length inside each, and
    cut into batches, which are shuffled in turn. A wider bucket wastes less padding and mixes less.

    Args:
        lengths: Tokens of each example, shape (N,), each at least 1.
        batch_size: Most examples of a batch, at least 1.
        seed: Of the run, 0 or more.
        epoch: From 0. Nothing but these two is drawn from: a resumed run meets the same batches.
        bucket_batches: At least 1.
        most_tokens: Upper bound of a batch's tokens, padding included, unless one example alone is longer. Without it
            the number of batches is the same in every epoch: N / batch_size, rounded up.

    Returns:
        Positions of examples, shortest first in each batch.

    Raises:
        ShapeError: Not one axis, or no example.
        DataError: A length is no whole number of 1 or more.
        UsageError: A setting out of its range.
    """
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("bucket_batches", bucket_batches, 1),
        ("epoch", epoch, 0),
        ("most_tokens", most_tokens, 1),
    ):
        if value is not None and value < least:
            raise UsageError(expected=f"a whole number of {least} or more", got=str(value), where=name)
    counts = _check_lengths(lengths)
    generator = make_generator(seed, f"batches of epoch {epoch}")
    order = generator.permutation(len(counts))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), bucket_batches * batch_size):
        bucket = order[start : start + bucket_batches * batch_size]
        # Stable: examples of one length stay in the order that was drawn.
        bucket = bucket[np.argsort(counts[bucket], kind="stable")]
        batches += [bucket[part] for part in _cut(counts[bucket], batch_size, most_tokens)]
    return [batches[position] for position in generator.permutation(len(batches))]


def _cut(ascending: NDArray[np.int64], batch_size: int, most_tokens: int | None) -> Iterator[slice]:
    start = 0
    for position, length in enumerate(ascending):
        n_with = position - start + 1
        # The lengths ascend, so this one is what all of the batch would be padded to.
        if n_with > 1 and (n_with > batch_size or (most_tokens is not None and n_with * length > most_tokens)):
            yield slice(start, position)
            start = position
    yield slice(start, len(ascending))


def _check_lengths(lengths: ArrayLike) -> NDArray[np.int64]:
    counts = np.asarray(lengths)
    if counts.ndim != 1 or len(counts) == 0:
        raise ShapeError(expected="shape (N,) with N at least 1", got=f"shape {counts.shape}", where="lengths")
    if counts.dtype.kind not in "iu":
        raise DataError(expected="whole numbers of tokens", got=f"values of {counts.dtype}", where="lengths")
    if (counts < 1).any():
        position = int(np.argmax(counts < 1))
        raise DataError(expected="1 token or more", got=str(counts[position]), where=f"lengths, example {position}")
    return counts.astype(np.int64)
