"""Group commits: who waits for the disk waits together, and hears what came of it."""

import asyncio
import time

import pytest
from questions import HANGING_SECONDS, run

from sentire.core.errors import OutputError
from sentire.llm.journal import Journal
from sentire.storage.ledger import Claim, Settlement, Spending, open_ledger


class Counting:
    """Stands for a ledger on a slow disk."""

    def __init__(self, seconds=0.005, error=None, fails_at=()):
        self.commits = []
        self._seconds, self._error, self._fails_at = seconds, error, fails_at

    @property
    def applied(self):
        return [change for commit in self.commits for change in commit]

    def apply(self, changes):
        time.sleep(self._seconds)
        number = len(self.commits)
        self.commits.append(list(changes))
        if number in self._fails_at:
            raise self._error


def change(number):
    return Settlement(key=str(number), state="done")


FULL = OutputError(expected="room", got="none")


def test_many_writers_share_few_commits():
    ledger = Counting()

    async def write(journal, writer):
        for n in range(5):
            one = change(f"{writer}-{n}")
            await journal.write(one)
            assert one in ledger.applied  # it is on the disk when they go on

    async def work():
        journal = Journal(ledger)
        await asyncio.gather(*(write(journal, writer) for writer in range(200)))

    run(work())
    assert len(ledger.applied) == len({one.key for one in ledger.applied}) == 1000
    assert len(ledger.commits) <= 20


def test_changes_are_applied_in_the_order_in_which_they_came():
    ledger = Counting(seconds=0.001)

    async def write(journal, number):
        await asyncio.sleep(0.0003 * number)
        order.append(number)
        await journal.write(change(number))

    async def work():
        journal = Journal(ledger)
        await asyncio.gather(*(write(journal, number) for number in range(60)))

    order = []
    run(work())
    assert [one.key for one in ledger.applied] == [str(number) for number in order]


def test_several_changes_of_one_writer_are_in_one_commit():
    ledger = Counting()
    run(Journal(ledger).write(change(1), change(2), change(3)))
    assert ledger.commits == [[change(1), change(2), change(3)]]


def test_nothing_to_write_needs_no_commit():
    ledger = Counting()
    run(Journal(ledger).write())
    assert ledger.commits == []


def test_what_comes_after_a_commit_gets_one_of_its_own():
    ledger = Counting(seconds=0)

    async def work():
        journal = Journal(ledger)
        for number in range(3):
            await journal.write(change(number))

    run(work())
    assert ledger.commits == [[change(0)], [change(1)], [change(2)]]


def test_a_refused_commit_is_told_to_all_of_it_and_to_nobody_else():
    ledger = Counting(seconds=0.02, error=FULL, fails_at=[1])

    async def work():
        journal = Journal(ledger)
        first = asyncio.create_task(journal.write(change("first")))
        await asyncio.sleep(0.005)  # its commit has begun
        second = [asyncio.create_task(journal.write(change(n))) for n in range(10)]
        await first
        results = await asyncio.gather(*second, return_exceptions=True)
        assert results == [FULL] * 10
        await journal.write(change("last"))

    run(work())
    assert [len(commit) for commit in ledger.commits] == [1, 10, 1]


@pytest.mark.parametrize("error", [UnicodeError("no text"), OverflowError("too large")], ids=str)
def test_an_error_that_nobody_foresaw_reaches_those_who_wait_and_leaves_nobody_hanging(error):
    ledger = Counting(error=error, fails_at=[0])

    async def work():
        journal = Journal(ledger)
        writing = [asyncio.create_task(journal.write(change(n))) for n in range(5)]
        done, hanging = await asyncio.wait(writing, timeout=HANGING_SECONDS)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        assert not hanging
        assert all(task.exception() is not None for task in done)
        await journal.write(change("last"))

    run(work())


def test_a_writer_who_is_cancelled_does_not_take_its_change_back():
    ledger = Counting(seconds=0.02)

    async def work():
        journal = Journal(ledger)
        first = asyncio.create_task(journal.write(change(1)))
        await asyncio.sleep(0.005)
        second = asyncio.create_task(journal.write(change(2)))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await journal.write(change(3))

    run(work())
    assert ledger.applied == [change(1), change(2), change(3)]


def test_a_disk_that_is_slow_does_not_hold_the_event_loop_up():
    ledger = Counting(seconds=0.2)

    async def work():
        writing = asyncio.create_task(Journal(ledger).write(change(1)))
        n_turns = 0
        while not writing.done():
            await asyncio.sleep(0.001)
            n_turns += 1
        assert n_turns > 5

    run(work())


def test_what_was_written_is_in_the_ledger(tmp_path):
    rest = {"task": "t", "subject": "s", "prompt": "p", "model": "m", "settings": "{}", "reserved": Spending(calls=1)}
    with open_ledger(tmp_path, job="winter") as ledger:

        async def write(journal, number):
            await journal.write(Claim(key=str(number), **rest))
            assert ledger.get(str(number)).state == "claimed"
            await journal.write(Settlement(key=str(number), state="done", reply=f"reply {number}"))
            assert ledger.get(str(number)).reply == f"reply {number}"

        async def work():
            journal = Journal(ledger)
            await asyncio.gather(*(write(journal, number) for number in range(100)))

        run(work())
        assert [record.reply for record in ledger.records(map(str, range(100)))] == [f"reply {n}" for n in range(100)]
