"""Scores: kappas and alpha of the decisions, accuracy where people agree, and what cannot be scored."""

import numpy as np
import pytest

from sentire.annotation.annotations import Judgement
from sentire.annotation.questions import EMOTIONS, NONE
from sentire.annotation.sample import Item, Key, Sample
from sentire.annotation.scoring import score_annotations
from sentire.core.errors import DataError
from sentire.metrics.agreement import MISSING, cohen_kappa, fleiss_kappa, krippendorff_alpha

OPTIONS = ("joy", "anger", "fear", "pride", "relief", "grief", NONE)


def make_sample(n=12):
    items = tuple(
        Item(id=f"i{k}", texts=(f"t{k}",), context=("c",) if k % 2 else (), options=OPTIONS) for k in range(n)
    )
    key = Key(
        fingerprint="f",
        levels={item.id: {} for item in items},
        expressed={item.id: ("joy",) if k % 3 else ("anger", "fear") for k, item in enumerate(items)},
        distractors={item.id: "grief" for item in items},
    )
    return Sample(name="own", question=EMOTIONS, fingerprint="f", items=items), key


def pick(*picks, saw_context=False, is_done=True):
    return Judgement(picks=picks, is_done=is_done, saw_context=saw_context)


def draw_annotations(sample, n_annotators, seed=0):
    generator = np.random.default_rng(seed)
    return {
        f"a{a}": {
            item.id: pick(*[OPTIONS[k] for k in range(6) if generator.random() < 0.3] or [NONE])
            for item in sample.items
        }
        for a in range(n_annotators)
    }


def make_table(sample, annotations):
    return np.array(
        [
            [
                MISSING if item.id not in said else int(option in said[item.id].picks)
                for item in sample.items
                for option in OPTIONS[:-1]
            ]
            for said in annotations.values()
        ]
    )


def test_kappas_and_alpha_are_those_of_all_decisions():
    sample, key = make_sample()
    annotations = draw_annotations(sample, 3)
    found = score_annotations(sample, key, annotations)
    table = make_table(sample, annotations)
    assert found.fleiss.value == pytest.approx(fleiss_kappa(table), abs=1e-12)
    assert found.alpha.value == pytest.approx(krippendorff_alpha(table), abs=1e-12)
    assert found.cohen["a0, a2"].value == pytest.approx(cohen_kappa(table[0], table[2]), abs=1e-12)
    assert len(found.cohen) == 3
    assert found.fleiss.low < found.fleiss.value < found.fleiss.high
    assert (found.fleiss.n, found.alpha.n) == (12, 12)


def test_accuracy_where_all_and_where_most_agree_by_hand():
    sample, key = make_sample(n=3)  # i0: anger, fear; i1 and i2: joy
    annotations = {
        "a": {"i0": pick("anger"), "i1": pick("joy"), "i2": pick("pride")},
        "b": {"i0": pick("anger", "fear"), "i1": pick("joy"), "i2": pick("pride")},
        "c": {"i0": pick("anger"), "i1": pick("joy"), "i2": pick("joy")},
    }
    found = score_annotations(sample, key, annotations)
    # i0: all agree on anger and the four others, not on fear; i1: on all six; i2: on four, neither on joy nor on pride.
    assert found.unanimous_accuracy.n == 5 + 6 + 4
    assert found.unanimous_accuracy.value == 1.0
    # Most: fear is not picked (wrong), joy of i2 is not (wrong), pride of i2 is (wrong).
    assert found.majority_accuracy.n == 18
    assert found.majority_accuracy.value == pytest.approx(15 / 18)


def test_only_what_is_done_counts_and_missing_items_are_left_to_alpha():
    sample, key = make_sample()
    annotations = draw_annotations(sample, 2)
    annotations["a1"]["i0"] = pick("joy", is_done=False)
    del annotations["a0"]["i1"]
    found = score_annotations(sample, key, annotations)
    assert found.annotators == {"a0": 11, "a1": 11}
    assert found.fleiss.n == found.cohen["a0, a1"].n == 10


def test_rates_of_distractor_none_and_context():
    sample, key = make_sample(n=4)
    annotations = {
        "a": {"i0": pick("grief"), "i1": pick(NONE, saw_context=True), "i2": pick("joy"), "i3": pick("joy")},
        "b": {"i0": pick("joy"), "i1": pick("joy"), "i2": pick("grief", "joy"), "i3": pick("joy")},
    }
    found = score_annotations(sample, key, annotations)
    assert (found.distractor_rate, found.none_rate, found.context_rate) == (2 / 8, 1 / 8, 1 / 4)


@pytest.mark.parametrize("n_annotators", [0, 1])
def test_one_annotator_alone_has_nobody_to_agree_with(n_annotators):
    sample, key = make_sample()
    with pytest.raises(DataError, match=f"at least two people, got {n_annotators}"):
        score_annotations(sample, key, draw_annotations(sample, n_annotators))


def test_two_who_judged_nothing_in_common_have_no_agreement():
    sample, key = make_sample(n=2)
    with pytest.raises(DataError, match="items that two people have done"):
        score_annotations(sample, key, {"a": {"i0": pick("joy")}, "b": {"i1": pick("joy")}})


def test_intervals_are_over_items_and_not_over_decisions():
    """Six decisions of an item are no six observations: twice the options must not make the interval narrower."""
    sample, key = make_sample(n=40)
    annotations = draw_annotations(sample, 2, seed=5)
    found = score_annotations(sample, key, annotations)
    table = make_table(sample, annotations)
    per_item = [cohen_kappa(*table[:, 6 * k : 6 * k + 6]) for k in range(40)]
    assert found.cohen["a0, a1"].high - found.cohen["a0, a1"].low > np.nanstd(per_item) / np.sqrt(240)
