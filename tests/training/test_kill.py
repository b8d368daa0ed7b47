"""A training that is killed, at whatever moment, goes on and ends with the very same files."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tiny_training import check_same_checkpoint, make_recipe, make_table, write_data, write_recipe

pytest.importorskip("torch")
pytest.importorskip("transformers")

from sentire.core.errors import ArtifactError, OutputError
from sentire.runtime.load import load
from sentire.training.checkpoints import read_checkpoint
from sentire.training.loop import BEST_NAME, STATE_NAME
from sentire.training.train import train_encoder

KILLED = -signal.SIGKILL
CHECKPOINTS = (f"checkpoints/{STATE_NAME}", f"checkpoints/{BEST_NAME}")
FILES = ("model.onnx", "config.json", "README.md", "manifest.json")


def make_environment(**changes: str):
    # One thread, so that a fork is safe and the sums are always in the same order.
    settings = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "ACCELERATE_USE_CPU": "true"}
    return {**os.environ, **settings, **changes}


class Server:
    """The other end of ``fork_server.py``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n_runs = 0
        self.child = 0
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("fork_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=make_environment(),
        )
        assert self._answer() == "ready"

    def start(self, *arguments, seconds_a_step=0.0, is_traced=False, kill_at_line=None):
        if self.child:  # a test that failed has left it
            os.kill(self.child, signal.SIGKILL)
            self.wait()
        self.n_runs += 1
        self.log = self.folder / f"{self.n_runs}.log"
        request = {
            "arguments": [str(argument) for argument in arguments],
            "log": str(self.log),
            "seconds_a_step": seconds_a_step,
            "is_traced": is_traced,
            "kill_at_line": kill_at_line,
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        self.child = int(self._answer())
        return self.child

    def wait(self) -> int:
        code = int(self._answer())
        self.child = 0
        return code

    def run(self, *arguments, **options) -> int:
        self.start(*arguments, **options)
        return self.wait()

    def _answer(self) -> str:
        line = self.process.stdout.readline().strip()
        assert line, "the server has ended"
        return line


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("logs"))
    yield made
    made.process.stdin.close()
    made.process.stdout.close()
    made.process.wait(timeout=60)


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory, encoder):
    folder = tmp_path_factory.mktemp("recipe")
    data = write_data(folder, n_train=200)
    table = make_table(
        data,
        encoder,
        data={"affect_train": f"{data}:more", "affect_dev": f"{data}:dev"},
        encoder={"dropout": 0.2, "inner_dropout": 0.2},
        context={"is_used": True, "dropped_fraction": 0.3, "unrelated_fraction": 0.3},
        optimisation={
            "average_decay": 0.8,
            "n_evaluations": 3,
            "n_epochs": 1,
            "batch_size": 32,
            "checkpoint_seconds": 1e-9,
        },
    )
    return write_recipe(folder / "tiny.toml", table)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, server, recipe_file):
    """What a training leaves that nobody disturbs, and on how many lines it can be killed."""
    output = tmp_path_factory.mktemp("unbroken") / "model"
    assert server.run("train", recipe_file, "-o", output, is_traced=True) == 0, server.log.read_text()
    n_lines = int(Path(f"{server.log}.lines").read_text())
    assert n_lines > 1000
    return output, n_lines


def check_same(output, unbroken):
    for name in CHECKPOINTS:
        check_same_checkpoint(output / name, unbroken[0] / name)
    for name in FILES:
        assert (output / name).read_bytes() == (unbroken[0] / name).read_bytes(), name
    assert load(output).predict_proba(["so glad"]).shape == (1, 3)


def wait_for_step(output, step):
    """Wait until a state of at least so many steps is there."""
    path = output / "checkpoints" / STATE_NAME
    seen = output.with_name("seen")
    end = time.monotonic() + 400
    while time.monotonic() < end:
        if path.exists():
            seen.hardlink_to(path)  # the library opens a file twice, and between the two the next state takes its place
            n_steps = read_checkpoint(seen)[1].n_steps
            seen.unlink()
            if n_steps >= step:
                return
        time.sleep(0.005)
    pytest.fail("no checkpoint appeared")


def check_nothing_half_written(output):
    assert not [path.name for path in (output / "checkpoints").iterdir() if path.name.endswith(".partial")]


