"""Each rule catches what was planted for it, under its own name."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("rensa")

from sentire.augmentation.candidates import Candidate
from sentire.augmentation.config import QualitySection
from sentire.augmentation.rules import Rules

TRAIN = "The old ferry left the harbour without anybody on board this morning."
DEV = "My grandmother always hid the sweets behind the blue flour tin in the pantry."


def make(*texts, label="grief"):
    return [
        Candidate(id=f"c{number}", text=text, labels=(label,), label=label, source="templates")
        for number, text in enumerate(texts)
    ]


def choose(*texts, most=100, judge=None, is_english=True, **quality):
    rules = Rules(
        QualitySection(**quality), {"in train": [TRAIN], "in own:dev": [DEV]}, is_english=is_english, judge=judge
    )
    refused = Counter()
    kept = rules.choose(make(*texts), refused, most=most)
    return [one.text for one in kept], {rule: n for rule, n in refused.items() if n}


GOOD = "We buried him on a Tuesday and the kettle has been cold ever since."


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("I'm sorry, but I cannot rephrase that for you.", "a refusal, or talk about the task"),
        ("As an AI language model I have no grandmother.", "a refusal, or talk about the task"),
        ("This text expresses deep grief about a loss.", "a refusal, or talk about the task"),
        ("Gone now.", "too few words"),
        ("word " * 101 + "end.", "too many words"),
        ("We buried him on a Tuesday and the kettle", "no whole sentence"),
        ("Wir haben ihn am Dienstag begraben und ich weine noch immer um ihn.", "in another language"),
        (TRAIN.upper(), "duplicate of a text in train"),
        (DEV, "duplicate of a text in own:dev"),
        (TRAIN.replace("morning", "mornings"), "near-duplicate of a text in train"),
        (DEV.replace("sweets", "sweet"), "near-duplicate of a text in own:dev"),
    ],
)
def test_what_was_planted_is_caught_by_its_rule(text, rule):
    assert choose(GOOD, text) == ([GOOD], {rule: 1})


@pytest.mark.parametrize(
    "text",
    [
        "I cannot believe she is gone, the garden misses her.",
        "Sorry I never wrote back. I can't forgive myself for that.",
        'He said "never again" and closed the door.',
        "They found the ring under the sofa! 🎉",
    ],
)
def test_honest_texts_are_no_refusals(text):
    assert choose(text) == ([text], {})


def test_what_was_made_before_is_known_in_the_same_round_and_in_the_next():
    near = GOOD.replace("kettle", "kettles")
    assert choose(GOOD, GOOD, near) == (
        [GOOD],
        {"duplicate of a text made before": 1, "near-duplicate of a text made before": 1},
    )
    rules = Rules(QualitySection(), {}, is_english=True)
    first, second = Counter(), Counter()
    assert len(rules.choose(make(GOOD), first, most=5)) == 1
    assert rules.choose(make(GOOD, near), second, most=5) == []
    assert second == {"duplicate of a text made before": 1, "near-duplicate of a text made before": 1, "not needed": 0}


def test_a_label_that_the_model_does_not_see_is_refused():
    other = "The shop opens at nine on weekdays, says the sign."

    def judge(texts, labels):
        assert set(labels) == {"grief"}
        return np.array([0.9 if "buried" in text else 0.01 for text in texts])

    assert choose(GOOD, other, judge=judge, least_proba=0.1) == ([GOOD], {"the label is not expressed": 1})


def test_what_is_good_and_not_needed_is_counted_and_forgotten():
    other = "Nobody has touched her reading glasses since the funeral."
    kept, refused = choose(GOOD, other, most=1)
    assert (kept, refused) == ([GOOD], {"not needed": 1})


def test_candidates_are_kept_or_counted():
    texts = [GOOD, TRAIN, "Gone now.", DEV, GOOD]
    kept, refused = choose(*texts)
    assert len(kept) + sum(refused.values()) == len(texts)
