"""The pictures of a suite: every dot and line is there, and the same figures give the same file."""

import math
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("matplotlib")

from sentire.reproduce.pictures import draw_curves, draw_planes
from sentire.reproduce.rows import Cell

SVG = "{http://www.w3.org/2000/svg}"


def count_dots(content):
    """Count the marks of the scatter plots."""
    groups = [group for group in ET.fromstring(content).iter(f"{SVG}g") if "PathCollection" in group.get("id", "")]  # noqa: S314
    return [sum(1 for _ in group.iter(f"{SVG}use")) for group in groups]


def test_a_plane_has_a_dot_for_every_text():
    plane = {"places": [[0, 1], [2, 3], [4, 5]], "valence": [-0.5, 0.0, 0.5]}
    one, same = draw_planes({"before": plane}), draw_planes({"before": plane})
    assert one == same
    more = {"places": [*plane["places"], [9, 9]], "valence": [*plane["valence"], 1.0]}
    assert count_dots(one) == [3]
    both = draw_planes({"before": plane, "after <b>": more})
    assert count_dots(both) == [3, 4]
    assert b"after &lt;b&gt;" in both


def test_a_curve_leaves_gaps_where_nothing_was_measured():
    cell = Cell(mean=0.5, low=0.4, high=0.6, values=())
    alone = Cell(mean=0.7, low=math.nan, high=math.nan, values=())
    picture = draw_curves(
        {"sst-2": {"pre-trained": {16: cell, 64: None}, "other": {16: None, 64: alone}}}, x_title="texts", y_title="F1"
    )
    for word in (b"sst-2", b"pre-trained", b"other", b"texts", b"F1"):
        assert word in picture
