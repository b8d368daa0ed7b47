"""Commands share pools of free memory between threads; whoever starts the process can say otherwise."""

import csv
import json
import os
import subprocess
import sys

import pytest

from sentire.cli import memory

COUNT_ARENAS = """
import ctypes, sys, threading
from sentire.cli.memory import limit_arenas
if sys.argv[1] == "limited":
    limit_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
everybody = threading.Barrier(8)
def need_memory():
    everybody.wait()
    libc.malloc(ctypes.c_size_t(5000))
    everybody.wait()
threads = [threading.Thread(target=need_memory) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
stream = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""

ANALYZE = """
import json, os, resource, subprocess, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
subprocess.run([sys.executable, "-m", "sentire", "analyze", *sys.argv[1:]], stdout=subprocess.DEVNULL, check=True)
print(json.dumps(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))
"""


def run(code, *arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if name != memory.ARENAS_VARIABLE} | variables
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout


@pytest.mark.skipif("glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="this is glibc's own")
def test_threads_share_two_pools():
    assert run(COUNT_ARENAS, "limited").count("<heap nr=") == 2
    assert run(COUNT_ARENAS, "as ever", MALLOC_ARENA_MAX="6").count("<heap nr=") > 2
    assert run(COUNT_ARENAS, "limited", MALLOC_ARENA_MAX="6").count("<heap nr=") > 2


@pytest.mark.parametrize("refusal", [OSError("no such library"), TypeError("not on this system"), object()])
def test_nothing_happens_where_the_c_library_has_no_such_setting(monkeypatch, refusal):
    asked = []

    def open_library(name):
        asked.append(name)
        if isinstance(refusal, Exception):
            raise refusal
        return refusal  # without mallopt

    monkeypatch.delenv(memory.ARENAS_VARIABLE, raising=False)
    monkeypatch.setattr(memory.ctypes, "CDLL", open_library)
    memory.limit_arenas()
    assert asked == [None]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the peak depends on the cores")
# Some batches of every length, and a window and a half.
@pytest.mark.parametrize("n_rows", [600, pytest.param(6_000, marks=pytest.mark.slow)])
def test_the_encoder_answers_long_files_in_bounded_memory(tmp_path, n_rows):
    moods = ["thank you for the lovely", "I hate the awful", "there is a new", "so sad about the"]
    path = tmp_path / "in.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        writer.writerows([f"{moods[i % 4]} visit {i} to the town" + " and the sea" * (i % 12)] for i in range(n_rows))
    peak = json.loads(run(ANALYZE, "-m", "default", "-i", str(path), "-o", str(tmp_path / "out.csv")))
    print(f"peak {peak:.0f} MiB")
    assert peak * 1.048576 < 300  # megabytes
