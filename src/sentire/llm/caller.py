"""Calls that are never lost and never paid twice: each is looked up, claimed, sent, parsed, repaired, and settled.

    ask ─▶ in the ledger? ─▶ its reply
        └▶ budget ─▶ claim on the disk ─▶ a place ─▶ provider ─▶ parse ─▶ settle on the disk ─▶ its reply
              ▲                                         │ fault       │ unusable
              └────────── wait ◀────────────────────────┴─────────────┘

A call is known by what is asked of which model and how, so that a changed prompt, setting or model asks anew and what
did not change is found. Two askers of the same thing share one call.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import orjson

from sentire.core.config import dump_config
from sentire.core.errors import BudgetError, GenerationError, OutputError
from sentire.core.seeding import make_generator
from sentire.llm.budget import Purse
from sentire.llm.exchange import FaultError, Message, Reply, Request
from sentire.llm.halt import Halt
from sentire.llm.journal import Journal
from sentire.llm.limiter import Limiter, NoPlaceError
from sentire.llm.provider import Provider
from sentire.llm.retries import Retries, choose_wait
from sentire.storage.ledger import Claim, Entry, Ledger, LedgerReader, Settlement, Spending

T = TypeVar("T")

OUTAGE_ROUNDS = 3
"""So many times the calls that are under way, one failing attempt after another, is an outage: the job stops."""

FEWEST_FAILURES_OF_OUTAGE = 30


class UnusableReplyError(Exception):
    """A reply that cannot be used.

    Args:
        reason: Why, in our own words, which do not change from reply to reply; told to the model when it is asked to
            mend it.
        detail: What is special about this one, for the ledger. It may quote the reply, and is told to no model.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


class StoppedError(Exception):
    """The job is ending: this call was not made, and waits for the next run."""


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T]):
    """A question with all that is needed to use its answer.

    Attributes:
        task: What kind of question it is.
        prompt: Name and version of the prompt.
        request: The question.
        parse: Turns the text of a reply into what is wanted, or raises UnusableReplyError.
        sample: Counts askings of the same question that want different answers.
        priority: The lowest goes first.
    """

    task: str
    prompt: str
    request: Request
    parse: Callable[[str], T]
    sample: int = 0
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[T]):
    """What came of a call.

    Attributes:
        key: By which the ledger knows it.
        value: What the reply says; None where the call failed.
        failure: Why it failed; empty where it did not.
    """

    key: str
    value: T | None = None
    failure: str = ""


def make_key(call: Call[Any], model: str) -> str:
    """Return what identifies a call: the same whenever the same is asked of the same model in the same way."""
    request = call.request
    asked = [
        call.prompt,
        model,
        call.sample,
        request.max_tokens,
        request.schema,
        dump_config(request.sampling),
        [[message.role, message.text] for message in request.messages],
    ]
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


class Recall:
    """Answers from the ledger alone: what was not asked is not known.

    Args:
        ledger: With the calls of a job.
        model: That answered them.
    """

    def __init__(self, ledger: LedgerReader, model: str) -> None:
        self._ledger, self._model = ledger, model
        self.n_unknown = 0

    async def ask(self, call: Call[T]) -> Outcome[T]:
        """Return what the ledger has of a call; a failure where it has nothing."""
        key = make_key(call, self._model)
        known = _recall(call, key, self._ledger.get(key))
        if known is None:
            self.n_unknown += 1
            return Outcome(key=key, failure="not asked yet")
        return known


