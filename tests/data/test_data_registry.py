import re
from typing import NoReturn, get_args

import pytest

from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import ConfigError, DataError, UnknownNameError, UsageError
from sentire.data.cards import WeightsMayShip
from sentire.data.fetch import fetch_dataset
from sentire.data.listing import list_known
from sentire.data.reading import Reading
from sentire.data.registry import DATASETS, load_dataset, parse_split_name
from sentire.storage.manifest import hash_file

NAMES = [
    "goemotions",
    "goemotions-raw",
    "emobank",
    "isear",
    "emocontext",
    "iemocap-4",
    "iemocap-6",
    "meld",
    "sst-2",
    "sst-5",
    "sarcasm-v2",
    "vader",
    "glasgow-norms",
    "fairytaleqa",
    "classic-fiction",
    "situations",
    "rare-labels",
    "context-contrast",
]
SHIPPED = ["situations", "rare-labels", "context-contrast"]
"""What stands in the package and needs no file in the data root."""

IN_DATA_ROOT = [name for name in NAMES if name not in SHIPPED]
HASHED = {name for name in NAMES if not name.startswith(("goemotions-raw", "emocontext", "iemocap", "classic"))}


def test_all_corpora_are_registered():
    assert list(DATASETS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_card_is_complete(name):
    card = DATASETS[name].card
    assert card.name == name
    assert card.homepage.startswith("https://")
    assert re.search(r"\d{4}", card.citation)
    assert card.licence
    assert card.weights_may_ship in get_args(WeightsMayShip)
    assert card.defects
    assert card.changes
    assert card.label_space is not None or card.affect_scale is not None or card.kind == "narratives"
    assert bool(card.files) == (name not in SHIPPED)
    assert all(count >= 0 for count in card.split_counts.values())
    assert next(iter(card.split_counts.values())) > 0
    for file in (*card.files, *card.optional_files):
        assert not file.path.startswith("/")
        assert ".." not in file.path
        assert not file.url or file.url.startswith("https://")
        assert re.fullmatch("[0-9a-f]{64}", file.sha256) or (name not in HASHED and not file.sha256)
    # Whoever lacks a file is told a way to it.
    assert card.access or all(file.url for file in card.files)


@pytest.mark.parametrize("name", IN_DATA_ROOT)
def test_a_missing_file_is_named_with_its_place(name, tmp_path):
    dataset = DATASETS[name]
    with pytest.raises(DataError) as caught:
        dataset.read_split(dataset.card.splits[0], root=tmp_path)
    message = str(caught.value)
    assert any(file.path in message for file in dataset.card.files)
    assert str(tmp_path) in message
    assert "SENTIRE_DATA" in message
    assert ("sentire data fetch" in message) == any(file.url for file in dataset.card.files)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_the_package_ships_is_read_without_a_data_root(name, tmp_path):
    card = DATASETS[name].card
    root = tmp_path / "none"
    assert {split: len(DATASETS[name].read_split(split, root=root)) for split in card.splits} == card.split_counts
    assert [entry.is_at_hand for entry in list_known(root) if entry.card is card] == [True]
    assert fetch_dataset(card, root, open_url=_no_network).files == ()
    assert not root.exists()


def _no_network(*_: object) -> NoReturn:
    raise AssertionError("nothing is to be fetched")


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_split_is_refused_at_once(name):
    with pytest.raises(UnknownNameError, match=f"the name of a split .*{DATASETS[name].card.splits[0]}"):
        DATASETS[name].iter_split("trian")


@pytest.mark.corpus
@pytest.mark.parametrize("name", NAMES)
def test_every_loader_keeps_what_its_card_promises(name, corpus_root):
    card = DATASETS[name].card
    missing = [file.path for file in card.files if not (corpus_root / file.path).exists()]
    if missing:
        pytest.skip(f"not at hand: {missing[0]}")
    for file in (*card.files, *card.optional_files):
        if file.sha256:
            assert hash_file(corpus_root / file.path) == file.sha256
    n_with_context = 0
    for split, n_expected in card.split_counts.items():
        reading = Reading()
        examples = DATASETS[name].read_split(split, root=corpus_root, reading=reading)
        assert len(examples) == n_expected
        assert reading.n_read == reading.n_accepted + reading.n_rejected
        if name != "goemotions-raw":
            assert reading.n_accepted == len(examples)
        assert len({one.id for one in examples}) == len(examples)
        for one in examples:
            assert one.text.strip()
            assert bool(one.group) == bool(card.grouped_by)
            assert one.is_synthetic == card.is_ours
            assert all(card.label_space is not None and label in card.label_space for label in one.labels)
            if card.label_space is not None and card.label_space.task == "single-label":
                assert len(one.labels) == 1
            assert set(one.scores) <= set(VAD_DIMENSIONS)
            if card.affect_scale is not None:
                card.affect_scale.check(list(one.scores.values()))
            n_with_context += bool(one.context)
    assert bool(n_with_context) == card.has_context


def test_the_data_root_is_found_where_none_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("SENTIRE_DATA", str(tmp_path))
    (tmp_path / "goemotions").mkdir()
    (tmp_path / "goemotions/test.tsv").write_text("Well done.\t0\tc1\n")
    assert [one.id for one in load_dataset("goemotions").read_split("test")] == ["c1"]


def test_an_unknown_data_set_is_refused_with_near_names():
    with pytest.raises(UnknownNameError, match='did you mean "goemotions"'):
        load_dataset("goemotion")


def test_a_name_with_a_split():
    dataset, split = parse_split_name("iemocap-4:session5")
    assert (dataset.name, split) == ("iemocap-4", "session5")


def test_a_name_without_a_split_is_told_the_splits():
    with pytest.raises(UsageError, match="emobank:train, emobank:dev, emobank:test"):
        parse_split_name("emobank")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("emobank:tset", 'did you mean "test"'),
        ("emobnk:test", 'did you mean "emobank"'),
        ("emobnk", 'did you mean "emobank"'),
    ],
)
def test_wrong_names_with_splits(name, message):
    with pytest.raises(UnknownNameError, match=message):
        parse_split_name(name)


def test_a_description_of_own_data_stands_for_a_name(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('[dataset]\nname = "mine"\n[splits]\ntest = "t.csv"\n')
    (tmp_path / "t.csv").write_text("text\nGood tea.\n")
    dataset, split = parse_split_name(f"{path}:test")
    assert [one.text for one in dataset.iter_split(split)] == ["Good tea."]
    with pytest.raises(UsageError, match=r"my\.toml:test"):
        parse_split_name(str(path))
    with pytest.raises(UnknownNameError, match="the name of a split"):
        parse_split_name(f"{path}:dev")
    with pytest.raises(ConfigError, match="a readable TOML file"):
        parse_split_name(f"{tmp_path / 'none.toml'}:dev")


@pytest.mark.parametrize("name", [5, None])
def test_a_name_that_is_no_text_is_unknown(name):
    with pytest.raises(UnknownNameError, match=f"expected the name of a data set .*got {name}"):
        load_dataset(name)
