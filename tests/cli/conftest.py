"""The command line as its users meet it: in this process where that is enough, in one of its own where it is not."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def rows(self) -> list[dict]:
        """Standard output as JSON lines."""
        return [orjson.loads(line) for line in self.out.splitlines()]

    @property
    def json(self):
        """Standard output as one JSON value."""
        return orjson.loads(self.out)

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode()


def check_calm(ran: Ran) -> Ran:
    """Whatever happened, nobody is shown the inside of the program."""
    for stream in (ran.err, ran.out.decode(errors="replace")):
        assert "Traceback" not in stream, stream
        assert "Exception ignored" not in stream, stream
    if ran.code not in (0, 1) and ran.code < 128:
        assert ran.err.strip(), f"exit code {ran.code} without a word"
    return ran


@pytest.fixture
def sentire(monkeypatch, capsysbinary) -> Callable[..., Ran]:
    """Run a command in this process."""

    def run(*arguments: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["sentire", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        from sentire.cli.main import main

        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        capsysbinary.readouterr()
        try:
            with pytest.raises(SystemExit) as stopped:
                main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        captured = capsysbinary.readouterr()
        code = stopped.value.code
        assert code is None or isinstance(code, int)
        return check_calm(Ran(code=code or 0, out=captured.out, err=captured.err.decode()))

    return run


def command(*arguments: object) -> list[str]:
    """Return the command line of a process of its own."""
    return [sys.executable, "-m", "sentire", *map(str, arguments)]


def listen_to_signals() -> None:
    """A test run in the background ignores Ctrl-C, or that the terminal is closed, and so would its children."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def make_environment(**settings: str) -> dict[str, str]:
    """Return the environment of a process as most users have it, whatever the settings of this one."""
    unusual = ("PYTHONUNBUFFERED", "PYTHONIOENCODING", "NO_COLOR", "FORCE_COLOR")
    return {name: value for name, value in os.environ.items() if name not in unusual} | settings


@pytest.fixture(scope="session", name="make_environment")
def make_environment_fixture() -> Callable[..., dict[str, str]]:
    """Hand ``make_environment`` to tests."""
    return make_environment


@pytest.fixture
def sentire_process() -> Callable[..., Ran]:
    """Run a command in a process of its own."""

    def run(*arguments: object, stdin: bytes = b"", cwd: Path | None = None, **environment: str) -> Ran:
        ran = subprocess.run(
            command(*arguments),
            input=stdin,
            capture_output=True,
            timeout=120,
            cwd=cwd,
            env=make_environment(**environment),
            check=False,
        )
        return check_calm(Ran(code=ran.returncode, out=ran.stdout, err=ran.stderr.decode()))

    return run


@pytest.fixture
def start(request) -> Callable[..., subprocess.Popen]:
    """Start a command and leave it running; it is stopped with the test."""

    def run(*arguments: object, **options) -> subprocess.Popen:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": make_environment(), **options}
        process = subprocess.Popen(command(*arguments), preexec_fn=listen_to_signals, **options)

        def stop() -> None:
            process.kill()
            process.communicate()

        request.addfinalizer(stop)
        return process

    return run


@pytest.fixture
def big_csv(tmp_path) -> Path:
    """A file that keeps the command busy for some seconds."""
    path = tmp_path / "big.csv"
    with path.open("w") as file:
        file.write("id,text\n")
        file.writelines(f"{number},Thank you for visit number {number} it was lovely\n" for number in range(500_000))
    return path
