"""Both suites end to end on a tiny encoder and a few rows of the corpora."""

import json

import pytest

from tiny_training import write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")

from sentire.reproduce.suites import SUITES, make_settings, render_finished, run_suite

SMALL = {"seeds": [1], "n_train": 160, "n_dev": 60, "n_test": 60, "n_task_train": 120, "fine_tuning_epochs": 1}
SIZES = {
    "retrofit": {
        "shots": [4],
        "few_shot_passes": 1,
        "few_shot_steps": 1,
        "n_map_train": 150,
        "map_weights": [0.0],
        "map_temperatures": [0.1],
    },
    "carl": {"n_label_train": 120, "queue_size": 64, "n_plane": 60},
}


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", SUITES)
def test_a_suite_runs_to_its_page_and_again_for_nothing(tmp_path, corpus_root, monkeypatch, name):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    encoder = write_tiny_encoder(tmp_path / "encoder", n_positions=80)
    settings = make_settings(SUITES[name], is_quick=True, overrides=SMALL | SIZES[name] | {"base": str(encoder)})
    results, work = tmp_path / "results", tmp_path / "work"
    told = []
    page = run_suite(name, settings, results, work, data_root=corpus_root, on_progress=lambda *news: told.append(news))
    notes = [note for _, _, note in told]
    assert "train.carl-1: 1 of 3, loss" in " ".join(notes) or "train.retrofit-1: 1 of 2, loss" in " ".join(notes)
    assert [n_done for n_done, *_ in told] == sorted(n_done for n_done, *_ in told)
    assert "not measured" not in page
    assert "– |" not in page.split("## What of the claims held")[0]
    parts = sorted(results.glob("*.json"))
    assert len(parts) == len(SUITES[name].make_parts(settings, work))
    texts = "".join(path.read_text() for path in parts)
    assert '"text"' not in texts
    for path in parts:
        assert json.loads(path.read_text())["seconds"] >= 0
    times = [path.stat().st_mtime_ns for path in parts]
    # On another machine, with the small files alone: nothing is left to do, and the page is the same.
    assert run_suite(name, settings, results, tmp_path / "elsewhere", data_root=corpus_root) == page
    assert render_finished(name, settings, results) == page
    assert [path.stat().st_mtime_ns for path in parts] == times
    assert not list((tmp_path / "elsewhere").rglob("*.safetensors"))
