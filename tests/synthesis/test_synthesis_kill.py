"""A synthesis that is killed, at whatever moment, goes on and ends with the very same files."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def kill_synthesis():
    spec = importlib.util.spec_from_file_location("kill_synthesis", ROOT / "benchmarks" / "kill_synthesis.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill_synthesis"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("n_kills", "n_stories"), [(4, 2), pytest.param(25, 6, marks=pytest.mark.slow)])
def test_a_killed_synthesis_loses_doubles_and_tears_nothing(kill_synthesis, n_kills, n_stories):
    found = kill_synthesis.measure(
        n_kills=n_kills, n_stories=n_stories, in_flight=4, latency=0.15, longest_life=0.8, seed=n_kills
    )
    assert found["kills"] == n_kills
    assert found["damaged_ledgers"] == 0
    assert found["different_files"] == []
    assert found["answers"] - found["answered_twice"] == found["calls_of_the_unbroken_run"] > 100
    assert found["answered_twice"] <= found["most_in_flight_at_the_kills"]
    assert found["rows"] > 50
