"""What the tests of calls share: small questions, scripted models, and a caller with a ledger of its own."""

import asyncio
import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sentire.llm.budget import Budget, Purse
from sentire.llm.caller import Call, Caller, UnusableReplyError
from sentire.llm.exchange import Message, Reply, Request, Sampling
from sentire.llm.retries import Retries
from sentire.storage.ledger import Ledger, open_ledger

PATIENCE_SECONDS = 20.0
"""Longer than anything here takes; what hangs is a failure, not a test that never ends."""

HANGING_SECONDS = 2.0
"""After that time, what should come at once is said to hang."""


def make_request(name: str = "story 1", text: str = "How does Alma feel?", *, max_tokens: int = 50, **changes: Any):
    messages = (Message(role="system", text="Reply with JSON."), Message(role="user", text=text))
    return Request(**{"name": name, "messages": messages, "max_tokens": max_tokens, "sampling": Sampling()} | changes)


def parse_label(text: str) -> str:
    try:
        return json.loads(text)["label"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableReplyError("no label", text[:20]) from error


def make_call(number: int = 1, **changes: Any) -> Call[Any]:
    request = changes.pop("request", None) or make_request(f"story {number}", f"How does number {number} feel?")
    return Call(**{"task": "affect", "prompt": "affect/1", "request": request, "parse": parse_label} | changes)


GOOD = '{"label": "joy"}'


class Scripted:
    """Answers with what ``script(request, attempt)`` returns, or raises it; attempts of a question count from 1."""

    def __init__(self, script=lambda _request, _attempt: GOOD, *, model="scripted", seconds=0.0):
        self.model, self._script, self._seconds = model, script, seconds
        self.asked: list[Request] = []
        self.n_under_way = self.most_under_way = 0

    def count(self, name: str) -> int:
        return sum(request.name == name for request in self.asked)

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        attempt = self.count(request.name)
        self.n_under_way += 1
        self.most_under_way = max(self.most_under_way, self.n_under_way)
        try:
            await asyncio.sleep(self._seconds)
            result = self._script(request, attempt)
        finally:
            self.n_under_way -= 1
        if isinstance(result, BaseException):
            raise result
        return result if isinstance(result, Reply) else Reply(text=result, input_tokens=5, output_tokens=7)


AT_ONCE = Retries(first_wait_seconds=0.0)


@contextmanager
def open_caller(folder: Path, provider: Any, *, budget: Budget | None = None, retries: Retries = AT_ONCE, **options):
    """Yield a caller and what it writes: ``caller, ledger, purse``."""
    with open_ledger(folder, job="winter") as ledger:
        purse = Purse(budget or Budget(), ledger.sum_spent())
        yield make_caller(provider, ledger, purse, retries=retries, **options), ledger, purse


def make_caller(provider: Any, ledger: Ledger, purse: Purse, **options: Any) -> Caller:
    return Caller(provider, ledger, purse, **{"retries": AT_ONCE, "most_in_flight": 4} | options)


def run(coroutine: Any) -> Any:
    """Run it, and fail where it hangs."""

    async def limited() -> Any:
        return await asyncio.wait_for(coroutine, PATIENCE_SECONDS)

    return asyncio.run(limited())


async def wait_until(is_so: Any) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            await asyncio.sleep(0.001)
