"""The end of a job, of which all who make calls hear at once."""

import asyncio
from collections.abc import Callable

from sentire.core.errors import SentireError


class Halt:
    """Says whether calls may still be begun.

    Attributes:
        reason: What went wrong; None where nothing did, or where somebody wished the end.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self.reason: SentireError | None = None

    @property
    def is_called(self) -> bool:
        """No call is begun any more; what is under way comes to its end."""
        return self._event.is_set()

    def call(self, reason: SentireError | None = None) -> None:
        """End the job; of several reasons the first one stays."""
        if self.reason is None:
            self.reason = reason
        self._event.set()
        for listener in self._listeners:
            listener()

    def tell(self, listener: Callable[[], None]) -> None:
        """Call somebody when the job is to end."""
        self._listeners.append(listener)

    async def wait(self) -> None:
        """Return when the job is to end."""
        await self._event.wait()
