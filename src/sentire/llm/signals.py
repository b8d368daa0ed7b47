"""Ctrl-C and SIGTERM: the first lets what is under way come to its end, the second drops it."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from sentire.llm.halt import Halt


@contextmanager
def heed_signals(halt: Halt) -> Iterator[list[int]]:
    """Call a halt at the first signal, and cancel the running task at the second; yield the signals that came.

    Whoever handled them before does so again afterwards.
    """
    loop = asyncio.get_running_loop()
    running = asyncio.current_task()
    heard: list[int] = []

    def hear(number: int) -> None:
        heard.append(number)
        halt.call()
        if len(heard) > 1 and running is not None:
            running.cancel()

    handled = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)
        try:
            loop.add_signal_handler(number, hear, number)
            handled[number] = before
        except (NotImplementedError, RuntimeError, ValueError):  # not in the main thread, or not on this platform
            continue
    try:
        yield heard
    finally:
        for number, before in handled.items():
            loop.remove_signal_handler(number)
            if before is not None:  # asyncio leaves the system's own, which would end what follows without cleaning up
                signal.signal(number, before)
