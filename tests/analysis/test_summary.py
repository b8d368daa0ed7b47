"""The summary of a file against a slow count over the answers."""

import json
from dataclasses import replace

import numpy as np
import orjson
import pytest

from sentire.analysis.analyze import analyze
from sentire.analysis.answers import AnswerSpace
from sentire.analysis.summary import LONGEST_QUOTE_CHARS, STRONGEST_ROWS, Summary

MOODS = ["Thank you!", "I love it, thank you.", "Awful, I hate it.", "At nine.", "", "So sad.", "Thank you!"]
TEXTS = [*(f"{mood} {'again ' * (number % 3)}".strip() for number, mood in enumerate(MOODS * 8)), "qqzx", "qqzx"]


@pytest.fixture(scope="module", params=["", "ekman", "isear"])
def counted(request, linear):
    answers = analyze(TEXTS, model=linear, label_space=request.param)
    summary = Summary(AnswerSpace(linear, request.param))
    for start in range(0, len(answers), 7):
        summary.add(answers[start : start + 7])
    return answers, summary


def test_shares_are_those_of_a_slow_count(counted):
    answers, summary = counted
    expected = {}
    for answer in answers:
        for label in answer.labels:
            expected[label] = expected.get(label, 0) + 1
    assert summary.shares == {label: count / len(answers) for label, count in expected.items()}
    assert list(summary.shares.values()) == sorted(summary.shares.values(), reverse=True)
    assert summary.n_rows == len(answers)
    assert summary.n_without_label == sum(not answer.labels for answer in answers)
    assert sum(summary.label_counts.values()) == sum(len(answer.labels) for answer in answers)
    assert summary.flag_counts == {
        "empty": sum(not text for text in TEXTS),
        "unknown_words": sum(text == "qqzx" for text in TEXTS),
    }


def test_the_strongest_rows_are_the_first_among_the_likeliest(counted):
    answers, summary = counted
    for label in summary.shares:
        column = summary.space.space.index(label)
        carriers = [
            (-answer.unrounded[column], row, answer.proba[column])
            for row, answer in enumerate(answers, 1)
            if label in answer.labels
        ]
        expected = [(row, shown) for _, row, shown in sorted(carriers)[:STRONGEST_ROWS]]
        found = summary.strongest(label)
        assert [(strong.row, strong.proba) for strong in found] == expected
        assert [strong.text for strong in found] == [TEXTS[strong.row - 1] for strong in found]


def test_rows_are_compared_before_rounding(linear):
    """All four answers show the same probability; the last is the strongest by what rounding hides."""
    (answer,) = analyze(["Thank you!"], model=linear)
    column = linear.label_space.labels.index("gratitude")
    summary = Summary(AnswerSpace(linear))
    for row, chance in ((7, 0.95002), (8, 0.95001), (12, 0.95003), (40, 0.95004)):
        unrounded = np.zeros(len(linear.label_space))
        unrounded[column] = chance
        proba = np.round(unrounded, 4).tolist()
        summary.add([replace(answer, labels=("gratitude",), unrounded=unrounded, proba=proba, row=row)])
    assert [(row.row, row.proba) for row in summary.strongest("gratitude")] == [(40, 0.95), (12, 0.95), (7, 0.95)]
    assert [row["row"] for row in summary.as_dict()["strongest"]["gratitude"]] == [40, 12, 7]


def test_plain_data_says_the_same(counted):
    _, summary = counted
    shown = json.loads(orjson.dumps(summary.as_dict()))
    assert list(shown) == ["model", "label_space", "n_rows", "n_without_label", "flags", "shares", "strongest"]
    assert list(shown["strongest"]) == list(shown["shares"]) == list(summary.shares)
    first = next(iter(summary.shares))
    assert shown["strongest"][first][0] == summary.strongest(first)[0].as_dict()
    assert shown["label_space"] == summary.space.space.id


def test_long_texts_are_quoted_by_their_beginning(linear):
    summary = Summary(AnswerSpace(linear))
    summary.add(analyze(["Thank you! " + "x" * 9000], model=linear))
    assert len(summary.strongest("gratitude")[0].text) == LONGEST_QUOTE_CHARS


def test_a_label_that_nobody_carries_is_left_out(linear):
    summary = Summary(AnswerSpace(linear))
    summary.add(analyze(["", "", ""], model=linear))
    assert (summary.shares, summary.n_without_label, summary.flag_counts["empty"]) == ({}, 3, 3)
    assert summary.strongest("grief") == []
