import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import make_settings

from sentire.synthesis.definitions import load_label_guide, load_label_guide_of
from sentire.synthesis.levels import agree, get_expressed, map_levels

GUIDE = load_label_guide_of("goemotions")
LABELS = ("joy", "love", "fear", "grief")


def test_words_are_mapped_and_both_kinds_of_strays_are_counted():
    levels = [("Joy", 0.5), ("hope", 0.4), ("mauve", 0.9), ("delight", 0.7), ("Mauve!", 0.1), ("hope", 0.2)]
    found = map_levels(GUIDE, levels)
    assert dict(found.levels) == {"joy": 0.7, "optimism": 0.4}
    assert list(found.levels) == ["joy", "optimism"]
    assert found.mapped == ("hope", "delight", "hope")
    assert found.unmapped == ("mauve", "mauve!")


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_words_for_one_label_the_higher_level_counts_whichever_comes_first(order):
    levels = [("joy", 0.2), ("delight", 0.6), ("happiness", 0.4)][::order]
    assert dict(map_levels(GUIDE, levels).levels) == {"joy": 0.6}


def test_capitals_and_points_make_no_stray_of_a_label():
    found = map_levels(GUIDE, [("JOY", 0.1), ('"love".', 0.2), ("[fear]", 0.3)])
    assert (found.mapped, found.unmapped) == ((), ())
    assert dict(found.levels) == {"joy": 0.1, "love": 0.2, "fear": 0.3}


def test_a_label_of_ones_own_is_no_stray_whatever_its_letters():
    guide = load_label_guide(make_settings(labels__labels=["Very_Tense", "calm"], steps__neutral=0))
    found = map_levels(guide, [("Very_Tense", 0.8)])
    assert (dict(found.levels), found.mapped, found.unmapped) == ({"Very_Tense": 0.8}, (), ())


def test_nothing_is_nothing():
    found = map_levels(GUIDE, [])
    assert (dict(found.levels), found.mapped, found.unmapped) == ({}, (), ())


def test_the_least_level_itself_is_enough():
    levels = {"love": 0.3, "joy": 0.29, "fear": 1.0, "grief": 0.0}
    assert get_expressed(levels, 0.3) == ("love", "fear")
    assert get_expressed(levels, 1.0) == ("fear",)
    assert get_expressed({}, 0.3) == ()


def agree_slowly(first, second):
    """Sum over labels of min(a, b), over the sum of max(a, b)."""
    top = bottom = 0.0
    for label in LABELS:
        a, b = first.get(label, 0.0), second.get(label, 0.0)
        top += a if a < b else b
        bottom += b if a < b else a
    return 1.0 if bottom == 0.0 else top / bottom


levels_of_labels = st.dictionaries(st.sampled_from(LABELS), st.floats(0, 1, allow_subnormal=False))


@given(levels_of_labels, levels_of_labels)
def test_agreement_equals_the_slow_loop(first, second):
    assert agree(first, second) == pytest.approx(agree_slowly(first, second))
    assert agree(first, second) == pytest.approx(agree(second, first))
    assert 0.0 <= agree(first, second) <= 1.0 + 1e-12
    assert agree(first, first) == 1.0


def test_agreement_by_hand():
    assert agree({"joy": 0.8, "love": 0.4}, {"love": 0.2, "fear": 0.4}) == pytest.approx(0.2 / 1.6)
    assert agree({"joy": 0.8}, {"love": 0.8}) == 0.0
    assert agree({"joy": 0.8}, {}) == 0.0
    assert agree({}, {"joy": 0.0}) == 1.0
