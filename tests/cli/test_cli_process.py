"""The command as a process: pipes, terminals, signals, full disks, memory."""

import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time

import orjson
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and pseudo-terminals are those of Unix")

HEAVY = ("sklearn", "scipy", "pyarrow", "datasets", "rapidfuzz", "rensa", "numpy", "torch")
MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
print(done.stdout.decode())
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def wait_for(condition, what, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.005)


def has_partial(folder):
    return any(path.stat().st_size > 0 for path in folder.glob(".*.partial"))


def count_unread_bytes(pipe):
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["ctrl-c", "terminated", "terminal-closed"],
)
@pytest.mark.parametrize("old", [None, "what stood here before"])
def test_a_signal_in_the_middle(start, big_csv, tmp_path, number, code, old):
    output = tmp_path / "out.csv"
    if old is not None:
        output.write_text(old)
    process = start("analyze", "-m", "linear", "-i", big_csv, "-o", output)
    wait_for(lambda: has_partial(tmp_path), "the first answers")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, b"")
    assert err.decode().strip() == "stopped by a signal; no output file was left half-written"
    assert names(tmp_path) == ["big.csv"] + (["out.csv"] if old is not None else [])
    assert old is None or output.read_text() == old


def test_a_terminal_that_is_closed_in_the_middle(start, big_csv, tmp_path):
    """The system and the shell may both say so, and what is written to the terminal fails."""
    ours, theirs = pty.openpty()
    output = tmp_path / "out.csv"
    process = start("analyze", "-m", "linear", "-i", big_csv, "-o", output, stdout=theirs, stderr=theirs)
    os.close(theirs)
    wait_for(lambda: has_partial(tmp_path), "the first answers")
    os.close(ours)
    for _ in range(5):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.002)
    assert process.wait(timeout=60) == 129
    assert names(tmp_path) == ["big.csv"]


def test_under_nohup_a_closed_terminal_changes_nothing(start, tmp_path):
    (tmp_path / "in.txt").write_text("thank you for the lovely visit\n" * 20_000)
    start_ignoring = ["sh", "-c", 'trap "" HUP; exec "$0" "$@"', sys.executable, "-m", "sentire"]
    arguments = ["analyze", "-m", "linear", "-i", tmp_path / "in.txt", "-o", tmp_path / "out.csv"]
    process = subprocess.Popen([*start_ignoring, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_for(lambda: has_partial(tmp_path), "the first answers")
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "out.csv").read_text().count("\n") == 20_001


def test_a_kill_leaves_the_old_output(start, big_csv, tmp_path):
    (tmp_path / "out.jsonl").write_text("old")
    process = start("analyze", "-m", "linear", "-i", big_csv, "-o", tmp_path / "out.jsonl")
    wait_for(lambda: has_partial(tmp_path), "the first answers")
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "out.jsonl").read_text() == "old"


def test_ctrl_c_while_standard_input_is_awaited(start):
    process = start("analyze", "--json", stdin=subprocess.PIPE)
    process.stdin.write(b"thank you\n")
    process.stdin.flush()
    wait_for(lambda: count_unread_bytes(process.stdin) == 0, "the text to be read")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in err) == (130, False)


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def environment(request, make_environment):
    """Python's standard output fails at other places with and without its buffer."""
    return make_environment(PYTHONUNBUFFERED=request.param)


@pytest.mark.parametrize("form", [["--json"], ["--rows", "9000"]])
def test_a_reader_that_leaves_early(start, tmp_path, form, environment):
    (tmp_path / "in.txt").write_text("thank you for the lovely visit\n" * 20_000)
    process = start("analyze", "-m", "linear", "-i", tmp_path / "in.txt", *form, env=environment)
    assert process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait(timeout=60) == 1
    assert err == ""


@pytest.mark.parametrize("arguments", [["data", "list", "--json"], ["analyze", "Hi", "--json"], ["--version"]])
def test_a_reader_that_never_came(start, environment, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*arguments, stdout=writing, env=environment)
    os.close(writing)
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")  # noqa: PTH110
@pytest.mark.parametrize("arguments", [["analyze", "Thank you!"], ["analyze", "Hi", "--json"], ["data", "list"]])
def test_a_full_disk_behind_standard_output(start, arguments, environment):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        process = start(*arguments, stdout=full, env=environment)
    err = process.stderr.read().decode()
    assert process.wait(timeout=60) == 5
    assert err.startswith("error: expected a place that can be written, got No space left on device at standard output")
    assert err.count("\n") == 1


def test_closed_streams(tmp_path):
    line = '"$0" -m sentire'
    for shell, code in (
        (f"{line} analyze <&-", 3),
        (f"{line} analyze -i - --json <&-", 3),
        (f"{line} analyze hi --json >&-", 0),
        (f"{line} analyze hi >&-", 0),
        (f"{line} analyze '' 2>&-", 3),
        (f"{line} analyze hi --context so 2>&- >/dev/null", 0),
    ):
        ran = subprocess.run(["sh", "-c", shell, sys.executable], capture_output=True, check=False, timeout=60)
        assert (ran.returncode, b"Traceback" in ran.stderr) == (code, False), shell


