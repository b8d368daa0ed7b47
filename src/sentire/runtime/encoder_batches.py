"""Rows of equal length, put together into batches and computed in several threads."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

MOST_TOKENS_AT_ONCE = 1024
"""In all batches that are computed at the same time: what a thread needs for its batch grows with the tokens in it."""

FEWEST_BATCH_TOKENS = 256
"""A batch may hold so many tokens, however many threads there are; smaller ones are slower."""

Result = TypeVar("Result")


def count_cores() -> int:
    """Return on how many cores this process may run."""
    count = getattr(os, "process_cpu_count", None)  # Python 3.13
    if count is not None:
        return count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def plan_batches(lengths: NDArray[np.int64], n_threads: int) -> list[NDArray[np.int64]]:
    """Put rows into batches of one length each, so that there is no padding at all.

    Padding costs time, and a row that is computed among padded ones does not get the answer that it gets alone.

    Args:
        lengths: Tokens of each row, shape (R,).
        n_threads: How many batches are computed at once; few rows are spread over them.

    Returns:
        Positions of rows, every row once; the longest rows first, so that no thread begins a large batch last.
    """
    # Each thread gets a batch even where all rows together would fit into one.
    in_one = min(MOST_TOKENS_AT_ONCE // n_threads, -(-int(lengths.sum()) // n_threads))
    most_tokens = max(FEWEST_BATCH_TOKENS, in_one)
    order = np.argsort(-lengths, kind="stable")
    batches: list[NDArray[np.int64]] = []
    for group in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if len(group):
            n_rows = max(1, most_tokens // max(1, int(lengths[group[0]])))
            batches.extend(group[start : start + n_rows] for start in range(0, len(group), n_rows))
    return batches


def run_batches(
    run: Callable[[NDArray[np.int64]], Result], batches: Sequence[NDArray[np.int64]], n_threads: int
) -> list[Result]:
    """Run every batch and return the results in order.

    The threads live for this call only: none is left behind for a process that forks later, or that ends.

    Raises:
        Exception: What ``run`` raises, the first one; batches that have not begun are left out.
    """
    if n_threads < 2 or len(batches) < 2:
        return [run(batch) for batch in batches]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(n_threads, len(batches)), thread_name_prefix="sentire") as pool:
        return list(pool.map(run, batches))
