"""What the pipeline adds to the time of a server: a whole synthesis against a loopback server of fixed latency.

Ideal is the number of calls times the latency over the requests in flight: a server that is never kept waiting.
Measured are the time beyond that, the processor time a call, and the memory over the run; then the same with every kind
of fault planted in a share of the attempts, where the server's own counts must agree with the ledger's, and with a
budget of calls that ends in the middle.

    python benchmarks/synthesis_overhead.py                 # 20,000 calls, 256 in flight: eight minutes
    python benchmarks/synthesis_overhead.py --stories 10 --in-flight 64 --latency 0.5 --no-save
    python benchmarks/synthesis_overhead.py --tables-only   # the table in docs/synthesis.md again
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "synthesis_overhead.json"
PAGE = ROOT / "docs" / "synthesis.md"
SENTENCE = "The ferryman waited for the last boat, and nobody came to tell him why it was so late. "


@contextmanager
def start_server(latency: float, fault_share: float) -> Iterator[str]:
    """Run the loopback server and yield its address."""
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "loopback_server.py"),
        "--latency",
        str(latency),
        "--fault-share",
        str(fault_share),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def read_counts(address: str) -> dict[str, Any]:
    """Return what the loopback server saw."""
    with urllib.request.urlopen(f"{address.removesuffix('/v1')}/counts") as answer:  # noqa: S310  our own server
        return orjson.loads(answer.read())


def read_memory() -> float:
    """Return the resident memory of this process in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


class MemoryWatch(threading.Thread):
    """Notes the memory now and then."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.readings: list[tuple[float, float]] = []
        self._end = threading.Event()

    def run(self) -> None:
        """Read until told to end."""
        started = time.monotonic()
        while not self._end.wait(1.0):
            self.readings.append((time.monotonic() - started, read_memory()))

    def finish(self) -> tuple[float, float]:
        """Return the highest reading, and by how much the last third is above the middle one, on average."""
        self._end.set()
        self.join()
        values = [value for _, value in self.readings] or [read_memory()]
        third = max(1, len(values) // 3)
        middle, last = values[third : 2 * third] or values, values[-third:]
        return max(values), sum(last) / len(last) - sum(middle) / len(middle)


def run_flat(told: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Make as many calls that wait for none, and return what was measured: the engine without the order of steps."""
    import asyncio

    from sentire.core.config import parse_config
    from sentire.llm.budget import Budget, Purse
    from sentire.llm.caller import Caller
    from sentire.llm.load import load_provider
    from sentire.llm.retries import Retries
    from sentire.llm.settings import OpenAIServer
    from sentire.storage.ledger import open_ledger
    from sentire.synthesis.config import SynthesisConfig
    from sentire.synthesis.definitions import load_label_guide
    from sentire.synthesis.desk import Desk
    from sentire.synthesis.tasks import soft_labels

    async def ask_all(address: str, ledger: Any) -> None:
        server = OpenAIServer(kind="openai", base_url=address, model="loopback", timeout_seconds=3 * told.latency + 1)
        table = {"name": "flat", "provider": {"kind": "replay", "path": "x"}, "narratives": {"folder": "x"}}
        settings = parse_config(SynthesisConfig, table)
        desk = Desk(settings, load_label_guide(settings))
        provider = load_provider(server, folder=scratch)
        purse = Purse(Budget(), ledger.sum_spent())
        caller = Caller(provider, ledger, purse, retries=Retries(), most_in_flight=told.in_flight)
        numbers = iter(range(told.calls))

        async def work() -> None:
            for number in numbers:
                text = f"The ladder number {number} was still behind the kettle."
                await caller.ask(soft_labels.make_call(desk, str(number), text, primary="joy", priority=number))

        await asyncio.gather(*(work() for _ in range(2 * told.in_flight)))
        await provider.close()

    with start_server(told.latency, 0.0) as address, open_ledger(scratch / "job", job="flat") as ledger:
        watch = MemoryWatch()
        watch.start()
        processor, started = time.process_time(), time.perf_counter()
        asyncio.run(ask_all(address, ledger))
        return describe_run(told, address, ledger, watch, started, processor, outcome="finished")


