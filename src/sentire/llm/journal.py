"""Group commits: whoever waits for the disk waits together.

A commit takes milliseconds, and there may be thousands of changes a second. While one commit is being written in a
thread, the changes that come meanwhile gather, and all of them make up the next one.
"""

import asyncio

from sentire.storage.ledger import Claim, Ledger, Settlement


class Journal:
    """Writes a ledger from an event loop without holding it up."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._gathered: list[tuple[Claim | Settlement, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, *changes: Claim | Settlement) -> None:
        """Return when the changes are on the disk.

        Raises:
            OutputError: They could not be written.
        """
        loop = asyncio.get_running_loop()
        futures = []
        for change in changes:
            futures.append(loop.create_future())
            self._gathered.append((change, futures[-1]))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_gathered())
        for future in futures:
            await asyncio.shield(future)

    async def _write_gathered(self) -> None:
        while self._gathered:
            gathered, self._gathered = self._gathered, []
            try:
                await asyncio.to_thread(self._ledger.apply, [change for change, _ in gathered])
            except Exception as error:
                for _, future in gathered:
                    if not future.done():
                        future.set_exception(error)
            else:
                for _, future in gathered:
                    if not future.done():
                        future.set_result(None)
