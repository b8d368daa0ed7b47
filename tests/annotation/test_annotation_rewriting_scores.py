"""Scores of rewritings: shares by annotator and majority, agreement over three answers, one annotator alone."""

from dataclasses import replace

import numpy as np
import pytest

from sentire.annotation.annotations import Judgement
from sentire.annotation.questions import ALIKE, EMOTIONS, FIRST, MORE_EMOTIONAL, SECOND
from sentire.annotation.rewriting_scores import score_rewritings
from sentire.annotation.sample import Item, Key, make_sample
from sentire.annotation.scoring import score_annotations
from sentire.core.errors import ArtifactError, DataError, UsageError
from sentire.metrics.agreement import MISSING, cohen_kappa, fleiss_kappa, krippendorff_alpha


def make_pairs(n):
    """The rewriting stands second in items of even number, first in the others; every other one has a context."""
    items = [
        Item(id=f"i{k}", texts=("one", f"other {k}"), context=("c",) if k % 2 else (), options=(FIRST, SECOND, ALIKE))
        for k in range(n)
    ]
    sample = make_sample("own", MORE_EMOTIONAL, items)
    return sample, Key(fingerprint=sample.fingerprint, rewritten={f"i{k}": (k + 1) % 2 for k in range(n)})


def say(pick, *, is_done=True, saw_context=False):
    return Judgement(picks=(pick,), is_done=is_done, saw_context=saw_context)


def answer(word, k):
    """What is to be picked of item k to say that the rewriting is less or more emotional, or alike."""
    original, rewriting = (FIRST, SECOND) if k % 2 == 0 else (SECOND, FIRST)
    return {"l": original, "m": rewriting, "a": ALIKE}[word]


def annotate(**words):
    """Annotations from words such as ``a1="lam-"``: an answer an item, none where there is a hyphen."""
    return {
        alias: {f"i{k}": say(answer(word, k)) for k, word in enumerate(said) if word != "-"}
        for alias, said in words.items()
    }


def test_shares_by_hand():
    sample, key = make_pairs(5)
    #                      items: 0 l  1 l  2 a  3 m  4 none
    found = score_rewritings(sample, key, annotate(a1="llaml", a2="llama", a3="lamlm"))
    assert (found.n_items, found.annotators) == (5, {"a1": 5, "a2": 5, "a3": 5})
    shares = {
        alias: tuple(round(one.value, 9) for one in (shares.less, shares.alike, shares.more))
        for alias, shares in found.shares.items()
    }
    assert shares == {"a1": (0.6, 0.2, 0.2), "a2": (0.4, 0.4, 0.2), "a3": (0.4, 0.2, 0.4)}
    most = found.majority
    assert (most.less.value, most.alike.value, most.more.value) == pytest.approx((0.4, 0.2, 0.2))
    assert found.no_majority.value == pytest.approx(0.2)
    assert {one.n for one in (most.less, most.alike, most.more, found.no_majority)} == {5}
    assert all(0 <= one.less.low <= one.less.value <= one.less.high <= 1 for one in found.shares.values())
    # Cohen's kappa of a1 and a2: seen 4/5; by chance 3/5·2/5 + 1/5·2/5 + 1/5·1/5 = 9/25; (0.8 - 0.36) / 0.64.
    assert found.cohen["a1, a2"].value == pytest.approx(0.6875)


def test_two_who_disagree_have_no_majority():
    sample, key = make_pairs(4)
    found = score_rewritings(sample, key, annotate(a1="llam", a2="lmmm"))
    assert (found.majority.less.value, found.majority.more.value, found.no_majority.value) == (0.25, 0.25, 0.5)


def test_agreement_is_that_of_the_three_answers_and_not_of_the_places():
    generator = np.random.default_rng(7)
    words = {f"a{a}": "".join(generator.choice(list("lam"), 60, p=[0.6, 0.2, 0.2])) for a in range(3)}
    sample, key = make_pairs(60)
    found = score_rewritings(sample, key, annotate(**words))
    table = np.array([["lam".index(word) for word in said] for said in words.values()])
    assert found.fleiss.value == pytest.approx(fleiss_kappa(table), abs=1e-12)
    assert found.alpha.value == pytest.approx(krippendorff_alpha(table), abs=1e-12)
    assert found.cohen["a0, a2"].value == pytest.approx(cohen_kappa(table[0], table[2]), abs=1e-12)
    assert found.fleiss.low < found.fleiss.value < found.fleiss.high
    assert found.shares["a1"].less.value == pytest.approx(np.mean(table[1] == 0))
    # The interval of a share is about the one of the normal distribution.
    share = found.shares["a1"].less
    half = 1.96 * np.sqrt(share.value * (1 - share.value) / 60)
    assert (share.low, share.high) == pytest.approx((share.value - half, share.value + half), abs=0.03)


