"""From own data and a pre-trained encoder to a model folder that the runtime reads."""

import math

import numpy as np
import orjson
import pytest

from tiny_training import make_recipe, write_data, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from sentire.core.errors import ArtifactError, ConfigError, OutputError
from sentire.metrics.classification import macro_f1
from sentire.metrics.regression import pearson_r
from sentire.runtime.load import load
from sentire.training.checkpoints import read_checkpoint
from sentire.training.dev_measure import run_network
from sentire.training.loop import BEST_NAME
from sentire.training.train import REPORT_NAME, train_encoder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, encoder, data):
    recipe = make_recipe(
        data,
        encoder,
        data={"affect_train": f"{data}:train", "affect_dev": f"{data}:dev", "further_train": [f"{data}:more"]},
        context={"is_used": True},
        optimisation={"n_epochs": 3, "average_decay": 0.5},
    )
    folder = tmp_path_factory.mktemp("trained") / "model"
    return recipe, folder, train_encoder(recipe, folder)


def test_the_runtime_answers_with_the_weights_that_were_best_on_dev(trained, make_parts, data):
    _, folder, finished = trained
    model = load(folder)
    assert model.fingerprint == finished.fingerprint
    parts = make_parts(data={"affect_train": f"{data}:train", "affect_dev": f"{data}:dev"}, context={"is_used": True})
    weights, best = read_checkpoint(folder / "checkpoints" / BEST_NAME)
    parts.network.load_state_dict(weights)
    assert best.best_step == finished.report["best_step"]
    dev = parts.sources.dev
    context = [turns or None for turns in dev.contexts]
    logits, _ = run_network(parts.network, parts.assembler, parts.dev.labelled, CPU)
    np.testing.assert_allclose(model.predict_logits(dev.texts, context=context), logits, rtol=1e-3, atol=1e-4)
    _, affect = run_network(parts.network, parts.assembler, parts.dev.affect, CPU)
    np.testing.assert_allclose(model.judge(dev.texts).vad, np.clip(affect, -1, 1), rtol=1e-3, atol=1e-4)
    with_dropped = model.predict_logits(dev.texts)
    assert np.abs(with_dropped - logits).max() > 1e-4, "the context changes nothing"


def test_the_report_says_what_was_done(trained, data):
    _, folder, finished = trained
    report = orjson.loads((folder / REPORT_NAME).read_bytes())
    assert report.pop("seconds_since_start") >= 0
    assert report == orjson.loads(orjson.dumps(finished.report))
    assert report["n_train"] == {f"{data}:train": 96, f"{data}:more": 12, f"{data}:train, ratings": 96}
    assert report["n_dev"] == 40
    assert set(report["left_out"]) == {
        f"{data}:train",
        f"{data}:more",
        f"{data}:dev",
        f"{data}:train, ratings",
        f"{data}:dev, ratings",
    }
    assert len(report["evaluations"]) == 3
    scores = [row["macro_f1"] for row in report["evaluations"]]
    assert report["best_step"] == report["evaluations"][int(np.argmax(scores))]["step"]
    assert report["n_bytes"] == (folder / "model.onnx").stat().st_size
    model = load(folder)
    rated = write_and_read_ratings(data)
    np.testing.assert_allclose(
        [report["affect"]["dimensions"][name]["pearson"] for name in ("valence", "arousal", "dominance")],
        pearson_r(model.judge(rated.texts).vad, rated.ratings),
        rtol=1e-5,
    )


def write_and_read_ratings(data):
    from sentire.training.sources import read_rated

    return read_rated(f"{data}:dev", None)


def test_cut_offs_and_calibration_are_those_of_the_file_itself(trained, make_parts):
    from sentire.classifiers.dev_fit import fit_on_dev

    recipe, folder, finished = trained
    model = load(folder)
    dev = make_parts().sources.dev
    logits = model.predict_logits(dev.texts, context=[turns or None for turns in dev.contexts])
    fitted = fit_on_dev(
        logits,
        dev.targets,
        dev.space,
        calibration=recipe.calibration,
        thresholds=recipe.thresholds,
        seed=recipe.seed,
    )
    np.testing.assert_allclose(model.thresholds, fitted.thresholds.thresholds, atol=1e-6)
    assert model.calibrator.as_dict() == fitted.calibrator.as_dict()
    assert finished.report["calibration"]["chosen"] == fitted.report["calibration"]["chosen"]
    assert model.config.threshold_method.endswith(f"chosen on {recipe.data.dev}")


def test_the_card_tells_what_it_is(trained, data):
    card = (trained[1] / "README.md").read_text()
    for part in ("# tiny", "toy.v1", "valence, arousal and dominance", f"| `{data}:more` | 12 |", "pooling mean",
                 "Measured on dev", "seed 7", "ONNX, float32", "up to 8 tokens", "## Limits"):  # fmt: skip
        assert part in card, part


