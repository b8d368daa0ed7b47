import csv
import random
import shutil
from dataclasses import replace

import optuna
import orjson
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

import sentire.training.label_objective
import sentire.training.loop
import sentire.training.tune
from sentire.core.config import fingerprint, parse_config, read_config
from sentire.core.errors import ArtifactError, ConfigError, OutputError, TrainingError, UsageError
from sentire.storage.locks import hold_lock
from sentire.training.recipe import EncoderRecipe
from sentire.training.recipe_file import render_recipe
from sentire.training.search_space import SearchSpace, apply_settings, get_own_settings
from sentire.training.train import train_encoder
from sentire.training.tune import BEST_RECIPE_NAME, TUNING_NAME, name_trial_folder, render_settings, tune_encoder

MOODS = {"glad": ["lovely", "sunny"], "cross": ["rude", "broken"], "calm": ["oak", "nine"]}
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "bus",
    "soup",
    "desk",
    "is",
    *(w for ws in MOODS.values() for w in ws),
]
DATA = """
[dataset]
name = "remarks"
labels = ["glad", "cross", "calm"]
licence = "ours"
weights_may_ship = "yes"
[columns]
labels = "moods"
[splits]
train = "train.csv"
dev = "dev.csv"
"""
SPACE = parse_config(
    SearchSpace,
    {
        "learning_rate": {"low": 1e-4, "high": 1e-1},
        "batch_size": [4, 8],
        "n_epochs": [1, 2],
        "loss": ["bce", "focal", "asymmetric"],
    },
)
ONE_LOSS = parse_config(
    SearchSpace,
    {"learning_rate": {"low": 1e-2, "high": 1e-2}, "batch_size": [8], "n_epochs": [2], "loss": ["bce"]},
)


def write_encoder(folder):
    folder.mkdir()
    torch.manual_seed(2)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=24,
    )
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token=WORDS[1]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [(word, WORDS.index(word)) for word in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def write_split(path, seed, n):
    draw = random.Random(seed)  # noqa: S311
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "moods"])
        for number in range(n):
            mood = draw.choice(list(MOODS))
            label = mood if number % 5 else draw.choice(list(MOODS))
            rows.writerow([f"the {draw.choice(['bus', 'soup', 'desk'])} is {draw.choice(MOODS[mood])}", label])


