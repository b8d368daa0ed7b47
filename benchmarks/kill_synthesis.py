"""Kill a synthesis with SIGKILL at random moments, again and again, and look for what was lost.

A loopback server answers each question in one way for ever. The job is killed, started again and killed, until it has
been killed as often as was asked; then it is let run to its end. The files must be byte for byte those of a job that
nobody killed, and the server must not have answered more calls twice than were in flight at the kills.

    python benchmarks/kill_synthesis.py                 # 300 kills: about a quarter of an hour
    python benchmarks/kill_synthesis.py --kills 5 --stories 3
"""

import argparse
import os
import platform
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "kill_synthesis.json"
SENTENCE = "The ferryman waited for the last boat, and nobody came to tell him why it was so late. "


@contextmanager
def start_server(latency: float) -> Iterator[str]:
    """Run the loopback server and yield its address."""
    script = ROOT / "benchmarks" / "loopback_server.py"
    command = [sys.executable, str(script), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def read_counts(address: str) -> dict[str, Any]:
    """Return what the server saw."""
    from urllib.request import urlopen

    with urlopen(f"{address.removesuffix('/v1')}/counts") as answer:  # noqa: S310  our own server
        return orjson.loads(answer.read())


def write_job(folder: Path, address: str, *, n_stories: int, in_flight: int) -> Path:
    """Write stories and configuration; the job's quota makes it plan twice from what it has."""
    (folder / "stories").mkdir(parents=True)
    for number in range(n_stories):
        text = f"Story number {number}. {SENTENCE * 5}"
        (folder / "stories" / f"story-{number:03}.txt").write_text(text)
    config = folder / "job.toml"
    config.write_text(
        f'name = "kill"\n[provider]\nkind = "openai"\nbase_url = "{address}"\nmodel = "loopback"\n'
        f'[narratives]\nfolder = "stories"\n[labels]\npasses = 2\n[limits]\nin_flight = {in_flight}\n'
        f'[quota]\nper_label = {max(2, 2 * n_stories)}\nlabels = ["grief", "relief"]\nrounds = 2\n'
    )
    return config


def start_job(config: Path, output: Path) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own."""
    command = [sys.executable, "-m", "sentire", "synthesize", str(config), "-o", str(output)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def kill_again_and_again(
    config: Path, output: Path, address: str, *, n_kills: int, longest_life: float, seed: int
) -> dict[str, Any]:
    """Kill the job so often, let it end, and return what was seen."""
    draw = random.Random(seed)  # noqa: S311  no secret
    n_killed, n_damaged = 0, 0
    while n_killed < n_kills:
        seen = read_counts(address)["requests"]
        job = start_job(config, output)
        while job.poll() is None and read_counts(address)["requests"] == seen:
            time.sleep(0.01)  # it is still loading: a kill then would show nothing
        time.sleep(draw.uniform(0.0, longest_life))
        if job.poll() is not None:
            break  # it came to its end first
        os.killpg(job.pid, signal.SIGKILL)
        job.communicate()
        n_killed += 1
        with sqlite3.connect(output / "ledger.sqlite") as ledger:
            n_damaged += ledger.execute("PRAGMA integrity_check").fetchone()[0] != "ok"
    job = start_job(config, output)
    _, said = job.communicate()
    if job.returncode:
        raise SystemExit(said.decode())
    seen = read_counts(address)
    return {
        "kills": n_killed,
        "damaged_ledgers": n_damaged,
        "questions": seen["questions"],
        "answers": seen["answers"],
        "answered_twice": seen["answered_twice"],
    }


def compare(first: Path, second: Path) -> list[str]:
    """Return the files that are not in both folders, or not the same."""
    names = {
        str(path.relative_to(folder)) for folder in (first, second) for path in folder.rglob("*") if path.is_file()
    }
    return sorted(
        name
        for name in names
        if not ((first / name).is_file() and (second / name).is_file())
        or (first / name).read_bytes() != (second / name).read_bytes()
    )


def measure(*, n_kills: int, n_stories: int, in_flight: int, latency: float, longest_life: float, seed: int) -> dict:
    """Run the killed job and the unbroken one, and compare them."""
    scratch = Path(tempfile.mkdtemp())
    try:
        with start_server(latency) as address:
            config = write_job(scratch / "killed", address, n_stories=n_stories, in_flight=in_flight)
            output = scratch / "killed" / "out"
            found = kill_again_and_again(config, output, address, n_kills=n_kills, longest_life=longest_life, seed=seed)
        with start_server(0.0) as address:
            config = write_job(scratch / "whole", address, n_stories=n_stories, in_flight=in_flight)
            _, said = start_job(config, scratch / "whole" / "out").communicate()
            found["most_in_flight_at_the_kills"] = found["kills"] * in_flight
            found["different_files"] = compare(scratch / "killed" / "out" / "data", scratch / "whole" / "out" / "data")
            found["calls_of_the_unbroken_run"] = read_counts(address)["answers"]
            found["rows"] = sum(
                len(path.read_bytes().splitlines()) for path in (scratch / "whole" / "out" / "data").rglob("*.jsonl")
            )
        if not found["rows"]:
            raise SystemExit(said.decode())
    finally:
        shutil.rmtree(scratch)
    return {"in_flight": in_flight, "latency": latency, "stories": n_stories, "seed": seed, **found}


def main() -> None:
    """Measure, store and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--stories", type=int, default=40)
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--latency", type=float, default=0.15)
    parser.add_argument("--longest-life", type=float, default=1.2, help="seconds after its first call")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true")
    told = parser.parse_args()
    found = measure(
        n_kills=told.kills,
        n_stories=told.stories,
        in_flight=told.in_flight,
        latency=told.latency,
        longest_life=told.longest_life,
        seed=told.seed,
    )
    found["machine"] = {"cores": os.cpu_count(), "python": platform.python_version(), "platform": platform.machine()}
    if told.save:
        RESULTS.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    is_paid_twice = found["answered_twice"] > found["most_in_flight_at_the_kills"]
    if found["different_files"] or found["damaged_ledgers"] or is_paid_twice:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
