"""Which examples meet in a batch: by chance, in the shares of their classes, or some of each class.

All follow from the seed and the epoch alone, so that a resumed run meets the same batches.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, UsageError
from sentire.core.seeding import make_generator
from sentire.pairing.labels import check_labels

Rows = NDArray[np.int64]


def plain_batches(n_rows: int, *, batch_size: int, seed: int, epoch: int) -> list[Rows]:
    """Deal every row into one batch, at random.

    There are n_rows / batch_size batches, rounded up, whose sizes differ by at most one: none is a small rest. (With a
    batch size of 2 and an odd number of rows, one batch has one row.)

    Args:
        n_rows: At least ``batch_size``.
        batch_size: Most rows of a batch, at least 2.
        seed: Of the run, 0 or more.
        epoch: From 0.

    Returns:
        Row numbers of each batch.

    Raises:
        UsageError: A setting out of its range, or a batch that is larger than the data.
    """
    _check_settings(n_rows, batch_size, epoch)
    generator = make_generator(seed, f"plain batches of epoch {epoch}")
    return _deal(generator.permutation(n_rows), batch_size)


def stratified_batches(labels: ArrayLike, *, batch_size: int, seed: int, epoch: int) -> list[Rows]:
    """Deal every row into one batch, so that each batch has the class shares of the data as nearly as integers allow.

    The rows are put in order of their classes and dealt one by one, like cards. Of n rows of a class, each of b batches
    gets n / b, rounded down or up, and batches differ by at most one row in all.

    Args:
        labels: The class of each row, shape (N,), whole numbers of 0 or more; at least two classes.
        batch_size: Most rows of a batch, from 2 to N.
        seed: Of the run, 0 or more.
        epoch: From 0.

    Returns:
        Row numbers of each batch: N / batch_size of them, rounded up.

    Raises:
        ShapeError: Not one axis, or no row.
        DataError: Not whole numbers, or one class alone.
        LabelError: A label is below 0.
        UsageError: A setting out of its range, or a batch that is larger than the data.
    """
    of_class = _group_rows(labels)
    _check_settings(sum(len(rows) for rows in of_class), batch_size, epoch)
    generator = make_generator(seed, f"stratified batches of epoch {epoch}")
    shuffled = [generator.permutation(of_class[number]) for number in generator.permutation(len(of_class))]
    dealt = _deal(np.concatenate(shuffled), batch_size)
    return [dealt[number] for number in generator.permutation(len(dealt))]


def per_class_batches(labels: ArrayLike, *, batch_size: int, per_class: int, seed: int, epoch: int) -> list[Rows]:
    """Fill each batch with ``per_class`` rows of each of ``batch_size / per_class`` classes (MPerClass).

    A class goes through all of its rows, in a new order each time, before one of them comes again; so do the classes
    themselves. A row is in a batch twice only where its class has fewer than ``per_class`` rows.

    Source: the sampler ``MPerClassSampler`` of pytorch-metric-learning.
    Departures: it draws classes and rows of every batch anew; here they take turns, so that within an epoch two classes
    differ by at most one turn, and two rows of a class by at most one use. Over an epoch all classes count the same,
    whatever their size: rows of large classes are not all met, and those of small ones often.

    Args:
        labels: The class of each row, shape (N,), whole numbers of 0 or more.
        batch_size: A multiple of ``per_class``, at most N.
        per_class: At least 2.
        seed: Of the run, 0 or more.
        epoch: From 0.

    Returns:
        Row numbers of each batch, all of ``batch_size``: N / batch_size of them, rounded down.

    Raises:
        ShapeError: Not one axis, or no row.
        DataError: Not whole numbers, or one class alone.
        LabelError: A label is below 0.
        UsageError: A setting out of its range, a batch that is larger than the data, or more classes a batch than
            there are.
    """
    of_class = _group_rows(labels)
    n_rows = sum(len(rows) for rows in of_class)
    _check_settings(n_rows, batch_size, epoch)
    if per_class < 2:
        raise UsageError(
            expected="2 rows of a class or more",
            got=str(per_class),
            where="per_class",
            hint="a row needs another one of its class to be near to",
        )
    n_classes, rest = divmod(batch_size, per_class)
    if rest or n_classes < 2:
        raise UsageError(
            expected=f"a batch size of 2 or more times {per_class}, the rows of a class",
            got=str(batch_size),
            where="batch_size",
        )
    if n_classes > len(of_class):
        raise UsageError(
            expected=f"at most {len(of_class)} classes in a batch, as many as there are",
            got=f"{batch_size} / {per_class} = {n_classes}",
            where="batch_size",
            hint="take a smaller batch, or more rows of each class",
        )
    generator = make_generator(seed, f"per-class batches of epoch {epoch}")
    classes = _Turns(np.arange(len(of_class)), generator)
    rows = [_Turns(members, generator) for members in of_class]
    return [
        np.concatenate([rows[number].take(per_class) for number in classes.take(n_classes)])
        for _ in range(n_rows // batch_size)
    ]


class _Turns:
    """Items that take turns: each comes once, in a random order, before any comes again."""

    def __init__(self, items: Rows, generator: np.random.Generator) -> None:
        self._items = items
        self._generator = generator
        self._waiting = generator.permutation(items)

    def take(self, n_items: int) -> Rows:
        """Return the next ones, without a double as long as there are other items."""
        taken = self._waiting[:n_items]
        self._waiting = self._waiting[n_items:]
        while len(taken) < n_items:
            anew = self._generator.permutation(self._items)
            # Those that were taken least come first, and the order that was drawn decides among them.
            n_uses = (anew[:, None] == taken[None, :]).sum(axis=1)
            anew = anew[np.argsort(n_uses, kind="stable")]
            n_missing = n_items - len(taken)
            taken, self._waiting = np.concatenate([taken, anew[:n_missing]]), anew[n_missing:]
        return taken


def _deal(rows: Rows, batch_size: int) -> list[Rows]:
    n_batches = -(-len(rows) // batch_size)
    return [rows[start::n_batches] for start in range(n_batches)]


def _group_rows(labels: ArrayLike) -> list[Rows]:
    classes = check_labels(labels)
    order = np.argsort(classes, kind="stable")
    _, starts = np.unique(classes[order], return_index=True)
    if len(starts) < 2:
        raise DataError(
            expected="rows of two classes or more",
            got=f"{len(classes)} of class {classes[0]} alone",
            where="labels",
            hint="without a row of another class there is nothing to tell apart",
        )
    return np.split(order, starts[1:])


def _check_settings(n_rows: int, batch_size: int, epoch: int) -> None:
    if batch_size < 2:
        raise UsageError(
            expected="a batch of 2 rows or more",
            got=str(batch_size),
            where="batch_size",
            hint="a row by itself has nothing to be compared with",
        )
    if epoch < 0:
        raise UsageError(expected="a whole number of 0 or more", got=str(epoch), where="epoch")
    if batch_size > n_rows:
        raise UsageError(
            expected=f"a batch of at most {n_rows} rows, as many as there are", got=str(batch_size), where="batch_size"
        )
