"""Both suites end to end on a tiny encoder and a few rows of the corpora."""

import json

import pytest

from tiny_training import write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")

from sentire.core.errors import DataError
from sentire.data.registry import DATASETS
from sentire.reproduce import retrofit
from sentire.reproduce.suites import SUITES, make_settings, render_finished, run_suite

SMALL = {
    "seeds": [1],
    "n_train": 160,
    "n_dev": 60,
    "n_test": 60,
    "n_task_train": 120,
    "n_tuning_train": 120,
    "fine_tuning_epochs": 1,
}
WITH_FIGURE = {"retrofit": "neighbours.isear", "carl": "probe.polarity"}
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
    of_first = f"{name}-1"
    card = (work / "encoders" / of_first / "README.md").read_text()
    assert f"## Measured by `sentire reproduce {name}`" in card
    figure = json.loads((results / f"{WITH_FIGURE[name]}.{of_first}.json").read_text())["figures"]["macro_f1"]
    assert f"| {WITH_FIGURE[name]}: macro f1 | {figure['value']:.4f} (" in card
    times = [path.stat().st_mtime_ns for path in parts]
    # On another machine, with the small files alone: nothing is left to do, and the page is the same.
    assert run_suite(name, settings, results, tmp_path / "elsewhere", data_root=corpus_root) == page
    assert render_finished(name, settings, results) == page
    assert [path.stat().st_mtime_ns for path in parts] == times
    assert not list((tmp_path / "elsewhere").rglob("*.safetensors"))


@pytest.mark.corpus
@pytest.mark.parametrize("is_quick", [True, False])
def test_there_are_enough_texts_for_the_shots_of_every_size(tmp_path, corpus_root, monkeypatch, is_quick):
    """Nothing is trained: what the few-shot parts hand to the training, and what they are asked before."""
    suite = SUITES["retrofit"]
    settings = make_settings(suite, is_quick=is_quick, overrides={})
    handed = []
    monkeypatch.setattr(retrofit, "fine_tune", lambda _, *splits, **__: handed.append(splits[:3]) or {})
    monkeypatch.setattr(retrofit.Shelf, "find", lambda _, name: name)
    parts = {part.name: part for part in suite.make_parts(settings, tmp_path, data_root=corpus_root)}
    few = [part for name, part in parts.items() if name.startswith("few-shot.") and ".retrofit-" in name]
    assert len(few) == 3 * len(settings.shots) * len(settings.seeds)
    for part in few:
        part.check()
        part.run()
        (train, dev, test), n_shots = handed.pop(), part.key["shots"]
        assert set(dev.targets.sum(axis=0).tolist()) == {min(n_shots, 32)}
        assert len(set(train.targets.sum(axis=0).tolist())) == 1
        assert len(set(train.ids)) == n_shots * len(train.space)
        assert not settings.n_test or len(test) == settings.n_test
    # Of the whole size nothing may change in the keys: its parts are files that were long in the making.
    assert all(("dev" in part.key) == is_quick for part in few)


@pytest.mark.corpus
def test_too_many_shots_are_refused_before_any_training(tmp_path, corpus_root, monkeypatch):
    monkeypatch.setattr(retrofit.Shelf, "find", None)
    settings = make_settings(SUITES["retrofit"], is_quick=True, overrides={"shots": [16, 1093]})
    with pytest.raises(DataError, match=r"1093 texts of each class, got 1092 of .* at sst-5:train; set fewer shots"):
        run_suite("retrofit", settings, tmp_path / "results", tmp_path / "work", data_root=corpus_root)
    assert not list((tmp_path / "results").iterdir())


@pytest.mark.parametrize(
    ("name", "missing", "said"),
    [
        (
            "retrofit",
            ("meld/dev_sent_emo.csv", "sst/stsa.fine.train", "sst/stsa.fine.test"),
            (
                r"no SST-5 \(sst/stsa.fine.train, sst/stsa.fine.test\), no MELD \(meld/dev_sent_emo.csv\) at .*data; "
                r"run: sentire data fetch sst-5; run: sentire data fetch meld; the data root is set by SENTIRE_DATA"
            ),
        ),
        (
            "carl",
            ("goemotions/train.tsv", "lexicons/glasgow_norms.csv"),
            (
                r"no GoEmotions \(goemotions/train.tsv\), no Glasgow Norms \(lexicons/glasgow_norms.csv\) at .*data; "
                r"run: sentire data fetch goemotions; Glasgow Norms: the table is supplementary material of the article"
            ),
        ),
    ],
)
def test_all_corpora_that_are_missing_are_named_before_anything_is_done(tmp_path, monkeypatch, name, missing, said):
    monkeypatch.setattr(retrofit.Shelf, "find", None)
    for dataset in ("goemotions", "emobank", "sst-2", "sst-5", "sarcasm-v2", "isear", "meld", "glasgow-norms"):
        for file in DATASETS[dataset].card.files:
            if file.path not in missing:
                path = tmp_path / "data" / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    settings = make_settings(SUITES[name], is_quick=True, overrides={})
    with pytest.raises(DataError, match=f"the corpora of all parts that are still to be done, got {said}"):
        run_suite(name, settings, tmp_path / "results", tmp_path / "work", data_root=tmp_path / "data")
    assert not list((tmp_path / "results").iterdir())
