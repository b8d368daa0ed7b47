"""``sentire train`` with a representation's recipe, and ``sentire reproduce``."""

import json

import pytest

from tiny_training import write_data, write_recipe, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("matplotlib")

from sentire.reproduce.suites import SUITES


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-representation")
    encoder, data = write_tiny_encoder(folder / "encoder"), write_data(folder / "data")
    table = {
        "recipe": "representation",
        "name": "moved",
        "data": {"train": f"{data}:train", "dev": f"{data}:dev"},
        "encoder": {"name": str(encoder), "max_tokens": 24},
        "contrast": {"weight": 1.0, "sampler": "stratified"},
        "preservation": {"weight": 1.0},
        "optimisation": {"n_epochs": 2, "batch_size": 16},
    }
    return write_recipe(folder / "moved.toml", table)


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


def test_a_representation_is_trained_told_and_searched_with(sentire, recipe_file, tmp_path):
    ran = sentire("train", recipe_file, "-o", tmp_path / "out")
    assert ran.code == 0
    shown = " ".join(ran.out.decode().split())  # a long path breaks lines
    assert "mean squared shift on dev" in shown
    assert "map_at_r" in shown
    assert "step 8" in shown
    assert "rows of" in shown
    assert "left out: without one label alone" in shown
    assert "fingerprint" in ran.err
    texts = tmp_path / "texts.txt"
    texts.write_text("so glad what a day\nhow late no soup again\nmy exam what if\n")
    found = sentire("search", "so glad", "--in", texts, "--encoder", tmp_path / "out", "--top", 1, "--json")
    assert found.code == 0
    assert json.loads(found.out.splitlines()[0])
    again = sentire("train", recipe_file, "-o", tmp_path / "out", "--json")
    assert json.loads(again.out)["best_step"] in (4, 8)


def test_what_does_not_fit_is_one_line(sentire, recipe_file, tmp_path):
    for arguments, said in (
        (["train", recipe_file, "--set", "contrast.weight=0.0"], "a term with a weight above 0"),
        (["train", recipe_file, "--set", "contrast.temperature=0"], "contrast.temperature"),
        (["train", recipe_file, "--jobs", "2"], "--jobs with a TF-IDF recipe"),
        (["tune", recipe_file], 'recipe = "encoder", got'),
        (["reproduce", "retrofitt"], 'did you mean "retrofit"'),
        (["reproduce", "carl", "--set", "seeds=[]"], "seeds"),
        (["reproduce", "carl", "--set", "n_trane=5"], "n_trane"),
        (["reproduce", "retrofit", "--set", "map_weights=[-1.0]"], "preservation.weight"),
        (["reproduce", "retrofit", "--set", "temperature=0"], "temperature"),
        (["reproduce", "carl", "--set", "queue_size=9"], "or 0 for none, got 9"),
    ):
        ran = sentire(*arguments, "-o", tmp_path / "none")
        assert ran.code == 2
        assert said in ran.err
        assert len(ran.err.strip().splitlines()) == 1
        assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("suite", SUITES)
def test_the_page_of_a_suite_of_which_nothing_is_done_has_gaps(sentire, tmp_path, suite):
    ran = sentire("reproduce", suite, "--quick", "--tables-only", "-o", tmp_path / "out")
    assert ran.code == 0
    assert "from 0 of its" in ran.out.decode()
    assert "not measured" in ran.out.decode()
    assert (tmp_path / "out" / "README.md").read_bytes() == ran.out
