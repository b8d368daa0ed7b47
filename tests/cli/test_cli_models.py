"""``sentire train``, ``evaluate`` and ``compare`` from end to end on invented data."""

import csv
import json
import random
import sys

import numpy as np
import orjson
import pytest

from sentire.core.labels import make_label_space
from sentire.runtime.judgement import Judgement
from sentire.runtime.model_folder import ModelConfig

WORDS = {
    "glad": ["lovely", "great", "wonderful", "delightful", "kind"],
    "cross": ["awful", "broken", "rude", "infuriating", "filthy"],
    "worried": ["unsafe", "alarming", "shaky", "frightening", "risky"],
}
PLAIN = ["on page two", "near the blue door", "open until nine", "made of oak", "on the third floor"]
PLACES = ["soup", "bus", "desk", "visit", "bridge", "garden", "form"]
SECRET = "zyxomma"  # noqa: S105  a word that no other text holds
DATA = """
[dataset]
name = "visits"
labels = ["glad", "cross", "worried", "plain"]
neutral = "plain"
licence = "ours"
weights_may_ship = "yes"
[columns]
id = "nr"
labels = "moods"
label_separator = ";"
[splits]
train = "train.csv"
dev = "dev.csv"
test = "test.csv"
other = "dev.csv"
"""
RECIPE = """
recipe = "tfidf"
name = "visits-lr"
[data]
train = "visits.toml:train"
dev = "visits.toml:dev"
[features]
max_features = 500
[logistic_regression]
C = 1.0
"""


def make_rows(seed, n):
    """Remarks with one mood, two or none; every tenth is labelled wrongly, so that no model is perfect."""
    draw = random.Random(seed)  # noqa: S311
    for number in range(n):
        moods = draw.choice([["glad"], ["cross"], ["worried"], ["cross", "worried"], []])
        said = " and ".join(draw.choice(WORDS[mood]) for mood in moods) or draw.choice(PLAIN)
        labels = moods or ["plain"]
        if number % 10 == 0:
            labels = [draw.choice([*WORDS, "plain"])]
        yield f"{seed}-{number}", f"The {draw.choice(PLACES)} of number {seed}{number:04} is {said}", ";".join(labels)


def write_rows(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["nr", "text", "moods"], *rows])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    train, dev, test = list(make_rows(1, 400)), list(make_rows(2, 150)), list(make_rows(3, 150))
    test[4] = (test[4][0], train[9][1].upper() + "!", train[9][2])  # a leak, with other signs
    test[5] = (test[5][0], f"{test[5][1]} {SECRET}", test[5][2])
    for name, rows in (("train", train), ("dev", dev), ("test", test)):
        write_rows(root / f"{name}.csv", rows)
    (root / "visits.toml").write_text(DATA)
    (root / "recipe.toml").write_text(RECIPE)
    (root / "bayes.toml").write_text(
        RECIPE.replace("logistic_regression", "naive_bayes").replace("C =", "alpha =").replace("500", "8")
    )
    return root


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def models(here, sentire):
    """Two trained models and their results; made once."""
    if not (here / "b.json").exists():
        for recipe, model, result in (("recipe", "a", "a.json"), ("bayes", "b", "b.json")):
            assert sentire("train", f"{recipe}.toml", "-o", model, "--jobs", 1, "--set", f"name={model}").code == 0
            ran = sentire("evaluate", model, "--data", "visits.toml:test", "-o", result, "--resamples", 50)
            assert ran.code == 0, ran.err
    return here


def test_training_leaves_a_model_and_a_report(here, sentire):
    ran = sentire("train", "recipe.toml", "--jobs", 1, "--json")
    assert ran.code == 0
    report = ran.json
    assert (report["n_train"], report["n_dev"], report["classifier"]["C"]) == (400, 150, 1.0)
    stored = orjson.loads((here / "runs" / "visits-lr" / "training.json").read_bytes())
    assert {key: value for key, value in stored.items() if key != "seconds"} == report
    assert "wrote runs/visits-lr (fingerprint " in ran.err
    (row,) = sentire("analyze", "-m", "runs/visits-lr", "The bus was rude", "--json").rows
    assert (row["labels"], row["model"]) == (["cross"], "visits-lr")
    assert row["emotions"][0]["label"] == "cross"


