"""Rules: each caught by one planted row, with its own count; what goes in comes out or is counted."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import make_settings, make_utterance

from sentire.synthesis.definitions import load_label_guide
from sentire.synthesis.judging import judge, measure_overlap

TEXTS = (
    "I never thought that the rope would hold.",
    "Four coins and a button, that is all we have left.",
    "The gulls were louder than the bell this morning.",
    "Somebody has painted our boat the colour of a plum.",
)
GOOD = [make_utterance(number, text) for number, text in enumerate(TEXTS, start=1)]
CONTEXT = "The ferry has left the pier, and she is so very sad about it."
CLEAN = "The ferry has left the pier."
DESCRIBED = {
    "context": CONTEXT,
    "clean_context": CLEAN,
    "rewritten": "I never thought that it would hold.",
    "context_levels": (("relief", 0.9),),
}


def run(utterances, **changes):
    settings = make_settings(**changes)
    return judge(utterances, settings, load_label_guide(settings))


def test_good_rows_are_kept_as_they_are():
    found = run(GOOD)
    assert [row.utterance for row in found.rows["orig"]] == GOOD
    assert found.rows["corig"] == found.rows["crewr"] == ()
    assert {name: dict(counts) for name, counts in found.refused.items()} == {"orig": {}, "corig": {}, "crewr": {}}
    assert found.before == found.rows["orig"]
    assert found.strays == {}
    row = found.rows["orig"][0]
    assert (row.text, row.context, row.levels, row.labels) == (TEXTS[0], "", {"joy": 0.8}, ("joy",))
    assert row.measures == {"expressiveness": 0.8, "hiddenness": 1.0}
    assert row.quality == pytest.approx(0.9)


def test_nothing_gives_nothing():
    found = run([])
    assert found.rows == {"orig": (), "corig": (), "crewr": ()}
    assert (found.before, found.strays) == ((), {})


LONG = " ".join(["and on it goes"] * 25)  # 100 words

PLANTED = {
    "no labels came": (make_utterance(9, "She has not come yet.", levels=()), {}),
    "expresses no emotion": (make_utterance(9, "She has not come yet.", levels=(("joy", 0.29), ("fear", 0.1))), {}),
    "too few words": (make_utterance(9, "Not yet."), {}),
    "too many words": (make_utterance(9, f"{LONG} ever"), {}),
    "talk about the task": (make_utterance(9, "As an AI language model, I have no boat."), {}),
    "in another language": (make_utterance(9, "Ich habe das Boot wieder nicht gesehen, und du auch nicht."), {}),
    "passes disagree": (
        make_utterance(9, "She has not come yet.", second_levels=(("fear", 0.8),)),
        {"labels__passes": 2, "quality__least_agreement": 0.2},
    ),
    "low quality score": (
        make_utterance(9, "She has not come, oh joy.", levels=(("joy", 0.5),)),
        {"quality__least_quality": 0.3},
    ),
    "duplicate": (make_utterance(9, f"  {TEXTS[1].upper()}!"), {}),
    "near-duplicate": (make_utterance(9, TEXTS[1].replace("a button", "a buttons")), {}),
}


@pytest.mark.parametrize("rule", PLANTED)
@pytest.mark.parametrize("place", [2, 4])
def test_a_rule_leaves_out_its_row_and_no_other(rule, place):
    planted, changes = PLANTED[rule]
    found = run([*GOOD[:place], planted, *GOOD[place:]], **changes)
    assert dict(found.refused["orig"]) == {rule: 1}
    assert [row.utterance for row in found.rows["orig"]] == GOOD


def test_every_rule_is_a_reason_of_its_own():
    everything = [*GOOD, *(planted for planted, _ in PLANTED.values())]
    everything = [replace(one, subject=f"ferry/Mira/{n}") for n, one in enumerate(everything)]
    found = run(everything, labels__passes=2, quality__least_agreement=0.2, quality__least_quality=0.3)
    assert dict(found.refused["orig"]) == dict.fromkeys(PLANTED, 1)
    assert len(found.rows["orig"]) == len(GOOD)


def test_words_that_map_to_nothing_express_nothing():
    found = run([make_utterance(1, TEXTS[0], levels=(("mauve", 1.0),))])
    assert dict(found.refused["orig"]) == {"expresses no emotion": 1}
    assert found.before == ()


@pytest.mark.parametrize(
    ("text", "is_kept"), [("Not yet, Mira.", True), ("Not yet.", False), (LONG, True), (f"{LONG} so", False)]
)
def test_the_shortest_and_the_longest_are_still_kept(text, is_kept):
    assert bool(run([make_utterance(1, text)]).rows["orig"]) is is_kept


@pytest.mark.parametrize(("least", "is_kept"), [(0.5, True), (0.51, False)])
def test_the_least_agreement_is_enough(least, is_kept):
    one = make_utterance(1, TEXTS[0], second_levels=(("delight", 0.4),))
    found = run([one], labels__passes=2, quality__least_agreement=least)
    assert bool(found.rows["orig"]) is is_kept
    if is_kept:
        assert found.rows["orig"][0].measures["agreement"] == pytest.approx(0.5)


def test_a_row_whose_second_pass_failed_does_not_agree_with_it():
    # Where agreement is asked for, what nobody could compare has none.
    asked = replace(make_utterance(1, TEXTS[0]), keys={"soft-labels": "one", "soft-labels-2": "another"})
    found = run([asked], labels__passes=2, quality__least_agreement=0.5)
    assert found.rows["orig"] == ()
    assert found.refused["orig"] == {"no second labels came": 1}


def test_the_quality_is_the_mean_of_what_was_measured():
    one = make_utterance(1, "What a joy it is to see you.", levels=(("joy", 0.8), ("love", 0.4)))
    (row,) = run([one]).rows["orig"]
    assert row.measures == {"expressiveness": 0.8, "hiddenness": 0.0}
    assert row.quality == pytest.approx(0.4)
    (row,) = run([replace(one, second_levels=(("joy", 0.6),))], labels__passes=2).rows["orig"]
    assert row.measures["agreement"] == pytest.approx(0.6 / 1.2)
    assert row.quality == pytest.approx((0.8 + 0.0 + 0.5) / 3)


def test_a_word_hides_nothing_only_where_it_names_an_emotion_that_counts():
    one = make_utterance(1, "What a joy it is to see you.", levels=(("love", 0.8), ("joy", 0.29)))
    assert run([one]).rows["orig"][0].measures["hiddenness"] == 1.0


def test_labels_are_in_the_order_of_the_label_space_and_levels_in_that_of_the_model():
    one = make_utterance(1, TEXTS[0], levels=(("surprise", 0.9), ("neutral", 0.3), ("hope", 0.5), ("anger", 0.31)))
    (row,) = run([one]).rows["orig"]
    assert row.labels == ("anger", "optimism", "surprise", "neutral")
    assert list(row.levels.items()) == [("surprise", 0.9), ("neutral", 0.3), ("optimism", 0.5), ("anger", 0.31)]


def test_another_language_is_no_fault_where_it_is_asked_for():
    one = make_utterance(1, "Ich habe das Boot wieder nicht gesehen, und du auch nicht.")
    assert run([one], language="German").rows["orig"]


def test_of_duplicates_the_first_that_is_any_good_is_kept():
    bad = make_utterance(8, TEXTS[1], levels=())
    copies = [make_utterance(n, TEXTS[1].replace(".", "!" * n)) for n in (10, 11)]
    found = run([bad, *copies, *GOOD])
    assert [row.utterance.subject for row in found.rows["orig"]] == [
        "ferry/Mira/10",
        "ferry/Mira/1",
        "ferry/Mira/3",
        "ferry/Mira/4",
    ]
    assert dict(found.refused["orig"]) == {"no labels came": 1, "duplicate": 2}


def test_near_duplicates_may_be_kept_and_one_that_is_gone_takes_no_other_with_it():
    # Each is like the one before it; the third is not like the first.
    first = "We counted every coin on the pier and it was four."
    chain = [first, f"{first} So what?", f"{first} So what? We ate."]
    utterances = [make_utterance(n, text) for n, text in enumerate(chain, start=1)]
    assert len(run(utterances, quality__near_duplicate=0).rows["orig"]) == 3
    found = run(utterances)
    assert [row.text for row in found.rows["orig"]] == [chain[0], chain[2]]
    assert dict(found.refused["orig"]) == {"near-duplicate": 1}


def test_before_are_all_rows_that_labels_came_for():
    found = run([*GOOD, *(planted for planted, _ in PLANTED.values())])
    assert len(found.before) == len(GOOD) + len(PLANTED) - 1  # one of them has no labels


def test_before_any_rule_is_before_the_least_level_as_well():
    faint = make_utterance(9, "She has not come yet.", levels=(("joy", 0.29), ("fear", 0.1)))
    mixed = make_utterance(1, TEXTS[0], levels=(("joy", 0.8), ("love", 0.1)))
    found = run([mixed, faint])
    assert [dict(row.levels) for row in found.before] == [{"joy": 0.8, "love": 0.1}, {"joy": 0.29, "fear": 0.1}]
    assert [row.labels for row in found.rows["orig"]] == [("joy",)]


def described(**changes):
    return [replace(GOOD[0], **(DESCRIBED | changes)), *GOOD[1:]]


def test_a_row_in_context():
    found = run(described())
    assert [row.text for row in found.rows["orig"]] == list(TEXTS)
    (plain,) = found.rows["corig"]
    assert (plain.text, plain.context, plain.labels) == (TEXTS[0], CLEAN, ("joy",))
    assert plain.levels == {"joy": 0.8}
    assert plain.measures["cleaning_overlap"] == pytest.approx(measure_overlap(CONTEXT, CLEAN))
    (rewritten,) = found.rows["crewr"]
    assert (rewritten.text, rewritten.context) == ("I never thought that it would hold.", CLEAN)
    assert (rewritten.levels, rewritten.labels) == ({"relief": 0.9}, ("relief",))
    assert rewritten.measures == {
        "expressiveness": 0.9,
        "agreement": 0.0,
        "hiddenness": 1.0,
        "cleaning_overlap": plain.measures["cleaning_overlap"],
        "rewriting_overlap": pytest.approx(measure_overlap(TEXTS[0], "I never thought that it would hold.")),
    }
    assert "rewriting_overlap" not in plain.measures


def test_labels_are_those_from_before_the_rewriting_where_they_are_not_made_again():
    found = run(described(context_levels=None), steps__relabel=False)
    (row,) = found.rows["crewr"]
    assert (row.levels, row.labels, row.measures["agreement"]) == ({"joy": 0.8}, ("joy",), 1.0)


CONTEXT_RULES = {
    "no clean context came": ({"clean_context": ""}, {}),
    "cleaning changed too much": ({"clean_context": "Gone is the boat."}, {}),
    "cleaning changed too little": ({"clean_context": CONTEXT}, {"quality__cleaning_overlap": [0.5, 0.99]}),
    "context names the emotion": ({"clean_context": "The ferry has left the pier, to her delight."}, {}),
}


@pytest.mark.parametrize("rule", CONTEXT_RULES)
def test_a_rule_on_contexts_leaves_out_its_row_in_both_sets_and_keeps_the_utterance(rule):
    made, changes = CONTEXT_RULES[rule]
    found = run(described(**made), **changes)
    assert {name: dict(counts) for name, counts in found.refused.items()} == {
        "orig": {},
        "corig": {rule: 1},
        "crewr": {},
    }
    assert (len(found.rows["orig"]), found.rows["corig"], found.rows["crewr"]) == (4, (), ())


def test_a_context_that_names_another_emotion_or_is_to_be_kept():
    assert run(described(clean_context=CLEAN.replace("pier", "sad pier"))).rows["corig"]
    leaking = {"clean_context": "The ferry has left the pier, to her delight."}
    assert run(described(**leaking), quality__leaking_context="keep").rows["corig"]


REWRITING_RULES = {
    "no rewriting came": ({"rewritten": ""}, {}),
    "no labels in context came": ({"context_levels": None}, {}),
    "expresses no emotion in its context": ({"context_levels": (("relief", 0.2), ("mauve", 1.0))}, {}),
    "rewriting changed too much": ({"rewritten": "Who would have guessed?"}, {}),
    "rewriting changed too little": ({"rewritten": TEXTS[0].upper()}, {}),
}


@pytest.mark.parametrize("rule", REWRITING_RULES)
def test_a_rule_on_rewritings_leaves_out_its_row_there_alone(rule):
    made, changes = REWRITING_RULES[rule]
    found = run(described(**made), **changes)
    assert {name: dict(counts) for name, counts in found.refused.items()} == {
        "orig": {},
        "corig": {},
        "crewr": {rule: 1},
    }
    assert (len(found.rows["orig"]), len(found.rows["corig"]), found.rows["crewr"]) == (4, 1, ())


@pytest.mark.parametrize(("key", "name"), [("cleaning", "corig"), ("rewriting", "crewr")])
def test_both_ends_of_a_window_are_inside(key, name):
    overlap = (
        measure_overlap(CONTEXT, CLEAN) if key == "cleaning" else measure_overlap(TEXTS[0], DESCRIBED["rewritten"])
    )
    for low, high, n in ((overlap, 1, 1), (0, overlap, 1), (overlap + 1e-6, 1, 0), (0, overlap - 1e-6, 0)):
        assert len(run(described(), **{f"quality__{key}_overlap": [low, high]}).rows[name]) == n


def test_what_goes_in_comes_out_or_is_counted():
    made = [changes for changes, _ in [*CONTEXT_RULES.values(), *REWRITING_RULES.values()]]
    made += [{"context": ""}, {}, {}, {}, {}]
    utterances = [
        replace(
            GOOD[n % 4],
            subject=f"ferry/Mira/{n}",
            text=f"{TEXTS[n % 4]} {'So' * n} it goes.",
            **(DESCRIBED | {"rewritten": TEXTS[n % 4]} | changes),
        )
        for n, changes in enumerate(made)
    ]
    utterances += [planted for planted, _ in PLANTED.values()]
    found = run(utterances)
    orig, corig, crewr = (found.rows[name] for name in ("orig", "corig", "crewr"))
    assert len(orig) + found.refused["orig"].total() == len(utterances)
    assert len(corig) + found.refused["corig"].total() == sum(bool(row.utterance.context) for row in orig)
    assert len(crewr) + found.refused["crewr"].total() == len(corig)
    assert min(len(orig), len(corig), len(crewr)) > 0


def test_words_outside_the_labels_are_counted_by_where_they_stood():
    utterances = described(
        intended="Bliss",
        levels=(("joy", 0.8), ("hope", 0.4), ("mauve", 0.3)),
        second_levels=(("hope", 0.5), ("beige", 0.2)),
        context_levels=(("relief", 0.9), ("Dread", 0.4), ("mauve", 0.1)),
    )
    utterances[1] = replace(utterances[1], intended="anxiety", levels=(("Hope", 0.5),))
    # Even those of rows that are left out.
    utterances.append(make_utterance(9, "No.", levels=(("mauve", 0.2),)))
    assert run(utterances, labels__passes=2).strays == {
        ("bliss", "", "intended"): 1,
        ("anxiety", "nervousness", "intended"): 1,
        ("hope", "optimism", "first pass"): 2,
        ("mauve", "", "first pass"): 2,
        ("hope", "optimism", "second pass"): 1,
        ("beige", "", "second pass"): 1,
        ("dread", "fear", "in context"): 1,
        ("mauve", "", "in context"): 1,
    }


def test_judging_twice_gives_the_same():
    utterances = [*described(), *(planted for planted, _ in PLANTED.values())]
    assert run(utterances) == run(utterances)


def overlap_slowly(first, second):
    """2 LCS / (n + m) by the table of the longest common subsequence."""
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    return 2 * table[-1][-1] / (len(first) + len(second)) if first or second else 1.0


words = st.lists(st.sampled_from("abcd"), max_size=12)


@given(words, words)
def test_overlap_equals_the_slow_table(first, second):
    assert measure_overlap(" ".join(first), " ".join(second)) == pytest.approx(overlap_slowly(first, second))


RAIN = (
    make_utterance(1, "终于下雨了，田里的苗有救了。"),
    make_utterance(2, "我真没想到今天还能回到家里！"),
)
CHINESE = {
    "context": "米拉没赶上最后一班渡船，老人已经走了，她很难过。",
    "clean_context": "米拉没赶上最后一班渡船，老人已经走了。",
    "rewritten": "终于下雨了，田里的苗。",
    "context_levels": (("relief", 0.9),),
}


def test_texts_without_blanks_become_rows_of_all_sets():
    found = run([replace(RAIN[0], **CHINESE), RAIN[1]], language="Chinese")
    assert {name: dict(counts) for name, counts in found.refused.items()} == {"orig": {}, "corig": {}, "crewr": {}}
    assert {name: len(rows) for name, rows in found.rows.items()} == {"orig": 2, "corig": 1, "crewr": 1}
    (row,) = found.rows["crewr"]
    assert row.measures["rewriting_overlap"] == pytest.approx(2 * 9 / (12 + 9))


@pytest.mark.parametrize(("text", "rule"), [("雨。", "too few words"), ("雨水" * 51, "too many words")])
def test_texts_without_blanks_may_be_too_short_and_too_long(text, rule):
    assert dict(run([make_utterance(1, text)], language="Chinese").refused["orig"]) == {rule: 1}


def test_overlap_is_of_words_without_capitals_and_points():
    assert measure_overlap("So, it is YOU!", "so it is you") == 1.0
    assert measure_overlap("one two", "two one") == 0.5
    assert measure_overlap("one two", "") == 0.0
