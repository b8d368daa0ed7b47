import csv

import pytest

from sentire.data.meld import CARD, iter_records
from sentire.data.reading import Reading

HEADER = ["Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season"]


def row(text, dialogue, turn, emotion="joy", speaker="Ida"):
    return ["1", text, speaker, emotion, "positive", str(dialogue), str(turn), "1"]


def write(root, rows, split="train"):
    (root / "meld").mkdir(exist_ok=True)
    with (root / f"meld/{split}_sent_emo.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])


def test_earlier_turns_are_the_context(tmp_path):
    write(
        tmp_path,
        [
            row("Where’s the “blue” boat?", 0, 0, "surprise", "O’Hara"),
            row("Sold.", 0, 1, "neutral"),
            row("‘Sold’?", 0, 3, "anger"),
            row("Morning.", 2, 0),
        ],
    )
    first, second, third, other = iter_records(tmp_path, "train", Reading())
    assert first.text == 'Where\'s the "blue" boat?'
    assert first.context == ()
    assert first.notes == {"speaker": "O'Hara", "sentiment": "positive"}
    assert second.context == (first.text,)
    assert third.context == (first.text, "Sold.")
    assert (third.id, third.text, third.labels) == ("0-3", "'Sold'?", ("anger",))
    assert (third.group, other.group, other.context) == ("train-0", "train-2", ())


def test_the_group_tells_the_split(tmp_path):
    for split in ("train", "dev"):
        write(tmp_path, [row("Hm.", 0, 0)], split)
    groups = {next(iter_records(tmp_path, split, Reading())).group for split in ("train", "dev")}
    assert groups == {"train-0", "dev-0"}


def test_defects_are_counted_and_a_turn_without_a_label_is_still_context(tmp_path):
    fine = [row("Fine.", 9, turn) for turn in range(4)]
    write(
        tmp_path,
        [
            row("One.", 0, 0),
            row("Two.", 0, 1, "bliss"),
            row("Three.", 0, 2),
            row("Again.", 0, 2),
            row(" ", 0, 3),
            row("x", "a", 0),
            *fine,
        ],
    )
    reading = Reading()
    examples = list(iter_records(tmp_path, "train", reading))
    assert examples[1].context == ("One.", "Two.")
    assert reading.reports[0].reasons == {
        "label outside the label space": 1,
        "turn out of order": 1,
        "empty text": 1,
        "dialogue or turn without a number": 1,
    }
    assert reading.n_accepted == len(examples) == 6


@pytest.mark.parametrize(("dialogue", "turn"), [("9" * 5_000, 0), (0, "9" * 5_000), ("-1", 0)])
def test_a_place_beyond_what_python_parses_is_one_rejected_row(tmp_path, dialogue, turn):
    write(tmp_path, [row("Fine.", 0, 0), row("Far.", dialogue, turn), row("Fine.", 0, 1)])
    reading = Reading()
    assert [one.id for one in iter_records(tmp_path, "train", reading)] == ["0-0", "0-1"]
    assert reading.reports[0].reasons == {"dialogue or turn without a number": 1}
    assert len(str(reading.reports[0].first_rejections[0])) < 500


@pytest.mark.corpus
def test_the_release_is_as_measured(corpus_root):
    splits = {split: list(iter_records(corpus_root, split, Reading())) for split in CARD.splits}
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 9989, "dev": 1109, "test": 2610}
    groups = {one.group for one in splits["train"]}
    assert "train-60" not in groups
    assert len(groups) == 1038
    assert not any(set(one.text) & set("‘’“”") for examples in splits.values() for one in examples)
