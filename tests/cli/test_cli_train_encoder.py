"""``sentire train`` and ``sentire crossvalidate`` with the recipe of an encoder."""

import orjson
import pytest

from tiny_training import make_table, write_data, write_recipe, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture(scope="module", autouse=True)
def no_gpu():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        yield


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def recipe(tmp_path, encoder, data):
    names = {"affect_train": f"{data}:train", "affect_dev": f"{data}:dev"}
    return write_recipe(tmp_path / "tiny.toml", make_table(data, encoder, data=names))


@pytest.fixture
def folds(tmp_path, encoder, data):
    table = make_table(data, encoder, folds={"n_folds": 3}, optimisation={"n_epochs": 1})
    del table["data"]["dev"]
    return write_recipe(tmp_path / "folds.toml", table)


def test_from_own_data_to_a_model_that_answers(sentire, tmp_path, recipe, data):
    ran = sentire("train", recipe, "-o", tmp_path / "model")
    assert ran.code == 0, ran.err
    assert f"wrote {tmp_path / 'model'} (fingerprint " in ran.err
    for part in (
        "tiny",
        "96 of",
        "step 12",
        "step 24",
        "●",
        "macro_f1",
        "calibration (dev",
        "cut-offs (dev",
        "valence",
    ):
        assert part in ran.text, part
    import sentire as package

    model = package.load(tmp_path / "model")
    proba = model.predict_proba(["so glad", "how late"])
    assert proba.shape == (2, 3)
    answered = sentire("analyze", "so glad", "--model", tmp_path / "model", "--json")
    assert answered.code == 0, answered.err
    assert "glad" in answered.text


def test_the_report_as_json(sentire, tmp_path, recipe):
    ran = sentire("train", recipe, "-o", tmp_path / "model", "--json", "--set", "optimisation.n_epochs=1")
    assert ran.code == 0, ran.err
    assert ran.json["evaluations"][0]["step"] == 12
    assert ran.json["precision"] == "float32"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--set", "optimisation.learning_rate=1e30"), 8, "error: expected"),
        (("--set", "optimisation.learning_rate=-1"), 2, "optimisation.learning_rate"),
        (("--set", "encoder.max_tokens=64"), 2, "positions"),
        (("--set", "encoder.name=minlm"), 2, 'did you mean "minilm"'),
        (("--set", "data.train=goemotion:train"), 2, 'did you mean "goemotions"'),
        (("--jobs", "2"), 2, "--jobs with a TF-IDF recipe"),
        (("--set", "recipe=encodr"), 2, 'did you mean "encoder"'),
        (("--set", "data.dev="), 2, "either data.dev or folds.n_folds"),
        (("--set", "optimisation.tensorbord=true"), 2, 'did you mean "tensorboard"'),
    ],
)
def test_what_is_wrong_is_one_line(sentire, tmp_path, recipe, arguments, code, message):
    ran = sentire("train", recipe, "-o", tmp_path / "model", *arguments)
    assert ran.code == code, ran.err
    assert message in ran.err
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "model" / "manifest.json").exists()


def test_rows_that_cannot_be_used_are_counted(sentire, tmp_path, encoder):
    data = write_data(tmp_path / "own", n_train=40)
    path = tmp_path / "own" / "train.jsonl"
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    rows[1]["v"], rows[2]["labels"] = 9, ["happy"]
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    ran = sentire("train", write_recipe(tmp_path / "r.toml", make_table(data, encoder)), "-o", tmp_path / "model")
    assert ran.code == 0, ran.err
    said = " ".join(ran.text.split())  # a long path is broken into lines
    assert "2 rows of" in said
    assert "left out: rejected rows" in said


def test_crossvalidate(sentire, tmp_path, folds):
    ran = sentire("crossvalidate", folds, "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "out of fold" in ran.text
    assert f"wrote {tmp_path / 'out' / 'result.json'}" in ran.err
    again = sentire("crossvalidate", folds, "-o", tmp_path / "out", "--json")
    assert again.code == 0, again.err
    assert again.json["data"]["n"] == 96
    assert again.out == (tmp_path / "out" / "result.json").read_bytes()


def test_folds_and_no_folds_are_told_apart(sentire, tmp_path, recipe, folds):
    ran = sentire("train", folds, "-o", tmp_path / "model")
    assert (ran.code, "run: sentire crossvalidate" in ran.err) == (2, True)
    ran = sentire("crossvalidate", recipe, "-o", tmp_path / "out")
    assert (ran.code, "run: sentire train" in ran.err) == (2, True)
