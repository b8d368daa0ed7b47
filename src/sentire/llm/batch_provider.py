"""Models in this process answer many questions at once: questions gather while the last batch is being answered."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from sentire.llm.exchange import FaultError, Reply, Request


class BatchModel(Protocol):
    """A model that takes a list of questions."""

    def load(self) -> None:
        """Make it ready; called once, before the first question."""

    def answer(self, requests: Sequence[Request]) -> list[Reply | FaultError]:
        """Return a reply or a fault for each question, in their order."""


class BatchProvider:
    """Puts single questions together for a model that answers lists of them.

    Args:
        batch_model: Answers.
        model: Its name, as the ledger records it.
        batch_size: Most questions at a time.
    """

    def __init__(self, batch_model: BatchModel, *, model: str, batch_size: int) -> None:
        self.model = model
        self._batch_model, self._batch_size = batch_model, batch_size
        self._waiting: list[tuple[Request, asyncio.Future[Reply]]] = []
        self._working: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Load the model."""
        await asyncio.to_thread(self._batch_model.load)

    async def complete(self, request: Request) -> Reply:
        """Ask with the next batch."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await future

    async def close(self) -> None:
        """Wait for the batch that is being answered."""
        if self._working is not None:
            await self._working

    async def _work(self) -> None:
        await asyncio.sleep(0)  # those who ask in the same moment come along
        while self._waiting:
            batch, self._waiting = self._waiting[: self._batch_size], self._waiting[self._batch_size :]
            try:
                answers = await asyncio.to_thread(self._batch_model.answer, [request for request, _ in batch])
                if len(answers) != len(batch):
                    raise ValueError(f"{len(answers)} answers to {len(batch)} questions")
            except Exception as error:
                answers = [FaultError("model failed", "again", detail=f"{type(error).__name__}: {error}")] * len(batch)
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, FaultError):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
