"""Agreement: worked examples from the papers, slow loops, nltk where it is installed, and intervals that cover."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import DataError, ShapeError, UnknownNameError
from sentire.core.seeding import make_generator
from sentire.metrics.agreement import (
    MISSING,
    CohenKappa,
    FleissKappa,
    KrippendorffAlpha,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
)
from sentire.metrics.bootstrap import bootstrap

NAN = float("nan")

OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]
"""Four observers, twelve units, eight missing values: section C of Krippendorff 2011."""

FLEISS_COUNTS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
"""Ten items, fourteen raters, five categories: the widely printed worked example of Fleiss' kappa, .210."""


def expand(counts):
    return np.array([[category for category, n in enumerate(row) for _ in range(n)] for row in counts]).T


def slow_alpha(values, distance):
    units = [[v for v in unit if not np.isnan(v)] for unit in np.asarray(values, float).T]
    units = [unit for unit in units if len(unit) > 1]
    n = sum(map(len, units))
    seen = sum(
        distance(unit[i], unit[j]) / (len(unit) - 1)
        for unit in units
        for i in range(len(unit))
        for j in range(len(unit))
        if i != j
    )
    pooled = [v for unit in units for v in unit]
    expected = sum(distance(a, b) for a in pooled for b in pooled)
    return 1 - (seen / n) / (expected / (n * (n - 1)))


def test_krippendorffs_own_example():
    assert krippendorff_alpha(OBSERVERS) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(OBSERVERS, level="interval") == pytest.approx(0.849, abs=5e-4)


def test_fleiss_worked_example():
    assert fleiss_kappa(expand(FLEISS_COUNTS)) == pytest.approx(0.210, abs=5e-4)


def test_cohens_worked_example():
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: p_o = .7, p_e = .5.
    first = [1] * 25 + [0] * 25
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4, abs=1e-12)


@given(st.integers(2, 4), st.integers(2, 12), st.integers(0, 10_000))
def test_alpha_is_its_slow_loop(n_annotators, n_items, seed):
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 4, (n_annotators, n_items)).astype(float)
    values[generator.random(values.shape) < 0.2] = NAN
    is_judged_twice = (~np.isnan(values)).sum(axis=0) >= 2
    kept = values[:, is_judged_twice]
    if not kept.size or len(np.unique(kept[~np.isnan(kept)])) < 2:
        return
    assert krippendorff_alpha(values) == pytest.approx(slow_alpha(values, lambda a, b: a != b), abs=1e-9)
    assert krippendorff_alpha(values, level="interval") == pytest.approx(
        slow_alpha(values, lambda a, b: (a - b) ** 2), abs=1e-9
    )


def slow_cohen(first, second):
    """Equation 1 of Cohen 1960 in whole numbers."""
    n = len(first)
    seen = Fraction(sum(a == b for a, b in zip(first, second, strict=True)), n)
    by_chance = sum(Fraction(first.count(c) * second.count(c), n * n) for c in {*first, *second})
    return (seen - by_chance) / (1 - by_chance)


def slow_fleiss(table):
    """Equations 2 to 7 of Fleiss 1971 in whole numbers: pairs of annotators who agree, item by item."""
    n_annotators, n_items = len(table), len(table[0])
    pairs = list(combinations(range(n_annotators), 2))
    seen = Fraction(
        sum(table[a][item] == table[b][item] for a, b in pairs for item in range(n_items)), len(pairs) * n_items
    )
    said = [value for row in table for value in row]
    by_chance = sum(Fraction(said.count(c), len(said)) ** 2 for c in set(said))
    return (seen - by_chance) / (1 - by_chance)


@given(st.integers(2, 5), st.integers(1, 15), st.integers(0, 10_000))
def test_kappas_are_their_slow_loops(n_annotators, n_items, seed):
    table = np.random.default_rng(seed).integers(0, 5, (n_annotators, n_items)) * 2 - 4
    rows = table.tolist()
    if len({value for row in rows for value in row}) > 1:
        assert fleiss_kappa(table) == pytest.approx(float(slow_fleiss(rows)), abs=1e-9)
    if len({*rows[0], *rows[1]}) > 1:
        assert cohen_kappa(rows[0], rows[1]) == pytest.approx(float(slow_cohen(rows[0], rows[1])), abs=1e-9)


def test_the_worked_examples_to_the_last_digit():
    assert fleiss_kappa(expand(FLEISS_COUNTS)) == pytest.approx(
        float(slow_fleiss(expand(FLEISS_COUNTS).tolist())), abs=1e-12
    )
    # Section C of Krippendorff 2011: the sums and the diagonal of its matrix of coincidences, of 40 values.
    sums, agreeing = {1: 9, 2: 13, 3: 10, 4: 5, 5: 3}, 7 + 10 + 8 + 4 + 3
    expected = Fraction(sum(n * (n - 1) for n in sums.values()), 40 * 39)
    assert krippendorff_alpha(OBSERVERS) == pytest.approx(
        float((Fraction(agreeing, 40) - expected) / (1 - expected)), abs=1e-12
    )


def test_all_are_nltks():
    agreement = pytest.importorskip("nltk.metrics.agreement")
    generator = np.random.default_rng(3)
    table = generator.integers(0, 3, (3, 40))
    triples = [(f"a{a}", f"i{i}", int(table[a, i])) for a in range(3) for i in range(40)]
    task = agreement.AnnotationTask(data=triples)
    assert krippendorff_alpha(table) == pytest.approx(task.alpha(), abs=1e-9)
    for one, other in combinations(range(3), 2):
        assert cohen_kappa(table[one], table[other]) == pytest.approx(
            task.kappa_pairwise(f"a{one}", f"a{other}"), abs=1e-9
        )


def test_weights_are_repeated_items():
    generator = np.random.default_rng(1)
    table = generator.integers(0, 3, (3, 30))
    weights = generator.integers(0, 4, 30)
    repeated = np.repeat(table, weights, axis=1)
    columns = weights[:, None].astype(float)
    assert CohenKappa(table[0], table[1])(columns)["cohen_kappa"][0] == pytest.approx(
        cohen_kappa(repeated[0], repeated[1]), abs=1e-12
    )
    assert FleissKappa(table)(columns)["fleiss_kappa"][0] == pytest.approx(fleiss_kappa(repeated), abs=1e-12)
    assert KrippendorffAlpha(table)(columns)["krippendorff_alpha"][0] == pytest.approx(
        krippendorff_alpha(repeated), abs=1e-12
    )


def test_a_resample_without_an_item_that_was_judged_twice_leaves_nothing_to_measure():
    statistic = KrippendorffAlpha([[0, 1, MISSING], [0, 0, 1]])
    weights = np.array([[0.0, 1.0], [0.0, 1.0], [3.0, 1.0]])
    found = statistic(weights)["krippendorff_alpha"]
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(krippendorff_alpha([[0, 1], [0, 0]]))


@pytest.mark.parametrize("make", [lambda t: CohenKappa(t[0], t[1]), FleissKappa, KrippendorffAlpha])
def test_one_label_alone_leaves_nothing_to_measure(make):
    statistic = make(np.ones((2, 5), int))
    assert np.isnan(statistic(np.ones((5, 1)))[statistic.name][0])


@pytest.mark.parametrize("make", [lambda t: CohenKappa(t[0], t[1]), FleissKappa, KrippendorffAlpha])
def test_intervals_cover_the_truth(make):
    """Two annotators who agree by design: the interval of 95 % holds kappa in the long run about that often."""
    generator = np.random.default_rng(0)
    truth, n_items, n_trials = 0.5, 120, 200
    n_covered = 0
    for trial in range(n_trials):
        first = generator.integers(0, 2, n_items)
        # With probability 1/2 a copy, else a draw of one's own: kappa is 1/2.
        second = np.where(generator.random(n_items) < truth, first, generator.integers(0, 2, n_items))
        statistic = make(np.stack([first, second]))
        found = bootstrap(statistic, generator=make_generator(trial, "cover"), n_resamples=300)[statistic.name]
        n_covered += bool(found.low <= truth <= found.high)
    assert 0.90 <= n_covered / n_trials <= 0.99


def test_tables_that_are_none_are_refused():
    with pytest.raises(ShapeError, match="two annotators or more"):
        fleiss_kappa([[0, 1, 1]])
    with pytest.raises(ShapeError, match="two rows of equal length"):
        cohen_kappa([0, 1], [0])
    with pytest.raises(DataError, match=r"1 missing.*Krippendorff"):
        fleiss_kappa([[0, 1], [0, MISSING]])
    with pytest.raises(DataError, match="that two annotators judged"):
        krippendorff_alpha([[0, MISSING], [MISSING, 1]])
    with pytest.raises(DataError, match="both annotators judged"):
        cohen_kappa([], [])
    with pytest.raises(DataError, match=r"2 missing.*Krippendorff"):
        fleiss_kappa([[0, NAN, NAN], [0, 1, 1]])
    with pytest.raises(DataError, match=r"1 missing.*Krippendorff"):
        cohen_kappa([0, NAN, 1], [0, 1, 1])
    with pytest.raises(DataError, match=r"2 missing.*Krippendorff"):
        cohen_kappa([0, MISSING, 1, 1], [0, 1, 1, MISSING])
    with pytest.raises(DataError, match=r"NaN where there is none.*got 1 values of -1.*any shift of all numbers"):
        krippendorff_alpha([[0, 1, MISSING], [0, 1, 2]], level="interval")
    with pytest.raises(UnknownNameError, match="nominal"):
        krippendorff_alpha([[0, 1], [0, 1]], level="ordinal")