def test_a_terminal_that_knows_no_bars(sentire_process):
    ran = sentire_process("analyze", "thank you, très bien", PYTHONIOENCODING="ascii")
    assert ran.code == 0
    assert ran.text.splitlines()[0] == "thank you, tr?s bien"
    ran = sentire_process("analyze", "très", "--json", PYTHONIOENCODING="ascii")
    assert ran.rows[0]["text"] == "très"


def read_terminal(descriptor: int) -> str:
    shown = b""
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not piece:
            break
        shown += piece
    return shown.decode()


def test_progress_is_for_terminals_alone(start, sentire_process, make_environment, tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("".join(f"thank you {number}\n" for number in range(20_000)))
    ours, theirs = pty.openpty()
    environment = make_environment(TERM="xterm-256color")
    process = start(
        "analyze", "-m", "linear", "-i", path, "--json", stdout=subprocess.DEVNULL, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = read_terminal(ours)
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert "analyzing: texts" in shown
    assert "\x1b[" in shown
    ran = sentire_process("analyze", "-m", "linear", "-i", path, "--json")
    assert len(ran.rows) == 20_000
    assert "analyzing" not in ran.err
    assert "\x1b" not in ran.err
    assert [line.split()[:2] for line in ran.err.splitlines()] == [["20,000", "texts"]]


def test_a_terminal_is_not_waited_for(start):
    ours, theirs = pty.openpty()
    process = start("analyze", stdin=theirs)
    os.close(theirs)
    _, err = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 2
    assert b'expected a text or --input FILE, got neither; try: sentire analyze "thank you!"' in err


def test_a_pipe_gets_no_colours_and_a_terminal_does(start, sentire_process, make_environment):
    assert "\x1b" not in sentire_process("analyze", "Thank you!").text
    ours, theirs = pty.openpty()
    process = start("analyze", "Thank you!", stdout=theirs, env=make_environment(TERM="xterm-256color"))
    os.close(theirs)
    shown = read_terminal(ours)
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert "\x1b[32m" in shown
    assert "gratitude" in shown


def test_the_command_is_installed(sentire_process):
    import sentire

    assert sentire_process("--version").text == f"sentire {sentire.__version__}\n"


COMMANDS = ("", "analyze", "train", "evaluate", "compare", "data", "data list", "data show", "data check", "data fetch")


def test_help_is_quick_because_it_loads_little():
    code = (
        "import json, sys\n"
        "from sentire.cli.main import main\n"
        f"for command in {COMMANDS!r}:\n"
        "    sys.argv = ['sentire', *command.split(), '--help']\n"
        "    try:\n        main()\n"
        "    except SystemExit as stop:\n"
        f"        loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "        print(json.dumps([stop.code, loaded]), file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert [json.loads(line) for line in ran.stderr.splitlines()] == [[0, []]] * len(COMMANDS)
    shown = re.split("^(?=Usage: )", ran.stdout, flags=re.MULTILINE)[1:]
    for command, page in zip(COMMANDS, shown, strict=True):
        assert page.startswith(f"Usage: {' '.join(['sentire', *command.split()])} ")
        assert "--help" in page


@pytest.mark.parametrize("sizes", [(10_000, 40_000), pytest.param((20_000, 200_000), marks=pytest.mark.slow)])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_rows(tmp_path, suffix, sizes):
    moods = ["thank you for the lovely", "I hate the awful", "there is a new", "so sad about the"]
    peaks, rates = [], []
    for n_rows in sizes:
        path, output = tmp_path / f"in{n_rows}.csv", tmp_path / f"out{n_rows}.{suffix}"
        with path.open("w") as file:
            file.write("id,text\n")
            file.writelines(f"{i},{moods[i % 4]} visit number {i} to the town\n" for i in range(n_rows))
        command = [
            sys.executable,
            "-m",
            "sentire",
            "analyze",
            "-m",
            "linear",
            "-i",
            path,
            "--id-column",
            "id",
            "-o",
            output,
            "--json",
        ]
        ran = subprocess.run(
            [sys.executable, "-c", MEASURE, *map(str, command)], capture_output=True, check=True, timeout=300
        )
        peak, summary = ran.stdout.split(b"\n", 1)
        assert orjson.loads(summary)["n_rows"] == n_rows
        peaks.append(int(peak) / 1e6)
        rates.append(orjson.loads(summary)["texts_per_second"])
        output.unlink()
    print(f"{suffix}: peak {peaks[0]:.0f} MB and {peaks[1]:.0f} MB; {rates[0]:,} and {rates[1]:,} texts/s")
    assert peaks[1] - peaks[0] < 15
