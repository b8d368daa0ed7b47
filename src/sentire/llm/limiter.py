"""How many requests are under way: as many as the server takes, and never more than allowed.

Additive increase, multiplicative decrease, as TCP does, round by round: a round is as many replies as there are
places. After a round with few refusals there are some places more; as soon as more than a twentieth of a round is
refused, there are three fifths of them, and the next round begins. Now and then a refusal is what every busy server
sends; to shrink for each would leave most of it idle. Among those who wait, the oldest story goes first, so that
stories are finished rather than begun.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

GROWTH = 8
"""Places more after a round."""

SHRINKAGE = 0.6

BEARABLE_SHARE = 0.05
"""Of a round's requests that may be refused; one of them always may."""


class NoPlaceError(Exception):
    """No place is given out any more."""


class Limiter:
    """Gives out places for requests.

    Args:
        most: Places when all is well.
        longest_pause_seconds: A server that asks for a longer one is asked again after that time.
        clock: Tells the time in seconds.
    """

    def __init__(
        self, most: int, *, longest_pause_seconds: float = 300.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._limit = most, most
        self._longest_pause_seconds, self._clock = longest_pause_seconds, clock
        self._n_taken = 0
        self._paused_until = 0.0
        self._n_answered, self._n_refused = 0, 0
        self._n_older = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def limit(self) -> int:
        """Places there are now."""
        return self._limit

    @asynccontextmanager
    async def place(self, priority: int) -> AsyncIterator[None]:
        """Hold a place while the block runs; the lowest priority gets the next one that is free.

        Raises:
            NoPlaceError: The limiter was closed before there was one.
        """
        await self._take(priority)
        try:
            yield
        finally:
            self._n_taken -= 1
            self._hand_out()

    def succeed(self) -> None:
        """Hear that a request was answered."""
        if not self._is_older():
            self._n_answered += 1
        if self._n_answered + self._n_refused >= self._limit:
            self._begin_round(min(self._most, self._limit + GROWTH))
        self._hand_out()

    def throttle(self, retry_after: float | None) -> None:
        """Hear that the server has too much to do.

        Args:
            retry_after: Seconds for which it wants to be left alone; None where it did not say.
        """
        if not self._is_older():
            self._n_refused += 1
        if self._n_refused > max(1, BEARABLE_SHARE * self._limit):
            self._begin_round(max(1, int(self._limit * SHRINKAGE)))
            self._n_older = max(0, self._n_taken - 1)  # all that are under way but this one
        if retry_after is not None:
            until = self._clock() + min(retry_after, self._longest_pause_seconds)
            self._paused_until = max(self._paused_until, until)

    def _is_older(self) -> bool:
        """Tell whether an outcome was under way when places were taken back: it says nothing new."""
        is_older = self._n_older > 0
        self._n_older -= is_older
        return is_older

    def _begin_round(self, limit: int) -> None:
        self._limit = limit
        self._n_answered, self._n_refused = 0, 0

    def close(self) -> None:
        """Send away all who wait, and all who come; places that are held stay."""
        self._is_closed = True
        for _, _, future in self._waiting:
            if not future.done():
                future.set_exception(NoPlaceError())
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _take(self, priority: int) -> None:
        if self._is_closed:
            raise NoPlaceError
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._numbers), future))
        self._hand_out()
        try:
            await future
        except asyncio.CancelledError:
            was_given = future.done() and not future.cancelled() and future.exception() is None
            if was_given:  # in the same moment
                self._n_taken -= 1
                self._hand_out()
            raise

    def _hand_out(self) -> None:
        pause = self._paused_until - self._clock()
        if pause > 0:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(pause, self._wake)
            return
        while self._waiting and self._n_taken < self.limit:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                self._n_taken += 1
                future.set_result(None)

    def _wake(self) -> None:
        self._timer = None
        self._hand_out()
