import re
from collections import Counter, defaultdict

import orjson
import pytest

from sentire.core.errors import DataError
from sentire.core.labels import GOEMOTIONS
from sentire.core.normalise import normalise_text
from sentire.data.inspect import inspect_dataset
from sentire.data.reading import Reading
from sentire.data.registry import load_dataset
from sentire.data.situations import (
    RARE_LABELS_CARD,
    SITUATIONS_CARD,
    SITUATIONS_FRACTIONS,
    iter_rare_labels_file,
    iter_situations_file,
)
from sentire.data.splits import assign_split

RARE = {
    "grief",
    "pride",
    "relief",
    "nervousness",
    "embarrassment",
    "remorse",
    "realization",
    "desire",
    "disappointment",
    "fear",
}
STEMS = {
    "admiration": ("admir",),
    "amusement": ("amus",),
    "anger": ("anger", "angr"),
    "annoyance": ("annoy",),
    "approval": ("approv",),
    "caring": ("caring", "cares"),
    "confusion": ("confus",),
    "curiosity": ("curio",),
    "desire": ("desir",),
    "disappointment": ("disappoint",),
    "disapproval": ("disapprov",),
    "disgust": ("disgust",),
    "embarrassment": ("embarras",),
    "excitement": ("excit",),
    "fear": ("fear", "afraid"),
    "gratitude": ("grat", "thank"),
    "grief": ("grief", "griev"),
    "joy": ("joy", "happy", "happi"),
    "love": ("love", "loving"),
    "nervousness": ("nervous",),
    "optimism": ("optimis", "hope"),
    "pride": ("pride", "proud"),
    "realization": ("realiz", "realis"),
    "relief": ("relief", "reliev"),
    "remorse": ("remors", "regret"),
    "sadness": ("sad",),
    "surprise": ("surpris",),
    "neutral": ("neutral",),
}


@pytest.fixture(scope="module")
def examples():
    return load_dataset("situations").read_split("all", reading=Reading(is_strict=True))


@pytest.fixture(scope="module")
def groups(examples):
    found = defaultdict(list)
    for one in examples:
        found[one.group].append(one)
    return dict(found)


def named_emotions(texts, labels):
    """The words of the texts that begin like one of the emotions."""
    words = re.findall("[a-z]+", " ".join(texts).lower())
    return [word for label in labels for stem in STEMS[label] for word in words if word.startswith(stem)]


def test_every_label_is_used_and_no_row_has_too_many(examples):
    counts = Counter(label for one in examples for label in one.labels)
    assert set(STEMS) == set(GOEMOTIONS.labels)
    assert min(counts[label] for label in GOEMOTIONS.labels) >= 150
    assert {len(one.labels) for one in examples} <= {1, 2, 3}
    assert len({one.id for one in examples}) == len(examples)


def test_train_knows_every_label():
    train = load_dataset("situations").read_split("train")
    assert {label for one in train for label in one.labels} == set(GOEMOTIONS.labels)


def test_splits_are_whole_and_tear_no_utterance_apart(examples):
    splits = {split: load_dataset("situations").read_split(split) for split in SITUATIONS_FRACTIONS}
    assert Counter(one.id for rows in splits.values() for one in rows) == Counter(one.id for one in examples)
    of_text = defaultdict(set)
    for split, rows in splits.items():
        for one in rows:
            assert assign_split(one.group, {"train": 0.8, "dev": 0.1, "test": 0.1}, 0) == split
            of_text[normalise_text(one.text) or one.text].add(split)
    assert all(len(found) == 1 for found in of_text.values())
    # The hash cuts 1,319 utterances, so the shares are near the fractions and not exactly those.
    for split, fraction in SITUATIONS_FRACTIONS.items():
        assert len({one.group for one in splits[split]}) / 1319 == pytest.approx(fraction, abs=0.02)


def test_a_group_is_one_utterance_in_different_contexts(groups):
    assert len({rows[0].text.casefold() for rows in groups.values()}) == len(groups) == 1319
    for rows in groups.values():
        assert len({one.text for one in rows}) == 1
        assert 1 <= len(rows[0].text.split()) <= 25
        assert len({one.context for one in rows}) == len(rows)
        assert sum(not one.context for one in rows) <= 1
        assert sum(bool(one.context) for one in rows) >= 2
        assert all(1 <= len(one.context) <= 4 for one in rows if one.context)


def test_contexts_change_the_labels_unless_they_are_beside_the_point(groups):
    for name, rows in groups.items():
        answers = {one.labels for one in rows if one.context}
        if name.startswith("d"):
            assert {one.labels for one in rows} == answers
            assert len(answers) == 1, name
        else:
            assert len(answers) >= 2, name
    kinds = Counter(name[0] for name in groups)
    assert kinds == {"s": 196, "d": 59, "t": 1064}
    assert sum(not one.context for rows in groups.values() for one in rows) == 148


def test_a_context_does_not_name_the_emotion(examples):
    for one in examples:
        assert named_emotions(one.context, one.labels) == [], one.id
        if one.group.startswith("s"):
            assert named_emotions(one.context, GOEMOTIONS.labels) == [], one.id


def test_emotion_words_are_found_where_they_stand():
    assert named_emotions(["He was SAD.", "An angry dog"], ["sadness", "anger"]) == ["sad", "angry"]
    assert named_emotions(["He was sad."], ["anger"]) == []


