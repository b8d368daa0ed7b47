"""A whole synthesis: all stories, then what the quotas lack, resumable at any moment; and the same from its ledger.

Stories are worked on a few at a time and forgotten when they are done, so that memory does not grow with their number:
what came of them is in the ledger.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sentire.core.progress import OnProgress, stay_quiet
from sentire.llm.budget import Purse
from sentire.llm.caller import Caller, Recall, StoppedError, describe_faults
from sentire.llm.halt import Halt
from sentire.llm.journal import Journal
from sentire.llm.load import load_provider
from sentire.llm.model_names import name_model
from sentire.llm.provider import Provider
from sentire.llm.signals import heed_signals
from sentire.storage.ledger import Ledger, LedgerReader
from sentire.synthesis.config import SynthesisConfig
from sentire.synthesis.definitions import load_label_guide
from sentire.synthesis.desk import Desk
from sentire.synthesis.judging import Judgement, judge
from sentire.synthesis.quotas import find_shortages, join_purposes, plan_purposes
from sentire.synthesis.stories import Story, iterate_stories
from sentire.synthesis.story_work import Purpose, StoryWork, StoryWorker


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What one run did.

    Attributes:
        n_known: Calls that the ledger had.
        n_done: Calls that were answered in this run.
        n_failed: Calls that failed for good in this run.
        faults: Attempts of this run that brought nothing, by reason.
        seconds: It took.
        signal: That ended it early; 0 where it came to its end.
    """

    n_known: int
    n_done: int
    n_failed: int
    faults: Counter[str]
    seconds: float
    signal: int = 0


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All that a ledger says.

    Attributes:
        works: Of the stories, in order.
        judgement: The rows.
        left_out: Stories that were not used, by reason.
        rounds: For each round of the quota: what was missing, and calls that were planned.
        shortages: Rows that are missing of the quota in the end, by label.
        n_unknown: Calls that are still to be made.
    """

    works: tuple[StoryWork, ...]
    judgement: Judgement
    left_out: Counter[str]
    rounds: tuple[tuple[dict[str, int], int], ...]
    shortages: dict[str, int]
    n_unknown: int


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a synthesis takes place.

    Attributes:
        settings: Of the synthesis.
        base: Folder that relative paths start from.
        data_root: Where the corpora are; found by itself where None.
    """

    settings: SynthesisConfig
    base: Path
    data_root: Path | None = None

    def iterate_stories(self, left_out: Counter[str] | None = None) -> Iterator[Story]:
        """Yield the stories, counting what is left out."""
        return iterate_stories(
            self.settings, self.base, Counter() if left_out is None else left_out, data_root=self.data_root
        )

    @property
    def models(self) -> tuple[str, str]:
        """The names of the model that is asked, and of the one that labels the second time."""
        settings = self.settings
        first = name_model(settings.provider, folder=self.base)
        return first, first if settings.second is None else name_model(settings.second, folder=self.base)


def run_synthesis(site: Site, ledger: Ledger, *, on_progress: OnProgress = stay_quiet) -> RunReport:
    """Make all calls of a synthesis that were not made yet.

    The first SIGINT or SIGTERM lets what is under way come to its end; the second drops it.

    Args:
        site: The synthesis.
        ledger: Open.
        on_progress: Told of every call that is settled.

    Raises:
        BudgetError, GenerationError, OutputError, DataError: As their messages say; what was answered is in the ledger.
        KeyboardInterrupt: What was under way was dropped.
    """
    try:
        return asyncio.run(_run(site, ledger, on_progress))
    except asyncio.CancelledError as dropped:
        raise KeyboardInterrupt from dropped


def collect(site: Site, ledger: LedgerReader) -> Collection:
    """Return all that a ledger says, asking nobody."""
    return asyncio.run(_collect(site, ledger))


async def _run(site: Site, ledger: Ledger, on_progress: OnProgress) -> RunReport:
    started = time.perf_counter()
    settings, halt = site.settings, Halt()
    purse = Purse(settings.budget, ledger.sum_spent())
    journal = Journal(ledger)
    async with _open_providers(site) as providers:
        callers: list[Caller] = []

        def tell() -> None:
            n_done = sum(caller.counts.n_done for caller in callers)
            n_failed = sum(caller.counts.n_failed for caller in callers)
            rate = n_done / max(time.perf_counter() - started, 1e-9)
            on_progress(n_done + n_failed, None, f"{rate:,.1f} calls/s, {n_failed:,} failed")

        for provider in providers:
            caller = Caller(
                provider,
                ledger,
                purse,
                retries=settings.retries,
                most_in_flight=settings.limits.in_flight,
                journal=journal,
                halt=halt,
                seed=settings.seed,
                on_settled=tell,
            )
            callers.append(caller)
        worker = StoryWorker(_make_desk(settings), callers[0].ask, callers[-1].ask)
        with heed_signals(halt) as signals:
            await _make_everything(site, ledger, worker, halt)
    if halt.reason is not None:
        raise halt.reason
    faults: Counter[str] = Counter()
    for caller in callers:
        faults += caller.counts.faults
    return RunReport(
        n_known=sum(caller.counts.n_known for caller in callers),
        n_done=sum(caller.counts.n_done for caller in callers),
        n_failed=sum(caller.counts.n_failed for caller in callers),
        faults=faults,
        seconds=time.perf_counter() - started,
        signal=signals[0] if signals else 0,
    )


