"""Signals of a job: the first one ends it in order, and afterwards they are again whose they were."""

import asyncio
import os
import signal

import pytest

from sentire.llm.halt import Halt
from sentire.llm.signals import heed_signals


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def handled(request):
    def handle(number, frame):
        raise AssertionError("not while a job heeds it")

    before = signal.signal(request.param, handle)
    yield request.param, handle
    signal.signal(request.param, before)


def test_the_first_signal_halts_and_afterwards_it_is_whose_it_was(handled):
    number, handle = handled

    async def run():
        halt = Halt()
        with heed_signals(halt) as heard:
            os.kill(os.getpid(), number)
            await asyncio.wait_for(halt.wait(), 5)
            return list(heard)

    assert asyncio.run(run()) == [number]
    assert signal.getsignal(number) is handle


def test_the_second_signal_drops_what_is_under_way(handled):
    number, _ = handled

    async def run():
        with heed_signals(Halt()):
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.05)
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
