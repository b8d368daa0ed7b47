"""Batches hold every row once, of one length each, and threads change nothing but the time."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.runtime import encoder_batches
from sentire.runtime.encoder_batches import (
    FEWEST_BATCH_TOKENS,
    MOST_TOKENS_AT_ONCE,
    count_cores,
    plan_batches,
    run_batches,
)


@given(st.lists(st.integers(2, 130), max_size=300), st.integers(1, 8))
def test_every_row_is_in_one_batch_of_its_length(lengths, n_threads):
    lengths = np.array(lengths, dtype=np.int64)
    batches = plan_batches(lengths, n_threads)
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(lengths)))
    sizes = [set(lengths[batch].tolist()) for batch in batches]
    assert all(len(size) == 1 for size in sizes)
    most = max(FEWEST_BATCH_TOKENS, MOST_TOKENS_AT_ONCE // n_threads)
    assert all(len(batch) * lengths[batch[0]] <= most for batch in batches)
    firsts = [lengths[batch[0]] for batch in batches]
    assert firsts == sorted(firsts, reverse=True)
    assert [plan.tolist() for plan in plan_batches(lengths, n_threads)] == [batch.tolist() for batch in batches]


def test_there_is_no_batch_that_could_be_joined_to_another():
    batches = plan_batches(np.array([20] * 250 + [30] * 10), 1)
    assert [len(batch) for batch in batches] == [10, 51, 51, 51, 51, 46]


def test_few_rows_are_spread_over_the_threads():
    lengths = np.full(40, 20)
    assert [len(batch) for batch in plan_batches(lengths, 1)] == [40]
    assert [len(batch) for batch in plan_batches(lengths, 2)] == [20] * 2
    assert [len(batch) for batch in plan_batches(lengths, 64)] == [12, 12, 12, 4]


def test_a_row_longer_than_a_batch_is_one(monkeypatch):
    monkeypatch.setattr(encoder_batches, "FEWEST_BATCH_TOKENS", 10)
    monkeypatch.setattr(encoder_batches, "MOST_TOKENS_AT_ONCE", 10)
    assert [batch.tolist() for batch in plan_batches(np.array([50, 8000, 50]), 1)] == [[1], [0], [2]]


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_come_in_order_whatever_ends_first(n_threads):
    def run(batch):
        time.sleep(0.01 * (5 - int(batch[0])))
        return int(batch[0]), threading.current_thread()

    results = run_batches(run, [np.array([number]) for number in range(5)], n_threads)
    assert [number for number, _ in results] == list(range(5))
    threads = {thread for _, thread in results}
    assert (threads == {threading.current_thread()}) == (n_threads == 1)
    assert not any(thread.is_alive() for thread in threads - {threading.current_thread()})


def test_batches_run_at_the_same_time():
    meeting = threading.Barrier(3, timeout=30)
    assert len(run_batches(lambda _: meeting.wait(), [np.array([number]) for number in range(3)], 3)) == 3


def test_one_batch_starts_no_thread():
    threads = run_batches(lambda _: threading.current_thread(), [np.array([0])], 8)
    assert threads == [threading.current_thread()]
    assert run_batches(lambda _: 1, [], 8) == []


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_fault_in_one_batch_is_the_callers(n_threads):
    begun = []

    def run(batch):
        begun.append(int(batch[0]))
        if batch[0] == 0:
            raise ValueError("batch 0")
        time.sleep(0.05)

    with pytest.raises(ValueError, match="batch 0"):
        run_batches(run, [np.array([number]) for number in range(200)], n_threads)
    assert len(begun) < 200  # the rest is not begun


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    assert count_cores() >= 1
    monkeypatch.setattr("os.process_cpu_count", lambda: 3, raising=False)
    assert count_cores() == 3
    monkeypatch.delattr("os.process_cpu_count")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 5}, raising=False)
    assert count_cores() == 2
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert count_cores() == 1