def test_training_shows_what_it_chose(here, sentire):
    ran = sentire("train", "recipe.toml", "-o", "shown", "--set", "logistic_regression.C=[0.1, 1.0]", "--jobs", 1)
    assert ran.code == 0
    shown = ran.text
    assert shown.splitlines()[0] == "visits-lr"
    for part in ("400 texts", "grid search", "C 0.1", "C 1.0", "calibration (dev, cross-fitted)", "● per-label"):
        assert part in shown
    assert not (here / "shown" / "search.partial.json").exists()


def test_settings_win_over_the_file(here, sentire):
    arguments = ["--set", "logistic_regression.C=0.25", "--set", "name=quiet", "--set", "thresholds.method=global"]
    ran = sentire("train", "recipe.toml", "-o", "quiet", *arguments, "--jobs", 1, "--json")
    assert (ran.json["classifier"]["C"], ran.json["thresholds"]["chosen"]) == (0.25, "global")
    config = json.loads((here / "quiet" / "config.json").read_text())
    assert config["name"] == "quiet"
    assert config["training"]["recipe"]["logistic_regression"]["C"] == 0.25
    assert len(set(config["thresholds"].values())) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--set", "features.max_ngrams=2"], 2, "the unknown key 'max_ngrams' at features.max_ngrams in recipe.toml"),
        (["--set", "features.max_ngrams=2"], 2, 'did you mean "max_ngram"'),
        (["--set", "logistic_regresion.C=1"], 2, 'did you mean "logistic_regression"?'),
        (["--set", "features.max_features=0"], 2, "greater than or equal to 1, got 0 at features.max_features"),
        (["--set", "logistic_regression.C=-1"], 2, "at logistic_regression.C"),
        (["--set", "seed"], 2, "expected section.key=value, got 'seed' at --set"),
        (["--set", "naive_bayes.alpha=1.0"], 2, "exactly one of the sections"),
        (["--set", "data.train=visits.toml:trian"], 2, "got 'trian' at visits; did you mean \"train\"?"),
        (["--set", "data.train=visits.tml:train"], 2, "got 'visits.tml'"),
        (["--set", "data.label_space=ekmann"], 2, 'did you mean "ekman"?'),
        (["--jobs", "0"], 2, "a number of jobs, or -1 for one a core, got 0 at --jobs"),
        (["-o", "train.csv"], 5, "a folder for the model, got Not a directory"),
    ],
)
def test_a_recipe_that_cannot_be_followed(here, sentire, arguments, code, said):
    ran = sentire("train", "recipe.toml", *arguments, *([] if "-o" in arguments else ["-o", "never"]))
    assert (ran.code, ran.out) == (code, b"")
    assert said in ran.err
    assert not (here / "never").exists()


def test_recipes_that_are_none(here, sentire):
    (here / "broken.toml").write_text("recipe = ")
    for name, said in (
        ("missing.toml", "a readable TOML file, got No such file or directory at missing.toml"),
        ("broken.toml", "valid TOML"),
        (".", "a readable TOML file, got Is a directory"),
        (
            "visits.toml",
            "expected a kind of recipe (tfidf, encoder, representation), got none at recipe in visits.toml",
        ),
    ):
        ran = sentire("train", name)
        assert (ran.code, ran.out) == (2, b"")
        assert said in ran.err


