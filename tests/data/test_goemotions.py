from collections import Counter

import pytest

from sentire.core.errors import DataError
from sentire.data.goemotions import CARD, iter_records
from sentire.data.reading import Reading


def write(root, split, lines):
    (root / "goemotions").mkdir(exist_ok=True)
    (root / "goemotions" / f"{split}.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_numbers_become_names_in_the_order_of_the_space(tmp_path):
    write(tmp_path, "test", ['The "kettle" sings, how nice\t17,1\tc1', "Oh.\t27\tc2", "Twice\t3,3\tc3"])
    first, second, third = iter_records(tmp_path, "test", Reading())
    assert (first.id, first.text, first.labels) == ("c1", 'The "kettle" sings, how nice', ("amusement", "joy"))
    assert second.labels == ("neutral",)
    assert third.labels == ("annoyance",)


def test_every_defect_is_counted_with_its_reason(tmp_path):
    good = [f"text {number}\t0\tg{number}" for number in range(9)]
    broken = [
        "only text",
        "a\tb\t3\tid",
        "number too high\t28\tc",
        "no number\tjoy\tc",
        "none\t\tc",
        " \t3\tc",
        "x\t3\t",
    ]
    write(tmp_path, "train", [*good, *broken])
    reading = Reading()
    assert len(list(iter_records(tmp_path, "train", reading))) == 9
    assert (reading.n_read, reading.n_accepted, reading.n_rejected) == (16, 9, 7)
    assert reading.reports[0].reasons == {
        "wrong number of fields": 2,
        "unknown label id": 3,
        "empty text": 1,
        "no comment id": 1,
    }
    assert "'28', expected 0 to 27" in str(reading.reports[0].first_rejections[2])


def test_strict_reading_names_the_row(tmp_path):
    write(tmp_path, "dev", ["fine\t0\ta", "wrong\t99\tb"])
    with pytest.raises(DataError, match=r"unknown label id \('99'.*dev\.tsv:2"):
        list(iter_records(tmp_path, "dev", Reading(is_strict=True)))


def test_a_label_id_beyond_what_python_parses_is_one_rejected_row(tmp_path):
    write(tmp_path, "train", [f"fine\t{number}\tc{number}" for number in range(3)] + [f"x\t{'9' * 5_000}\tc"])
    reading = Reading()
    assert len(list(iter_records(tmp_path, "train", reading))) == 3
    assert reading.reports[0].reasons == {"unknown label id": 1}
    assert len(str(reading.reports[0].first_rejections[0])) < 500


@pytest.mark.corpus
def test_the_release_is_as_measured(corpus_root):
    splits = {split: list(iter_records(corpus_root, split, Reading())) for split in CARD.splits}
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 43410, "dev": 5426, "test": 5427}
    single = {split: sum(len(one.labels) == 1 for one in examples) for split, examples in splits.items()}
    assert single == {"train": 36308, "dev": 4548, "test": 4590}
    counts = Counter(label for one in splits["train"] for label in one.labels)
    expected = {
        "neutral": 14219,
        "admiration": 4130,
        "approval": 2939,
        "gratitude": 2662,
        "annoyance": 2470,
        "amusement": 2328,
        "nervousness": 164,
        "relief": 153,
        "pride": 111,
        "grief": 77,
    }
    assert {label: counts[label] for label in expected} == expected
    rare = Counter(label for one in splits["test"] for label in one.labels)
    assert [rare[label] for label in ("grief", "relief", "pride", "nervousness")] == [6, 11, 16, 23]
