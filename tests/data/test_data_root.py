from pathlib import Path

import pytest

from sentire.core.errors import DataError
from sentire.data.emocontext import CARD as EMOCONTEXT
from sentire.data.goemotions import CARD as GOEMOTIONS
from sentire.data.root import find_corpus_file, find_data_root


def test_the_variable_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("SENTIRE_DATA", str(tmp_path / "mine"))
    assert find_data_root() == tmp_path / "mine"


def test_without_it_the_users_data_folder_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("SENTIRE_DATA", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert find_data_root() == tmp_path / "xdg" / "sentire"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert find_data_root() == tmp_path / ".local" / "share" / "sentire"


def test_a_missing_file_that_can_be_fetched(tmp_path):
    with pytest.raises(DataError) as caught:
        find_corpus_file(tmp_path, "goemotions/test.tsv", GOEMOTIONS)
    message = str(caught.value)
    assert "goemotions/test.tsv of GoEmotions" in message
    assert str(tmp_path / "goemotions/test.tsv") in message
    assert "sentire data fetch goemotions" in message
    assert "SENTIRE_DATA" in message


def test_a_missing_file_that_has_to_be_asked_for(tmp_path):
    with pytest.raises(DataError, match="given to the task's participants") as caught:
        find_corpus_file(tmp_path, "emocontext/test.txt", EMOCONTEXT)
    assert "data fetch" not in str(caught.value)


def test_a_file_that_is_there(tmp_path):
    (tmp_path / "goemotions").mkdir()
    (tmp_path / "goemotions/test.tsv").touch()
    assert find_corpus_file(tmp_path, "goemotions/test.tsv", GOEMOTIONS) == tmp_path / "goemotions/test.tsv"
