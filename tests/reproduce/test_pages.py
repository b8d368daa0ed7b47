"""The tables of a suite: means over seeds with intervals, gaps where nothing was measured, claims beside figures."""

import math
from dataclasses import replace

import pytest

from sentire.core.errors import ArtifactError, ConfigError, UnknownNameError
from sentire.reproduce.carl_page import render_carl_page
from sentire.reproduce.claims import Claim, render_claims
from sentire.reproduce.retrofit_page import render_retrofit_page
from sentire.reproduce.rows import Cell, find_cell, render_table, scale, subtract
from sentire.reproduce.suites import SUITES, get_suite, make_settings, run_suite, write_page

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
    # t of one degree of freedom is 12.706; the standard error of two figures .1 apart is .05; the texts' own reach .02.
    assert both.low == pytest.approx(0.55 - math.hypot(12.706 * 0.05, 0.02), abs=1e-4)
    assert both.high - both.mean == pytest.approx(both.mean - both.low)
    assert both.reach_within == pytest.approx(0.02)
    assert both.values == (0.5, 0.6)
    assert find_cell(FOUND, "emotions", "tlearn", (1, 2), ("mrr",)) is None  # a seed is missing
    assert find_cell(FOUND, "emotions", "pretrained", (1, 2), ("mrr",), by_seed=True) is None
    for undefined in (None, math.nan):  # as it reads in a file, and as it was measured
        found = {"x.a-1": {"r": {"value": undefined, "low": None, "high": None}}, "x.a-2": {"r": {"value": 0.5}}}
        assert find_cell(found, "x", "a", (1, 2), ("r",)) is None
        assert find_cell(found, "x", "a", (1,), ("r",)) is None
    plain = find_cell(FOUND, "emotions", "pretrained", (1,), ("n",))
    assert plain.render() == "5.000"
    assert math.isnan(plain.low)


def test_no_end_is_shown_that_the_measure_cannot_have():
    apart = {f"few-shot.a.x-{seed}": {"macro_f1": value, "shift": value} for seed, value in ((1, 0.1), (2, 0.9))}
    cell = find_cell(apart, "few-shot.a", "x", (1, 2), ("macro_f1",))
    assert cell.render() == ".500 (.000 to 1.000)"
    assert cell.high - cell.mean == pytest.approx(12.706 * 0.4, abs=1e-3)  # whole, where it is reckoned with
    assert scale(cell, 1000).render() == "500.000 (.000 to 1000.000)"
    assert find_cell(apart, "few-shot.a", "x", (1, 2), ("shift",)).render() == ".500 (.000 to 5.582)"
    assert subtract(cell, cell).render() == ".000 (.000 to .000)"
    lower = replace(cell, mean=0.4, values=(0.0, 0.8))
    assert subtract(lower, scale(cell, 2)).render() == "-.600 (-5.682 to 4.482)"


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
    assert render_table("x", {"c": "C"}, {"one": cells}) == "Not measured yet."


def make_cell(mean, reach=0.01, spread=(-0.005, 0.0, 0.005), within=0.0):
    values = tuple(mean + one for one in spread)
    return Cell(mean=mean, low=mean - reach, high=mean + reach, values=values, reach_within=within)


def alone(mean, reach=0.01):
    return make_cell(mean, reach, spread=(0.0,), within=reach)


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (Claim.of_ratio("x", make_cell(0.131, spread=(0.0, 0.0)), make_cell(0.1, spread=(0.0, 0.0)), 1.3), "held"),
        (
            Claim.of_ratio("x", make_cell(0.129, spread=(0.0, 0.0)), make_cell(0.1, spread=(0.0, 0.0)), 1.3),
            "did not hold",
        ),
        # Twice as many times as asked for in the mean, and one seed of three is not.
        (Claim.of_ratio("x", make_cell(0.26, spread=(0.15, 0.0, -0.15)), make_cell(0.1), 1.3), "undecided"),
        (Claim.of_ratio("x", alone(0.16), alone(0.1), 1.3), "held"),
        (Claim.of_ratio("x", alone(0.14), alone(0.1), 1.3), "undecided"),
        (Claim.of_ratio("x", alone(0.11), alone(0.1), 1.3), "did not hold"),
        (Claim.of_ratio("x", make_cell(0.1), make_cell(0.0), 1.3), "undecided"),
        (Claim.of_ratio("x", make_cell(-0.2), make_cell(-0.1), 1.3), "undecided"),
        (Claim.of_order("x", make_cell(0.1), make_cell(0.2)), "held"),
        (Claim.of_order("x", make_cell(0.2), make_cell(0.1)), "did not hold"),
        (Claim.of_order("x", make_cell(0.1), make_cell(0.2, spread=(0.15, 0.0, -0.15))), "undecided"),
        (Claim.of_order("x", alone(0.1), alone(0.11)), "undecided"),
        # Against one run: by the intervals of both.
        (Claim.of_interval("x", make_cell(0.52), alone(0.5)), "held"),
        (Claim.of_interval("x", make_cell(0.513), alone(0.5)), "undecided"),
        (Claim.of_interval("x", make_cell(0.513), alone(0.5, reach=0.001)), "held"),
        (Claim.of_interval("x", make_cell(0.505), alone(0.5)), "undecided"),
        (Claim.of_interval("x", make_cell(0.495), alone(0.5)), "undecided"),
        (Claim.of_interval("x", make_cell(0.48), alone(0.5)), "did not hold"),
        (Claim.of_interval("x", make_cell(0.6, math.nan), alone(0.5)), "undecided"),
        # With the same seeds: by their differences, which may be surer than either, or less sure.
        (Claim.of_interval("x", make_cell(0.501), make_cell(0.5)), "held"),
        (Claim.of_interval("x", make_cell(0.499), make_cell(0.5)), "did not hold"),
        (Claim.of_interval("x", make_cell(0.52, spread=(0.02, 0.0, -0.02)), make_cell(0.5)), "undecided"),
        # Seeds that agree say nothing of the texts, which they share.
        (Claim.of_interval("x", make_cell(0.52, within=0.02), make_cell(0.5, within=0.02)), "undecided"),
        (Claim.of_interval("x", make_cell(0.53, within=0.02), make_cell(0.5, within=0.02)), "held"),
        (Claim.of_ratio("x", None, make_cell(0.5), 1.3), "not measured"),
        (Claim.of_order("x", make_cell(0.5), None), "not measured"),
        (Claim.of_interval("x", None, None), "not measured"),
    ],
)
def test_a_claim_is_judged_by_its_figures(claim, verdict):
    assert claim.verdict == verdict
    assert render_claims([claim]).splitlines()[2] == f"| x | – | {claim.found} | {verdict} |"
    told = replace(claim, paper="one point")
    assert render_claims([told]).splitlines()[2] == f"| x | one point | {claim.found} | {verdict} |"


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
    estimate = {"value": 0.2, "low": 0.19, "high": 0.21}
    names = ("ami", "ari", "fms", "mrr", "precision_at_1", "precision_at_k", "map_at_r", "shift")
    emotions = dict.fromkeys(names, estimate)
    better = emotions | {"precision_at_1": {"value": 0.3, "low": 0.29, "high": 0.31}}
    page = render_retrofit_page(settings, {"emotions.pretrained": emotions, "emotions.retrofit-1": better})
    assert "| pre-trained | .200 (.190 to .210) |" in page
    assert "| P@1: retrofitted at least 1.3 times the pre-trained encoder's | – | .300" in page
    assert "1.50 times | held |" in page
    assert "1.00 times | did not hold |" in page
    settings = make_settings(SUITES["carl"], is_quick=True, overrides={"seeds": [1]})
    probe = {"macro_f1": {"value": 0.3, "low": 0.28, "high": 0.32}}
    lower = {"macro_f1": {"value": 0.2, "low": 0.18, "high": 0.22}}
    page = render_carl_page(settings, {"probe.emotion.carl-1": probe, "probe.emotion.pretrained": lower})
    assert "1.50 times | held |" in page
    assert "RMSE of always answering the mean of train: V –, A –." in page


def test_every_column_of_a_page_reads_its_own_figure():
    """Each figure has a number of its own, so that one in the wrong column is seen."""
    settings = make_settings(SUITES["retrofit"], is_quick=True, overrides={"seeds": [1], "shots": [4, 16]})
    names = ("ami", "ari", "fms", "mrr", "precision_at_1", "precision_at_k", "map_at_r", "shift")
    emotions = {name: {"value": (1 + place) / 100, "low": None, "high": None} for place, name in enumerate(names)}
    tasks = ("sst-2", "sst-5", "sarcasm", "isear", "meld")
    found = {"emotions.retrofit-1": emotions, "bias.retrofit-1": {"mean_absolute_shift": 0.0123, "groups": {}}}
    found["bias.retrofit-1"]["groups"] = {group: {"share_flipped": n / 100} for n, group in enumerate("abcdef")}
    found |= {f"neighbours.{task}.retrofit-1": only(0.2 + n / 100) for n, task in enumerate(tasks)}
    found |= {
        f"few-shot.{t}.{n}.retrofit-1": only(0.3 + p / 100 + n / 1e3) for p, t in enumerate(tasks) for n in (4, 16)
    }
    found |= {"fine-tuned.sst-2.retrofit-1": only(0.77)}
    found |= {
        f"map-{weight!r}-{temperature!r}": {
            "evaluations": [
                {"step": 3, "p_at_1": 9, "map_at_r": 9},
                {"step": 6, "p_at_1": weight, "map_at_r": temperature},
            ],
            "best_step": 6,
            "shift_on_dev": 0.001,
        }
        for weight in settings.map_weights
        for temperature in settings.map_temperatures
    }
    rows = [
        line
        for line in render_retrofit_page(settings, found).splitlines()
        if line.startswith("| SCL + VSP, per class, MLP")
    ]
    cells = [row.split(" | ")[1:] for row in rows]
    assert [" ".join(row).removesuffix(" |") for row in cells] == [
        ".010 .020 .030 .040 .050 .060 .070 80.000",
        ".200 .210 .220 .230 .240",
        ".304 .316 .314 .326 .324 .336",
        ".770",
        "12.300 .025",
    ]
    page = render_retrofit_page(settings, found)
    for weight in settings.map_weights:
        shown = " | ".join(f"{weight:.3f} / {one:.3f} / 1.00" for one in settings.map_temperatures)
        assert f"| {weight:g} | {shown} |" in page
    settings = make_settings(SUITES["carl"], is_quick=True, overrides={"seeds": [1]})
    measures = ("pearson", "spearman", "concordance", "rmse", "rmse_mean_baseline")
    probe = {
        dimension: {
            measure: {"value": start + place / 100, "low": None, "high": None} for place, measure in enumerate(measures)
        }
        for dimension, start in (("valence", 0.1), ("arousal", 0.2))
    }
    affect = {"probe": probe, **{name: only(v)["macro_f1"] for name, v in (("shift", 0.01),)}}
    affect |= {name: {name: only(value)["macro_f1"]} for name, value in (("alignment", 1.5), ("uniformity", -3.5))}
    found = {"affect.carl-1": affect, "affect.pretrained": affect, "fine-tuned.polarity.carl-1": only(0.88)}
    found |= {
        f"probe.{task}.carl-1": only(value) for task, value in (("polarity", 0.8), ("sentiment", 0.4), ("emotion", 0.3))
    }
    page = render_carl_page(settings, found)
    rows = [line for line in page.splitlines() if line.startswith("| CARL: MCCL + PTD")]
    assert [" ".join(row.split(" | ")[1:]).removesuffix(" |") for row in rows] == [
        ".100 .110 .120 .130 .200 .210 .220 .230",
        ".800 .400 .300",
        ".880",
        "1.5000 -3.5000 .0100",
    ]
    assert "RMSE of always answering the mean of train: V .140, A .240." in page


