"""Atomic files: after whatever happens, under the name stands the old file or the whole new one."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from sentire.core.errors import DataError, OutputError
from sentire.storage.atomic import check_writable, make_directory, open_atomic, write_bytes, write_json

WRITE_FOREVER = """
import sys
from pathlib import Path
from sentire.storage.atomic import open_atomic
with open_atomic(Path(sys.argv[1])) as file:
    while True:
        file.write(b"new" * 10_000)
        print("written", flush=True)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def run(code: str, *arguments: object, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def test_a_block_that_ends_well(tmp_path):
    path = tmp_path / "a.bin"
    with open_atomic(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    write_bytes(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert names(tmp_path) == ["a.bin"]


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path):
    """The new file takes the name; it is not poured into the old one, where a crash would leave half of each."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_bytes(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    "problem",
    [
        RuntimeError("broken"),
        KeyboardInterrupt(),
        SystemExit(3),
        GeneratorExit(),
        DataError(expected="a cat", got="a dog"),
    ],
    ids=lambda problem: type(problem).__name__,
)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_block_that_fails_leaves_what_was_there(tmp_path, problem, is_there):
    path = tmp_path / "a.bin"
    if is_there:
        path.write_bytes(b"old")
    with pytest.raises(type(problem)), open_atomic(path) as file:  # noqa: PT012
        file.write(b"half" * 100_000)
        raise problem
    assert names(tmp_path) == (["a.bin"] if is_there else [])
    if is_there:
        assert path.read_bytes() == b"old"


def test_an_error_of_another_file_is_not_called_an_error_of_the_output(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"input\.csv"), open_atomic(tmp_path / "a.bin"):
        (tmp_path / "input.csv").open()
    assert names(tmp_path) == []


@pytest.mark.parametrize("delay_writes", [1, 400])
def test_kill_9_in_the_middle_leaves_the_old_file(tmp_path, delay_writes):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    process = subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, path], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as output:
        for _ in range(delay_writes):
            output.readline()
        process.send_signal(signal.SIGKILL)
        output.read()
    assert process.wait(timeout=30) == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["a.bin"]
    write_bytes(path, b"new")  # what the dead process left does not stand in the way
    assert path.read_bytes() == b"new"


def test_ctrl_c_in_a_process_cleans_up(tmp_path):
    path = tmp_path / "a.bin"
    done = run(
        """
        import os, signal, sys
        from pathlib import Path
        from sentire.storage.atomic import open_atomic
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with open_atomic(Path(sys.argv[1])) as file:
            file.write(b"half")
            os.kill(os.getpid(), signal.SIGINT)
            file.write(b"never")
        """,
        path,
    )
    assert "KeyboardInterrupt" in done.stderr
    assert names(tmp_path) == []


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("size", [1_000_000, 3_000_000])
def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path, is_there, size):
    """A limit on the size of files stands for the full disk; the smaller write fails only when it is flushed."""
    path = tmp_path / "a.bin"
    if is_there:
        path.write_bytes(b"old")
    done = run(
        """
        import resource, signal, sys
        from pathlib import Path
        from sentire.core.errors import OutputError
        from sentire.storage.atomic import open_atomic
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (999_000, 999_000))
        try:
            with open_atomic(Path(sys.argv[1])) as file:
                for _ in range(int(sys.argv[2]) // 1000):
                    file.write(b"x" * 1000)
        except OutputError as error:
            print(error)
        """,
        path,
        size,
    )
    assert "a place that can be written, got File too large" in done.stdout, done.stderr
    assert "nothing was left half-written" in done.stdout
    assert names(tmp_path) == (["a.bin"] if is_there else [])
    if is_there:
        assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/a.bin", "No such file or directory"),
        ("file/a.bin", "Not a directory"),
        ("folder", "a directory"),
        ("", "a directory"),
        ("a\x00b", "embedded null byte"),
        ("x" * 300, "File name too long"),
    ],
)
def test_places_that_cannot_be_written(tmp_path, name, message):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=f"a place that can be written, got {message} at "):
        write_bytes(tmp_path / name, b"new")
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("name", [".", "/", ".."])
def test_directories_without_a_name_of_their_own(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="got a directory"):
        write_bytes(type(tmp_path)(name), b"new")


def test_devices_and_pipes_are_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, type(tmp_path)("/dev/null")):
        with pytest.raises(OutputError, match="got a device or a pipe"):
            write_bytes(path, b"new")
        assert not path.is_file()


def test_a_link_stays_a_link(tmp_path):
    real = tmp_path / "runs" / "first.json"
    make_directory(real.parent)
    real.write_bytes(b"old")
    link = tmp_path / "latest.json"
    link.symlink_to(real)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert names(real.parent) == ["first.json"]


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o666, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    """Before the first byte: who may not read the old file may read nothing of the new one."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(mode)
    with open_atomic(path) as file:
        (partial,) = tmp_path.glob(".*.partial")
        assert mode_of(partial) == mode
        file.write(b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", mode)


def test_nobody_can_open_a_file_in_advance_that_only_its_owner_may_read(tmp_path, monkeypatch):
    """Who has a file open goes on reading it whatever becomes of its permissions: it must be made with few."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(0o600)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    old_mask = os.umask(0)
    try:
        write_bytes(path, b"new")
    finally:
        os.umask(old_mask)
    assert mode_of(path) == 0o600


def test_a_new_file_has_the_permissions_that_the_user_gives_new_files(tmp_path):
    old_mask = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a.bin", b"new")
    finally:
        os.umask(old_mask)
    assert mode_of(tmp_path / "a.bin") == 0o640


def test_a_file_that_is_replaced_on_a_disk_without_permissions(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    write_bytes(tmp_path / "a.bin", b"old")
    monkeypatch.setattr(os, "fchmod", refuse)
    write_bytes(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"


def test_json(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": np.array([1.5, 2.0]), "a": [True, None, "é"]})
    assert path.read_bytes().endswith(b"}\n")
    assert json.loads(path.read_bytes()) == {"b": [1.5, 2.0], "a": [True, None, "é"]}
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert names(tmp_path) == ["a.json"]


def test_make_directory(tmp_path):
    deep = tmp_path / "a" / "b"
    assert make_directory(deep) == deep == make_directory(deep)
    assert deep.is_dir()
    (tmp_path / "file").write_bytes(b"")
    for path, message in [
        (tmp_path / "file", "File exists"),
        (tmp_path / "file" / "x", "Not a directory"),
        (tmp_path / "\x00", "embedded null byte"),
    ]:
        with pytest.raises(OutputError, match=f"got {message}"):
            make_directory(path)


def test_a_place_is_tried_before_the_work_and_left_as_it_was(tmp_path):
    (tmp_path / "there").write_text("kept")
    check_writable(tmp_path / "there")
    check_writable(tmp_path / "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("there", "kept")]
    for wrong in (tmp_path, tmp_path / "no" / "folder", tmp_path / "there" / "x", Path("/dev/null")):
        with pytest.raises(OutputError, match="a place that can be written"):
            check_writable(wrong)
