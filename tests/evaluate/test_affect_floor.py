"""The ridge floor: what the page shows is what was measured, and what was measured beats knowing nothing."""

import importlib.util
import sys
from pathlib import Path

import orjson
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    spec = importlib.util.spec_from_file_location("affect_floor", ROOT / "benchmarks" / "affect_floor.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "affect_floor", module)  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stored(script):
    return orjson.loads(script.RESULTS.read_bytes())


def test_the_page_shows_the_stored_figures(script, stored):
    text = script.PAGE.read_text(encoding="utf-8")
    assert script.fill_page(text, stored) == text, "run: python benchmarks/affect_floor.py --tables-only"
    (floor,) = (row for row in stored["rows"] if row["title"] == stored["floor"])
    assert f"| valence | {floor['test']['pearson_v']['value']:.3f} (" in text


def test_the_stored_figures_come_from_the_settings_of_the_script(script, stored):
    assert [row["title"] for row in stored["rows"]] == list(script.FEATURES)
    assert stored["alphas"] == list(script.ALPHAS)
    assert {row["alpha"] for row in stored["rows"]} <= set(stored["alphas"])
    assert (stored["seed"], stored["bootstrap"]["n_resamples"]) == (script.SEED, script.N_RESAMPLES)
    assert {"machine", "commit", "data"} <= set(stored)


def test_the_floor_is_the_best_on_dev_and_better_than_the_mean(stored):
    best = max(stored["rows"], key=lambda row: row["dev_mean_pearson"])
    assert best["title"] == stored["floor"]
    for initial in "vad":
        assert best["test"][f"pearson_{initial}"]["low"] > 0.2
        assert best["test"][f"rmse_{initial}"]["value"] < best["test"][f"rmse_{initial}_mean_baseline"]["value"]


def test_penalties_are_chosen_on_dev_alone(script):
    def split(name, n, *, seed):
        draw = script.np.random.default_rng(seed)
        glad = draw.integers(0, 2, size=n)
        texts = [
            f"number {draw.integers(0, 9_999)} was {('awful', 'lovely')[one]} {draw.integers(0, 9)}" for one in glad
        ]
        scores = script.np.stack([2 + 2 * glad, 3 + draw.normal(size=n) / 9, 4 - glad], axis=1).astype(float)
        return script.Split(ids=[f"{name}{number}" for number in range(n)], texts=texts, scores=scores)

    train, dev, test, other = (split(name, 120, seed=seed) for seed, name in enumerate("abcd"))
    alpha, predicted = script.fit(script.FEATURES["words"], train, dev, test)
    again, others = script.fit(script.FEATURES["words"], train, dev, other)
    assert alpha == again
    assert (predicted["dev"] == others["dev"]).all()
    assert predicted["test"].shape == (120, 3)
    assert script.pearson_r(predicted["test"], test.scores)[[0, 2]] == pytest.approx([1, 1], abs=0.02)


@pytest.mark.slow
@pytest.mark.corpus
def test_the_floor_can_be_measured_again(script, stored, corpus_root, monkeypatch, tmp_path):
    title = "words, single letters and marks"
    monkeypatch.setattr(script, "FEATURES", {title: script.FEATURES[title]})
    monkeypatch.setattr(script, "N_RESAMPLES", 10)
    again = script.measure_all(tmp_path / "floor.json")
    (before,) = (row for row in stored["rows"] if row["title"] == title)
    (row,) = again["rows"]
    assert row["alpha"] == before["alpha"]
    for name, figure in before["test"].items():
        assert row["test"][name]["value"] == pytest.approx(figure["value"], abs=2e-3), name
    result = orjson.loads((tmp_path / "floor.json").read_bytes())
    assert result["data"]["n"] == 1000