def test_it_learns(tmp_path, encoder):
    """Words that give the labels away are found, even by eight dimensions."""
    data = write_data(tmp_path / "data", n_train=300, n_dev=100)
    recipe = make_recipe(
        data,
        encoder,
        encoder={"dropout": 0.0, "inner_dropout": 0.0},
        optimisation={"n_epochs": 10, "batch_size": 8, "learning_rate": 0.01},
    )
    finished = train_encoder(recipe, tmp_path / "model")
    first, *_, last = finished.report["evaluations"]
    assert last["loss"] < 0.6 * first["loss"]
    from sentire.classifiers.labelled import read_labelled

    unseen = read_labelled(f"{write_data(tmp_path / 'unseen', n_train=100, n_dev=200)}:dev")
    model = load(tmp_path / "model")
    assert macro_f1(unseen.targets, model.predict(unseen.texts)) > 0.7  # chance gives .56


def test_single_labels(tmp_path, encoder):
    data = write_data(tmp_path / "data", is_single=True)
    finished = train_encoder(make_recipe(data, encoder), tmp_path / "model")
    model = load(tmp_path / "model")
    assert model.label_space.task == "single-label"
    assert model.predict(["so glad", "how late", ""]).sum(axis=1).tolist() == [1, 1, 1]
    assert finished.report["thresholds"]["chosen"] == "likeliest label"
    with pytest.raises(ConfigError, match=r"no \[thresholds\] for a single-label space.*got method 'global'"):
        train_encoder(make_recipe(data, encoder, thresholds={"method": "global"}), tmp_path / "other")


def test_roberta_with_its_one_token_type_reads_contexts(tmp_path, data):
    encoder = write_tiny_encoder(tmp_path / "roberta", "roberta")
    recipe = make_recipe(data, encoder, context={"is_used": True, "unrelated_fraction": 0.5})
    train_encoder(recipe, tmp_path / "model")
    model = load(tmp_path / "model")
    assert model.uses_context
    assert np.isfinite(model.predict_proba(["so glad"], context=["how late"])).all()


def test_a_second_training_does_nothing_new_and_writes_the_same(trained):
    recipe, folder, finished = trained
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != REPORT_NAME}
    told = []
    again = train_encoder(recipe, folder, on_progress=lambda *news: told.append(news[2]))
    assert again.report == finished.report
    assert again.fingerprint == finished.fingerprint
    assert not [note for note in told if note.startswith("loss")]
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_run_that_was_killed_while_its_folder_changed_names_goes_on_from_its_checkpoints(trained):
    recipe, folder, finished = trained
    folder.rename(folder.with_name(f".{folder.name}.0a1b2c3d.old"))
    folder.with_name(f".{folder.name}.0a1b2c3d.partial").mkdir()
    told = []
    again = train_encoder(recipe, folder, on_progress=lambda *news: told.append(news[2]))
    assert again.fingerprint == finished.fingerprint
    assert not [note for note in told if note.startswith("loss")]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_another_recipe_or_other_data_may_not_go_on_there(tmp_path, encoder):
    data = write_data(tmp_path / "data", n_train=40)
    train_encoder(make_recipe(data, encoder), tmp_path / "model")
    changed = make_recipe(data, encoder, optimisation={"learning_rate": 0.02})
    refusal = r"this very recipe, data and version, got one of another run.*state\.safetensors; choose another output"
    with pytest.raises(ArtifactError, match=refusal):
        train_encoder(changed, tmp_path / "model")
    rows = (tmp_path / "data" / "train.jsonl").read_text()
    (tmp_path / "data" / "train.jsonl").write_text(rows.replace("so glad", "sad", 1))
    with pytest.raises(ArtifactError, match=refusal):
        train_encoder(make_recipe(data, encoder), tmp_path / "model")
    assert load(tmp_path / "model").predict_proba(["so glad"]).shape == (1, 3)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"encoder": {"max_tokens": 41}}, r"at most 40 tokens, which the encoder has positions for, got 41"),
        ({"folds": {"n_folds": 3}, "data": {"dev": ""}}, r"a recipe without folds, got 3 folds.*sentire crossvalidate"),
    ],
)
def test_recipes_that_cannot_be_trained(tmp_path, encoder, data, sections, message):
    with pytest.raises(ConfigError, match=message):
        train_encoder(make_recipe(data, encoder, **sections), tmp_path / "model")


def test_windows_without_room_for_a_text_are_refused_before_the_training(tmp_path, data):
    """The tokenizer takes four tokens for a pair, and the context half of the window."""
    encoder = write_tiny_encoder(tmp_path / "roberta", "roberta")
    recipe = make_recipe(data, encoder, context={"is_used": True}, export={"window_tokens": 8})
    told = []
    with pytest.raises(ArtifactError, match=r"leaves room for text beside the context"):
        train_encoder(recipe, tmp_path / "model", on_progress=lambda *news: told.append(news[2]))
    assert told == ["reading"]


def test_somebody_elses_folder_is_left_alone(tmp_path, encoder, data):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"or one that holds a model, got a folder with 'notes\.txt'"):
        train_encoder(make_recipe(data, encoder), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_figures_that_are_not_defined_are_null_in_json(tmp_path, encoder, data):
    """A head that gives all texts the same has no correlation."""
    recipe = make_recipe(
        data,
        encoder,
        data={"affect_train": f"{data}:train", "affect_dev": f"{data}:dev"},
        loss={"affect_weight": 0.0},
        optimisation={"n_epochs": 1},
    )
    finished = train_encoder(recipe, tmp_path / "model")
    for row in finished.report["evaluations"]:
        assert all(value is None or math.isfinite(value) for value in row.values())