async def _make_everything(site: Site, ledger: Ledger, worker: StoryWorker, halt: Halt) -> None:
    settings = site.settings
    n_open = settings.limits.stories or max(4, settings.limits.in_flight // 4)
    await _work_on((((story, ()) for story in site.iterate_stories())), worker, n_open, halt)
    if not settings.quota.per_label:
        return
    purposes: dict[str, list[Purpose]] = {}
    for _ in range(settings.quota.rounds):
        if halt.is_called:
            return
        recall = _make_recall_worker(site, ledger)
        works = await _recall_works(site, recall[0], purposes)
        more, _ = _plan_round(site, works, purposes)
        if not more:
            return
        purposes = join_purposes(purposes, more)
        asked = ((story, purposes[story.id]) for story in site.iterate_stories() if story.id in more)
        await _work_on(asked, worker, n_open, halt)


async def _work_on(
    stories: Iterable[tuple[Story, Iterable[Purpose]]], worker: StoryWorker, n_open: int, halt: Halt
) -> None:
    places = asyncio.Semaphore(n_open)
    tasks: set[asyncio.Task[None]] = set()
    faults: list[BaseException] = []

    async def work(story: Story, purposes: Iterable[Purpose]) -> None:
        try:
            await worker.work(story, tuple(purposes))
        except StoppedError:
            pass
        except BaseException as error:
            faults.append(error)
            halt.call()
        finally:
            places.release()

    for story, purposes in stories:
        await places.acquire()
        if halt.is_called:
            places.release()
            break
        task = asyncio.create_task(work(story, purposes))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    if tasks:
        await asyncio.wait(tasks)
    if faults:
        raise faults[0]


async def _collect(site: Site, ledger: LedgerReader) -> Collection:
    left_out: Counter[str] = Counter()
    worker, recalls = _make_recall_worker(site, ledger)
    settings = site.settings
    purposes: dict[str, list[Purpose]] = {}
    rounds: list[tuple[dict[str, int], int]] = []
    works = await _recall_works(site, worker, purposes, left_out)
    for _ in range(settings.quota.rounds if settings.quota.per_label else 0):
        more, shortages = _plan_round(site, works, purposes)
        rounds.append((shortages, sum(len(several) for several in more.values())))
        if not more:
            break
        purposes = join_purposes(purposes, more)
        for recall in recalls:
            recall.n_unknown = 0
        works = await _recall_works(site, worker, purposes)
    guide = load_label_guide(settings)
    judgement = judge([one for work in works for one in work.utterances], settings, guide)
    shortages = find_shortages(judgement.rows["orig"], settings.quota, guide.space) if settings.quota.per_label else {}
    return Collection(
        works=tuple(works),
        judgement=judgement,
        left_out=left_out,
        rounds=tuple(rounds),
        shortages=shortages,
        n_unknown=sum(recall.n_unknown for recall in recalls),
    )


def _make_recall_worker(site: Site, ledger: LedgerReader) -> tuple[StoryWorker, list[Recall]]:
    recalls = [Recall(ledger, model) for model in site.models]
    return StoryWorker(_make_desk(site.settings), recalls[0].ask, recalls[1].ask), recalls


async def _recall_works(
    site: Site, worker: StoryWorker, purposes: dict[str, list[Purpose]], left_out: Counter[str] | None = None
) -> list[StoryWork]:
    return [await worker.work(story, purposes.get(story.id, ())) for story in site.iterate_stories(left_out)]


def _plan_round(
    site: Site, works: list[StoryWork], purposes: dict[str, list[Purpose]]
) -> tuple[dict[str, list[Purpose]], dict[str, int]]:
    settings, guide = site.settings, load_label_guide(site.settings)
    judgement = judge([one for work in works for one in work.utterances], settings, guide)
    shortages = find_shortages(judgement.rows["orig"], settings.quota, guide.space)
    return plan_purposes(works, shortages, settings.quota, settings.seed, purposes), shortages


def _make_desk(settings: SynthesisConfig) -> Desk:
    return Desk(settings, load_label_guide(settings))


@asynccontextmanager
async def _open_providers(site: Site) -> AsyncIterator[list[Provider]]:
    settings = [one for one in (site.settings.provider, site.settings.second) if one is not None]
    providers = [load_provider(one, folder=site.base) for one in settings]
    try:
        for provider in providers:
            await provider.check()
        yield providers
    finally:
        for provider in providers:
            await provider.close()


def describe_run(report: RunReport) -> str:
    """Return a run in one line."""
    faults = f"; attempts in vain: {describe_faults(report.faults)}" if report.faults else ""
    return (
        f"{report.n_done:,} calls answered and {report.n_failed:,} failed in {report.seconds:,.1f} s, "
        f"{report.n_known:,} known before{faults}"
    )
