"""The tables of a suite: means over seeds with intervals, gaps where nothing was measured, claims beside figures."""

import math

import pytest

from sentire.core.errors import ConfigError, UnknownNameError
from sentire.reproduce.carl_page import render_carl_page
from sentire.reproduce.claims import Claim, render_claims
from sentire.reproduce.retrofit_page import render_retrofit_page
from sentire.reproduce.rows import Cell, find_cell, render_table
from sentire.reproduce.suites import SUITES, get_suite, make_settings

FOUND = {
    "emotions.pretrained": {"mrr": {"value": 0.3, "low": 0.28, "high": 0.33}, "n": 5},
    "emotions.retrofit-1": {"mrr": {"value": 0.5, "low": 0.48, "high": 0.52}},
    "emotions.retrofit-2": {"mrr": {"value": 0.6, "low": 0.58, "high": 0.62}},
    "emotions.tlearn-1": {"mrr": {"value": 0.4, "low": 0.3, "high": 0.5}},
}


def test_one_run_has_its_own_interval_and_several_have_that_of_their_mean():
    one = find_cell(FOUND, "emotions", "pretrained", (1, 2), ("mrr",))
    assert (one.mean, one.low, one.high, one.values) == (0.3, 0.28, 0.33, (0.3,))
    both = find_cell(FOUND, "emotions", "retrofit", (1, 2), ("mrr",))
    assert both.mean == pytest.approx(0.55)
    # t of one degree of freedom is 12.706; the standard error of two figures .1 apart is .05.
    assert both.low == pytest.approx(0.55 - 12.706 * 0.05, abs=1e-3)
    assert both.values == (0.5, 0.6)
    assert find_cell(FOUND, "emotions", "tlearn", (1, 2), ("mrr",)) is None  # a seed is missing
    assert find_cell(FOUND, "emotions", "pretrained", (1, 2), ("mrr",), by_seed=True) is None
    plain = find_cell(FOUND, "emotions", "pretrained", (1,), ("n",))
    assert plain.render() == "5.000"
    assert math.isnan(plain.low)


def test_a_table_shows_gaps_and_leaves_empty_rows_out():
    cells = {"a": Cell(mean=0.5, low=0.4, high=0.6, values=()), "b": None}
    other = {"a": None, "b": Cell(mean=-0.25, low=math.nan, high=math.nan, values=())}
    table = render_table("x", {"a": "A", "b": "B", "c": "C"}, {"one": cells, "two": other}, digits=2)
    assert table.splitlines() == [
        "| x | one | two |",
        "|---|---|---|",
        "| A | .50 (.40 to .60) | – |",
        "| B | – | -.25 |",
    ]


def make_cell(mean, reach=0.01, spread=(-0.005, 0.0, 0.005)):
    return Cell(mean=mean, low=mean - reach, high=mean + reach, values=tuple(mean + one for one in spread))


def alone(mean):
    return make_cell(mean, spread=(0.0,))


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (Claim.of_ratio("x", make_cell(0.13), make_cell(0.1), 1.3), "held"),
        (Claim.of_ratio("x", make_cell(0.129), make_cell(0.1), 1.3), "did not hold"),
        (Claim.of_order("x", make_cell(0.1), make_cell(0.2)), "held"),
        (Claim.of_order("x", make_cell(0.2), make_cell(0.1)), "did not hold"),
        # Against one run: by the interval of the other alone.
        (Claim.of_interval("x", make_cell(0.52), alone(0.5)), "held"),
        (Claim.of_interval("x", make_cell(0.505), alone(0.5)), "undecided"),
        (Claim.of_interval("x", make_cell(0.495), alone(0.5)), "undecided"),
        (Claim.of_interval("x", make_cell(0.48), alone(0.5)), "did not hold"),
        (Claim.of_interval("x", make_cell(0.6, math.nan), alone(0.5)), "undecided"),
        # With the same seeds: by their differences, which may be surer than either, or less sure.
        (Claim.of_interval("x", make_cell(0.501), make_cell(0.5)), "held"),
        (Claim.of_interval("x", make_cell(0.499), make_cell(0.5)), "did not hold"),
        (Claim.of_interval("x", make_cell(0.52, spread=(0.02, 0.0, -0.02)), make_cell(0.5)), "undecided"),
        (Claim.of_ratio("x", None, make_cell(0.5), 1.3), "not measured"),
        (Claim.of_order("x", make_cell(0.5), None), "not measured"),
        (Claim.of_interval("x", None, None), "not measured"),
    ],
)
def test_a_claim_is_judged_by_its_figures(claim, verdict):
    assert claim.verdict == verdict
    assert render_claims([claim]).splitlines()[2] == f"| x | {claim.found} | {verdict} |"


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("is_quick", [True, False])
def test_every_suite_has_parts_that_fit_together_and_a_page_of_gaps(tmp_path, name, is_quick):
    suite = get_suite(name)
    settings = make_settings(suite, is_quick=is_quick, overrides={})
    parts = suite.make_parts(settings, tmp_path)
    names = [part.name for part in parts]
    assert len(set(names)) == len(names)
    for place, part in enumerate(parts):
        assert set(part.after) <= set(names[:place])
    page = suite.render_page(settings, {})
    assert "not measured" in page
    assert "held |" not in page


def test_a_page_reads_what_the_parts_found():
    settings = make_settings(SUITES["retrofit"], is_quick=True, overrides={"seeds": [1]})
    estimate = {"value": 0.2, "low": 0.1, "high": 0.3}
    names = ("ami", "ari", "fms", "mrr", "precision_at_1", "precision_at_k", "map_at_r", "shift")
    emotions = dict.fromkeys(names, estimate)
    better = emotions | {"precision_at_1": {"value": 0.3, "low": 0.2, "high": 0.4}}
    page = render_retrofit_page(settings, {"emotions.pretrained": emotions, "emotions.retrofit-1": better})
    assert "| pre-trained | .200 (.100 to .300) |" in page
    assert "| P@1: retrofitted at least 1.3 times the pre-trained encoder's | .300" in page
    assert "1.50 times | held |" in page
    assert "1.00 times | did not hold |" in page
    settings = make_settings(SUITES["carl"], is_quick=True, overrides={"seeds": [1]})
    probe = {"macro_f1": {"value": 0.3, "low": 0.28, "high": 0.32}}
    lower = {"macro_f1": {"value": 0.2, "low": 0.18, "high": 0.22}}
    page = render_carl_page(settings, {"probe.emotion.carl-1": probe, "probe.emotion.pretrained": lower})
    assert "1.50 times | held |" in page


def test_unknown_suites_and_settings_are_refused():
    with pytest.raises(UnknownNameError, match=r'carl, retrofit\), got \'retrofi\'.*did you mean "retrofit"'):
        get_suite("retrofi")
    with pytest.raises(ConfigError, match=r"shots"):
        make_settings(SUITES["retrofit"], is_quick=True, overrides={"shots": []})
    with pytest.raises(ConfigError, match=r'the unknown key \'n_trian\'.*did you mean "n_train"'):
        make_settings(SUITES["carl"], is_quick=True, overrides={"n_trian": 3})
