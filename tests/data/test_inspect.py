"""Whole data sets looked through, and the list of those that are known."""

from dataclasses import fields
from pathlib import Path

import orjson
import pytest

from sentire.core.errors import DataError, UnknownNameError
from sentire.data.cards import DatasetCard
from sentire.data.inspect import inspect_dataset
from sentire.data.listing import card_as_dict, list_known
from sentire.data.own_files import read_dataset_file
from sentire.data.registry import DATASETS

DESCRIPTION = """
[dataset]
name = "remarks"
label_space = "sentiment"
[columns]
labels = "label"
id = "nr"
[splits]
train = "train.csv"
test = "test.csv"
"""
TRAIN = [
    "nr,text,label",
    "1,The soup was warm,positive",
    "2,the SOUP was warm!,negative",
    "3,The bus came late again,negative",
    "4,The bus came late again,negative",
    "5,,positive",
    "6,The hall is on the left side of the yard,neutral",
    "7,Hm,joyful",
]
TEST = [
    "nr,text,label",
    "1,The bus came late: again,negative",
    "2,Nothing like this before,ambiguous",
    "3,The hall is on the left side of the yards,neutral",
]

SHIPPED = {"situations", "rare-labels", "context-contrast"}
"""What stands in the package and is always at hand."""


@pytest.fixture
def remarks(tmp_path):
    (tmp_path / "remarks.toml").write_text(DESCRIPTION)
    (tmp_path / "train.csv").write_text("\n".join(TRAIN))
    (tmp_path / "test.csv").write_text("\n".join(TEST))
    return read_dataset_file(tmp_path / "remarks.toml")


def test_what_was_planted_is_found(remarks):
    told = []
    check = inspect_dataset(remarks, on_progress=lambda done, total, note: told.append((done, total, note)))
    assert [(rows.file, rows.n_read, rows.n_accepted, dict(rows.reasons)) for rows in check.files] == [
        ("train.csv", 7, 5, {"empty text": 1, "label outside the label space": 1}),
        ("test.csv", 3, 3, {}),
    ]
    train, test = check.splits
    assert (train.n_examples, train.n_duplicate_texts, train.n_duplicate_groups) == (5, 4, 2)
    assert (train.n_conflicting_groups, test.n_conflicting_groups) == (1, 0)
    assert dict(train.label_counts) == {"positive": 1, "negative": 3, "ambiguous": 0, "neutral": 1}
    (overlap,) = check.overlaps
    assert (overlap.first, overlap.second) == ("train", "test")
    assert (overlap.n_recurring, overlap.n_recurring_verbatim, overlap.n_recurred) == (1, 0, 2)
    assert check.near_duplicates is not None
    near = {(count.first, count.second): count.n_pairs for count in check.near_duplicates.counts}
    assert near["train", "test"] == 1
    assert told == [
        (0, 3, "reading remarks:train"),
        (1, 3, "reading remarks:test"),
        (2, 3, "looking for duplicates and conflicts"),
    ]


def test_own_data_state_no_counts_that_could_be_missed(remarks):
    check = inspect_dataset(remarks, with_near_duplicates=False)
    assert check.near_duplicates is None
    assert "split-count" not in {finding.code for finding in check.findings}


def test_some_splits_alone(remarks):
    check = inspect_dataset(remarks, splits=["test"], with_near_duplicates=False)
    assert [split.split for split in check.splits] == ["test"]
    assert [rows.file for rows in check.files] == ["test.csv"]
    assert check.overlaps == ()


def test_no_text_is_in_the_result(remarks):
    shown = orjson.dumps(inspect_dataset(remarks).as_dict())
    assert b"soup" not in shown
    assert b"bus" not in shown


def test_what_cannot_be_checked(remarks, tmp_path):
    with pytest.raises(UnknownNameError, match="got 'tests' at remarks; did you mean \"test\""):
        inspect_dataset(remarks, splits=["tests"])
    with pytest.raises(DataError, match=r"empty text at .*train.csv:6"):
        inspect_dataset(remarks, is_strict=True)
    (tmp_path / "test.csv").unlink()
    with pytest.raises(DataError, match=r"No such file or directory at .*test.csv"):
        inspect_dataset(remarks)


def test_registered_data_need_their_files(tmp_path):
    with pytest.raises(DataError, match=r"goemotions/train.tsv.*sentire data fetch goemotions"):
        inspect_dataset(DATASETS["goemotions"], root=tmp_path)


def test_what_is_at_hand_is_told_by_the_files(tmp_path, monkeypatch):
    assert [entry.card.name for entry in list_known(tmp_path)] == list(DATASETS)
    assert {entry.card.name for entry in list_known(tmp_path) if entry.is_at_hand} == SHIPPED
    files = [file.path for file in DATASETS["goemotions"].card.files]
    for number, file in enumerate(files):
        assert not _at_hand(tmp_path)["goemotions"], f"only {files[:number]} are there"
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert {name for name, is_there in _at_hand(tmp_path).items() if is_there} == {"goemotions", *SHIPPED}
    monkeypatch.setenv("SENTIRE_DATA", str(tmp_path))
    assert [entry.as_dict() for entry in list_known()] == [entry.as_dict() for entry in list_known(tmp_path)]


def _at_hand(root: Path) -> dict[str, bool]:
    return {entry.card.name: entry.as_dict()["is_at_hand"] for entry in list_known(root)}


@pytest.mark.parametrize("name", DATASETS)
def test_a_card_as_plain_data_holds_all_of_it(name):
    card = DATASETS[name].card
    shown = orjson.loads(orjson.dumps(card_as_dict(card)))
    renamed = {"split_counts": "splits", "optional_files": "files"}
    assert {renamed.get(field.name, field.name) for field in fields(DatasetCard)} <= set(shown)
    assert shown["splits"] == {split: count or None for split, count in card.split_counts.items()}
    assert [file["path"] for file in shown["files"]] == [file.path for file in (*card.files, *card.optional_files)]
    assert shown["labels"] == ([] if card.label_space is None else list(card.label_space.labels))


def test_own_data_say_that_their_counts_are_not_known(remarks):
    assert card_as_dict(remarks.card)["splits"] == {"train": None, "test": None}