@dataclass
class Counts:
    """What a run did.

    Attributes:
        n_known: Calls that the ledger had.
        n_done: Calls that were answered.
        n_failed: Calls that failed for good.
        faults: Attempts that brought nothing, by reason.
    """

    n_known: int = 0
    n_done: int = 0
    n_failed: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class Caller:
    """Asks a provider, within budget and limits, with every call in the ledger.

    Args:
        provider: Who is asked.
        ledger: Open.
        purse: What may be spent; several callers may share it.
        retries: What is done with what cannot be used.
        most_in_flight: Requests at the same time.
        journal: Of the ledger, where several callers share it.
        halt: Ends the job; several callers share it.
        seed: Of the jitter of the waits.
        on_settled: Called after every call that was made and settled for good.
    """

    def __init__(
        self,
        provider: Provider,
        ledger: Ledger,
        purse: Purse,
        *,
        retries: Retries,
        most_in_flight: int,
        journal: Journal | None = None,
        halt: Halt | None = None,
        seed: int = 0,
        on_settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._provider, self._ledger, self._purse, self._retries = provider, ledger, purse, retries
        self._journal = journal or Journal(ledger)
        self._limiter = Limiter(most_in_flight, longest_pause_seconds=retries.longest_wait_seconds)
        # Claims run a little ahead of the places, so that no place waits for the disk.
        self._ahead = Limiter(most_in_flight + max(2, most_in_flight // 8))
        self._most_in_flight = most_in_flight
        self._generator: np.random.Generator = make_generator(seed, "jitter of retries")
        self._on_settled = on_settled
        self._under_way: dict[str, asyncio.Future[Outcome[Any]]] = {}
        self._n_failures_in_a_row = 0
        self._lost_in_a_row: list[str] = []  # the keys of calls that failed for good since the last answer
        self._is_outage = False
        self._halt = halt or Halt()
        for limiter in (self._ahead, self._limiter):  # nobody sits out a pause that the server asked for
            self._halt.tell(limiter.close)
        self.counts = Counts()

    async def ask(self, call: Call[T]) -> Outcome[T]:
        """Return what came of a call, now or in an earlier run.

        Raises:
            StoppedError: The job is ending, and the call was not made.
        """
        key = make_key(call, self._provider.model)
        known = _recall(call, key, self._ledger.get(key))
        if known is not None:
            self.counts.n_known += 1
            return known
        other = self._under_way.get(key)
        if other is not None:
            shared: Outcome[T] = await asyncio.shield(other)
            return shared
        future: asyncio.Future[Outcome[Any]] = asyncio.get_running_loop().create_future()
        self._under_way[key] = future
        try:
            outcome = await self._make(call, key)
        except BaseException as error:
            future.set_exception(error if isinstance(error, StoppedError) else StoppedError())
            future.exception()  # nobody may be waiting for it
            raise
        else:
            future.set_result(outcome)
            return outcome
        finally:
            del self._under_way[key]

    async def _make(self, call: Call[T], key: str) -> Outcome[T]:
        n_repairs, n_faults = 0, 0
        request = call.request
        for attempt in range(1, self._retries.attempts + 1):
            is_last = attempt == self._retries.attempts
            broken: UnusableReplyError | None = None
            async with self._claimed(call, request, key) as bound:
                reply, fault, seconds = await self._send(request)
                if reply is None:
                    assert fault is not None  # noqa: S101  one of the two is there
                    n_faults += 1
                    failure = "" if fault.verdict == "again" and not is_last else fault.reason
                    await self._settle_fault(key, fault, bound, seconds, failure)
                else:
                    value = await self._read(call, key, reply, bound, seconds)
                    broken = value if isinstance(value, UnusableReplyError) else None
                    n_repairs += broken is not None
                    is_over = is_last or n_repairs > self._retries.repairs
                    failure = "" if broken is None or not is_over else broken.reason
                    await self._settle_reply(key, reply, broken, bound, seconds, failure)
                    if not isinstance(value, UnusableReplyError):
                        return Outcome(key=key, value=value)
            if failure:
                return Outcome(key=key, failure=failure)
            if reply is not None and broken is not None:
                request = _ask_to_mend(call.request, reply, broken)
            elif fault is not None:
                await self._wait(choose_wait(self._retries, n_faults, fault.retry_after, self._generator.random))
        raise AssertionError("the last attempt returns")

    @asynccontextmanager
    async def _claimed(self, call: Call[Any], request: Request, key: str) -> AsyncIterator[Spending]:
        """Claim a call and hold a place for it, until its reply is on the disk.

        Whatever kills the job, no more calls have to be made again than may be in flight.
        """
        try:
            async with self._ahead.place(call.priority):
                bound = await self._claim(call, request, key)
                try:
                    async with self._limiter.place(call.priority):
                        yield bound
                except NoPlaceError:
                    await self._settle(Settlement(key=key, state="pending", was_sent=False), bound, is_final=False)
                    raise
        except NoPlaceError as error:
            raise StoppedError from error

    async def _read(
        self, call: Call[T], key: str, reply: Reply, bound: Spending, seconds: float
    ) -> T | UnusableReplyError:
        try:
            return _parse(call, reply)
        except Exception:
            # A fault of the parser, not of the reply, which was paid for: it is kept before anybody hears of it.
            spent = self._purse.measure(reply, bound)
            settlement = Settlement(key=key, state="done", spent=spent, seconds=seconds, reply=reply.text)
            await self._settle(settlement, bound, is_final=True)
            raise

    async def _claim(self, call: Call[Any], request: Request, key: str) -> Spending:
        bound = self._purse.bound(request)
        while not self._halt.is_called and not self._purse.can_afford(bound):
            try:
                self._purse.check(bound)
            except BudgetError as error:
                if self._purse.is_idle:
                    self._halt.call(error)
                    break
            # What others turn out to cost may leave enough.
            await self._wait_for_any(self._purse.wait_for_change(), self._halt.wait())
        if self._halt.is_called:
            raise StoppedError
        self._purse.set_aside(bound)
        claim = Claim(
            key=key,
            task=call.task,
            subject=request.name,
            prompt=call.prompt,
            model=self._provider.model,
            settings=orjson.dumps({**dump_config(request.sampling), "max_tokens": request.max_tokens}).decode(),
            reserved=bound,
        )
        try:
            await self._journal.write(claim)
        except OutputError as error:
            self._purse.settle(bound, Spending(), was_sent=False)
            self._halt.call(error)
            raise StoppedError from error
        return bound

    async def _send(self, request: Request) -> tuple[Reply | None, FaultError | None, float]:
        started = time.perf_counter()
        try:
            reply = await self._provider.complete(request)
        except FaultError as fault:
            self._hear_fault(fault)
            return None, fault, time.perf_counter() - started
        reply = replace(reply, text=_storable(reply.text))  # what is used now is what will be found again
        self._limiter.succeed()
        self._n_failures_in_a_row = 0
        if not self._is_outage:  # else they are about to be opened again
            self._lost_in_a_row.clear()
        return reply, None, time.perf_counter() - started

    def _hear_fault(self, fault: FaultError) -> None:
        self.counts.faults[fault.reason] += 1
        if fault.is_throttle:
            self._limiter.throttle(fault.retry_after)
        if fault.verdict == "stop":
            self._halt.call(
                GenerationError(expected="an answer", got=str(fault), where=self._provider.model, hint=fault.hint)
            )
            return
        # A refusal counts as well, and is not tried again before it is believed: where nothing else comes from all that
        # are under way, the settings are refused, not the texts.
        self._n_failures_in_a_row += 1
        n_rounds = OUTAGE_ROUNDS if fault.verdict == "again" else 1
        n_under_way = min(len(self._under_way), self._most_in_flight)
        if self._n_failures_in_a_row >= max(FEWEST_FAILURES_OF_OUTAGE, n_rounds * n_under_way):
            self._is_outage = True
            self._halt.call(
                GenerationError(
                    expected="a server that answers now and then",
                    got=f"{self._n_failures_in_a_row} failures in a row, the last: {fault}",
                    where=self._provider.model,
                    hint="run it again when the server is well and takes what it is sent: it goes on where it is",
                )
            )

    async def _settle_fault(self, key: str, fault: FaultError, bound: Spending, seconds: float, failure: str) -> None:
        spent = bound if fault.may_be_billed else Spending()
        # A job that stops because of the fault, or before the next attempt, has not given the call up.
        is_lost = bool(failure) and not self._halt.is_called
        settlement = Settlement(
            key=key,
            state="failed" if is_lost else "pending",
            spent=spent,
            seconds=seconds,
            fault=_storable(str(fault)),
            failure=failure if is_lost else "",
        )
        await self._settle(settlement, bound, is_final=is_lost)
        if is_lost:
            self._lost_in_a_row.append(key)
        if self._is_outage:
            await self._reopen_lost()
        if failure and (not is_lost or self._is_outage):
            raise StoppedError

    async def _reopen_lost(self) -> None:
        """Let the calls be asked again that used up their attempts before anybody knew that it was an outage."""
        keys, self._lost_in_a_row = self._lost_in_a_row, []
        try:
            await self._journal.write(*(Settlement(key=key, state="pending") for key in keys))
        except OutputError as error:
            self._halt.call(error)
            raise StoppedError from error
        self.counts.n_failed -= len(keys)

    async def _settle_reply(
        self, key: str, reply: Reply, broken: UnusableReplyError | None, bound: Spending, seconds: float, failure: str
    ) -> None:
        if broken is not None:
            self.counts.faults[broken.reason] += 1
        settlement = Settlement(
            key=key,
            state="done" if broken is None else "failed" if failure else "pending",
            spent=self._purse.measure(reply, bound),
            seconds=seconds,
            reply=reply.text,
            fault=_storable(str(broken)) if broken is not None else "",
            failure=failure,
        )
        await self._settle(settlement, bound, is_final=broken is None or bool(failure))

    async def _settle(self, settlement: Settlement, bound: Spending, *, is_final: bool) -> None:
        try:
            await self._journal.write(settlement)
        except OutputError as error:
            self._halt.call(error)
            raise StoppedError from error
        finally:
            self._purse.settle(bound, settlement.spent, was_sent=settlement.was_sent)
        if self._ledger.is_full:
            self._halt.call(
                OutputError(
                    expected="room for the ledger",
                    got="a full disk",
                    where=str(self._ledger.path),
                    hint="make room, then run it again: every reply that came is recorded",
                )
            )
        if is_final:
            self.counts.n_done += settlement.state == "done"
            self.counts.n_failed += settlement.state == "failed"
            self._on_settled()

    async def _wait(self, seconds: float) -> None:
        # A job that ends does not sit out its waits.
        try:
            await asyncio.wait_for(self._halt.wait(), seconds)
        except TimeoutError:
            return
        raise StoppedError

    async def _wait_for_any(self, *waits: Coroutine[Any, Any, Any]) -> None:
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


def _recall(call: Call[T], key: str, entry: Entry | None) -> Outcome[T] | None:
    if entry is None or entry.state in ("pending", "claimed"):
        return None
    if entry.state == "failed":
        return Outcome(key=key, failure=entry.failure)
    try:
        return Outcome(key=key, value=call.parse(entry.reply or ""))
    except UnusableReplyError as broken:  # the parser has become stricter since
        return Outcome(key=key, failure=broken.reason)


def _parse(call: Call[T], reply: Reply) -> T | UnusableReplyError:
    try:
        value = call.parse(reply.text)
    except UnusableReplyError as broken:
        return UnusableReplyError("reply cut at its longest length", broken.reason) if reply.is_cut else broken
    # A list or a sentence reads as well where it ends too early; JSON and what is fenced say where they end.
    if reply.is_cut and not reply.text.rstrip().endswith(("}", "]", "```")):
        return UnusableReplyError("reply cut at its longest length")
    return value


def _ask_to_mend(request: Request, reply: Reply, broken: UnusableReplyError) -> Request:
    # The detail may quote the reply, where a story can have put an order: in the user's voice only our own words speak.
    mend = f"That reply cannot be used: {broken.reason}. Reply once more, in exactly the form that was asked for."
    messages = (
        *request.messages,
        Message(role="assistant", text=reply.text),
        Message(role="user", text=mend),
    )
    return replace(request, messages=messages)


def _storable(text: str) -> str:
    # SQLite takes no lone surrogates, which broken JSON escapes can make.
    return text.encode("utf-8", "replace").decode()


def describe_faults(counts: Mapping[str, int]) -> str:
    """Return the faults of a run in one line, the most frequent first.

    Example:
        >>> describe_faults({"rate limit": 3, "timeout": 12})
        '12 timeout, 3 rate limit'
    """
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{n:,} {reason}" for reason, n in ordered)
