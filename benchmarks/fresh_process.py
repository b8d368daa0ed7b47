"""Run a command in a process of its own and measure it from outside."""

import json
import os
import subprocess
import sys
from typing import Any

# A small process in between: what it knows of its children is about this one command.
_CHILD = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
seconds = time.perf_counter() - started
if done.returncode:
    sys.exit(done.stderr.decode())
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"seconds": seconds, "peak_kib": peak}))
"""


def run_fresh(*arguments: str) -> dict[str, Any]:
    """Run ``sentire`` with these arguments in a fresh process and return its wall time and peak memory.

    The process may keep the bytecode of what it imports, as that of an installed package is kept; so the first run of
    all takes longer.
    """
    environment = {name: setting for name, setting in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", _CHILD, sys.executable, "-m", "sentire", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"sentire {' '.join(arguments)} failed: {done.stderr.strip()}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured
