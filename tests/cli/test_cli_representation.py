"""``sentire train`` with a representation's recipe, and ``sentire reproduce``."""

import json
import re

import pytest

from tiny_training import write_data, write_recipe, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("matplotlib")

from sentire.reproduce.part import write_part
from sentire.reproduce.suites import SUITES, make_settings


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


def write_parts(folder, suite, seeds, kinds):
    """Write the files of those parts whose names begin so."""
    settings = make_settings(SUITES[suite], is_quick=True, overrides={"seeds": seeds})
    folder.mkdir(exist_ok=True)
    for part in SUITES[suite].make_parts(settings, folder):
        if part.name.startswith(kinds):
            write_part(folder, part, {}, seconds=0.0)


@pytest.mark.parametrize("suite", SUITES)
def test_the_page_of_a_suite_of_which_nothing_is_done_is_not_written(sentire, tmp_path, suite):
    (other,) = set(SUITES) - {suite}
    write_parts(tmp_path / "other", other, [1], ("train.",))
    (tmp_path / "other" / "README.md").write_text("a good page")
    for folder, got in ((tmp_path / "other", "one without"), (tmp_path / "none", "no such folder")):
        ran = sentire("reproduce", suite, "--quick", "--tables-only", "-o", folder)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, b"", 1)
        assert f"the folder of a suite {suite} of which a part is done, got {got} at {folder}; name another" in ran.err
    assert (tmp_path / "other" / "README.md").read_text() == "a good page"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("suite", SUITES)
def test_a_page_of_a_suite_under_way_has_gaps_and_says_which_seeds_are_missing(sentire, tmp_path, suite):
    kinds = ("train.",)
    write_parts(tmp_path, suite, [1, 2], kinds)
    ran = sentire("reproduce", suite, "--quick", "--tables-only", "-o", tmp_path, "--set", "seeds=[1, 3]")
    assert ran.code == 0
    assert "not measured" in ran.out.decode()
    assert (tmp_path / "README.md").read_bytes() == ran.out
    shown = " ".join(ran.err.split())
    assert re.search(r"results are missing of seed 1 \(\d+ of \d+ parts\), seed 3 \(0 of \d+ parts\);", shown)
    assert "to name others: --set 'seeds=[1, 2]'" in shown