def test_training_without_its_extra(here, sentire, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("sklearn", "sentire.classifiers"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "scipy", None)
    ran = sentire("train", "recipe.toml", "-o", "never")
    assert ran.code == 6
    assert "pip install 'sentire[classical]'" in ran.err


def test_a_result_has_what_it_must(models, sentire):
    content = (models / "a.json").read_bytes()
    result = orjson.loads(content)
    for name in ("macro_f1", "micro_f1", "weighted_f1", "exact_match", "macro_roc_auc", "micro_ece"):
        metric = result["metrics"][name]
        assert metric["low"] <= metric["value"] <= metric["high"]
        assert metric["n"] == 150
    assert 0.6 < result["metrics"]["macro_f1"]["value"] < 1
    assert list(result["per_label"]) == ["glad", "cross", "worried", "plain"]
    assert {"precision", "recall", "f1", "roc_auc", "average_precision"} <= set(result["per_label"]["glad"])
    assert (result["data"]["name"], result["data"]["split"], result["data"]["n"]) == ("visits", "test", 150)
    assert result["model"]["name"] == "a"
    manifest = json.loads((models / "a" / "manifest.json").read_text())
    assert result["model"]["fingerprint"] == manifest["fingerprint"]
    assert (result["without_leaked"]["n"], result["without_leaked"]["n_removed"]) == (149, 1)
    assert [len(result["rows"][key]) for key in ("ids", "targets", "predictions", "proba")] == [150] * 4


def test_no_file_that_is_made_holds_a_text(models):
    made = [models / "a.json", models / "b.json", *(models / "a").iterdir(), *(models / "b").iterdir()]
    assert len(made) > 10
    for path in made:
        content = path.read_bytes().lower()
        assert SECRET.encode() not in content, path
        assert b" of number " not in content, path
        assert str(models).encode() not in path.read_bytes(), path


def test_evaluate_prints_what_it_writes(models, sentire):
    arguments = ["evaluate", "a", "--data", "visits.toml:test", "--resamples", 50]
    as_json = sentire(*arguments, "--json")
    assert as_json.out == (models / "a.json").read_bytes()
    result = as_json.json
    shown = sentire(*arguments).text
    assert shown.splitlines()[0].startswith("a on visits:test · 150 texts · per-label, chosen on visits.toml:dev")
    assert "without 1 leaked" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("macro_f1 ")]
    metric = result["metrics"]["macro_f1"]
    unseen = result["without_leaked"]["metrics"]["macro_f1"]
    assert line.split() == [
        "macro_f1",
        *(f"{metric['value']:.4f} {metric['low']:.4f} to {metric['high']:.4f} {unseen['value']:.4f}".split()),
    ]
    calibration = result["metrics"]["micro_ece"]
    (line,) = [line for line in shown.splitlines() if line.startswith("micro_ece ")]
    assert 0 < calibration["value"] < 0.2
    assert (
        line.split()[1:5] == f"{calibration['value']:.4f} {calibration['low']:.4f} to {calibration['high']:.4f}".split()
    )
    for label, metrics in result["per_label"].items():
        (line,) = [line for line in shown.splitlines() if line.startswith(f"{label} ")]
        assert line.split()[1:5] == [
            str(metrics["f1"]["n"]),
            *(f"{metrics[name]['value']:.3f}" for name in ("precision", "recall", "f1")),
        ]
    assert "rows" in result
    assert sentire(*arguments, "--json", "--no-rows").json["rows"] is None
    assert sentire(*arguments, "--json", "--seed", 1).json["metrics"]["macro_f1"]["low"] != metric["low"]


@pytest.mark.parametrize(
    ("model", "data", "code", "said"),
    [
        ("a", "visits.toml:tset", 2, "got 'tset' at visits; did you mean \"test\"?"),
        ("a", "visits.toml", 2, "add a colon and the split"),
        ("a", "goemotion:test", 2, 'did you mean "goemotions"'),
        ("a", "missing.toml:test", 2, "a readable TOML file, got No such file or directory at missing.toml"),
        ("lineer", "visits.toml:test", 2, 'did you mean "linear"?'),
        ("visits.toml", "visits.toml:test", 2, "got the file visits.toml at MODEL"),
        ("linear", "visits.toml:test", 3, "goemotions.v1 can be mapped to or from, got visits.v1"),
        (".", "visits.toml:test", 4, "manifest.json"),
        ("a", "emobank:test", 2, "a model that answers with valence, arousal and dominance, got a, which answers with"),
    ],
)
def test_what_cannot_be_evaluated(models, sentire, model, data, code, said):
    ran = sentire("evaluate", model, "--data", data, "-o", "never.json")
    assert (ran.code, ran.out) == (code, b"")
    assert said in ran.err
    assert not (models / "never.json").exists()


