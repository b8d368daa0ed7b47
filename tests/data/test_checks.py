"""The check of a data set: counted by hand on invented rows, and against the measured defects of the corpora."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.affect import VAD_1_5
from sentire.core.labels import GOEMOTIONS, make_label_space
from sentire.core.normalise import normalise_text
from sentire.core.records import Example
from sentire.data.cards import DatasetCard
from sentire.data.check_result import DatasetCheck, Finding
from sentire.data.checks import KEPT_ID_PAIRS, check_dataset, find_recurring
from sentire.data.reading import Reading
from sentire.data.registry import load_dataset
from sentire.storage.report import ReadReport

MOODS = make_label_space("moods", ["calm", "glad", "tense"], task="multi-label")


def _card(**changes: object) -> DatasetCard:
    fields: dict[str, object] = {
        "name": "moods",
        "title": "Moods",
        "revision": "1",
        "citation": "ours",
        "homepage": "https://example.org/moods",
        "licence": "Apache-2.0",
        "weights_may_ship": "yes",
        "label_space": MOODS,
    }
    return DatasetCard(**(fields | changes))  # type: ignore[arg-type]


def _example(number: object, text: str, *labels: str, **fields: object) -> Example:
    return Example(id=str(number), text=text, labels=labels, **fields)  # type: ignore[arg-type]


def _texts(examples: Sequence[Example]) -> list[str]:
    return [example.text for example in examples]


def _check(splits: Mapping[str, Sequence[Example]], card: DatasetCard | None = None, **options: object) -> DatasetCheck:
    options = {"with_near_duplicates": False} | options
    return check_dataset(card or _card(), splits, {}, **options)  # type: ignore[arg-type]


def _found(check: DatasetCheck, code: str) -> Finding:
    (finding,) = [finding for finding in check.findings if finding.code == code]
    return finding


def _codes(check: DatasetCheck) -> set[str]:
    return {finding.code for finding in check.findings}


def test_counts_of_a_split_by_hand():
    rows = [
        _example(1, "Fine.", "calm", group="a"),
        _example(2, "the train is late again", "tense", group="a"),
        _example(3, "The train is late, again!", "tense", "glad", group="b"),
        _example(4, "we sang", "glad", group="b"),
        _example(5, "FINE", "calm"),
        _example(6, "so so"),
    ]
    split = _check({"train": rows}).splits[0]
    assert (split.n_examples, split.n_groups) == (6, 2)
    # Lengths in characters: 5 23 25 7 4 5, in words: 1 5 5 2 1 2; nearest rank.
    assert split.chars is not None
    assert (split.chars.min, split.chars.median, split.chars.p95, split.chars.max) == (4, 5, 25, 25)
    assert split.words is not None
    assert (split.words.min, split.words.median, split.words.p95, split.words.max) == (1, 2, 5, 5)
    assert split.n_one_word == 2
    assert list(split.label_counts.items()) == [("calm", 2), ("glad", 2), ("tense", 2)]
    assert split.labels_per_example == {0: 1, 1: 4, 2: 1}
    assert split.n_single_label == 4
    assert (split.n_duplicate_texts, split.n_duplicate_groups, split.n_conflicting_groups) == (4, 2, 1)


def test_the_95th_percentile_is_no_maximum():
    rows = [_example(number, "x" * number) for number in range(1, 101)]
    chars = _check({"train": rows}).splits[0].chars
    assert chars is not None
    assert (chars.min, chars.median, chars.p95, chars.max) == (1, 50, 95, 100)


def test_texts_of_which_nothing_is_left_are_duplicates_of_nothing():
    rows = [
        _example(1, " ", "calm"),
        _example(2, "\t", "glad"),
        _example(3, "🙂"),
        _example(4, "🙁"),
        _example(5, "one"),
    ]
    check = _check({"train": rows, "test": [_example(6, "\n"), _example(7, "🙃")]})
    assert check.splits[0].n_duplicate_groups == 0
    assert check.splits[0].n_wordless == 4
    assert check.overlaps[0].n_recurring == 0
    assert check.overlaps[0].n_recurred == 0
    assert find_recurring(_texts(rows), [" "]) == []


def test_texts_across_splits_are_counted_from_both_sides():
    train = [
        _example(1, "thank you so much"),
        _example(2, "Thank you so MUCH!"),
        _example(3, "thanks"),
        _example(4, "new"),
    ]
    test = [_example(5, "thank you so much"), _example(6, "Thanks"), _example(7, "something else")]
    overlap = _check({"train": train, "test": test}).overlaps[0]
    assert (overlap.first, overlap.second) == ("train", "test")
    assert (overlap.n_recurring, overlap.n_recurring_long, overlap.n_recurring_verbatim) == (2, 1, 1)
    assert overlap.n_recurred == 3
    assert find_recurring(_texts(train), _texts(test)) == [0, 1]
    finding = _found(_check({"train": train, "test": test}), "shared-texts")
    assert (finding.severity, finding.split, finding.count) == ("warning", "train+test", 2)
    assert finding.sentence == (
        "2 texts of test also occur in train, 1 of them with four words or more, 1 to the letter."
    )


@given(
    st.lists(st.sampled_from(["a b", "A  b", "c", "d e f g", "D, e f g", " ", "h"]), max_size=12),
    st.lists(st.sampled_from(["a b", "c!", "d e f g", "", "z"]), max_size=12),
)
def test_overlap_equals_the_slow_loop(first: list[str], second: list[str]):
    train = [_example(f"t{number}", text) for number, text in enumerate(first)]
    test = [_example(f"u{number}", text) for number, text in enumerate(second)]
    overlap = _check({"train": train, "test": test}).overlaps[0]
    same = [
        any(normalise_text(text) == normalise_text(other) for other in first) and bool(normalise_text(text))
        for text in second
    ]
    assert overlap.n_recurring == sum(same)
    assert find_recurring(_texts(train), _texts(test)) == [place for place, is_same in enumerate(same) if is_same]


def test_groups_in_several_splits():
    splits = {
        "train": [_example(1, "one", group="a"), _example(2, "two", group="b"), _example(3, "three", group="c")],
        "dev": [_example(4, "four", group="b"), _example(5, "five")],
        "test": [_example(6, "six", group="b"), _example(7, "seven", group="c"), _example(8, "eight", group="d")],
    }
    check = _check(splits, _card(grouped_by="story"))
    assert (check.n_groups, check.n_groups_in_several_splits) == (4, 2)
    assert [overlap.n_shared_groups for overlap in check.overlaps] == [1, 2, 1]
    assert _found(check, "shared-groups").sentence == "2 of 4 stories stand in more than one split."


def test_a_split_that_is_part_of_another_is_named_and_not_compared():
    rows = [_example(number, f"text of number {number} which is long enough", group="a") for number in range(4)]
    check = _check({"all": rows, "train": rows[:3], "test": rows[3:]}, with_near_duplicates=True)
    assert [(overlap.first, overlap.second, overlap.is_part) for overlap in check.overlaps] == [
        ("all", "train", True),
        ("all", "test", True),
        ("train", "test", False),
    ]
    assert "shared-texts" not in _codes(check)
    assert check.n_groups_in_several_splits == 1  # between train and test
    assert check.near_duplicates is not None
    compared = [(count.first, count.second) for count in check.near_duplicates.counts]
    assert compared == [("all", "all"), ("train", "train"), ("train", "test"), ("test", "test")]


@pytest.mark.parametrize(
    ("first", "second", "severity"),
    [
        ("train", "test", "error"),
        ("train", "dev", "error"),
        ("train", "validation", "error"),
        ("dev", "test", "error"),
        ("all", "train", "info"),
        ("all", "test", "info"),
        ("session1", "session2", "info"),
    ],
)
def test_what_measures_must_not_be_a_view_of_what_is_trained_or_chosen_on(first, second, severity):
    rows = [_example(number, f"text of number {number} which is long enough", group="a") for number in range(4)]
    check = _check({first: rows, second: rows[2:]}, with_near_duplicates=True)
    finding = _found(check, "same-rows")
    (overlap,) = check.overlaps
    is_leak = severity == "error"
    assert (finding.severity, finding.split, overlap.is_part) == (severity, f"{first}+{second}", True)
    assert check.has_errors == is_leak
    # What leaks is counted; two views are not compared.
    assert (finding.count, overlap.n_recurring, check.n_groups_in_several_splits) == (
        (2, 2, 1) if is_leak else (0, 0, 0)
    )
    assert ("shared-texts" in _codes(check)) == is_leak
    assert check.near_duplicates is not None
    assert ((first, second) in [(count.first, count.second) for count in check.near_duplicates.counts]) == is_leak


def test_one_row_that_is_not_in_the_other_makes_two_splits_comparable():
    rows = [_example(1, "the same text in both"), _example(2, "another")]
    check = _check({"train": rows, "test": [rows[0], _example(3, "only here")]})
    assert (check.overlaps[0].is_part, check.overlaps[0].n_recurring) == (False, 1)


def test_wrong_counts_ids_and_missing_splits():
    rows = [_example(1, "one"), _example(1, "two"), _example(2, "three")]
    check = _check({"train": rows, "dev": []}, _card(split_counts={"all": 9, "train": 5, "dev": 0, "test": 4}))
    finding = _found(check, "split-count")
    assert (finding.severity, finding.split, finding.count) == ("error", "train", 2)
    assert "says 5 examples in train, there are 3" in finding.sentence
    assert (_found(check, "duplicate-ids").severity, _found(check, "duplicate-ids").count) == ("error", 1)
    assert _found(check, "empty-split").split == "dev"
    assert _found(check, "splits-not-checked").sentence == "Not checked: test."
    assert check.has_errors
    assert check.splits[1].chars is None


def test_labels_that_do_not_fit_the_space():
    single = make_label_space("one-mood", ["calm", "glad"], task="single-label")
    rows = [_example(1, "one", "calm", "glad"), _example(2, "two", "clam"), _example(3, "three")]
    check = _check({"train": rows}, _card(label_space=single))
    assert list(check.splits[0].label_counts.items()) == [("calm", 1), ("glad", 1), ("clam", 1)]
    assert _found(check, "unknown-labels").sentence == "1 label in train is not in one-mood.v1: clam."
    assert _found(check, "several-labels").count == 1
    assert _found(check, "unlabelled").count == 1
    assert "calm 1, glad 1" in _found(check, "rare-labels").sentence
    multi = _check({"train": [_example(1, "one", "calm", "glad")]})
    assert {"several-labels", "unlabelled", "unknown-labels"}.isdisjoint(_codes(multi))


def test_scores_are_summed_up_and_held_against_the_scale():
    values = [1.0, 3.0, 5.0, 5.5, float("nan")]
    rows = [_example(number, f"text {number}", scores={"valence": value}) for number, value in enumerate(values)]
    check = _check({"train": rows}, _card(label_space=None, affect_scale=VAD_1_5))
    spread = check.splits[0].scores["valence"]
    assert (spread.n, spread.n_wrong) == (4, 2)
    assert spread.mean == pytest.approx(3.625)
    assert spread.sd == pytest.approx((((1 - 3.625) ** 2 + 0.625**2 + 1.375**2 + 1.875**2) / 4) ** 0.5)
    assert _found(check, "wrong-scores").count == 2
    soft = _check({"train": [_example(1, "one", scores={"calm": 0.2})]}, _card(affect_scale=VAD_1_5))
    assert "wrong-scores" not in _codes(soft)


def test_synthetic_rows_are_an_error_only_where_they_measure():
    rows = [_example(1, "one", is_synthetic=True), _example(2, "two")]
    assert "synthetic-in-evaluation" not in _codes(_check({"train": rows}))
    finding = _found(_check({"test": rows}), "synthetic-in-evaluation")
    assert (finding.severity, finding.count) == ("error", 1)


def test_synthetic_rows_of_data_that_says_so_are_no_error():
    rows = [_example(1, "one", is_synthetic=True), _example(2, "two", is_synthetic=True)]
    finding = _found(_check({"test": rows}, replace(_card(), is_ours=True)), "synthetic-in-evaluation")
    assert (finding.severity, finding.count) == ("info", 2)
    assert finding.sentence == "2 rows of test were made by a model: its figures are on data that was made."


def test_conflicts_are_about_sets_of_labels():
    rows = [
        _example(1, "it rains", "calm", "glad"),
        _example(2, "It rains.", "glad", "calm"),
        _example(3, "it snows", "calm"),
        _example(4, "it SNOWS", "glad"),
        _example(5, "it snows!", "glad"),
    ]
    check = _check({"train": rows})
    assert _found(check, "conflicting-labels").count == 1
    assert _found(check, "duplicate-texts").count == 5


def test_rejected_rows_are_told_without_their_content():
    report = ReadReport("/home/someone/data/moods.tsv")
    report.read(30)
    report.reject(4, "unknown label id", "'very secret words'")
    report.reject(9, "unknown label id", "99")
    report.reject(11, "empty text")
    check = check_dataset(_card(), {"train": [_example(1, "one")]}, {"train": [report]}, with_near_duplicates=False)
    (file,) = check.files
    assert (file.file, file.split, file.n_read, file.n_accepted, file.n_rejected) == ("moods.tsv", "train", 30, 27, 3)
    assert file.first_rows == (4, 9, 11)
    assert dict(file.reasons) == {"unknown label id": 2, "empty text": 1}
    assert _found(check, "rejected-rows").split == "train"
    assert _found(check, "rejected-rows").sentence == (
        "3 of 30 rows of moods.tsv (train) could not be used, most often because of: unknown label id (2)."
    )
    shown = json.dumps(check.as_dict())
    assert "secret" not in shown
    assert "someone" not in shown


def test_rows_of_files_beside_the_examples_belong_to_no_split():
    report, beside = ReadReport("moods.tsv"), ReadReport("documents.tsv")
    for one in (report, beside):
        one.read(2)
        one.reject(1, "empty text")
    splits = {"train": [_example(1, "one")]}
    check = check_dataset(_card(), splits, {"train": [report]}, side_reports=[beside], with_near_duplicates=False)
    assert [(file.file, file.split) for file in check.files] == [("moods.tsv", "train"), ("documents.tsv", "")]
    assert [finding.sentence for finding in check.findings if finding.code == "rejected-rows"] == [
        "1 of 2 rows of moods.tsv (train) could not be used, most often because of: empty text (1).",
        "1 of 2 rows of documents.tsv could not be used, most often because of: empty text (1).",
    ]


LINES = (
    "we waited at the harbour until the last boat had come in",
    "we waited at the harbour until the last boats had come in",
    "we waited at a harbour until the last boat had come in",
    "nobody told the baker about the wedding on sunday",
    "nobody told the bakers about the wedding on sunday",
)


def test_near_duplicates_within_and_across_by_hand():
    train = [
        _example("a", LINES[0]),
        _example("b", LINES[1]),
        _example("b2", LINES[1].upper()),
        _example("c", LINES[3]),
    ]
    test = [_example("x", LINES[2]), _example("y", LINES[4]), _example("y2", LINES[4] + "!"), _example("z", LINES[3])]
    near = _check({"train": train, "test": test}, with_near_duplicates=True).near_duplicates
    assert near is not None
    within, across, within_test = near.counts
    # In train: 0 with 1. Between: 0 with 2, 1 with 2, and 3 with 4. In test: 4 with 3.
    assert (within.n_pairs, within.n_texts) == (1, 3)
    assert [(pair.first, pair.second) for pair in within.examples] == [("a", "b")]
    assert (across.n_pairs, across.n_texts) == (3, 3)
    assert {(pair.first, pair.second) for pair in across.examples} == {("a", "x"), ("b", "x"), ("c", "y")}
    assert (within_test.n_pairs, within_test.n_texts) == (1, 3)
    assert all(pair.similarity >= 0.9 for count in near.counts for pair in count.examples)


def test_near_duplicates_name_few_ids_and_no_text():
    texts = [f"the clock in the old town hall strikes the hour of number {number:03d}" for number in range(60)]
    rows = [_example(f"id-{number}", text) for number, text in enumerate(texts)]
    check = _check({"train": rows[:30], "test": rows[30:]}, with_near_duplicates=True)
    assert check.near_duplicates is not None
    across = check.near_duplicates.counts[1]
    assert across.n_pairs == 30 * 30
    assert (across.n_texts, len(across.examples)) == (30, KEPT_ID_PAIRS)
    shown = json.dumps(check.as_dict())
    assert "clock" not in shown
    assert "id-" in shown
    assert _found(_check({"train": rows}), "near-duplicates-not-searched").severity == "info"


def test_findings_stand_errors_first_and_the_dictionary_is_plain_and_complete():
    rows = [_example(1, "one", "calm"), _example(1, "One", "glad")]
    check = _check({"train": rows}, with_near_duplicates=True)
    severities = [finding.severity for finding in check.findings]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert {"error", "warning", "info"} <= set(severities)
    plain = check.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["splits"][0]["labels_per_example"] == {"1": 2}  # type: ignore[index]
    assert len(plain["findings"]) == len(check.findings)  # type: ignore[arg-type]


def test_clean_data_give_no_warning():
    labels = MOODS.labels
    splits = {
        name: [_example(f"{name}-{number}", f"{name} {number} words", labels[number % 3]) for number in range(160)]
        for name in ("train", "test")
    }
    check = _check(splits, _card(split_counts={"train": 160, "test": 160}), with_near_duplicates=True)
    assert check.findings == ()
    assert not check.has_errors


def _load(name: str, root: Path) -> tuple[DatasetCard, dict[str, list[Example]], dict[str, list[ReadReport]]]:
    dataset = load_dataset(name)
    readings = {split: Reading() for split in ("train", "dev", "test")}
    splits = {split: dataset.read_split(split, root=root, reading=reading) for split, reading in readings.items()}
    return dataset.card, splits, {split: reading.example_reports for split, reading in readings.items()}


@pytest.mark.corpus
def test_goemotions_shows_its_measured_defects(corpus_root: Path):
    card, splits, reports = _load("goemotions", corpus_root)
    check = check_dataset(card, splits, reports)
    train = check.splits[0]
    leak = check.overlaps[1]
    assert (leak.first, leak.second) == ("train", "test")
    assert (leak.n_recurring, leak.n_recurring_long) == (109, 36)
    assert len(find_recurring(_texts(splits["train"]), _texts(splits["test"]))) == 109
    assert train.n_conflicting_groups == 124
    assert [split.n_examples for split in check.splits] == [43_410, 5_426, 5_427]
    assert [split.n_single_label for split in check.splits] == [36_308, 4_548, 4_590]
    assert tuple(train.label_counts) == GOEMOTIONS.labels
    assert (train.label_counts["neutral"], train.label_counts["grief"]) == (14_219, 77)
    rare = check.splits[2].label_counts
    assert (rare["grief"], rare["relief"], rare["pride"], rare["nervousness"]) == (6, 11, 16, 23)
    assert sum(file.n_rejected for file in check.files) == 0
    assert not check.has_errors
    assert check.near_duplicates is not None
    # The whole corpus was also searched exhaustively: 107 pairs of forms, of which a pair may count in several places.
    assert [count.n_pairs for count in check.near_duplicates.counts] == [74, 14, 21, 3, 2, 2]


@pytest.mark.corpus
def test_emobank_documents_stand_in_several_splits(corpus_root: Path):
    card, splits, reports = _load("emobank", corpus_root)
    check = check_dataset(card, splits, reports, with_near_duplicates=False)
    assert (check.n_groups_in_several_splits, check.n_groups) == (126, 136)
    assert sum(split.n_one_word for split in check.splits) == 288
    spread = check.splits[0].scores
    assert [round(spread[name].sd or 0, 2) for name in ("valence", "arousal", "dominance")] == [0.35, 0.26, 0.21]


@pytest.mark.corpus
def test_meld_test_texts_in_train(corpus_root: Path):
    # 331 of the release's own texts recur to the letter; the normal form finds 404, 40 of them with four words or more.
    splits = {}
    for split in ("train", "test"):
        with (corpus_root / "meld" / f"{split}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
            splits[split] = [_example(row["Sr No."], row["Utterance"], row["Emotion"]) for row in csv.DictReader(file)]
    overlap = _check(splits, _card(label_space=None)).overlaps[0]
    assert (overlap.n_recurring, overlap.n_recurring_long, overlap.n_recurring_verbatim) == (404, 40, 331)