def run_once(told: argparse.Namespace, scratch: Path, *, fault_share: float, budget_calls: int = 0) -> dict[str, Any]:
    """Run one synthesis and return what was measured."""
    from sentire.core.config import parse_config
    from sentire.core.errors import BudgetError
    from sentire.storage.ledger import open_ledger
    from sentire.synthesis.config import SynthesisConfig
    from sentire.synthesis.run import Site, run_synthesis

    stories = scratch / "stories"
    stories.mkdir(exist_ok=True)
    for number in range(told.stories):
        (stories / f"story-{number:04}.txt").write_text(f"Story number {number}. {SENTENCE * told.sentences}")
    with start_server(told.latency, fault_share) as address, open_ledger(scratch / "job", job="overhead") as ledger:
        settings = parse_config(
            SynthesisConfig,
            {
                "name": "overhead",
                "provider": {
                    "kind": "openai",
                    "base_url": address,
                    "model": "loopback",
                    "timeout_seconds": 3 * told.latency + 1,
                },
                "narratives": {"folder": "stories"},
                "limits": {"in_flight": told.in_flight},
                "budget": {"calls": budget_calls},
                "retries": {"attempts": 8, "repairs": 4, "first_wait_seconds": 0.2},
            },
        )
        watch = MemoryWatch()
        watch.start()
        processor, started = time.process_time(), time.perf_counter()
        outcome = "finished"
        try:
            run_synthesis(Site(settings=settings, base=scratch), ledger)
        except BudgetError as error:
            outcome = str(error)
        found = describe_run(told, address, ledger, watch, started, processor, outcome=outcome)
    return {**found, "fault_share": fault_share, "budget_calls": budget_calls}


def describe_run(
    told: argparse.Namespace,
    address: str,
    ledger: Any,
    watch: MemoryWatch,
    started: float,
    processor: float,
    *,
    outcome: str,
) -> dict[str, Any]:
    """Return what a run took, and what server and ledger say of it."""
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    peak, growth = watch.finish()
    seen = read_counts(address)
    counts, spent = ledger.count(), ledger.sum_spent()
    states = {
        state: sum(one.n_calls for one in counts if one.state == state) for state in ("done", "failed", "pending")
    }
    ideal = seen["requests"] * told.latency / told.in_flight
    return {
        "outcome": outcome,
        "calls": states,
        "attempts_in_the_ledger": spent.calls,
        "seen_by_the_server": seen,
        "seconds": seconds,
        "ideal_seconds": ideal,
        "overhead": seconds / ideal - 1,
        "processor_ms_a_call": 1000 * processor / max(seen["requests"], 1),
        "peak_mib": peak,
        "growth_mib": growth,
    }


def measure(told: argparse.Namespace) -> dict[str, Any]:
    """Measure the three runs."""
    runs = {}
    with tempfile.TemporaryDirectory() as scratch:
        runs["calls that wait for none"] = run_flat(told, Path(scratch))
    for name, options in (
        ("a synthesis, no faults", {"fault_share": 0.0}),
        ("every fault, in a tenth of the attempts", {"fault_share": 0.1}),
        ("the same, with a budget for half of it", {"fault_share": 0.1, "budget_calls": -1}),
    ):
        if options.get("budget_calls"):
            options["budget_calls"] = runs["a synthesis, no faults"]["attempts_in_the_ledger"] // 2
        with tempfile.TemporaryDirectory() as scratch:
            runs[name] = run_once(told, Path(scratch), **options)
        sys.stderr.write(f"{name}: {orjson.dumps(runs[name]).decode()}\n")
    return {
        "stories": told.stories,
        "in_flight": told.in_flight,
        "latency": told.latency,
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "processor": platform.machine(),
            "python": platform.python_version(),
        },
        "runs": runs,
    }


def render(measured: dict[str, Any]) -> str:
    """Render the table."""
    heads = (
        "run",
        "answered",
        "failed",
        "open",
        "attempts: ledger / server",
        "ideal s",
        "took s",
        "beyond ideal",
        "ms a call",
        "MiB peak",
        "MiB grown",
    )
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for name, run in measured["runs"].items():
        cells = (
            name,
            *(f"{run['calls'][state]:,}" for state in ("done", "failed", "pending")),
            f"{run['attempts_in_the_ledger']:,} / {run['seen_by_the_server']['requests']:,}",
            f"{run['ideal_seconds']:.1f}",
            f"{run['seconds']:.1f}",
            f"{run['overhead']:+.1%}",
            f"{run['processor_ms_a_call']:.2f}",
            f"{run['peak_mib']:.0f}",
            f"{run['growth_mib']:+.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    machine = measured["machine"]
    lines.append(
        f"\n{measured['in_flight']} requests in flight, latency {measured['latency']:g} s. Machine: {machine['cores']} "
        f"cores, {machine['processor']}, Python {machine['python']}; the server takes one of them."
    )
    return "\n".join(lines)


def main() -> None:
    """Measure, store and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=int, default=225)
    parser.add_argument("--calls", type=int, default=20_000, help="that wait for none")
    parser.add_argument("--sentences", type=int, default=20, help="of each story")
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--latency", type=float, default=2.0)
    parser.add_argument("--no-save", action="store_true")
    parser.add_argument("--tables-only", action="store_true")
    told = parser.parse_args()
    measured = orjson.loads(RESULTS.read_bytes()) if told.tables_only else measure(told)
    if not told.no_save:
        RESULTS.write_bytes(orjson.dumps(measured, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        PAGE.write_text(put_table(PAGE.read_text(), "synthesis-overhead", render(measured)))
    sys.stdout.write(render(measured) + "\n")


if __name__ == "__main__":
    main()