def test_the_card_says_who_made_it():
    assert SITUATIONS_CARD.licence == RARE_LABELS_CARD.licence == "Apache-2.0"
    for card in (SITUATIONS_CARD, RARE_LABELS_CARD):
        assert "a language model wrote texts and labels" in card.defects[0]
    assert any("data that we made ourselves" in defect for defect in SITUATIONS_CARD.defects)


@pytest.mark.parametrize("name", ["situations", "rare-labels"])
def test_a_check_finds_no_error(name, tmp_path):
    checked = inspect_dataset(load_dataset(name), root=tmp_path, with_near_duplicates=False, is_strict=True)
    assert [finding for finding in checked.findings if finding.severity == "error"] == []
    assert "split-count" not in {finding.code for finding in checked.findings}


def test_rare_labels_has_about_fifty_of_each():
    rows = load_dataset("rare-labels").read_split("train", reading=Reading(is_strict=True))
    counts = Counter(label for one in rows for label in one.labels)
    assert all(50 <= counts[label] <= 60 for label in RARE)
    assert len({normalise_text(one.text) for one in rows}) == len(rows) == 500
    assert all(2 <= len(one.text.split()) <= 30 and not one.context and one.is_synthetic for one in rows)
    for label in RARE:
        carrying = [one for one in rows if label in one.labels]
        # Whoever learns from them must learn more than the name of the emotion.
        assert sum(bool(named_emotions([one.text], [label])) for one in carrying) * 3 <= len(carrying), label


GOOD = {"id": "x1", "group": "g1", "context": ["Late again."], "text": "Of course.", "labels": ["joy", "annoyance"]}


def write(path, rows):
    path.write_bytes(b"".join((row if isinstance(row, bytes) else orjson.dumps(row)) + b"\n" for row in rows))
    return path


def test_a_row_becomes_an_example(tmp_path):
    path = write(tmp_path / "own.jsonl", [GOOD, {**GOOD, "id": "x2", "context": []}])
    first, second = iter_situations_file(path, "all", Reading())
    assert (first.id, first.group, first.text, first.context) == ("x1", "g1", "Of course.", ("Late again.",))
    assert first.labels == ("annoyance", "joy")  # the order of the label space
    assert first.is_synthetic  # a language model wrote it
    assert second.context == ()


BAD = [
    ({"id": ""}, "no id", "got ''"),
    ({"text": "  "}, "no text", "got '  '"),
    ({"text": 5}, "no text", "got 5"),
    ({"labels": []}, "not a list of 1 to 3 labels", "got []"),
    ({"labels": "joy"}, "not a list of 1 to 3 labels", "got 'joy'"),
    ({"labels": ["joy", "love", "pride", "relief"]}, "not a list of 1 to 3 labels", "got ["),
    ({"labels": ["joi"]}, "label outside the label space", "'joi'"),
    ({"labels": [7]}, "label outside the label space", "7"),
    ({"labels": [["joy"]]}, "label outside the label space", "['joy']"),
    ({"labels": ["joy", "joy"]}, "the same label twice", "['joy', 'joy']"),
    ({"id": "x1"}, "an id that stands twice", "'x1'"),
]
BAD_SITUATIONS = [
    ({"group": None}, "no group", "got None"),
    ({"context": "Late."}, "context is not a list of texts", "got 'Late.'"),
    ({"context": ["Late.", " "]}, "context is not a list of texts", "got ["),
    ({"context": [3]}, "context is not a list of texts", "got [3]"),
    ({"context": None}, "context is not a list of texts", "got None"),
]


@pytest.mark.parametrize(
    ("iterate", "change", "reason", "detail"),
    [(iter_situations_file, *bad) for bad in (*BAD, *BAD_SITUATIONS)] + [(iter_rare_labels_file, *bad) for bad in BAD],
)
def test_a_bad_row_is_told_by_file_row_and_reason(tmp_path, iterate, change, reason, detail):
    path = write(tmp_path / "own.jsonl", [GOOD, {**GOOD, "id": "x2", **change}, {**GOOD, "id": "x3"}])
    reading = Reading()
    assert [one.id for one in iterate(path, "all", reading)] == ["x1", "x3"]
    (rejection,) = reading.reports[0].first_rejections
    assert str(rejection).startswith(f"{path}:2: {reason} ({detail}")
    assert (reading.n_read, reading.n_accepted) == (3, 2)
    with pytest.raises(DataError, match=f"got {reason} .*own.jsonl:2"):
        list(iterate(path, "all", Reading(is_strict=True)))


@pytest.mark.parametrize("iterate", [iter_situations_file, iter_rare_labels_file])
def test_what_is_no_object_is_told_too(tmp_path, iterate):
    path = write(tmp_path / "own.jsonl", [GOOD, b"{", b"[1]", {**GOOD, "id": "x4"}])
    reading = Reading()
    assert len(list(iterate(path, "all", reading))) == 2
    assert reading.reports[0].reasons == {"not JSON": 1, "not a JSON object": 1}


def test_a_bad_row_counts_in_every_split(tmp_path):
    rows = [{**GOOD, "id": f"x{number}", "group": f"g{number}"} for number in range(40)]
    path = write(tmp_path / "own.jsonl", [*rows, {**GOOD, "id": "y", "labels": ["joi"]}])
    for split in SITUATIONS_FRACTIONS:
        reading = Reading()
        n_found = len(list(iter_situations_file(path, split, reading)))
        assert 0 < n_found < 40
        assert (reading.n_accepted, reading.n_rejected) == (n_found, 1)
