"""Each rule catches what was planted for it, under its own name."""

import asyncio
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("rensa")

from sentire.augmentation.candidates import Candidate
from sentire.augmentation.config import QualitySection
from sentire.augmentation.rules import Rules
from sentire.augmentation.templates import TemplateSource
from sentire.core.normalise import normalise_text
from sentire.data.near_duplicates import find_near_duplicates

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
        ("I’m sorry, I can’t do that.", "a refusal, or talk about the task"),
        ("I am unable to translate this for you.", "a refusal, or talk about the task"),
        ("I must decline to rewrite such a thing.", "a refusal, or talk about the task"),
        ("Gone now.", "too few words"),
        ("word " * 101 + "end.", "too many words"),
        ("We buried him on a Tuesday and the kettle", "no whole sentence"),
        ("We buried him" + "." * 200 + " and the kettle", "no whole sentence"),
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
        "I'm sorry I can't come to the funeral, my train was cancelled.",
        "He told me (and I believed him!) :)",
        'He said "never again" and closed the door.',
        "They found the ring under the sofa! 🎉",
    ],
)
def test_honest_texts_are_no_refusals(text):
    assert choose(text) == ([text], {})


@pytest.mark.parametrize(
    "text",
    [
        "终于下雨了，田里的苗有救了。",
        "やっと雨が降った！",
        "「本当に帰れたの？」",
        "बारिश आख़िर आ गई।",
        "هل جاء المطر أخيرا؟",
        "بارش آخر ہو گئی۔",
    ],
)
def test_sentences_of_other_scripts_are_kept_with_the_defaults(text):
    assert choose(text, is_english=False) == ([text], {})


@pytest.mark.parametrize(
    ("text", "rule"),
    [("雨。", "too few words"), ("雨" * 101 + "。", "too many words"), ("终于下雨了", "no whole sentence")],
)
def test_the_rules_hold_where_no_blanks_part_words(text, rule):
    assert choose(text, is_english=False) == ([], {rule: 1})


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


def test_a_judgement_that_is_no_number_is_no_yes_and_is_counted():
    found = choose(GOOD, judge=lambda *asked: np.full(len(asked[0]), np.nan))
    assert found == ([], {"the label is not expressed": 1})


class SlowRules(Rules):
    """Looks for near-duplicates in everything anew, for every round."""

    def __init__(self, quality, known):
        super().__init__(quality, known, is_english=True)
        self.texts = [text for texts in known.values() for text in texts]

    def choose(self, candidates, refused, *, most):
        kept = super().choose(candidates, refused, most=most)
        self.texts += [one.text for one in kept]
        return kept

    def _leave_out_known(self, candidates, refused):
        different = []
        own = set()
        for one in candidates:
            form = normalise_text(one.text)
            if form in self._forms or form in own:
                refused[f"duplicate of a text {self._forms.get(form, 'made before')}"] += 1
            else:
                own.add(form)
                different.append(one)
        n_known = len(self.texts)
        search = find_near_duplicates(
            [*self.texts, *(one.text for one in different)], similarity=self._quality.near_duplicate
        )
        gone = {}
        for pair in search.pairs:
            if pair.second >= n_known and not {pair.first - n_known, pair.second - n_known} & set(gone):
                gone[pair.second - n_known] = self._where[pair.first] if pair.first < n_known else "made before"
        refused.update(f"near-duplicate of a text {where}" for where in gone.values())
        return [one for place, one in enumerate(different) if place not in gone]


def test_what_is_known_is_looked_through_once_and_the_answers_are_those_of_looking_through_it_every_time():
    source = TemplateSource(7)

    def fill(label, n, round_number):
        return asyncio.run(source.make(label, [], n, round_number, Counter()))

    known = {
        f"in {split}": [one.text for label in ("grief", "relief") for one in fill(label, 30, round_number)]
        for round_number, split in enumerate(("train", "dev", "test"), start=101)
    }
    quick, slow = Rules(QualitySection(), known, is_english=True), SlowRules(QualitySection(), known)
    found = []
    for rules in (quick, slow):
        refused = Counter()
        kept = [
            [one.text for one in rules.choose(fill(label, 40, round_number), refused, most=12)]
            for round_number in range(1, 7)
            for label in ("grief", "relief", "pride")
        ]
        found.append((kept, refused))
    assert found[0] == found[1]
    assert {rule for rule, n in found[0][1].items() if n} >= {
        f"{kind} of a text {where}"
        for kind in ("duplicate", "near-duplicate")
        for where in ("in train", "in dev", "in test", "made before")
    }


def test_what_is_good_and_not_needed_is_counted_and_forgotten():
    other = "Nobody has touched her reading glasses since the funeral."
    kept, refused = choose(GOOD, other, most=1)
    assert (kept, refused) == ([GOOD], {"not needed": 1})


def test_candidates_are_kept_or_counted():
    texts = [GOOD, TRAIN, "Gone now.", DEV, GOOD]
    kept, refused = choose(*texts)
    assert len(kept) + sum(refused.values()) == len(texts)