@pytest.fixture(autouse=True)
def _one_thread():
    n_threads = torch.get_num_threads()  # more would only wait for each other over so little work
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def recipe(tmp_path):
    write_encoder(tmp_path / "encoder")
    write_split(tmp_path / "train.csv", 1, 32)
    write_split(tmp_path / "dev.csv", 2, 24)
    (tmp_path / "remarks.toml").write_text(DATA)
    return parse_config(
        EncoderRecipe,
        {
            "recipe": "encoder",
            "name": "remarks-tiny",
            "data": {"train": f"{tmp_path}/remarks.toml:train", "dev": f"{tmp_path}/remarks.toml:dev"},
            "encoder": {"name": str(tmp_path / "encoder"), "max_tokens": 12},
            "optimisation": {"n_epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "n_evaluations": 2},
            "export": {"precision": "float32", "window_tokens": 0},
        },
    )


class StoppedError(Exception):
    """The machine goes down."""


def stop_after(monkeypatch, n_steps):
    """Let the process end after so many further steps of training."""
    step = sentire.training.loop._Loop._step
    done = []

    def stopping(loop, *args):
        if len(done) == n_steps:
            raise StoppedError
        done.append(loop)
        step(loop, *args)

    monkeypatch.setattr(sentire.training.loop._Loop, "_step", stopping)
    return done


def count_steps(trials, n_rows=32):
    return sum(
        -(-n_rows // trial.settings["optimisation.batch_size"]) * trial.settings["optimisation.n_epochs"]
        for trial in trials
    )


def read(output):
    return orjson.loads((output / TUNING_NAME).read_bytes())


def test_a_search_keeps_every_trial_and_the_best(tmp_path, recipe):
    found = tune_encoder(recipe, tmp_path / "out", space=SPACE, n_trials=3, seed=4)
    assert [trial.number for trial in found.trials] == [1, 2, 3]
    assert [trial.state for trial in found.trials] == ["complete"] * 3
    for trial in found.trials:
        settings = trial.settings
        assert 1e-4 <= settings["optimisation.learning_rate"] <= 1e-1
        assert settings["optimisation.batch_size"] in (4, 8)
        n_evaluations = 2 * settings["optimisation.n_epochs"]
        assert len(trial.evaluations) == n_evaluations
        assert trial.score == max(row["macro_f1"] for row in trial.evaluations)
        gammas = {"bce": 0, "focal": 1, "asymmetric": 2}[settings["loss.name"]]
        assert len(settings) == 4 + gammas
    assert len({str(trial.settings) for trial in found.trials}) == 3
    assert found.best.score == max(trial.score for trial in found.trials)
    # What is written says the same, from best to worst.
    written = read(tmp_path / "out")
    assert written == orjson.loads(orjson.dumps(found.as_dict()))
    assert [row["score"] for row in written["trials"]] == sorted((t.score for t in found.trials), reverse=True)
    assert written["n_trials"] == {"complete": 3, "pruned": 0, "failed": 0}
    assert written["best"]["number"] == found.best.number
    assert written["seed"] == 4
    # Of the trials only the best one's checkpoints stay.
    assert sorted(path.name for path in (tmp_path / "out").glob("trial-*")) == [f"trial-{found.best.number}"]


def test_the_first_trial_has_the_recipes_own_settings(tmp_path, recipe):
    found = tune_encoder(recipe, tmp_path / "out", space=SPACE, n_trials=1)
    assert found.trials[0].settings == {
        "optimisation.learning_rate": 1e-2,
        "optimisation.batch_size": 8,
        "optimisation.n_epochs": 1,
        "loss.name": "bce",
    }
    outside = apply_settings(recipe, {"optimisation.batch_size": 16})
    assert get_own_settings(SPACE, outside) is None
    assert get_own_settings(SPACE, recipe) == found.trials[0].settings


def test_the_same_seed_makes_the_same_search_and_another_another(tmp_path, recipe):
    found = [
        tune_encoder(recipe, tmp_path / name, space=SPACE, n_trials=3, seed=seed).as_dict()
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert found[0] == found[1]
    settings = [sorted(str(trial["settings"]) for trial in one["trials"]) for one in found]
    assert settings[0] != settings[2]


@pytest.mark.parametrize("n_steps", [0, 2, 4, 7])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, recipe, monkeypatch, n_steps):
    whole = tune_encoder(recipe, tmp_path / "whole", space=SPACE, n_trials=3, seed=1)
    with monkeypatch.context() as patch:
        stop_after(patch, n_steps)
        with pytest.raises(StoppedError):
            tune_encoder(recipe, tmp_path / "out", space=SPACE, n_trials=3, seed=1)
    n_kept = len(read(tmp_path / "out")["trials"]) if (tmp_path / "out" / TUNING_NAME).exists() else 0
    assert n_kept == (n_steps >= 4) + (n_steps >= 4 + count_steps(whole.trials[1:2]))
    done = stop_after(monkeypatch, 10**6)
    resumed = tune_encoder(recipe, tmp_path / "out", space=SPACE, n_trials=3, seed=1)
    assert resumed.as_dict() == whole.as_dict()
    assert len(done) <= count_steps(whole.trials[n_kept:])  # no finished trial again
    assert (tmp_path / "out" / TUNING_NAME).read_bytes() == (tmp_path / "whole" / TUNING_NAME).read_bytes()


def test_more_trials_go_on_with_a_finished_search(tmp_path, recipe, monkeypatch):
    whole = tune_encoder(recipe, tmp_path / "whole", space=SPACE, n_trials=4, seed=1)
    tune_encoder(recipe, tmp_path / "out", space=SPACE, n_trials=2, seed=1)
    done = stop_after(monkeypatch, 10**6)
    assert tune_encoder(recipe, tmp_path / "out", space=SPACE, n_trials=4, seed=1).as_dict() == whole.as_dict()
    assert len(done) == count_steps(whole.trials[2:])
    done.clear()
    assert tune_encoder(recipe, tmp_path / "out", space=SPACE, n_trials=2, seed=1).as_dict() == whole.as_dict()
    assert done == []


def script_scores(monkeypatch, scores):
    """Let the evaluations of each trial give the scores that are written down for it."""
    rows = [iter(row) for row in scores]
    trial = {"number": -1}
    init = sentire.training.loop._Loop.__init__

    def begin(loop, *args):
        trial["number"] += 1
        init(loop, *args)

    def measure(*args, **options):
        value = next(rows[trial["number"]])
        return {"macro_f1": value, "micro_f1": value, "weighted_f1": value}

    monkeypatch.setattr(sentire.training.loop._Loop, "__init__", begin)
    monkeypatch.setattr(sentire.training.label_objective, "measure_on_dev", measure)


def test_a_trial_worse_than_the_median_is_ended_early_and_counted(tmp_path, recipe, monkeypatch):
    # Four complete trials come first; medians of these: .25 after one evaluation, .35 after two, .45 after three;
    # with the seventh .3, .4, .4.
    scores = [[0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.5, 0.6], [0.4, 0.5, 0.6, 0.7]]
    scores += [[0.24], [0.26, 0.34], [0.5, 0.4, 0.4, 0.1], [0.39, 0.39]]
    script_scores(monkeypatch, scores)
    found = tune_encoder(recipe, tmp_path / "out", space=ONE_LOSS, n_trials=8)
    states = ["complete"] * 4 + ["pruned", "pruned", "complete", "pruned"]
    assert [trial.state for trial in found.trials] == states
    assert [len(trial.evaluations) for trial in found.trials] == [len(row) for row in scores]
    assert [trial.number for trial in found.ranking] == [4, 3, 2, 7, 1, 8, 6, 5]
    assert read(tmp_path / "out")["n_trials"] == {"complete": 5, "pruned": 3, "failed": 0}
    assert found.best.number == 4
    assert (found.trials[6].score, found.trials[7].score) == (0.5, 0.39)


def test_a_trial_that_was_ended_early_stays_so_when_its_note_was_lost(tmp_path, recipe, monkeypatch):
    scores = [[0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.5, 0.6], [0.4, 0.5, 0.6, 0.7], [0.3, 0.3]]
    script_scores(monkeypatch, [*scores, []])
    with monkeypatch.context() as patch:  # the machine goes down after the last step, before the trial is noted
        write = sentire.training.tune._Search._write

        def stop(search):
            if len(search._tuning.trials) == 5:
                raise StoppedError
            write(search)

        patch.setattr(sentire.training.tune._Search, "_write", stop)
        with pytest.raises(StoppedError):
            tune_encoder(recipe, tmp_path / "out", space=ONE_LOSS, n_trials=5)
    assert len(read(tmp_path / "out")["trials"]) == 4
    done = stop_after(monkeypatch, 10**6)
    found = tune_encoder(recipe, tmp_path / "out", space=ONE_LOSS, n_trials=5)
    assert done == []
    assert (found.trials[4].state, len(found.trials[4].evaluations)) == ("pruned", 2)


def test_a_trial_whose_loss_is_no_number_fails_alone(tmp_path, recipe, monkeypatch):
    measure_loss = sentire.training.label_objective.LabelObjective._measure_loss

    def spoil(objective, *args):
        factor = float("nan") if objective._recipe.optimisation.batch_size == 4 else 1.0
        return measure_loss(objective, *args) * factor

    monkeypatch.setattr(sentire.training.label_objective.LabelObjective, "_measure_loss", spoil)
    found = tune_encoder(recipe, tmp_path / "out", space=SPACE, n_trials=5, seed=1)
    for trial in found.trials:
        assert (trial.state == "failed") == (trial.settings["optimisation.batch_size"] == 4)
        assert (trial.score is None) == (trial.state == "failed")
        assert ("a finite loss and gradient, got nan" in trial.reason) == (trial.state == "failed")
    assert 0 < found.count("failed") < 5
    assert found.ranking[-1].state == "failed"
    only_bad = parse_config(SearchSpace, {"batch_size": [4]})
    with pytest.raises(TrainingError, match=r"a trial that ends with a finite loss, got none in 2 at .*tuning\.json"):
        tune_encoder(recipe, tmp_path / "bad", space=only_bad, n_trials=2)


def test_the_best_recipe_makes_its_model_without_another_step(tmp_path, recipe, monkeypatch):
    found = tune_encoder(recipe, tmp_path / "out", space=SPACE, n_trials=2, seed=1)
    best = read_config(EncoderRecipe, tmp_path / "out" / BEST_RECIPE_NAME)
    assert best == apply_settings(recipe, found.best.settings)
    done = stop_after(monkeypatch, 10**6)
    trained = train_encoder(best, name_trial_folder(tmp_path / "out", found.best.number))
    assert done == []
    assert trained.report["evaluations"] == found.best.evaluations


def test_settings_are_options_of_the_same_recipe(tmp_path, recipe):
    settings = {"optimisation.learning_rate": 0.00012345678901234567, "loss.name": "focal", "loss.focal_gamma": 1.5}
    (tmp_path / "recipe.toml").write_text(render_recipe(recipe))
    read_back = read_config(EncoderRecipe, tmp_path / "recipe.toml", render_settings(settings))
    assert read_back == apply_settings(recipe, settings)


def test_a_recipe_is_read_back_equal_whatever_it_holds(tmp_path, recipe):
    strange = apply_settings(
        recipe, {"encoder.name": 'a "b" \\ \x7f \n\té', "optimisation.tensorboard": True, "loss.clip": 1e-07}
    )
    (tmp_path / "recipe.toml").write_text(render_recipe(strange, comment="Ours."), encoding="utf-8")
    read_back = read_config(EncoderRecipe, tmp_path / "recipe.toml")
    assert read_back == strange
    assert fingerprint(read_back) == fingerprint(strange)


def test_nothing_is_pickled(tmp_path, recipe, monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("pickle")

    for name in ("dump", "dumps", "load", "loads"):
        monkeypatch.setattr(f"pickle.{name}", refuse)
    tune_encoder(recipe, tmp_path / "out", space=SPACE, n_trials=2)
    assert {path.suffix for path in (tmp_path / "out").rglob("*") if path.is_file()} == {
        *(".json", ".toml", ".safetensors", ""),  # without a suffix: the locks
    }


def test_another_search_does_not_go_on_in_the_folder(tmp_path, recipe):
    tune_encoder(recipe, tmp_path / "out", space=ONE_LOSS, n_trials=1)
    for options in ({"seed": 9}, {"space": SPACE}):
        with pytest.raises(ArtifactError, match=r"a search of this very recipe, space, seed, data.*got another one"):
            tune_encoder(recipe, tmp_path / "out", n_trials=1, **{"space": ONE_LOSS, **options})
    write_split(tmp_path / "dev.csv", 3, 24)
    with pytest.raises(
        ArtifactError, match=r"a search of this very recipe.*tuning\.json; choose another output folder"
    ):
        tune_encoder(recipe, tmp_path / "out", space=ONE_LOSS, n_trials=1)


def test_a_search_from_other_weights_is_another_search(tmp_path, recipe):
    start, output = tmp_path / "start", tmp_path / "out"
    train_encoder(recipe, start)
    recipe = replace(recipe, encoder=replace(recipe.encoder, start=str(start)))
    tune_encoder(recipe, output, space=ONE_LOSS, n_trials=1)
    tune_encoder(recipe, output, space=ONE_LOSS, n_trials=1)  # the same weights: it goes on
    shutil.rmtree(start)
    train_encoder(replace(recipe, seed=5, encoder=replace(recipe.encoder, start="")), start)
    with pytest.raises(ArtifactError, match=r"a search of this very recipe.*got another one"):
        tune_encoder(recipe, output, space=ONE_LOSS, n_trials=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"format": "sentire-tuning", "format_vers', "a whole search, got unexpected end of data"),
        (b'{"format": "sentire-result"}', "sentire-tuning version 1, got another"),
        (b"[]", "sentire-tuning version 1, got another"),
    ],
)
def test_a_damaged_search_is_refused(tmp_path, recipe, content, message):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / TUNING_NAME).write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        tune_encoder(recipe, tmp_path / "out", space=ONE_LOSS, n_trials=1)


def test_two_searches_do_not_share_a_folder(tmp_path, recipe):
    (tmp_path / "out").mkdir()
    with (
        hold_lock(tmp_path / "out", holder="search"),
        pytest.raises(OutputError, match="no other job writes, got one that another search is writing now"),
    ):
        tune_encoder(recipe, tmp_path / "out", space=ONE_LOSS, n_trials=1)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            {"learning_rate": {"low": 1e-3, "high": 1e-4}},
            r"a low that is not above high, got 0\.001 and 0\.0001 at lea",
        ),
        ({"gamma_positive": {"low": 2, "high": 1}}, "a low that is not above high, got 2 and 1 at gamma_positive"),
        ({"batch_size": [8, 8]}, r"different choices, got \[8, 8\] at batch_size"),
        ({"batch_size": [8, 9]}, "a batch size that n_accumulated divides, got 9 and 2"),
    ],
)
def test_a_space_that_makes_no_sense(tmp_path, recipe, space, message):
    recipe = apply_settings(recipe, {"optimisation.n_accumulated": 2})
    with pytest.raises(ConfigError, match=message):
        tune_encoder(recipe, tmp_path / "out", space=parse_config(SearchSpace, space))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"learning_rate": {"low": 0, "high": 1}}, r"greater than 0, got 0.* at learning_rate\.low"),
        ({"loss": []}, r"at loss"),
        ({"loss": ["hinge"]}, "'bce', 'focal' or 'asymmetric', got 'hinge'"),
        ({"learning_rates": {}}, "the unknown key 'learning_rates'.*did you mean \"learning_rate\""),
    ],
)
def test_a_space_is_read_strictly(space, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(SearchSpace, space)


def test_what_cannot_be_searched(tmp_path, recipe):
    with pytest.raises(UsageError, match="at least 1 trial, got 0 at n_trials"):
        tune_encoder(recipe, tmp_path / "out", n_trials=0)
    folded = apply_settings(recipe, {"data.dev": "", "folds.n_folds": 3})
    with pytest.raises(ConfigError, match=r"a recipe with data\.dev, where the search measures, got 3 folds"):
        tune_encoder(folded, tmp_path / "out")


def test_the_library_keeps_its_verbosity_and_says_nothing(tmp_path, recipe, capfd):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    tune_encoder(recipe, tmp_path / "out", space=ONE_LOSS, n_trials=1)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert "study" not in capfd.readouterr().err