def test_texts_that_are_not_measured_are_counted_in_a_sentence(sentire, tmp_path):
    (tmp_path / "t.csv").write_text("text,labels\nwhat a fine day,joy\nnothing to say,\n")
    (tmp_path / "own.toml").write_text(
        '[dataset]\nname = "own"\nlabel_space = "goemotions"\n[columns]\nlabels = "labels"\n[splits]\ntest = "t.csv"\n'
    )
    data = f"{tmp_path / 'own.toml'}:test"
    ran = sentire("evaluate", "linear", "--data", data, "--label-space", "meld", "--resamples", 10)
    assert "1 texts were not measured: they carry not exactly one label that can be measured" in ran.text
    ran = sentire("evaluate", "linear", "--data", data, "--label-space", "ekman", "--resamples", 10)
    assert "were not measured" not in ran.text  # where several labels may hold, none is a truth


def test_a_damaged_model(models, sentire, tmp_path):
    import shutil

    shutil.copytree(models / "a", tmp_path / "bad")
    with (tmp_path / "bad" / "vocabulary.json").open("a") as file:
        file.write(" ")
    ran = sentire("evaluate", tmp_path / "bad", "--data", "visits.toml:test")
    assert ran.code == 4
    assert "vocabulary.json" in ran.err


def test_a_result_that_cannot_be_written(models, sentire):
    arguments = ["evaluate", "a", "--data", "visits.toml:test", "--resamples", 10]
    for output in ("a", "missing/a.json"):
        assert sentire(*arguments, "-o", output).code == 5


def test_comparing_two_models(models, sentire, tmp_path):
    ran = sentire("compare", "a.json", "b.json", "--resamples", 100, "--json", "-o", tmp_path / "c.json")
    assert (ran.code, ran.err) == (0, f"wrote {tmp_path / 'c.json'}\n")
    comparison = ran.json
    assert orjson.loads((tmp_path / "c.json").read_bytes()) == comparison
    a, b = (orjson.loads((models / name).read_bytes()) for name in ("a.json", "b.json"))
    one = comparison["metrics"]["macro_f1"]
    assert one["value_a"] == pytest.approx(a["metrics"]["macro_f1"]["value"])
    assert one["value_b"] == pytest.approx(b["metrics"]["macro_f1"]["value"])
    assert one["difference"] == pytest.approx(one["value_b"] - one["value_a"])
    assert one["low"] <= one["difference"] <= one["high"]
    changed = sum(x != y for x, y in zip(a["rows"]["predictions"], b["rows"]["predictions"], strict=True))
    assert comparison["changes"]["n_changed"] == changed > 0
    shown = sentire("compare", "a.json", "b.json", "--resamples", 100).text
    assert shown.splitlines()[0] == "a → b on visits:test, 150 texts"
    assert f"{changed} of 150 answers changed" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("macro_f1 ")]
    assert line.split()[3] == f"{one['difference']:+.4f}"
    assert SECRET not in shown + ran.text


def test_how_both_were_measured_is_shown_beside_their_difference(models, sentire, tmp_path):
    b = orjson.loads((models / "b.json").read_bytes())
    b["settings"]["protocol"] = "fixed at .5"
    b["data"] |= {"cautions": ["the texts of B are known to it"], "label_map": "other-to-visits.v1"}
    (tmp_path / "b.json").write_bytes(orjson.dumps(b))
    shown = sentire("compare", "a.json", tmp_path / "b.json", "--resamples", 20).text.splitlines()
    assert [line for line in shown if line.startswith(("A:", "B:"))] == [
        "A: per-label, chosen on visits.toml:dev",
        "B: fixed at .5, label map other-to-visits.v1",
    ]
    warnings = [line for line in shown if line.startswith("!")]
    assert warnings[0].startswith("! A and B do not choose labels alike")
    assert warnings[1].startswith("! other label maps")
    assert warnings[-1] == "! B: the texts of B are known to it"
    same = sentire("compare", "a.json", "a.json", "--resamples", 20).text
    assert "per-label, chosen on visits.toml:dev" in same
    assert "!" not in same


def test_a_model_against_itself_differs_nowhere(models, sentire):
    comparison = sentire("compare", "a.json", "a.json", "--resamples", 20, "--json").json
    assert comparison["metrics"]["macro_f1"]["difference"] == 0.0
    assert {one["difference"] for one in comparison["metrics"].values()} <= {0.0, None}
    assert comparison["changes"]["n_changed"] == 0


def test_what_cannot_be_compared(models, sentire):
    assert sentire("evaluate", "a", "--data", "visits.toml:other", "-o", "other.json", "--resamples", 10).code == 0
    arguments = ["evaluate", "a", "--data", "visits.toml:test", "--resamples", 10, "--no-rows", "-o", "bare.json"]
    assert sentire(*arguments).code == 0
    (models / "cut.json").write_bytes((models / "a.json").read_bytes()[:-900])
    for other, code, said in (
        ("other.json", 2, "two results with the same split, got 'test' in A and 'other' in B"),
        ("bare.json", 2, "results that keep their rows, got none at result B (a)"),
        ("cut.json", 4, "the file may have been cut"),
        ("missing.json", 4, "a result file, got No such file or directory at missing.json"),
        ("a/manifest.json", 4, "the format"),
        ("visits.toml", 4, "a result file in JSON"),
    ):
        ran = sentire("compare", "a.json", other)
        assert (ran.code, ran.out) == (code, b"")
        assert said in ran.err


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_an_unwritable_result_is_noticed_before_the_work(sentire, tmp_path, monkeypatch, command):
    def work(*args, **kwargs):
        raise AssertionError("the work began")

    monkeypatch.setattr("sentire.evaluate.run.evaluate_model", work)
    monkeypatch.setattr("sentire.evaluate.compare.compare_results", work)
    monkeypatch.setattr("sentire.evaluate.result.read_result", work)
    subject = ("linear", "--data", "goemotions:test") if command == "evaluate" else ("a.json", "b.json")
    ran = sentire(command, *subject, "-o", tmp_path / "no" / "folder.json")
    assert ran.code == 5
    assert "a place that can be written" in ran.err


def test_folds_are_shown_with_their_mean_and_spread(capsys):
    from sentire.cli.console import make_console
    from sentire.cli.result_tables import print_folds

    print_folds(make_console(), [{"macro_f1": 0.7, "micro_f1": 0.5}, {"macro_f1": 0.8, "micro_f1": 0.5}])
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["fold", "macro_f1", "micro_f1"],
        ["1", "0.7000", "0.5000"],
        ["2", "0.8000", "0.5000"],
        ["mean", "0.7500", "0.5000"],
        ["standard", "deviation", "0.0707", "0.0000"],
    ]


# --- affect scores and context, until a model in the package has them: with one that is made up ------------------

RATED = """
[dataset]
name = "rated"
labels = ["glad", "cross", "worried", "plain"]
affect_scale = "vad-1-5"
[columns]
id = "nr"
labels = "mood"
context = "before"
[columns.scores]
valence = "v"
arousal = "a"
dominance = "d"
[splits]
train = "rated-train.csv"
test = "rated-test.csv"
"""


class Feeling:
    """Reads its scores from the text and adds noise; a context makes it surer."""

    uses_context = True
    has_vad = True
    fingerprint = "f00d"
    projected_thresholds = {}  # noqa: RUF012  never changed

    def __init__(self, name, data):
        self.label_space = make_label_space("rated", ["glad", "cross", "worried", "plain"])
        self.name = name
        self.thresholds = np.full(4, 0.5)
        self.config = ModelConfig(
            name=name,
            label_space=self.label_space,
            thresholds=self.thresholds,
            threshold_method="made up",
            training={"recipe": {"data": {"affect_train": data}}},
        )

    def judge(self, texts, *, context=None):
        true = np.array([[float(part) for part in text.split()[-3:]] for text in texts])
        is_told = np.array([[bool(said)] for said in context or [None] * len(texts)])
        noise = np.random.default_rng(len(self.name)).normal(size=true.shape)
        vad = np.clip((true - 3) / 2 + noise * np.where(is_told, 0.1, 0.3), -1, 1).astype(np.float32)
        proba = np.clip((vad[:, [0, 1, 2, 0]] + 1) / 2, 0, 1)
        is_plain = np.ones(len(texts), dtype=np.bool_)
        return Judgement(proba=proba, vad=vad, is_known=is_plain, is_english=is_plain)

    def predict_proba(self, texts, *, context=None):
        return self.judge(texts, context=context).proba

    def decide(self, proba):
        return proba >= self.thresholds


