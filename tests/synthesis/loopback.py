"""The loopback server of the benchmarks, and small jobs to ask it."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from sentire.core.config import parse_config
from sentire.synthesis.config import SynthesisConfig

ROOT = Path(__file__).resolve().parents[2]
STORY = "Story {number}. The ferryman waited for the last boat, and nobody came to tell him why it was so late. " * 3


@contextmanager
def start_server(*options: object) -> Iterator[str]:
    """Run the server and yield its address."""
    command = [sys.executable, str(ROOT / "benchmarks" / "loopback_server.py"), *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def read_counts(address: str) -> dict[str, Any]:
    """Return what the server saw."""
    with urllib.request.urlopen(f"{address.removesuffix('/v1')}/counts") as answer:  # noqa: S310  our own server
        counts: dict[str, Any] = orjson.loads(answer.read())
    return counts


def write_stories(folder: Path, n: int) -> None:
    """Write stories of a few sentences."""
    (folder / "stories").mkdir(exist_ok=True)
    for number in range(n):
        (folder / "stories" / f"story-{number}.txt").write_text(STORY.format(number=number))


def make_settings(address: str, **sections: Any) -> SynthesisConfig:
    """Return a synthesis that asks the server."""
    table: dict[str, Any] = {
        "name": "loopback",
        "provider": {"kind": "openai", "base_url": address, "model": "loopback", "timeout_seconds": 2.0},
        "narratives": {"folder": "stories"},
        "steps": {"emotional": 3, "neutral": 1},
        "limits": {"in_flight": 16},
        "retries": {"attempts": 8, "repairs": 4, "first_wait_seconds": 0.02},
    }
    return parse_config(SynthesisConfig, {**table, **sections})
