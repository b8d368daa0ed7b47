import pytest

from sentire.core.errors import OutputError
from sentire.storage.folders import open_folder


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


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
