"""Scores: kappas and alpha of the decisions, accuracy where people agree, and what cannot be scored."""

import numpy as np
import pytest

from sentire.annotation.annotations import Judgement
from sentire.annotation.kappas import measure_kappas
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


def test_where_only_one_label_was_ever_given_kappa_is_not_defined_and_no_error():
    sample, key = make_sample(n=4)
    annotations = {alias: {item.id: pick(NONE) for item in sample.items} for alias in ("a", "b")}
    found = score_annotations(sample, key, annotations)
    for one in (found.cohen["a, b"], found.fleiss, found.alpha):
        assert np.isnan([one.value, one.low, one.high]).all()
        assert one.n_undefined == 1000
    assert found.none_rate == 1.0
    # Both say no to everything: right wherever the data says no.
    assert found.unanimous_accuracy.value == pytest.approx(1 - (2 + 1 + 1 + 2) / 24)


def make_clustered(n_items, generator):
    """Return six decisions an item by two annotators, who agree on all six of them or on none: kappa is 0 in truth."""
    first = generator.integers(0, 2, (n_items, 6))
    agrees = generator.random((n_items, 1)) < 0.5
    second = np.where(agrees, first, 1 - first)
    return np.stack([first.ravel(), second.ravel()]), np.repeat(np.arange(n_items), 6)


def test_intervals_are_over_items_and_not_over_decisions():
    """Six decisions that hang together are one observation: taken for six, the interval would be too narrow by √6."""
    generator = np.random.default_rng(5)
    table, item_of = make_clustered(60, generator)
    found = measure_kappas(table, item_of, ["a", "b"], generator=generator, n_resamples=1000)
    apart = measure_kappas(table, np.arange(360), ["a", "b"], generator=generator, n_resamples=1000)
    for one, other in ((found.cohen["a, b"], apart.cohen["a, b"]), (found.fleiss, apart.fleiss)):
        assert one.value == pytest.approx(other.value)
        assert (one.n, other.n) == (60, 360)
        assert (one.high - one.low) / (other.high - other.low) == pytest.approx(np.sqrt(6), rel=0.15)


def test_intervals_of_decisions_that_hang_together_cover_the_truth():
    n_trials = 200
    n_covered = dict.fromkeys(("cohen", "fleiss", "alpha"), 0)
    for trial in range(n_trials):
        table, item_of = make_clustered(60, np.random.default_rng(trial))
        kappas = measure_kappas(table, item_of, ["a", "b"], generator=np.random.default_rng(trial), n_resamples=200)
        for name, one in (("cohen", kappas.cohen["a, b"]), ("fleiss", kappas.fleiss), ("alpha", kappas.alpha)):
            n_covered[name] += bool(one.low <= 0 <= one.high)
    for n in n_covered.values():
        assert 0.90 <= n / n_trials <= 0.99
