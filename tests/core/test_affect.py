"""Affect scales: ends go to ends, the middle to the middle, and nothing off the scale passes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.affect import (
    AFFECT_SCALES,
    VAD_1_5,
    VAD_1_9,
    VAD_DIMENSIONS,
    VAD_UNIT,
    load_affect_scale,
)
from sentire.core.errors import DataError, UnknownNameError

SCALES = list(AFFECT_SCALES.values())


def test_registered_scales():
    ends = {scale.id: (scale.low, scale.high) for scale in SCALES}
    assert ends == {"vad-1-5.v1": (1, 5), "vad-1-9.v1": (1, 9), "vad-unit.v1": (-1, 1)}
    assert VAD_DIMENSIONS == ("valence", "arousal", "dominance")


@pytest.mark.parametrize("source", SCALES, ids=lambda scale: scale.id)
@pytest.mark.parametrize("target", SCALES, ids=lambda scale: scale.id)
def test_ends_and_middle_keep_their_place(source, target):
    converted = source.convert([source.low, source.middle, source.high], target)
    assert converted.tolist() == [target.low, target.middle, target.high]


@given(st.lists(st.floats(1, 5), min_size=1, max_size=5))
def test_there_and_back(scores):
    for target in (VAD_1_9, VAD_UNIT):
        moved = VAD_1_5.convert(scores, target)
        slowly = [target.low + (score - 1) / 4 * (target.high - target.low) for score in scores]
        np.testing.assert_allclose(moved, slowly, atol=1e-12)
        np.testing.assert_allclose(target.convert(moved, VAD_1_5), scores, atol=1e-12)


def test_shapes_are_kept():
    assert VAD_1_5.convert(np.full((4, 3), 3.0, dtype=np.float32), VAD_UNIT).shape == (4, 3)
    assert VAD_1_5.convert([], VAD_UNIT).shape == (0,)


@pytest.mark.parametrize("score", [0.999, 5.001, math.nan, math.inf, -math.inf, -3])
def test_scores_off_the_scale_are_refused(score):
    message = r"scores between 1 and 5 \(vad-1-5\.v1\), got .* at a\.csv:7"
    with pytest.raises(DataError, match=message):
        VAD_1_5.check([3.0, score], where="a.csv:7")
    with pytest.raises(DataError, match=message):
        VAD_1_5.convert([score], VAD_UNIT, where="a.csv:7")


def test_names():
    assert load_affect_scale("vad-unit") is load_affect_scale("vad-unit.v1") is VAD_UNIT
    with pytest.raises(UnknownNameError, match=r'affect scale .*did you mean "vad-1-5"'):
        load_affect_scale("vad-15")
