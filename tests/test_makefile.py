"""The commands for a fresh machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_an_environment_that_could_not_be_made_is_not_taken_for_one(tmp_path):
    """As on Debian without python3-venv, where the module leaves an interpreter without pip and fails."""
    python = tmp_path / "python3"
    python.write_text(
        '#!/bin/sh\ntest "$2" = venv || exit 0\n'
        'mkdir -p "$3/bin"\ntouch "$3/bin/python"\necho "no ensurepip" >&2\nexit 1\n'
    )
    python.chmod(0o755)
    command = ["make", "--file", MAKEFILE, ".venv/bin/python", f"PYTHON={python}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for _ in range(2):  # the second run must not go on with what the first one left
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert (ran.returncode, "no ensurepip" in ran.stderr) == (2, True)
        assert not (tmp_path / ".venv").exists()
