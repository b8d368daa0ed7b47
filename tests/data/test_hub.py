import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from sentire.core.errors import DataError, MissingExtraError
from sentire.data.hub import iter_hub_rows
from sentire.data.own_files import read_dataset_file
from sentire.data.reading import Reading

CARD = """\
---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: mood
    dtype:
      class_label:
        names:
          '0': calm
          '1': tense
  - name: moods
    sequence:
      class_label:
        names:
          '0': calm
          '1': tense
---
"""

TOML = """
[dataset]
name = "hubbed"
source = "huggingface"
path = "local"
labels = ["tense", "calm"]
[columns]
labels = "moods"
[splits]
dev = "validation"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data set of our own in the layout of the hub, read without a network."""
    datasets = pytest.importorskip("datasets")
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    made = tmp_path / "local"
    (made / "data").mkdir(parents=True)
    (made / "README.md").write_text(CARD)
    table = pa.table({"text": ["a", "b", "c"], "mood": [0, 1, -1], "moods": [[0], [1, 0], []]})
    parquet.write_table(table, made / "data/validation-00000-of-00001.parquet")
    return made


def test_class_numbers_become_names(folder):
    report = Reading().report(folder)
    rows = list(iter_hub_rows(str(folder), split="validation", report=report))
    assert [row.number for row in rows] == [1, 2, 3]
    assert [row.fields["mood"] for row in rows] == ["calm", "tense", None]
    assert [row.fields["moods"] for row in rows] == [["calm"], ["tense", "calm"], []]
    assert report.n_read == 3


def test_a_description_reads_it(folder):
    path = folder.parent / "mine.toml"
    path.write_text(TOML)
    reading = Reading()
    examples = list(read_dataset_file(path).iter_split("dev", reading=reading))
    assert [(one.id, one.labels) for one in examples] == [("1", ("calm",)), ("2", ("tense", "calm")), ("3", ())]
    assert reading.n_accepted == 3


def test_csv_without_features(folder):
    plain = folder.parent / "plain"
    plain.mkdir()
    (plain / "train.csv").write_text("text,label\nhello,3\nworld,4\n")
    rows = list(iter_hub_rows(str(plain), split="train", report=Reading().report(plain)))
    assert [dict(row.fields) for row in rows] == [{"text": "hello", "label": 3}, {"text": "world", "label": 4}]


@pytest.mark.parametrize(("split", "subset"), [("train", ""), ("validation", "none")])
def test_an_unknown_split_or_subset(folder, split, subset):
    with pytest.raises(DataError, match=r"a Hugging Face data set that can be read.*check path, subset, split"):
        list(iter_hub_rows(str(folder), split=split, subset=subset, report=Reading().report(folder)))


def test_a_data_set_that_cannot_be_reached(folder):
    with pytest.raises(DataError, match="nobody/nothing, split train"):
        list(iter_hub_rows("nobody/nothing", split="train", report=Reading().report(folder)))


class Refuser:
    """A hub that hangs up on everybody, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._refuse)
        self._thread.start()

    def _refuse(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                request = connection.recv(1 << 16)
            if request == b"stop":
                return
            self.asked.append(request.partition(b"\r\n")[0])

    def close(self) -> None:
        with socket.create_connection(self._socket.getsockname()) as connection:
            connection.sendall(b"stop")
        self._thread.join()
        self._socket.close()


@pytest.fixture
def refuser() -> Iterator[Refuser]:
    running = Refuser()
    yield running
    running.close()


def test_a_hub_that_cannot_be_reached_is_tried_once_and_told_in_one_line(refuser, tmp_path):
    pytest.importorskip("datasets")
    (tmp_path / "mine.toml").write_text(TOML.replace('"local"', '"nobody/nothing"'))
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("HF_")}
    ran = subprocess.run(
        [sys.executable, "-m", "sentire", "data", "check", "mine.toml", "--no-near-duplicates"],
        cwd=tmp_path,
        env={**kept, "HF_ENDPOINT": refuser.url, "HF_HOME": str(tmp_path / "cache"), "NO_PROXY": "*", "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (3, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"error: expected the Hugging Face hub to answer at {refuser.url}, got no connection: ")
    assert "at nobody/nothing, split validation; check the network and its proxy, or download" in line
    # The library may ask for other things of its own, but for the data set once.
    assert len([line for line in refuser.asked if b"nobody/nothing" in line]) == 1


def test_the_library_speaks_again_when_its_streams_have_ended_in_any_order(folder):
    import datasets  # noqa: F401

    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    record = logging.LogRecord("datasets", logging.WARNING, "", 0, "retrying", None, None)
    before = [logger.level for logger in loggers]

    def is_heard() -> set[bool]:
        return {bool(handler.filter(record)) for logger in loggers for handler in logger.handlers}

    assert is_heard() == {True}
    first, second = (iter_hub_rows(str(folder), split="validation", report=Reading().report(folder)) for _ in range(2))
    next(first)
    next(second)
    assert is_heard() == {False}
    first.close()
    assert is_heard() == {False}
    list(second)
    assert is_heard() == {True}
    assert [logger.level for logger in loggers] == before


def test_without_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"sentire\[hub\]"):
        list(iter_hub_rows("a/b", split="train", report=Reading().report(tmp_path)))
