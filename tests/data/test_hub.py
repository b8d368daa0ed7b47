import sys

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


def test_without_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"sentire\[hub\]"):
        list(iter_hub_rows("a/b", split="train", report=Reading().report(tmp_path)))
