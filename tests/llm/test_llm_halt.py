"""The end of a job: all hear of it at once, and the first reason is the one that is told."""

import asyncio

import questions

from sentire.core.errors import BudgetError, OutputError
from sentire.llm.halt import Halt


def test_of_several_reasons_the_first_one_stays():
    halt = Halt()
    assert (halt.is_called, halt.reason) == (False, None)
    first = BudgetError(expected="money", got="none")
    halt.call(first)
    halt.call(OutputError(expected="room", got="none"))
    halt.call()
    assert (halt.is_called, halt.reason) == (True, first)


def test_an_end_that_somebody_wished_has_no_reason():
    halt = Halt()
    halt.call()
    assert (halt.is_called, halt.reason) == (True, None)


def test_all_who_wait_hear_of_it_and_who_comes_later_does_not_wait():
    async def work():
        halt = Halt()
        waiting = [asyncio.create_task(halt.wait()) for _ in range(20)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        halt.call()
        await asyncio.gather(*waiting)
        await halt.wait()

    questions.run(work())
