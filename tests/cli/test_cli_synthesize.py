"""``sentire synthesize`` as its users meet it: the demonstration, a plan, a stop, and what goes wrong."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import orjson
import pytest

ROOT = Path(__file__).resolve().parents[2]
SENTIRE = (sys.executable, "-m", "sentire")
DEMO = ROOT / "configs" / "synthesis-demo.toml"


@pytest.fixture(scope="module")
def demo_output(tmp_path_factory):
    output = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run([*SENTIRE, "synthesize", DEMO, "-o", output], capture_output=True, text=True, check=True)
    return output, done


def write_config(folder: Path, **changes: str) -> Path:
    (folder / "stories").mkdir(exist_ok=True)
    (folder / "stories" / "one.txt").write_text("The ferryman waited, and nobody came to tell him why. " * 6)
    (folder / "replies.jsonl").write_text('{"name": "actors/one", "reply": "1. the ferryman"}\n')
    lines = {"kind": '"replay"', "path": '"replies.jsonl"'} | changes
    provider = "\n".join(f"{key} = {value}" for key, value in lines.items())
    config = folder / "job.toml"
    config.write_text(f'name = "job"\n[provider]\n{provider}\n[narratives]\nfolder = "stories"\n')
    return config


def count_requests(address: str) -> int:
    with urllib.request.urlopen(f"{address.removesuffix('/v1')}/counts") as answer:  # noqa: S310  our own server
        return int(orjson.loads(answer.read())["requests"])


def test_the_demonstration_makes_a_finished_data_set_offline(demo_output):
    output, done = demo_output
    statistics = orjson.loads((output / "data" / "statistics.json").read_bytes())
    assert statistics["rows"]["orig"] >= 300
    assert statistics["still_to_be_made"] == 0
    assert not any(task["failed"] for task in statistics["calls"].values())
    assert f"orig    {statistics['rows']['orig']}" in done.stdout
    assert {path.name for path in (output / "data").iterdir()} >= {"orig", "corig", "crewr", "README.md", "labels.svg"}


def test_the_demonstration_again_asks_nothing(demo_output, sentire):
    output, _ = demo_output
    before = {path: path.read_bytes() for path in (output / "data").rglob("*") if path.is_file()}
    ran = sentire("synthesize", DEMO, "-o", output)
    assert (ran.code, "0 calls answered and 0 failed" in ran.err) == (0, True)
    assert {path: path.read_bytes() for path in (output / "data").rglob("*") if path.is_file()} == before


def test_status_tells_what_the_ledger_holds_while_a_job_has_it(demo_output, sentire):
    from sentire.storage.ledger import open_ledger

    output, _ = demo_output
    with open_ledger(output, job="synthesis-demo"):
        ran = sentire("synthesize", DEMO, "status", "-o", output)
        refused = sentire("synthesize", DEMO, "-o", output)
    assert ran.code == 0
    assert "soft-labels " in ran.text
    assert (refused.code, "another job is writing" in refused.err) == (5, True)


def test_an_estimate_makes_no_call_and_no_file(tmp_path, sentire):
    config = write_config(tmp_path, kind='"openai"', path='"x"')
    config.write_text(config.read_text().replace('path = "x"', 'base_url = "http://127.0.0.1:9/v1"\nmodel = "m"'))
    ran = sentire("synthesize", config, "-o", tmp_path / "out", "--estimate", "--stories", 2000, "--rate", 5800)
    assert ran.code == 0
    assert "stories and pieces: 2,000" in ran.text
    assert "at 5,800 tokens of replies a second" in ran.text
    assert not (tmp_path / "out").exists()


def test_an_estimate_goes_by_what_was_measured(demo_output, sentire):
    output, _ = demo_output
    ran = sentire("synthesize", DEMO, "-o", output, "--estimate")
    assert ran.code == 0
    rows = {line.split()[0]: line for line in ran.text.splitlines() if line.strip()}
    assert rows["soft-labels"].rstrip().endswith("measured")


def test_export_writes_what_there_is_of_a_job_that_is_not_finished(tmp_path, sentire):
    config = write_config(tmp_path)
    ran = sentire("synthesize", config, "-o", tmp_path / "out")
    assert ran.code == 0
    assert "no row came of it" in ran.text
    assert "failed: 1 utterances, no reply in the file" in ran.text
    again = sentire("synthesize", config, "export", "-o", tmp_path / "out")
    assert again.code == 0
    retried = sentire("synthesize", config, "retry-failed", "-o", tmp_path / "out")
    assert "1 calls that failed will be made again" in retried.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("stauts",), 2, 'did you mean "status"'),
        (("status",), 4, "the ledger of a job, got none"),
        (("export",), 4, "the ledger of a job, got none"),
        (("retry-failed",), 4, "the ledger of a job, got none"),
        (("run", "--stories", "3"), 2, "--stories and --rate with --estimate"),
        (("run", "--set", "provider.path=nowhere.jsonl"), 9, "a file of replies"),
        (("run", "--set", "narratives.folder=nowhere"), 3, "a folder of stories"),
        (("run", "--set", "steps.emotional=40"), 2, "at most 27 different emotions"),
        (("run", "--set", "qouta.per_label=3"), 2, 'did you mean "quota"'),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(tmp_path, sentire, arguments, code, words):
    ran = sentire("synthesize", write_config(tmp_path), *arguments, "-o", tmp_path / "out")
    assert ran.code == code
    assert words in ran.err
    assert len(ran.err.strip().splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_command_after_what_is_under_way(tmp_path, number):
    script = ROOT / "benchmarks" / "loopback_server.py"
    with subprocess.Popen(
        [sys.executable, str(script), "--latency", "0.3"], stdout=subprocess.PIPE, text=True
    ) as server:
        address = server.stdout.readline().strip()
        config = write_config(tmp_path)
        for place in range(30):
            shutil.copy(tmp_path / "stories" / "one.txt", tmp_path / "stories" / f"copy-{place}.txt")
        text = config.read_text().replace('kind = "replay"\npath = "replies.jsonl"', "")
        config.write_text(
            text.replace("[provider]", f'[provider]\nkind = "openai"\nbase_url = "{address}"\nmodel = "loopback"')
        )
        job = subprocess.Popen(
            [*SENTIRE, "synthesize", config, "-o", tmp_path / "out", "--set", "limits.in_flight=4"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        while job.poll() is None and count_requests(address) < 8:
            time.sleep(0.05)
        os.kill(job.pid, number)
        out, err = job.communicate(timeout=60)
        server.kill()
    assert job.returncode == 128 + number
    assert b"what was under way was finished and is recorded" in err
    assert b"Traceback" not in out + err
    assert not (tmp_path / "out" / "data").exists()
