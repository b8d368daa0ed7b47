"""The command that serves the page, in a process of its own that can be killed."""

import subprocess
import sys
from contextlib import contextmanager


@contextmanager
def serve_in_a_process(folder, annotator, port=0):
    """Serve as the command does, and kill it at the end: nothing has time to tidy up."""
    command = [sys.executable, "-m", "sentire", "annotate", "serve", str(folder), "--annotator", annotator]
    with subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()
        process.address = line.split()[2]
        process.port = int(process.address.split(":")[2].split("/")[0])
        try:
            yield process
        finally:
            process.kill()