@pytest.fixture
def rated(tmp_path, monkeypatch):
    """Data with labels and scores in a folder, and models of any name that answer with both."""
    for split, seed in (("train", 8), ("test", 9)):
        draw = random.Random(seed)  # noqa: S311
        with (tmp_path / f"rated-{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["nr", "text", "before", "mood", "v", "a", "d"])
            for number in range(60):
                scores = [draw.choice([1, 2, 3, 4, 5]) for _ in range(3)]
                said = f"{SECRET} {split} {number} felt {' '.join(map(str, scores))}"
                writer.writerow([number, said, "You will not believe it." if number % 3 else "", "glad", *scores])
    (tmp_path / "rated.toml").write_text(RATED)
    (tmp_path / "scores-only.toml").write_text(
        RATED.replace('labels = "mood"', "").replace('labels = ["glad", "cross", "worried", "plain"]', "")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sentire.cli.models.load_model", lambda name, **_: Feeling(name, "rated.toml:train"))
    return tmp_path


def test_affect_scores_are_measured_printed_and_written(rated, sentire):
    arguments = ["evaluate", "feeling", "--data", "scores-only.toml:test", "--resamples", 50]
    as_json = sentire(*arguments, "--json", "-o", "result.json")
    assert as_json.out == (rated / "result.json").read_bytes()
    result = as_json.json
    assert (result["task"], result["data"]["n"], result["per_label"]) == ("affect", 60, {})
    assert SECRET not in as_json.text
    lines = sentire(*arguments).text.splitlines()
    protocol = "scores as the model gives them, beside the mean of rated.toml:train"
    assert lines[0] == f"feeling on rated:test · 60 texts · {protocol} · with context"
    assert lines[1].split() == ["Pearson", "Spearman", "concordance", "RMSE", "RMSE", "of", "the", "mean"]
    columns = ("pearson_{}", "spearman_{}", "concordance_{}", "rmse_{}", "rmse_{}_mean_baseline")
    for place, dimension in enumerate(("valence", "arousal", "dominance")):
        shown = lines[2 + 3 * place : 5 + 3 * place]
        figures = [result["metrics"][name.format(dimension[0])] for name in columns]
        assert shown[0].split() == [dimension, *(f"{figure['value']:.4f}" for figure in figures)]
        intervals = " ".join(f"{figure['low']:.4f} to {figure['high']:.4f}" for figure in figures)
        assert shown[1].split() == ["95%", "interval", *intervals.split()]
        unseen = [result["without_leaked"]["metrics"][name.format(dimension[0])]["value"] for name in columns]
        assert shown[2].split() == ["without", "0", "leaked", *(f"{value:.4f}" for value in unseen)]
    assert "…" not in "".join(lines)
    assert sentire(*arguments, "--json", "--no-rows").json["rows"] is None


def test_what_is_measured_can_be_chosen(rated, sentire):
    arguments = ["evaluate", "feeling", "--data", "rated.toml:test", "--resamples", 10, "--json"]
    assert sentire(*arguments).json["task"] == "multi-label"
    assert sentire(*arguments, "--target", "labels").json["task"] == "multi-label"
    assert sentire(*arguments, "--target", "affect").json["task"] == "affect"
    for more, code, said in (
        (["--target", "afect"], 2, "a target (affect, labels), got 'afect'; did you mean \"affect\"?"),
        (["--target", "affect", "--label-space", "ekman"], 2, "got 'ekman' for affect scores at rated.toml:test"),
    ):
        ran = sentire(*arguments, *more)
        assert (ran.code, ran.out) == (code, b"")
        assert said in ran.err


def test_texts_without_all_three_scores_are_counted_in_a_sentence(rated, sentire):
    (rated / "scores-only.toml").write_text(
        (rated / "scores-only.toml").read_text().replace('dominance = "d"', 'strength = "d"')
    )
    arguments = ["evaluate", "feeling", "--data", "scores-only.toml:test", "--resamples", 10]
    ran = sentire(*arguments)
    assert ran.code == 3
    assert "examples with scores of valence, arousal, dominance, got 60 examples, none of which carries all" in ran.err


def test_a_contrast_set_is_scored_beside_what_no_model_without_context_can_reach(sentire):
    shown = sentire("evaluate", "linear", "--data", "context-contrast:test", "--resamples", 20).text
    (line,) = [line for line in shown.splitlines() if line.startswith("most that a model without context can reach")]
    assert line.split()[-3:] == ["0.4251", "and", "0"]
    (line,) = [line for line in shown.splitlines() if line.startswith("right in both of two contexts")]
    assert line.split()[-5:] == ["0.0000", "0.0000", "to", "0.0000", "363"]


def test_models_with_and_without_context_compare_and_are_told_apart(rated, sentire):
    for target in ("labels", "affect"):
        arguments = ["evaluate", "feeling", "--data", "rated.toml:test", "--target", target, "--resamples", 20]
        assert sentire(*arguments, "-o", "with.json").text.splitlines()[0].endswith("· with context")
        without = sentire(*arguments, "--ignore-context", "-o", "without.json")
        assert without.text.splitlines()[0].endswith("· without context")
        assert [
            orjson.loads((rated / f"{name}.json").read_bytes())["settings"]["context"] for name in ("with", "without")
        ] == [
            "given",
            "withheld",
        ]
        shown = sentire("compare", "without.json", "with.json", "--resamples", 100).text
        assert shown.startswith("feeling (without context) → feeling (with context) on rated:test, 60 texts")
        comparison = sentire("compare", "without.json", "with.json", "--resamples", 100, "--json").json
        assert (comparison["context_a"], comparison["context_b"]) == ("withheld", "given")
    gained = comparison["metrics"]["pearson_v"]
    assert gained["low"] > 0
    (line,) = [line for line in shown.splitlines() if line.startswith("pearson_v ")]
    assert line.split()[1:4] == f"{gained['value_a']:.4f} {gained['value_b']:.4f} {gained['difference']:+.4f}".split()
    assert (comparison["per_label"], comparison["changes"]) == ({}, None)
    assert "answers changed" not in shown


def test_labels_and_affect_scores_do_not_compare(rated, sentire):
    for target in ("labels", "affect"):
        arguments = ["evaluate", "feeling", "--data", "rated.toml:test", "--target", target, "--resamples", 10]
        assert sentire(*arguments, "-o", f"{target}.json").code == 0
    ran = sentire("compare", "labels.json", "affect.json")
    assert ran.code == 2
    assert "two results with the same task, got 'multi-label' in A and 'affect' in B" in ran.err