def test_killed_three_times_from_outside_it_ends_the_same(tmp_path, server, recipe_file, unbroken):
    output = tmp_path / "model"
    rng = np.random.default_rng(5)
    for step in (1, 3, 5):
        child = server.start("train", recipe_file, "-o", output, seconds_a_step=0.03)
        wait_for_step(output, step)
        time.sleep(rng.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        assert server.wait() == KILLED
        _, progress = read_checkpoint(output / "checkpoints" / STATE_NAME)
        assert not progress.is_finished
        assert progress.n_steps >= step
    assert server.run("train", recipe_file, "-o", output) == 0, server.log.read_text()
    check_same(output, unbroken)
    check_nothing_half_written(output)
    assert server.run("train", recipe_file, "-o", output) == 0, server.log.read_text()
    check_same(output, unbroken)


# Two of the moments in the training and two in the writing of the model are enough for every change.
QUICK_MOMENTS = (0, 4, 14, 17)


@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=[] if n in QUICK_MOMENTS else pytest.mark.slow) for n in range(20)]
)
def test_killed_on_any_line_it_ends_the_same(tmp_path, server, recipe_file, unbroken, number):
    """In the loop, in the middle of a file, between two files, while the model takes its place."""
    n_lines = unbroken[1]
    rng = np.random.default_rng(number)
    # The last ones are in the exporting and the writing of the model, which are fewer lines than the steps are.
    line = int(rng.integers(1, n_lines)) if number < 14 else n_lines - int(rng.integers(150))
    output = tmp_path / "model"
    assert server.run("train", recipe_file, "-o", output, is_traced=True, kill_at_line=line) == KILLED
    assert server.run("train", recipe_file, "-o", output) == 0, server.log.read_text()
    check_same(output, unbroken)
    check_nothing_half_written(output)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_a_signal_it_says_so_and_goes_on_later(tmp_path, server, recipe_file, unbroken, sent, code):
    output = tmp_path / "model"
    child = server.start("train", recipe_file, "-o", output, seconds_a_step=0.05)
    wait_for_step(output, 2)
    os.kill(child, sent)
    assert server.wait() == code
    said = server.log.read_text()
    assert "stopped by a signal" in said
    assert "Traceback" not in said
    check_nothing_half_written(output)
    assert server.run("train", recipe_file, "-o", output) == 0, server.log.read_text()
    check_same(output, unbroken)


def test_two_trainings_never_share_a_folder_and_a_dead_one_does_not_block_it(
    tmp_path, server, recipe_file, encoder, data
):
    output = tmp_path / "model"
    recipe = make_recipe(data, encoder)
    child = server.start("train", recipe_file, "-o", output, seconds_a_step=0.05)
    wait_for_step(output, 1)
    with pytest.raises(OutputError, match=r"no other job writes, got one that another training is writing now"):
        train_encoder(recipe, output)
    os.kill(child, signal.SIGKILL)
    assert server.wait() == KILLED
    # The lock is gone with its holder; now it is the other recipe that is in the way.
    with pytest.raises(ArtifactError, match=r"this very recipe, data and version, got one of another run"):
        train_encoder(recipe, output)
    assert server.run("train", recipe_file, "-o", output) == 0, server.log.read_text()


def test_two_processes_make_the_weights_that_one_makes(tmp_path, encoder):
    """53 texts with labels and 12 with ratings are four batches of 16 and one of 1, which one process has not."""
    data = write_data(tmp_path / "data", n_train=53)
    sections = {
        "data": {"affect_train": f"{data}:more", "affect_dev": f"{data}:dev"},
        "encoder": {"dropout": 0.0, "inner_dropout": 0.0},
        # RAdam's first steps are momentum alone: rounding is not blown up by a division by the gradient's own size.
        "optimisation": {"n_epochs": 1, "optimiser": "radam", "learning_rate": 0.05, "n_evaluations": 2},
    }
    one = train_encoder(make_recipe(data, encoder, **sections), tmp_path / "one")
    sections["optimisation"]["n_accumulated"] = 2
    table = make_table(data, encoder, **sections)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ran = subprocess.run(
        [
            sys.executable,
            *("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(port)),
            *("-m", "sentire", "train", write_recipe(tmp_path / "two.toml", table), "-o", tmp_path / "two"),
        ],
        env=make_environment(ACCELERATE_USE_CPU="no", CUDA_VISIBLE_DEVICES=""),  # as on a machine without a GPU
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("wrote ") == 1
    assert ran.stdout.count("step 5") == 1
    for name in (STATE_NAME, BEST_NAME):
        alone, first = read_checkpoint(tmp_path / "one" / "checkpoints" / name)
        together, second = read_checkpoint(tmp_path / "two" / "checkpoints" / name)
        assert alone.keys() == together.keys()
        for key, tensor in alone.items():
            np.testing.assert_allclose(together[key], tensor, atol=1e-5, err_msg=key)
        assert first.best_step == second.best_step
        losses = [[row["loss"] for row in progress.evaluations] for progress in (first, second)]
        np.testing.assert_allclose(*losses, rtol=1e-5)
    report = json.loads((tmp_path / "two" / "training.json").read_text())
    assert report["best_step"] == one.report["best_step"]
