from collections import Counter

import pytest
from scripted_model import make_settings, make_utterance, make_work

from sentire.core.labels import GOEMOTIONS
from sentire.synthesis.judging import Row
from sentire.synthesis.quotas import find_shortages, join_purposes, plan_purposes
from sentire.synthesis.story_work import Purpose

WORKS = [make_work(f"story{n}", ["Mira", "the ferryman", "the gull"]) for n in range(6)]
PLACES = {(work.story.id, actor) for work in WORKS for actor in work.actors}


def make_quota(**changes):
    return make_settings(quota={"per_label": 10, "per_call": 4, **changes}).quota


def make_rows(*labels):
    return [
        Row(utterance=make_utterance(n, "Yes."), text="Yes.", context="", levels={}, labels=several, measures={})
        for n, several in enumerate(labels)
    ]


def flatten(planned):
    return [(story, one.actor, one.label) for story, several in planned.items() for one in several]


def test_shortages_are_exact():
    rows = make_rows(*[("joy", "love")] * 7, *[("joy",)] * 5, ("pride", "neutral"))
    found = find_shortages(rows, make_quota(), GOEMOTIONS)
    assert found == {
        label: 10 - Counter({"love": 7, "pride": 1})[label]
        for label in GOEMOTIONS.labels
        if label not in ("joy", "neutral")
    }
    assert list(found) == [label for label in GOEMOTIONS.labels if label in found]


def test_only_labels_that_are_meant_are_missing():
    quota = make_quota(labels=["pride", "joy"])
    assert find_shortages(make_rows(*[("joy",)] * 9), quota, GOEMOTIONS) == {"joy": 1, "pride": 10}
    assert find_shortages(make_rows(*[("joy", "pride")] * 10), quota, GOEMOTIONS) == {}


def test_a_plan_is_the_same_each_time_and_another_for_another_seed():
    shortages = {"joy": 9, "pride": 5}
    plan = plan_purposes(WORKS, shortages, make_quota(), 0, {})
    assert plan == plan_purposes(WORKS, shortages, make_quota(), 0, {})
    assert plan != plan_purposes(WORKS, shortages, make_quota(), 1, {})


@pytest.mark.parametrize(("missing", "per_call", "n"), [(1, 4, 1), (4, 4, 1), (5, 4, 2), (9, 4, 3), (9, 1, 9)])
def test_enough_calls_are_made_and_no_more(missing, per_call, n):
    plan = plan_purposes(WORKS, {"joy": missing}, make_quota(per_call=per_call), 0, {})
    assert len(flatten(plan)) == n
    assert set(plan) <= {work.story.id for work in WORKS}


def test_labels_are_asked_of_characters_in_different_orders():
    plan = plan_purposes(WORKS, dict.fromkeys(["joy", "pride", "grief"], 12), make_quota(), 0, {})
    asked = {
        label: {(story, actor) for story, actor, other in flatten(plan) if other == label}
        for label in ("joy", "pride", "grief")
    }
    assert [len(one) for one in asked.values()] == [3, 3, 3]
    assert len({frozenset(one) for one in asked.values()}) == 3


def test_what_is_missing_of_one_label_does_not_change_who_is_asked_for_another():
    alone = plan_purposes(WORKS, {"pride": 8}, make_quota(), 0, {})
    beside = plan_purposes(WORKS, {"joy": 20, "pride": 8}, make_quota(), 0, {})
    assert set(flatten(alone)) == {one for one in flatten(beside) if one[2] == "pride"}


def test_no_character_is_asked_twice_for_a_label_until_nobody_is_left():
    planned = {}
    for _ in range(6):
        more = plan_purposes(WORKS, {"joy": 16}, make_quota(), 0, planned)
        assert not set(flatten(more)) & set(flatten(planned))
        planned = join_purposes(planned, more)
    assert sorted(flatten(planned)) == sorted((story, actor, "joy") for story, actor in PLACES)
    assert plan_purposes(WORKS, {"joy": 16}, make_quota(), 0, planned) == {}
    # For another label all of them are free.
    assert len(flatten(plan_purposes(WORKS, {"pride": 400}, make_quota(), 0, planned))) == len(PLACES)


def test_where_nothing_is_missing_or_nobody_is_there_nobody_is_asked():
    assert plan_purposes(WORKS, {}, make_quota(), 0, {}) == {}
    assert plan_purposes([make_work("story0", [])], {"joy": 5}, make_quota(), 0, {}) == {}
    assert plan_purposes([], {"joy": 5}, make_quota(), 0, {}) == {}


def test_purposes_are_joined_in_their_order():
    one, two, three = (Purpose(actor="Mira", label=label) for label in ("joy", "pride", "grief"))
    assert join_purposes({"a": [one], "b": [two]}, {"c": [three], "a": [three]}) == {
        "a": [one, three],
        "b": [two],
        "c": [three],
    }
