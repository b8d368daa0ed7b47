"""Label maps: the projection against a loop from the formula, its bounds, and the published groups."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sentire.core.errors import LabelError, ShapeError, UnknownNameError
from sentire.core.label_maps import LABEL_MAPS, LabelMap, load_label_map, maps_from
from sentire.core.labels import EKMAN, GOEMOTIONS, IEMOCAP_4, ISEAR, SENTIMENT

MAPS = list(LABEL_MAPS.values())
by_id = pytest.mark.parametrize("label_map", MAPS, ids=lambda label_map: label_map.id)

# A map that changes under the same version makes two results that share its name incomparable.
PINNED = {
    "goemotions-to-ekman.v1": "01d9295097f270e6",
    "goemotions-to-sentiment.v1": "744f472ece5215d0",
    "goemotions-to-meld.v1": "eab2a59ff58a4779",
    "goemotions-to-isear.v1": "b7a1a6db9ae6367f",
    "goemotions-to-emocontext.v1": "8219a313294542c7",
    "goemotions-to-iemocap-4.v1": "1eb8d032ef6ac74d",
    "goemotions-to-iemocap-6.v1": "590daff686f78374",
    "isear-to-goemotions.v1": "f5615e70ad7919d5",
    "emocontext-to-goemotions.v1": "762626541b6deecf",
    "meld-to-goemotions.v1": "cfc66d5e895a2a87",
    "meld-to-ekman.v1": "cfc66d5e895a2a87",
    "iemocap-6-to-iemocap-4.v1": "813295968349b2fb",
    "iemocap-6-to-goemotions.v1": "985ef751cfa306ba",
}


def digest(label_map: LabelMap) -> str:
    pairs = [
        f"{target}<-{source}"
        for target in label_map.target.labels
        for source in label_map.source.labels
        if source in label_map.groups.get(target, ())
    ]
    return hashlib.sha256("\n".join(pairs).encode()).hexdigest()[:16]


def project_slowly(label_map: LabelMap, row: list[float]) -> list[float]:
    """p(t) = 1 - prod over s in sources(t) of (1 - p(s)), normalised for a single-label target."""
    joined = []
    for target in label_map.target.labels:
        absent = 1.0
        for source in label_map.groups.get(target, ()):
            absent *= 1.0 - row[label_map.source.labels.index(source)]
        joined.append(1.0 - absent)
    total = sum(joined)
    if label_map.target.task == "single-label" and total > 0:
        joined = [value / total for value in joined]
    return joined


def test_registered_maps_are_those_that_were_published():
    assert {label_map.id: digest(label_map) for label_map in MAPS} == PINNED


@by_id
def test_keys_and_notes(label_map):
    assert LABEL_MAPS[label_map.source.name, label_map.target.name] is label_map
    assert load_label_map(label_map.source.id, label_map.target.name) is label_map
    assert label_map.note
    assert label_map.membership.sum() == sum(len(sources) for sources in label_map.groups.values())


@by_id
def test_no_target_label_is_out_of_reach_and_no_source_label_is_counted_twice(label_map):
    reached = label_map.membership.any(axis=0)
    if label_map.source == GOEMOTIONS:
        assert reached.all(), [
            label for label, is_in in zip(label_map.target.labels, reached, strict=True) if not is_in
        ]
    assert (label_map.membership.sum(axis=1) <= 1).all()


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["ekman", "sentiment"])
def test_the_groups_are_those_of_the_release(corpus_root, name):
    published = json.loads((corpus_root / "goemotions" / f"{name}_mapping.json").read_text(encoding="utf-8"))
    groups = {target: set(sources) for target, sources in load_label_map("goemotions", name).groups.items()}
    assert groups.pop("neutral") == {"neutral"}
    published.pop("neutral", None)
    assert groups == {target: set(sources) for target, sources in published.items()}


@by_id
def test_projection_equals_the_slow_loop(label_map):
    rng = np.random.default_rng(3)
    proba = rng.uniform(0.001, 0.999, size=(20, len(label_map.source)))
    expected = [project_slowly(label_map, row.tolist()) for row in proba]
    np.testing.assert_allclose(label_map.project_proba(proba), expected, rtol=1e-12, atol=1e-12)


def test_projection_by_hand():
    proba = np.zeros((1, 28))
    proba[0, GOEMOTIONS.index("fear")] = 0.5
    proba[0, GOEMOTIONS.index("nervousness")] = 0.5
    proba[0, GOEMOTIONS.index("disgust")] = 0.2
    ekman = load_label_map("goemotions", "ekman").project_proba(proba)[0]
    assert ekman[EKMAN.index("fear")] == pytest.approx(0.75)
    assert ekman[EKMAN.index("disgust")] == pytest.approx(0.2)
    sentiment = load_label_map("goemotions", "sentiment").project_proba(proba)[0]
    assert sentiment[SENTIMENT.index("negative")] == pytest.approx(1 - 0.5 * 0.5 * 0.8)
    isear = load_label_map("goemotions", "isear").project_proba(proba)[0]
    assert isear[ISEAR.index("fear")] == pytest.approx(0.75 / 0.95)


unit_rows = hnp.arrays(np.float64, (3, 28), elements=st.floats(0, 1, allow_subnormal=False))


@given(unit_rows)
@pytest.mark.parametrize("target", ["ekman", "sentiment"])
def test_a_union_lies_between_its_bounds(target, proba):
    label_map = load_label_map("goemotions", target)
    projected = label_map.project_proba(proba)
    for column, name in enumerate(label_map.target.labels):
        sources = proba[:, [GOEMOTIONS.index(source) for source in label_map.groups[name]]]
        assert (projected[:, column] >= sources.max(axis=1) - 1e-12).all()
        assert (projected[:, column] <= np.minimum(1.0, sources.sum(axis=1)) + 1e-12).all()


@given(unit_rows, st.integers(0, 27), st.floats(0, 1))
def test_more_of_a_source_is_never_less_of_a_target(proba, column, value):
    label_map = load_label_map("goemotions", "ekman")
    raised = proba.copy()
    raised[:, column] = np.maximum(raised[:, column], value)
    assert (label_map.project_proba(raised) >= label_map.project_proba(proba) - 1e-12).all()


@by_id
def test_certain_probabilities_give_the_hard_labels(label_map):
    """Where every p is 0 or 1 and the target takes several labels, projecting and mapping are the same."""
    rng = np.random.default_rng(5)
    indicator = rng.random((30, len(label_map.source))) < 0.15
    mapped = [label_map.map_labels(row) for row in label_map.source.decode(indicator)]
    np.testing.assert_array_equal(label_map.project_indicator(indicator), label_map.target.encode(mapped))
    projected = label_map.project_proba(indicator.astype(np.float32))
    np.testing.assert_array_equal(projected > 0, label_map.project_indicator(indicator))
    if label_map.target.task == "multi-label":
        np.testing.assert_array_equal(projected == 1, label_map.project_indicator(indicator))


@by_id
def test_a_single_label_target_gets_a_distribution(label_map):
    if label_map.target.task == "single-label":
        proba = np.random.default_rng(1).uniform(0.01, 1, size=(50, len(label_map.source)))
        np.testing.assert_allclose(label_map.project_proba(proba).sum(axis=1), 1.0, rtol=1e-12)


def test_what_has_no_target_stays_zero_and_finite():
    label_map = load_label_map("goemotions", "iemocap-4")
    assert set(label_map.unmapped) >= {"fear", "disgust", "surprise"}
    proba = np.zeros((1, 28), dtype=np.float32)
    proba[0, GOEMOTIONS.index("fear")] = 1.0
    assert label_map.project_proba(proba).tolist() == [[0.0] * len(IEMOCAP_4)]
    assert label_map.map_labels(["fear"]) == ()


def test_single_precision_is_widened_first():
    proba = np.full((1, 28), 1e-9, dtype=np.float32)  # 1 - 1e-9 is 1 in single precision
    joy = load_label_map("goemotions", "ekman").project_proba(proba)[0, EKMAN.index("joy")]
    assert joy == pytest.approx(12e-9, rel=1e-6)


def test_no_rows_and_other_shapes():
    label_map = load_label_map("goemotions", "ekman")
    assert label_map.project_proba(np.zeros((0, 28))).shape == (0, 7)
    for project in (label_map.project_proba, label_map.project_indicator):
        for shape in [(28,), (2, 27), (28, 1)]:
            with pytest.raises(
                ShapeError, match=r"shape \(N, 28\) for goemotions\.v1.*label map goemotions-to-ekman\.v1"
            ):
                project(np.zeros(shape, dtype=bool))


def test_maps_refuse_labels_outside_their_spaces():
    with pytest.raises(LabelError, match=r"goemotions\.v1, got 'happy' at label map goemotions-to-ekman, group joy"):
        LabelMap(source=GOEMOTIONS, target=EKMAN, version=1, groups={"joy": ("happy",)})
    with pytest.raises(LabelError, match=r"ekman\.v1, got 'shame' at label map goemotions-to-ekman"):
        LabelMap(source=GOEMOTIONS, target=EKMAN, version=1, groups={"shame": ("joy",)})
    with pytest.raises(LabelError, match='did you mean "joy"'):
        load_label_map("goemotions", "ekman").map_labels(["joyy"])


def test_unknown_maps():
    with pytest.raises(UnknownNameError, match=r"name of a label map .*got 'ekman-to-goemotions'"):
        load_label_map("ekman", "goemotions")
    with pytest.raises(UnknownNameError, match='did you mean "ekman"'):
        load_label_map("goemotions", "ekmann")
    with pytest.raises(LabelError, match=r"two different label spaces, got ekman\.v1 twice"):
        load_label_map("ekman", "ekman.v1")


def test_maps_from_a_space():
    assert {label_map.target.name for label_map in maps_from(GOEMOTIONS)} >= {"ekman", "sentiment", "isear", "meld"}
    assert maps_from(EKMAN) == tuple(label_map for label_map in MAPS if label_map.source == EKMAN)
