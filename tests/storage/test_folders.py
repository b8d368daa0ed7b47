import errno
import shutil
import stat
from pathlib import Path

import pytest

from sentire.core.errors import OutputError
from sentire.storage.folders import open_folder, restore_folder


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_appears_whole_and_keeps_what_it_does_not_replace(tmp_path):
    folder = tmp_path / "deep" / "model"
    with open_folder(folder) as staged:
        (staged / "a").write_text("1")
        assert not folder.exists()
    with open_folder(folder) as staged:
        (staged / "b").write_text("2")
        (staged / "a").write_text("3")
        assert contents(folder) == {"a": "1"}
    assert contents(folder) == {"a": "3", "b": "2"}
    with open_folder(folder) as staged:
        (staged / "c").write_text("4")
    assert contents(folder) == {"a": "3", "b": "2", "c": "4"}
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_folder_that_is_replaced_keeps_its_permissions(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir(mode=0o700)
    (folder / "a").write_text("1")
    with open_folder(folder) as staged:
        assert stat.S_IMODE(staged.stat().st_mode) == 0o700
        (staged / "b").write_text("2")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert contents(folder) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("reason", [KeyboardInterrupt, ValueError])
def test_a_block_that_fails_changes_nothing(tmp_path, reason):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a").write_text("1")

    def fail_halfway(staged):
        (staged / "a").write_text("half")
        raise reason

    with pytest.raises(reason), open_folder(folder) as staged:
        fail_halfway(staged)
    assert contents(folder) == {"a": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError, match=r"got (Not a directory|File exists).*file"),
        open_folder(tmp_path / "file" / "m"),
    ):
        pass
    with pytest.raises(OutputError, match="a folder that can be written"), open_folder(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


KEPT = {"checkpoints/last": "state", "checkpoints/best": "weights", "notes": "mine"}
OLD = {"model": "old", **KEPT}
NEW = {"model": "new", "card": "new", **KEPT}
N_RENAMES = 5  # aside, into place, two that are kept, and what is left to be removed


class Killed(BaseException):
    """Stands for the end of a process: after it nothing is changed any more."""


def make_old(folder):
    for name, content in OLD.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def write_new(folder):
    with open_folder(folder) as staged:
        (staged / "model").write_text("new")
        (staged / "card").write_text("new")


def fail_at(monkeypatch, number, reason, *, is_done, stays=False):
    """Let the rename of this number fail, before or after it is made, and with ``stays`` all that follow."""
    rename, n_made = Path.rename, []

    def fail(path, target):
        n_made.append(path.name)
        if len(n_made) != number and not (stays and len(n_made) > number):
            return rename(path, target)
        if is_done and len(n_made) == number:
            rename(path, target)
        raise reason

    monkeypatch.setattr(Path, "rename", fail)
    if stays:
        monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: (_ for _ in ()).throw(reason))
    return n_made


def test_so_many_renames_are_made(tmp_path, monkeypatch):
    n_made = fail_at(monkeypatch, 0, Killed(), is_done=False)
    write_new(make_old(tmp_path / "model"))
    assert len(n_made) == N_RENAMES
    assert contents(tmp_path) == {f"model/{name}": content for name, content in NEW.items()}


@pytest.mark.parametrize("number", range(1, N_RENAMES + 1))
@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("reason", [KeyboardInterrupt(), OSError(errno.EIO, "Input/output error")])
def test_a_rename_that_fails_leaves_the_old_folder_or_the_new_one(tmp_path, monkeypatch, number, is_done, reason):
    folder = make_old(tmp_path / "model")
    with monkeypatch.context() as patch:
        fail_at(patch, number, reason, is_done=is_done)
        with pytest.raises(OutputError if isinstance(reason, OSError) else KeyboardInterrupt):
            write_new(folder)
    assert contents(folder) == (NEW if number > 2 or (number, is_done) == (2, True) else OLD)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    write_new(folder)
    assert contents(tmp_path) == {f"model/{name}": content for name, content in NEW.items()}


@pytest.mark.parametrize("number", range(1, N_RENAMES + 1))
@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("reason", [Killed(), OSError(errno.EIO, "Input/output error")])
def test_what_a_kill_leaves_is_put_back_by_the_next_run(tmp_path, monkeypatch, number, is_done, reason):
    folder = make_old(tmp_path / "model")
    other = make_old(tmp_path / "model.b")
    with monkeypatch.context() as patch:
        fail_at(patch, number, reason, is_done=is_done, stays=True)
        with pytest.raises((Killed, OSError, OutputError)):
            write_new(folder)
    restore_folder(other)
    restore_folder(folder)
    assert contents(folder) == (NEW if number > 2 or (number, is_done) == (2, True) else OLD)
    restore_folder(folder)
    write_new(folder)
    assert contents(folder) == NEW
    assert contents(other) == OLD
    assert not list(tmp_path.glob(".*.old"))


def test_a_folder_that_somebody_else_made_meanwhile_takes_nothing_away(tmp_path, monkeypatch):
    folder = make_old(tmp_path / "model")
    rename = Path.rename

    def make_another(path, target):
        if path.suffix == ".partial":
            (folder / "checkpoints").mkdir(parents=True)
            (folder / "checkpoints" / "last").write_text("another")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", make_another)
        with pytest.raises(OutputError, match="got Directory not empty"):
            write_new(folder)
    restore_folder(folder)
    assert contents(folder) == {"checkpoints/last": "another"}
    (left,) = tmp_path.glob(".*.old")
    assert contents(left) == OLD


def test_there_is_nothing_to_put_back(tmp_path):
    restore_folder(tmp_path / "deep" / "model")
    assert not list(tmp_path.iterdir())
    restore_folder(make_old(tmp_path / "model"))
    assert contents(tmp_path / "model") == OLD