def test_the_scores_do_not_depend_on_which_version_stands_first():
    sample, key = make_pairs(12)
    annotations = annotate(a1="llamllamllam", a2="lmamlaamllal")
    turned = make_sample("own", MORE_EMOTIONAL, [replace(one, texts=one.texts[::-1]) for one in sample.items])
    turned_key = Key(
        fingerprint=turned.fingerprint, rewritten={item: 1 - place for item, place in key.rewritten.items()}
    )
    swap = {FIRST: SECOND, SECOND: FIRST, ALIKE: ALIKE}
    turned_annotations = {
        alias: {item: replace(one, picks=(swap[one.picks[0]],)) for item, one in said.items()}
        for alias, said in annotations.items()
    }
    one = score_rewritings(sample, key, annotations)
    other = score_rewritings(turned, turned_key, turned_annotations)
    assert one.first_rates != other.first_rates
    assert replace(one, first_rates={}) == replace(other, first_rates={})


def test_only_what_is_done_counts_and_what_one_has_judged_is_no_majority():
    sample, key = make_pairs(5)
    annotations = annotate(a1="llal-", a2="llm-l", a3="l----")
    annotations["a1"]["i3"] = say(FIRST, is_done=False)
    found = score_rewritings(sample, key, annotations)
    assert found.annotators == {"a1": 3, "a2": 4, "a3": 1}
    assert found.shares["a2"].less.n == 4
    assert found.shares["a2"].less.value == 0.75
    assert found.majority.less.n == 3  # items 0 to 2
    assert found.majority.less.value == pytest.approx(2 / 3)
    assert found.fleiss.n == 1
    table = np.array([[0, 0, 1, MISSING, MISSING], [0, 0, 2, MISSING, 0], [0, *[MISSING] * 4]])
    assert found.alpha.value == pytest.approx(krippendorff_alpha(table), abs=1e-12)


def test_one_annotator_alone_has_shares_and_no_agreement():
    sample, key = make_pairs(4)
    found = score_rewritings(sample, key, annotate(a1="llal"))
    assert found.shares["a1"].less.value == 0.75
    assert (found.majority, found.no_majority, found.fleiss, found.alpha, found.cohen) == (None, None, None, None, {})


def test_two_who_judged_nothing_in_common_have_shares_and_no_agreement():
    sample, key = make_pairs(4)
    found = score_rewritings(sample, key, annotate(a1="la--", a2="--lm"))
    assert found.cohen == {"a1, a2": None}
    assert (found.majority, found.fleiss, found.alpha) == (None, None, None)


def test_where_all_give_one_answer_chance_agrees_as_well_and_kappa_is_not_defined():
    sample, key = make_pairs(4)
    found = score_rewritings(sample, key, annotate(a1="llll", a2="llll"))
    assert found.majority.less.value == 1
    assert all(np.isnan(one.value) for one in (found.cohen["a1, a2"], found.fleiss, found.alpha))


def test_picking_by_place_and_asking_for_the_context_show():
    sample, key = make_pairs(4)
    annotations = {
        "a1": {f"i{k}": say(FIRST, saw_context=k == 1) for k in range(4)},
        "a2": {f"i{k}": say(pick) for k, pick in enumerate((FIRST, ALIKE, SECOND, ALIKE))},
        "a3": {f"i{k}": say(ALIKE) for k in range(4)},
    }
    found = score_rewritings(sample, key, annotations)
    assert found.first_rates == {"a1": 1.0, "a2": 0.5, "a3": None}
    assert found.shares["a1"].less.value == 0.5  # whose places say nothing
    assert found.context_rate == pytest.approx(1 / 6)


def test_what_cannot_be_scored_is_refused():
    sample, key = make_pairs(4)
    for nothing in ({}, {"a1": {"i0": say(FIRST, is_done=False)}}):
        with pytest.raises(DataError, match=r"at least one person, got none at own; sentire annotate serve"):
            score_rewritings(sample, key, nothing)
    with pytest.raises(ArtifactError, match=r"the key of the sample .*got that of f at own; put key\.json back"):
        score_rewritings(sample, replace(key, fingerprint="f"), annotate(a1="llll"))
    with pytest.raises(ArtifactError, match="of every item of the sample, got nothing of 'i2' at own"):
        score_rewritings(sample, replace(key, rewritten={"i0": 1, "i1": 0, "i3": 0}), annotate(a1="llll"))
    with pytest.raises(UsageError, match="a sample that asks 'emotions', got one that asks 'more-emotional'"):
        score_annotations(sample, key, annotate(a1="llll", a2="llll"))
    with pytest.raises(UsageError, match="a sample that asks 'more-emotional', got one that asks 'emotions'"):
        score_rewritings(replace(sample, question=EMOTIONS), key, annotate(a1="llll"))