def only(value):
    return {"macro_f1": {"value": value, "low": None, "high": None}}


def test_unknown_suites_and_settings_are_refused():
    with pytest.raises(UnknownNameError, match=r'carl, retrofit\), got \'retrofi\'.*did you mean "retrofit"'):
        get_suite("retrofi")
    with pytest.raises(ConfigError, match=r"shots"):
        make_settings(SUITES["retrofit"], is_quick=True, overrides={"shots": []})
    with pytest.raises(ConfigError, match=r'the unknown key \'n_trian\'.*did you mean "n_train"'):
        make_settings(SUITES["carl"], is_quick=True, overrides={"n_trian": 3})


@pytest.mark.parametrize(
    ("name", "overrides", "said"),
    [
        ("retrofit", {"weight": -1.0}, r"greater than or equal to 0, got -1.0 at weight"),
        ("retrofit", {"temperature": 0}, r"greater than 0, got 0 at temperature"),
        ("carl", {"temperature": -0.1}, r"greater than 0, got -0.1 at temperature"),
        ("carl", {"bandwidth": 0}, r"greater than 0, got 0 at bandwidth"),
        ("retrofit", {"map_weights": [1.0, -1.0]}, r"greater than or equal to 0, got -1.0 at preservation.weight"),
        ("retrofit", {"map_temperatures": [0.0]}, r"0.000001, got 0.0 at contrast.temperature"),
        ("retrofit", {"seeds": [-1]}, r"greater than or equal to 0, got -1 at seed"),
        ("retrofit", {"batch_size": 10}, r"contrast.per_class divides, got 10 and 4 at .* of contrast-1"),
        ("retrofit", {"shots": [16, 0]}, r"at least 1 text of each class, got 0 at shots"),
        ("retrofit", {"fine_tuned": ["sst2"]}, r"name of a task \(sarcasm, sst-2, sst-5\), got 'sst2'; did you mean"),
        ("carl", {"queue_size": 32}, r"holds the keys of a batch \(64\), or 0 for none, got 32 at .* of carl-1"),
        ("carl", {"fine_tuned": ["sst-2"]}, r"name of a task \(emotion, polarity, sentiment\), got 'sst-2'"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_before_anything_is_done(tmp_path, name, overrides, said):
    def run():
        settings = make_settings(SUITES[name], is_quick=True, overrides=overrides)
        run_suite(name, settings, tmp_path / "results", tmp_path / "work")

    with pytest.raises((ConfigError, UnknownNameError), match=said):
        run()
    assert not list(tmp_path.iterdir())


def test_what_somebody_wrote_of_the_results_ends_the_page(tmp_path):
    settings = make_settings(SUITES["carl"], is_quick=True, overrides={"base": "minilm"})
    plain = write_page("carl", settings, tmp_path, {}, n_parts=99)
    assert (tmp_path / "README.md").read_text() == plain
    assert "from 0 of its 99 parts" in plain
    assert "Settings: base minilm, pooling mean, seeds [1]," in plain  # no revision: not a word of it
    (tmp_path / "notes.md").write_text("## Why\n\nσ is small.\n", encoding="utf-8")
    assert write_page("carl", settings, tmp_path, {}, n_parts=99) == f"{plain}\n## Why\n\nσ is small.\n"
    (tmp_path / "notes.md").write_bytes(b"\xff")
    with pytest.raises(ArtifactError, match=r"notes that can be read, got .* at .*notes\.md"):
        write_page("carl", settings, tmp_path, {}, n_parts=99)
