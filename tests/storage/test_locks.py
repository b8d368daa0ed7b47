"""A folder that somebody writes is nobody else's; a dead process holds nothing."""

import fcntl
import signal
import subprocess
import sys

import pytest

from sentire.core.errors import OutputError
from sentire.storage.locks import LOCK_NAME, hold_lock

HOLD = """
import sys, time
from pathlib import Path
from sentire.storage.locks import hold_lock
with hold_lock(Path(sys.argv[1]), holder="training"):
    print("held", flush=True)
    time.sleep(600)
"""


def start_holder(folder):
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_the_second_one_is_refused_and_the_next_one_is_not(tmp_path):
    with hold_lock(tmp_path, holder="training"):
        with (
            pytest.raises(OutputError, match=r"no other job writes, got one that another search is writing now"),
            hold_lock(tmp_path, holder="search"),
        ):
            pytest.fail("two held it")
        # Refusing somebody does not give the folder away.
        with pytest.raises(OutputError), hold_lock(tmp_path, holder="search"):
            pytest.fail("two held it")
    with hold_lock(tmp_path, holder="search"):
        pass


def test_an_error_in_the_block_gives_it_back(tmp_path):
    with pytest.raises(RuntimeError, match="broken"), hold_lock(tmp_path, holder="training"):
        raise RuntimeError("broken")
    with hold_lock(tmp_path, holder="training"):
        pass


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_died_holds_nothing(tmp_path, sent):
    process = start_holder(tmp_path)
    with pytest.raises(OutputError, match="another training is writing"), hold_lock(tmp_path, holder="training"):
        pytest.fail("two held it")
    process.send_signal(sent)
    process.communicate(timeout=60)
    assert (tmp_path / LOCK_NAME).exists()
    with hold_lock(tmp_path, holder="training"):
        pass


def test_two_folders_are_two_locks(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with hold_lock(tmp_path / "a", holder="training"), hold_lock(tmp_path / "b", holder="training"):
        pass


def test_a_folder_that_is_not_there(tmp_path):
    with (
        pytest.raises(OutputError, match=r"a folder that can be written, got No such file or directory at .*none"),
        hold_lock(tmp_path / "none", holder="training"),
    ):
        pytest.fail("held nothing")


def test_a_file_system_without_locks_is_not_called_another_job(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(OutputError, match=r"a file system that has locks, got Operation not supported"),
        hold_lock(tmp_path, holder="training"),
    ):
        pytest.fail("held without a lock")
