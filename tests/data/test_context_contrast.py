"""The context contrast set: what its rows hold, and that a row which breaks its rules is rejected by name."""

from collections import Counter

import orjson
import pytest

from sentire.data.context_contrast import CARD, iter_contrast_file
from sentire.data.reading import Reading
from sentire.data.registry import load_dataset


def make_row(number, **changes):
    row = {
        "id": f"c001.{number}",
        "group": "c001",
        "text": "So that is it.",
        "context": ["The last box is in the van."],
        "kind": "situation",
        "domain": "home",
        "labels": [["relief"], ["sadness"], ["anger"]][number],
    }
    row["annotations"] = {name: list(row["labels"]) for name in ("writer", "reader-1", "reader-2")}
    return row | changes


def read(tmp_path, *rows):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    reading = Reading(max_rejected_fraction=1.0)
    return list(iter_contrast_file(path, reading)), reading


def test_the_card_counts_what_is_there():
    examples = load_dataset("context-contrast").read_split("test")
    assert len(examples) == CARD.split_counts["test"]
    assert all(example.is_synthetic and example.context for example in examples)


def test_labels_are_all_that_two_gave_and_disagreements_are_kept():
    examples = load_dataset("context-contrast").read_split("test")
    n_disagreements = 0
    for example in examples:
        votes = Counter(label for one in example.annotations for label in set(one.labels))
        assert {label for label, n in votes.items() if n >= 2} == set(example.labels)
        n_disagreements += len({frozenset(one.labels) for one in example.annotations}) > 1
    assert n_disagreements == 218
    assert {len(one.annotations) for one in examples} == {3}


def test_labels_domains_and_kinds_are_spread():
    examples = load_dataset("context-contrast").read_split("test")
    labels = Counter(label for example in examples for label in example.labels)
    domains, kinds = (Counter(example.notes[name] for example in examples) for name in ("domain", "kind"))
    assert len(labels) == 28
    assert min(labels.values()) >= 10
    assert max(domains.values()) < 1.5 * min(domains.values())
    assert max(kinds.values()) < 1.5 * min(kinds.values())


def test_a_row_keeps_what_each_annotator_gave(tmp_path):
    (example,), _ = read(
        tmp_path, make_row(0, annotations={"writer": ["relief"], "reader-1": ["joy", "relief"], "reader-2": ["relief"]})
    )
    assert {one.annotator: one.labels for one in example.annotations}["reader-1"] == ("joy", "relief")
    assert (example.labels, example.group, example.notes["kind"]) == (("relief",), "c001", "situation")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": ["joy"]}, "labels that two did not give"),
        ({"labels": [["relief"]]}, "labels that two did not give"),
        ({"labels": ["relief", None]}, "labels that two did not give"),
        ({"labels": [{"relief": 1}]}, "labels that two did not give"),
        ({"annotations": {"writer": ["relief"]}}, "not the annotations of writer and two readers"),
        (
            {"annotations": {"writer": ["mauve"], "reader-1": ["relief"], "reader-2": ["relief"]}},
            "label outside the label space",
        ),
        ({"context": []}, "no context"),
        ({"kind": "letter"}, "unknown kind of context"),
        ({"text": " "}, "no text"),
        ({"id": "c001.1"}, "an id that stands twice"),
        ({"text": "Another."}, "another text than the group's"),
    ],
)
def test_a_row_that_breaks_the_rules_is_rejected(tmp_path, changes, reason):
    examples, reading = read(tmp_path, make_row(1), make_row(0, **changes))
    assert len(examples) == 1
    assert reading.n_rejected == 1
    assert reason in {name for report in reading.reports for name in report.reasons}


def test_a_label_of_two_contexts_of_one_utterance_is_rejected(tmp_path):
    twice = make_row(0, id="c001.9")
    examples, reading = read(tmp_path, make_row(0), twice)
    assert (len(examples), reading.n_rejected) == (1, 1)
