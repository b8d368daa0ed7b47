"""``sentire data``: the same in words and as JSON, and exact about what is missing."""

import pytest

from sentire.data.registry import DATASETS

SHIPPED = {"situations", "rare-labels", "context-contrast"}
"""What stands in the package and is always at hand."""

DESCRIPTION = """
[dataset]
name = "remarks"
label_space = "sentiment"
licence = "ours alone"
[columns]
labels = "label"
id = "nr"
[splits]
train = "train.csv"
test = "test.csv"
"""
TRAIN = """nr,text,label
1,The soup was warm,positive
2,the SOUP was warm!,negative
3,The bus came late again today,negative
4,The bus came late again today,negative
5,,positive
6,The hall is on the left side of the yard,neutral
7,Hm,joyful
8,one,two,three
"""
TEST = """nr,text,label
1,The bus came late: again today,negative
2,Nothing like this before,ambiguous
3,The hall is on the left side of the yards,neutral
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in (("remarks.toml", DESCRIPTION), ("train.csv", TRAIN), ("test.csv", TEST)):
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("SENTIRE_DATA", str(tmp_path / "nothing"))
    return tmp_path / "nothing"


def squeeze(text: str) -> str:
    return "".join(text.split())


def test_the_list_says_the_same_twice(sentire, nothing):
    entries = sentire("data", "list", "--json").json
    assert [entry["name"] for entry in entries] == list(DATASETS)
    assert {entry["name"] for entry in entries if entry["is_at_hand"]} == SHIPPED
    shown = sentire("data", "list").text
    for entry in entries:
        assert entry["name"] in shown
        assert entry["title"].split()[0] in shown
        for count in filter(None, entry["splits"].values()):
            assert f"{count:,}" in shown
    n_may_ship = sum(entry["weights_may_ship"] == "yes" for entry in entries)
    assert shown.count("yes") == n_may_ship + len(SHIPPED)


def test_what_is_at_hand_is_seen_at_another_root(sentire, nothing, tmp_path):
    card = DATASETS["isear"].card
    for file in card.files:
        (tmp_path / "root" / file.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / file.path).touch()
    entries = sentire("data", "list", "--json", "--root", tmp_path / "root").json
    assert {entry["name"] for entry in entries if entry["is_at_hand"]} == {"isear", *SHIPPED}


@pytest.mark.parametrize("name", DATASETS)
def test_a_card_says_the_same_twice(sentire, name):
    card = sentire("data", "show", name, "--json").json
    shown = squeeze(sentire("data", "show", name).text)
    for key in ("name", "title", "revision", "citation", "homepage", "licence", "weights_may_ship", "access"):
        assert squeeze(card[key]) in shown, key
    for one in (*card["labels"], *card["defects"], *card["changes"]):
        assert squeeze(one) in shown
    for file in card["files"]:
        assert squeeze(file["path"]) in shown
        assert squeeze(file["url"]) in shown
    for split, count in card["splits"].items():
        assert f"{split}{'' if count is None else f'{count:,}'}" in shown


def test_the_card_of_own_data(sentire, own):
    card = sentire("data", "show", "remarks.toml", "--json").json
    assert (card["name"], card["licence"], card["splits"]) == ("remarks", "ours alone", {"train": None, "test": None})
    shown = sentire("data", "show", "remarks.toml").text
    assert "train, test" in shown
    assert "ours alone" in shown


def test_a_check_finds_what_was_planted(sentire, own):
    ran = sentire("data", "check", "remarks.toml", "--json")
    assert (ran.code, ran.err) == (0, "")
    check = ran.json
    train = check["splits"][0]
    assert check["files"][0]["reasons"] == {
        "empty text": 1,
        "label outside the label space": 1,
        "wrong number of fields": 1,
    }
    assert (train["n_duplicate_texts"], train["n_duplicate_groups"], train["n_conflicting_groups"]) == (4, 2, 1)
    (overlap,) = check["overlaps"]
    assert (overlap["n_recurring"], overlap["n_recurring_verbatim"]) == (1, 0)
    near = [pair for count in check["near_duplicates"]["counts"] for pair in count["examples"]]
    assert {(pair["first"], pair["second"]) for pair in near} == {("6", "3")}
    codes = {finding["code"]: finding for finding in check["findings"]}
    assert (codes["shared-texts"]["split"], codes["shared-texts"]["count"]) == ("train+test", 1)
    assert "split-count" not in codes


def test_a_check_says_the_same_in_words(sentire, own):
    check = sentire("data", "check", "remarks.toml", "--json").json
    ran = sentire("data", "check", "remarks.toml")
    shown = squeeze(ran.text)
    for finding in check["findings"]:
        assert squeeze(f"{finding['severity']} {finding['sentence']}") in shown
    for file in check["files"]:
        counts = [str(file[key]) for key in ("n_read", "n_accepted", "n_rejected")]
        rows = [line.split() for line in ran.text.splitlines() if line.split()[:1] == [file["file"]]]
        assert [file["file"], file["split"], *counts] in [cells[:5] for cells in rows]
        for reason, count in file["reasons"].items():
            assert squeeze(f"{reason} ({count})") in shown
    for split in check["splits"]:
        (line,) = [line for line in ran.text.splitlines() if line.split()[:1] == [split["split"]]]
        assert line.split()[1] == str(split["n_examples"])
    for label in check["splits"][0]["label_counts"]:
        counts = [str(split["label_counts"][label]) for split in check["splits"]]
        assert [label, *counts] in [line.split() for line in ran.text.splitlines()]
    assert "soup" not in ran.text


def test_parts_of_a_check(sentire, own):
    check = sentire("data", "check", "remarks.toml", "--split", "test", "--no-near-duplicates", "--json").json
    assert [split["split"] for split in check["splits"]] == ["test"]
    assert check["near_duplicates"] is None
    ran = sentire("data", "check", "remarks.toml", "--strict")
    assert ran.code == 3
    assert "empty text at train.csv:6" in ran.err
    ran = sentire("data", "check", "remarks.toml", "--split", "tset")
    assert ran.code == 2
    assert 'did you mean "test"?' in ran.err


def test_a_check_without_its_extra(sentire, own, monkeypatch):
    import sys

    for name in ("rensa", "rapidfuzz"):
        monkeypatch.setitem(sys.modules, name, None)
    ran = sentire("data", "check", "remarks.toml")
    assert ran.code == 6
    assert "pip install 'sentire[data]', or leave the search out with --no-near-duplicates" in ran.err
    assert sentire("data", "check", "remarks.toml", "--no-near-duplicates").code == 0


def test_a_check_without_the_corpus_says_which_file_to_get(sentire, nothing):
    ran = sentire("data", "check", "goemotions")
    assert (ran.code, ran.out) == (3, b"")
    assert f"got nothing there at {nothing / 'goemotions' / 'train.tsv'}" in ran.err
    assert "sentire data fetch goemotions" in ran.err
    assert "SENTIRE_DATA" in ran.err


@pytest.mark.parametrize("command", ["show", "check", "fetch"])
def test_unknown_names(sentire, own, command):
    ran = sentire("data", command, "goemotion")
    assert (ran.code, 'did you mean "goemotions"' in ran.err) == (2, True)
    ran = sentire("data", command, "missing.toml")
    assert (ran.code, "No such file or directory at missing.toml" in ran.err) == (2, True)
    (own / "wrong.toml").write_text(DESCRIPTION.replace("licence", "license"))
    ran = sentire("data", command, "wrong.toml")
    assert ran.code == 2
    assert "the unknown key 'license' at dataset.license in wrong.toml" in ran.err
    assert 'did you mean "licence"?' in ran.err


@pytest.mark.parametrize("name", ["emocontext", "iemocap-4"])
def test_a_corpus_without_an_address_says_what_to_put_where(sentire, nothing, name):
    ran = sentire("data", "fetch", name)
    assert (ran.code, ran.out) == (7, b"")
    card = DATASETS[name].card
    assert card.files
    for file in card.files:
        assert f"\n  {nothing / file.path} (" in ran.err
    assert card.access in ran.err
    assert card.homepage in ran.err
    assert list(nothing.iterdir()) == []


def test_files_that_are_there_are_told_so(sentire, tmp_path, nothing):
    card = DATASETS["emocontext"].card
    for file in card.files:
        (nothing / file.path).parent.mkdir(exist_ok=True)
        (nothing / file.path).write_text("id\n")
    report = sentire("data", "fetch", "emocontext", "--json").json
    assert [(file["path"], file["status"], file["is_verified"]) for file in report["files"]] == [
        (file.path, "present", False) for file in card.files
    ]
    shown = sentire("data", "fetch", "emocontext").text
    for file in card.files:
        (line,) = [line for line in shown.splitlines() if file.path in line]
        assert line.split()[1] == "present"


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_what_ships_with_the_package_is_checked_and_not_fetched(sentire, nothing, name):
    check = sentire("data", "check", name, "--no-near-duplicates", "--json").json
    counts = DATASETS[name].card.split_counts
    assert [split["n_examples"] for split in check["splits"]] == [next(iter(counts.values()))]
    assert sentire("data", "fetch", name, "--json").json["files"] == []
    assert list(nothing.iterdir()) == []


@pytest.mark.parametrize("options", [(), ("--json",), ("--force",)])
def test_own_data_are_not_fetched(sentire, own, options):
    ran = sentire("data", "fetch", "remarks.toml", *options)
    assert (ran.code, ran.out) == (2, b"")
    assert "expected a corpus with files to fetch, got 'remarks'" in ran.err
    assert "data of your own are not fetched" in ran.err


@pytest.mark.corpus
def test_what_is_known_of_goemotions(sentire, corpus_root):
    ran = sentire("data", "check", "goemotions", "--json", "--root", corpus_root, "--no-near-duplicates")
    check = ran.json
    overlap = next(one for one in check["overlaps"] if (one["first"], one["second"]) == ("train", "test"))
    assert (overlap["n_recurring"], overlap["n_recurring_long"]) == (109, 36)
    train = next(split for split in check["splits"] if split["split"] == "train")
    assert train["n_conflicting_groups"] == 124
    shown = sentire("data", "check", "goemotions", "--root", corpus_root, "--no-near-duplicates").text
    assert "109 texts of test also occur in train, 36 of them with four words or more" in " ".join(shown.split())
    assert "124 groups of equal texts in train carry different labels" in shown


@pytest.mark.corpus
def test_what_is_known_of_the_others(sentire, corpus_root):
    common = ["--json", "--root", corpus_root, "--no-near-duplicates"]
    isear = sentire("data", "check", "isear", "--split", "all", *common).json
    assert (isear["splits"][0]["n_examples"], isear["splits"][0]["n_groups"]) == (7541, 1096)
    assert isear["n_groups"] == 1096
    emobank = sentire("data", "check", "emobank", *common).json
    assert (emobank["n_groups_in_several_splits"], emobank["n_groups"]) == (126, 136)
    rows = {file["split"]: file["n_read"] for file in emobank["files"] if file["file"] == "emobank.csv"}
    assert rows == {"train": 8062, "dev": 1000, "test": 1000}


@pytest.mark.corpus
def test_the_invented_release_of_iemocap(sentire, corpus_root, tmp_path):
    (tmp_path / "iemocap").symlink_to(corpus_root / "iemocap_fixture_invented")
    check = sentire("data", "check", "iemocap-6", "--split", "all", "--json", "--root", tmp_path).json
    judged = [file for file in check["files"] if file["split"] == "all"]
    assert [(file["n_read"], file["n_accepted"]) for file in judged] == [(4, 3), (3, 3)]
    spoken = [file["file"] for file in check["files"] if not file["split"]]
    assert spoken == [file["file"] for file in judged]
    assert check["splits"][0]["n_examples"] == 6
