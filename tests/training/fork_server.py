"""A process that has torch loaded and forks a child for each ``sentire`` command it is told to run.

One request a line of standard input, as JSON; answered with the child's process id, and with how it ended. Loading
torch takes seconds, and a test that kills twenty trainings cannot wait for it twenty times. What a training loads
late is loaded here as well, or every child would load it anew.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

TRACED = ("training/loop.py", "training/label_objective.py", "training/checkpoints.py", "training/averaging.py",
          "training/train.py", "training/finish.py", "storage/atomic.py", "storage/folders.py",
          "runtime/model_folder.py")  # fmt: skip
"""Where the lines are counted on which a child may be told to kill itself."""


class LineCounter:
    """Counts executed lines, and at one of them ends the process as kill -9 does."""

    def __init__(self, last: int | None) -> None:
        self.n_lines = 0
        self.last = last

    def enter(self, frame: FrameType, *_: Any) -> Any:
        return self.count if frame.f_code.co_filename.endswith(TRACED) else None

    def count(self, _: FrameType, event: str, __: Any) -> Any:
        if event == "line":
            self.n_lines += 1
            if self.n_lines == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.count


def run(request: dict[str, Any]) -> int:
    """Run one command in this process, which is a child."""
    log = Path(request["log"]).open("w")  # noqa: SIM115  open until the process ends
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["sentire", *request["arguments"]]
    if request["seconds_a_step"]:
        slow_down(request["seconds_a_step"])
    from sentire.cli.main import main

    counter = LineCounter(request["kill_at_line"])
    if request["is_traced"]:
        sys.settrace(counter.enter)
    try:
        main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    except BaseException:
        traceback.print_exc()
        code = 99
    sys.settrace(None)
    Path(request["log"] + ".lines").write_text(str(counter.n_lines))
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def slow_down(seconds: float) -> None:
    """Make every step take so much longer."""
    from sentire.training import loop

    scale = loop.scale_learning_rates

    def scale_slowly(*arguments: Any) -> None:
        time.sleep(seconds)
        scale(*arguments)

    loop.scale_learning_rates = scale_slowly


def serve() -> None:
    import accelerate  # noqa: F401
    import onnxruntime  # noqa: F401
    import torch._dynamo  # noqa: F401  a thousand modules that the first step of an optimiser asks for
    import transformers.models.bert.modeling_bert  # noqa: F401

    import sentire.cli.main
    import sentire.cli.training_table
    import sentire.training.train  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 98
            try:
                code = run(request)
            finally:
                os._exit(code)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
