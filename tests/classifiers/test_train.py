import csv

import numpy as np
import orjson
import pytest

from sentire.core.config import fingerprint, parse_config
from sentire.core.errors import ConfigError, DataError, LabelError, OutputError, UnknownNameError
from sentire.core.label_maps import load_label_map
from sentire.core.labels import EKMAN, GOEMOTIONS, make_label_space
from sentire.data.checks import find_recurring
from sentire.evaluate.run import evaluate_model
from sentire.metrics.classification import macro_f1
from sentire.runtime.load import load

pytest.importorskip("sklearn")

from sentire.classifiers import train as training
from sentire.classifiers.calibrate import fit_calibrator, fit_temperature
from sentire.classifiers.dev_fit import fit_thresholds
from sentire.classifiers.estimators import TfidfLogisticRegression, TfidfNaiveBayes
from sentire.classifiers.folds import CalibratedFold, make_folds
from sentire.classifiers.recipe import TfidfRecipe, ThresholdSection
from sentire.classifiers.thresholds import fit_label_thresholds
from sentire.classifiers.train import REPORT_NAME, SEARCH_NAME, train_tfidf

LABELS = ("joy", "anger", "nervousness", "gratitude")


def write_split(path, texts, targets, labels=LABELS):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "labels"])
        for text, row in zip(texts, targets, strict=True):
            rows.writerow([text, ",".join(label for label, has in zip(labels, row, strict=True) if has)])


def describe(folder, name="feedback", space='label_space = "goemotions"', ships="no"):
    path = folder / f"{name}.toml"
    path.write_text(
        f'[dataset]\nname = "{name}"\n{space}\nlicence = "ours alone"\nweights_may_ship = "{ships}"\n'
        '[columns]\nlabels = "labels"\n[splits]\ntrain = "train.csv"\ndev = "dev.csv"\ntest = "not-there.csv"\n'
    )
    return path


@pytest.fixture
def corpus(tmp_path, write_toy):
    """Our own data set of 200 invented rows; its test split must never be read, for it is not there."""
    write_split(tmp_path / "train.csv", *write_toy(140, seed=1, labels=LABELS))
    write_split(tmp_path / "dev.csv", *write_toy(60, seed=2, labels=LABELS))
    return describe(tmp_path)


def make_recipe(path, **sections):
    table = {
        "recipe": "tfidf",
        "name": "toy",
        "data": {"train": f"{path}:train", "dev": f"{path}:dev"},
        "features": {"max_features": 80, "tokeniser": "social"},
        "naive_bayes": {"alpha": 0.2},
    }
    return parse_config(TfidfRecipe, {**{k: v for k, v in table.items() if sections.get(k, v) is not None}, **sections})


def read_rows(path, name):
    with (path.parent / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], GOEMOTIONS.encode(filter(None, row["labels"].split(",")) for row in rows)


def test_a_whole_training(corpus, tmp_path):
    output = tmp_path / "runs" / "toy"
    news = []
    trained = train_tfidf(make_recipe(corpus), output, on_progress=lambda *one: news.append(one))
    assert sorted(path.name for path in output.iterdir()) == [
        "README.md", "config.json", "manifest.json", REPORT_NAME, "vocabulary.json", "weights.safetensors",
    ]  # fmt: skip
    assert news[-1] == (3, 3, "saved")

    model = load(output)
    texts, targets = read_rows(corpus, "train")
    dev_texts, dev_targets = read_rows(corpus, "dev")
    assert (model.name, model.label_space) == ("toy", GOEMOTIONS)
    assert np.array_equal(model.predict_proba(dev_texts), trained.model.predict_proba(dev_texts))
    assert model.config.threshold_method == f"per-label, chosen on {corpus}:dev"
    assert model.config.training["data"] == {
        "name": "feedback",
        "revision": trained.model.config.training["data"]["revision"],
        "licence": "ours alone",
    }
    assert model.config.training["recipe"]["naive_bayes"]["alpha"] == 0.2
    assert model.config.training["seed"] == 42

    # The weights are those of the estimator fitted on train alone.
    alone = TfidfNaiveBayes(max_features=80, tokeniser="social", alpha=0.2).fit(texts, targets)
    assert np.array_equal(model.predict_logits(dev_texts), alone.decision_function(dev_texts))
    assert macro_f1(dev_targets[:, [2, 15, 17, 19]], model.predict(dev_texts)[:, [2, 15, 17, 19]]) > 0.6

    report = orjson.loads((output / REPORT_NAME).read_bytes())
    assert report.pop("seconds") > 0
    assert report == orjson.loads(orjson.dumps(trained.report))
    assert (report["n_train"], report["n_dev"]) == (len(texts), len(dev_texts))
    assert report["left_out"]["train"] == {"rejected_rows": 0, "without_usable_label": 0}
    # A text without a label is an example of what no label looks like, and is learned from.
    assert report["n_train_without_label"] == (~targets.any(axis=1)).sum() > 0
    assert report["n_features"] == 80
    assert report["classifier"]["kind"] == "naive-bayes"
    assert "n_jobs" not in report["classifier"]
    assert report["search"] == []
    by_method = report["calibration"]["cross_fitted_on_dev"]
    assert set(by_method) == {"none", "temperature", "platt", "isotonic"}
    assert report["calibration"]["chosen"] == min(by_method, key=lambda name: by_method[name]["log_loss"])
    assert model.calibrator.method == report["calibration"]["chosen"]
    assert set(report["thresholds"]["cross_fitted_on_dev"]) == {
        "fixed .5, uncalibrated", "fixed .5", "global", "per label, no shrinkage", "chosen",
    }  # fmt: skip
    assert report["thresholds"]["chosen"] == "per-label"
    card = (output / "README.md").read_text()
    assert "ours alone" in card
    assert "must **not** be given away" in card


def test_what_the_report_says_of_dev_was_measured_where_nothing_was_chosen(corpus, tmp_path):
    recipe = make_recipe(corpus, calibration={"method": "temperature", "n_folds": 4})
    trained = train_tfidf(recipe, tmp_path / "toy")
    dev_texts, targets = read_rows(corpus, "dev")
    logits = trained.model.predict_logits(dev_texts)
    shrinkage = trained.report["thresholds"]["shrinkage"]
    decisions = np.zeros(targets.shape, bool)
    for fitted, judged in make_folds(len(dev_texts), 4, 42):
        proba = fit_temperature(logits[fitted], targets[fitted]).apply(logits)
        decisions[judged] = proba[judged] >= fit_label_thresholds(targets[fitted], proba[fitted], shrinkage=shrinkage)
    assert trained.report["thresholds"]["cross_fitted_on_dev"]["chosen"]["macro_f1"] == macro_f1(targets, decisions)
    whole = fit_temperature(logits, targets)
    assert trained.model.calibrator == whole
    np.testing.assert_array_equal(
        trained.model.thresholds, fit_label_thresholds(targets, whole.apply(logits), shrinkage=shrinkage)
    )


@pytest.mark.parametrize(
    "sections",
    [
        {"naive_bayes": {"alpha": [0.1, 1.0]}},
        {"naive_bayes": None, "logistic_regression": {"penalty": "l1"}, "output": {"precision": "float16"}},
    ],
)
def test_training_twice_gives_the_same_bits(corpus, tmp_path, sections):
    recipe = make_recipe(corpus, **sections)
    if "logistic_regression" in sections:
        assert recipe.naive_bayes is None
    first, second = (train_tfidf(recipe, tmp_path / name) for name in ("first", "second"))
    assert first.model.fingerprint == second.model.fingerprint != ""
    for name in ("config.json", "weights.safetensors", "vocabulary.json", "manifest.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert first.report == second.report
    assert np.array_equal(load(tmp_path / "first").predict_proba(["so glad"]), first.model.predict_proba(["so glad"]))


def test_half_precision_is_calibrated_as_it_is_shipped(corpus, tmp_path):
    full = train_tfidf(make_recipe(corpus), tmp_path / "full")
    half = train_tfidf(make_recipe(corpus, output={"precision": "float16"}), tmp_path / "half")
    weights = half.model.scorer.weights
    assert np.array_equal(weights, full.model.scorer.weights.astype(np.float16).astype(np.float32))
    assert not np.array_equal(weights, full.model.scorer.weights)
    dev_texts, targets = read_rows(corpus, "dev")
    refitted = fit_calibrator(half.model.calibrator.method, half.model.predict_logits(dev_texts), targets)
    assert refitted == half.model.calibrator != full.model.calibrator


def test_dev_has_no_part_in_vocabulary_and_weights(corpus, tmp_path):
    before = train_tfidf(make_recipe(corpus), tmp_path / "before").model
    texts, targets = read_rows(corpus, "dev")
    columns = [GOEMOTIONS.index(label) for label in LABELS]
    changed = [f"{text} plantedword plantedword" for text in texts]
    write_split(corpus.parent / "dev.csv", changed, ~targets[:, columns])
    after = train_tfidf(make_recipe(corpus), tmp_path / "after").model
    assert "plantedword" not in after.features.terms
    assert after.features.terms == before.features.terms
    assert np.array_equal(after.features.idf, before.features.idf)
    assert np.array_equal(after.scorer.weights, before.scorer.weights)
    assert np.array_equal(after.scorer.bias, before.scorer.bias)
    assert not np.array_equal(after.thresholds, before.thresholds)


def test_cutoffs_for_answers_in_other_spaces(corpus, tmp_path):
    trained = train_tfidf(make_recipe(corpus), tmp_path / "toy")
    model = load(tmp_path / "toy")
    assert set(model.config.projected_thresholds) == {"ekman", "sentiment"}  # the multi-label targets of its maps
    dev_texts, targets = read_rows(corpus, "dev")
    to_ekman = load_label_map("goemotions", "ekman")
    fit = trained.report["thresholds"]["projected"]["ekman"]
    np.testing.assert_array_equal(
        model.config.projected_thresholds["ekman"],
        fit_label_thresholds(
            to_ekman.project_indicator(targets),
            to_ekman.project_proba(model.predict_proba(dev_texts)),
            shrinkage=fit["shrinkage"],
        ),
    )
    assert 0 < fit["cross_fitted_on_dev"]["macro_f1"] < 1


def test_labels_are_mapped_to_the_space_that_is_asked_for(corpus, tmp_path):
    recipe = make_recipe(corpus, data={"train": f"{corpus}:train", "dev": f"{corpus}:dev", "label_space": "ekman"})
    model = train_tfidf(recipe, tmp_path / "toy").model
    assert model.label_space is EKMAN
    assert model.config.projected_thresholds == {}
    texts, targets = read_rows(corpus, "train")
    mapped = load_label_map("goemotions", "ekman").project_indicator(targets)
    alone = TfidfNaiveBayes(max_features=80, tokeniser="social", alpha=0.2).fit(texts, mapped)
    assert np.array_equal(model.predict_logits(texts), alone.decision_function(texts))
    assert mapped[:, EKMAN.index("joy")].sum() > targets[:, GOEMOTIONS.index("joy")].sum()  # gratitude counts as joy


def test_labels_of_your_own(tmp_path, write_toy):
    labels = ("glad", "cross", "tense")
    write_split(tmp_path / "train.csv", *write_toy(140, seed=1), labels)
    write_split(tmp_path / "dev.csv", *write_toy(60, seed=2), labels)
    path = describe(tmp_path, space='labels = ["glad", "cross", "tense"]', ships="yes")
    train_tfidf(make_recipe(path), tmp_path / "toy")
    model = load(tmp_path / "toy")
    assert model.label_space.labels == labels
    chosen = model.predict(["so glad, what a lovely day", "this is outrageous", "my hands shake, I dread it"])
    assert chosen.diagonal().all()
    assert "may be given away" in (tmp_path / "toy" / "README.md").read_text()
    measured = evaluate_model(model, f"{path}:dev", n_resamples=20)
    assert measured.metrics["macro_f1"].value > 0.6


def test_a_dev_that_is_learned_from_or_tested_on_is_refused_before_anything_is_read(tmp_path):
    for dev, further, message in (
        (
            "gone:train",
            (),
            r"apart from all that is learned from, got gone:train, which is learned from at data\.dev of",
        ),
        ("gone:more", ("gone:more",), r"apart from all that is learned from, got gone:more"),
        ("gone:test", (), r"a dev split, since figures on test are flattered .*, got gone:test at data\.dev of toy"),
    ):
        recipe = make_recipe("gone", data={"train": "gone:train", "dev": dev, "further_train": further})
        with pytest.raises(ConfigError, match=message):
            train_tfidf(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_further_rows_are_learned_from_and_leave_their_trace(corpus, tmp_path, write_toy):
    folder = tmp_path / "more"
    folder.mkdir()
    write_split(folder / "train.csv", *(part[:40] for part in write_toy(60, seed=2, labels=LABELS)))  # 40 of dev's
    more = describe(folder, name="more", ships="yes")
    more.write_text(more.read_text().replace("ours alone", "theirs, too"))
    data = {"train": f"{corpus}:train", "dev": f"{corpus}:dev", "further_train": [f"{more}:train"]}
    trained = train_tfidf(make_recipe(corpus, data=data), tmp_path / "toy")
    model = load(tmp_path / "toy")
    (own, own_targets), (made, made_targets), (dev, _) = (
        read_rows(corpus, "train"), read_rows(more, "train"), read_rows(corpus, "dev")
    )  # fmt: skip
    alone = TfidfNaiveBayes(max_features=80, tokeniser="social", alpha=0.2)
    alone.fit(own + made, np.concatenate([own_targets, made_targets]))
    assert np.array_equal(model.predict_logits(dev), alone.decision_function(dev))
    assert trained.report["n_train"] == len(own) + len(made)

    facts = model.config.training
    assert facts["recipe"]["data"]["further_train"] == [f"{more}:train"]
    assert facts["recipe_fingerprint"] != fingerprint(make_recipe(corpus))
    assert facts["data"]["licence"] == "ours alone and theirs, too"
    card = (tmp_path / "toy" / "README.md").read_text()
    assert f"Learned from: `{corpus}:train` and `{more}:train`, 180 texts" in card
    assert "Licence of the data: ours alone. The weights must **not** be given away" in card
    assert "Licence of that data: theirs, too. Weights that learned from it may be given away." in card
    unseen = evaluate_model(model, f"{corpus}:dev", n_resamples=10).without_leaked
    assert unseen.n_removed == len(find_recurring(own + made, dev)) > len(find_recurring(own, dev))


@pytest.mark.parametrize("is_grouped", [True, False])
def test_a_search_is_told_the_groups_and_which_rows_are_the_recipes_own(
    corpus, tmp_path, write_toy, monkeypatch, is_grouped
):
    if is_grouped:
        corpus.write_text(corpus.read_text().replace("[columns]", '[columns]\ngroup = "who"'))
        for name in ("train", "dev"):
            head, *lines = (corpus.parent / f"{name}.csv").read_text().splitlines()
            rows = [f"{line},p{row % 9}" for row, line in enumerate(lines)]
            (corpus.parent / f"{name}.csv").write_text("\n".join([f"{head},who", *rows]) + "\n")
    folder = tmp_path / "more"
    folder.mkdir()
    write_split(folder / "train.csv", *write_toy(20, seed=3, labels=LABELS))
    data = {"train": f"{corpus}:train", "dev": f"{corpus}:dev"}
    data["further_train"] = [f"{describe(folder, name='more')}:train"]
    told = []
    search = training.grid_search
    monkeypatch.setattr(training, "grid_search", lambda *given, **said: told.append(said) or search(*given, **said))
    train_tfidf(make_recipe(corpus, data=data, naive_bayes={"alpha": [0.1, 1.0]}), tmp_path / "toy")
    (said,) = told
    assert said["n_judged"] == 140
    if not is_grouped:
        assert not said["groups"]  # as before there were groups
        return
    assert len(said["groups"]) == 160
    assert said["groups"][1:4] == ["p1", "p2", "p3"]
    assert len({*said["groups"][140:]}) == 20  # each by itself


def test_a_dev_split_of_other_labels_is_refused(corpus, tmp_path, write_toy):
    folder = tmp_path / "other"
    folder.mkdir()
    write_split(folder / "dev.csv", *write_toy(30), ("glad", "cross", "tense"))
    other = describe(folder, name="moods", space='labels = ["glad", "cross", "tense"]')
    recipe = make_recipe(corpus, data={"train": f"{corpus}:train", "dev": f"{other}:dev"})
    with pytest.raises(LabelError, match=r"no maps between label spaces of your own, got moods.v1 with glad, cross"):
        train_tfidf(recipe, tmp_path / "toy")


def test_a_search_chooses_and_its_cells_are_reported(corpus, tmp_path):
    recipe = make_recipe(
        corpus, naive_bayes=None, logistic_regression={"C": [1e-4, 1.0]}, search={"n_folds": 2, "cutoffs": "fixed"}
    )
    trained = train_tfidf(recipe, tmp_path / "toy")
    cells = trained.report["search"]
    assert [cell["settings"] for cell in cells] == [{"C": 1e-4}, {"C": 1.0}]
    assert cells[0]["mean_micro_f1"] < cells[1]["mean_micro_f1"]
    assert [len(cell["fold_micro_f1"]) for cell in cells] == [2, 2]
    assert trained.report["classifier"]["C"] == 1.0
    assert trained.report["classifier"]["random_state"] == 42
    assert not (tmp_path / "toy" / SEARCH_NAME).exists()


def test_a_killed_search_goes_on_and_changed_rows_start_it_again(corpus, tmp_path):
    recipe = make_recipe(corpus, naive_bayes={"alpha": [0.05, 0.5, 2.0]})

    def train(output, stop_at=None):
        fits = []

        def on_progress(n_done, n_total, note):
            if note.startswith("grid search, "):
                fits.append(n_done)
                if n_done == stop_at:
                    raise KeyboardInterrupt

        return train_tfidf(recipe, tmp_path / output, on_progress=on_progress), fits

    unbroken, fits = train("unbroken")
    assert len(fits) == 9
    for output in ("resumed", "changed"):
        with pytest.raises(KeyboardInterrupt):
            train(output, stop_at=6)
        assert (tmp_path / output / SEARCH_NAME).exists()
    resumed, fits = train("resumed")
    assert len(fits) == 3
    assert resumed.model.fingerprint == unbroken.model.fingerprint
    assert resumed.report == unbroken.report

    texts, targets = read_rows(corpus, "train")  # same description, so same revision, other rows
    columns = [GOEMOTIONS.index(label) for label in LABELS]
    write_split(corpus.parent / "train.csv", texts, np.roll(targets[:, columns], 1, axis=0))
    _, fits = train("changed")
    assert len(fits) == 9


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"method": "fixed", "value": 0.3}, [0.3] * 28),
        ({"method": "global"}, None),
    ],
)
def test_other_ways_to_cut_off(corpus, tmp_path, section, expected):
    trained = train_tfidf(make_recipe(corpus, thresholds=section), tmp_path / "toy")
    assert trained.report["thresholds"]["chosen"] == section["method"]
    assert len(set(trained.model.thresholds.tolist())) == 1
    if expected is not None:
        assert trained.model.thresholds.tolist() == expected
    assert trained.model.config.threshold_method.startswith(section["method"])


def test_cutoffs_are_chosen_as_the_recipe_says():
    space = make_label_space("calm", ["calm"])
    targets, proba = np.array([[True], [False]]), np.array([[0.9], [0.2]])

    def fit(**section):
        return fit_thresholds(ThresholdSection(**section), space, targets, proba, [])

    assert fit(method="fixed", value=0.7).thresholds.tolist() == [0.7]
    assert fit(method="global").thresholds.tolist() == [0.21]
    assert fit(method="per-label").thresholds[0] == pytest.approx(0.55)


def test_a_single_label_space_takes_the_likeliest_label_whatever_the_recipe():
    space = make_label_space("mood", ["up", "down"], task="single-label")
    targets = np.array([[True, False], [False, True], [True, False], [False, True]])
    proba = np.array([[0.1, 0.05], [0.2, 0.3], [0.3, 0.4], [0.1, 0.9]])
    halves = [np.array([0, 1]), np.array([2, 3])]
    folds = [CalibratedFold(fitted_on=one, judged=other, proba=proba) for one, other in (halves, halves[::-1])]
    fit = fit_thresholds(ThresholdSection(method="fixed", value=0.99), space, targets, proba, folds)
    assert fit.method == "likeliest label"
    assert fit.cross_fitted["micro_f1"] == pytest.approx(3 / 4)  # the third text is judged down


def test_rows_that_fit_no_single_label_are_left_out_and_counted(tmp_path):
    (tmp_path / "own.toml").write_text(
        '[dataset]\nname = "own"\nlabel_space = "goemotions"\n[columns]\nlabels = "labels"\n'
        '[splits]\ntrain = "t.csv"\ndev = "t.csv"\n'
    )
    kept = "".join(f"happy {n},joy\nfuming {n},anger\n" for n in range(20))
    (tmp_path / "t.csv").write_text(f'text,labels\n{kept}both at once,"joy,anger"\nnothing here,\nno such,jooy\n')
    data = {"train": f"{tmp_path / 'own.toml'}:train", "dev": f"{tmp_path / 'own.toml'}:dev", "label_space": "meld"}
    recipe = parse_config(TfidfRecipe, {"recipe": "tfidf", "name": "own", "data": data, "naive_bayes": {}})
    trained = train_tfidf(recipe, tmp_path / "model")
    assert trained.report["n_train"] == 40
    assert trained.report["left_out"]["train"] == {"rejected_rows": 1, "without_usable_label": 2}
    assert trained.model.predict(["happy 3"]).sum() == 1


def test_only_the_recipes_shrinkages_are_tried(corpus, tmp_path):
    sections = [{"shrinkages": [7.0]}, {"shrinkages": [0.0]}]
    by_hand = [
        train_tfidf(make_recipe(corpus, thresholds=one), tmp_path / "toy").report["thresholds"] for one in sections
    ]
    assert [one["shrinkage"] for one in by_hand] == [7.0, 0.0]
    compared = by_hand[1]["cross_fitted_on_dev"]
    assert compared["chosen"] == compared["per label, no shrinkage"]


def test_the_seed_reaches_the_solver(corpus, tmp_path):
    recipe = make_recipe(corpus, naive_bayes=None, logistic_regression={}, seed=7)
    trained = train_tfidf(recipe, tmp_path / "toy")
    texts, targets = read_rows(corpus, "train")
    alone = TfidfLogisticRegression(max_features=80, tokeniser="social", random_state=7).fit(texts, targets)
    assert np.array_equal(trained.model.scorer.weights, alone.scorer_.weights)
    assert trained.report["classifier"]["random_state"] == 7


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("text,labels\n", "at least one row, got a file without rows"),
        (
            "text,labels\nfine,\nwell,\n",
            "expected examples with labels of goemotions.v1, got none at .*feedback.toml:train",
        ),
        ("text,labels\n?!,joy\n...,anger\n", "texts with words|empty vocabulary"),
    ],
)
def test_data_without_anything_to_learn(corpus, tmp_path, rows, message):
    (tmp_path / "train.csv").write_text(rows)
    with pytest.raises(DataError, match=message):
        train_tfidf(make_recipe(corpus, features={"tokeniser": "word"}), tmp_path / "toy")
    assert not (tmp_path / "toy" / "manifest.json").exists()


def test_data_without_labels(tmp_path):
    (tmp_path / "lines.txt").write_text("One.\nTwo.\n")
    path = tmp_path / "lines.toml"
    path.write_text('[dataset]\nname = "lines"\n[splits]\ntrain = "lines.txt"\ndev = "lines.txt"\n')
    with pytest.raises(DataError, match="expected a data set with labels, got lines at"):
        train_tfidf(make_recipe(path), tmp_path / "toy")


def test_an_unknown_label_space(corpus, tmp_path):
    recipe = make_recipe(corpus, data={"train": f"{corpus}:train", "dev": f"{corpus}:dev", "label_space": "ekmann"})
    with pytest.raises(UnknownNameError, match=r"got 'ekmann'; did you mean .ekman."):
        train_tfidf(recipe, tmp_path / "toy")


def test_cut_offs_for_a_single_label_space_are_refused(tmp_path):
    (tmp_path / "own.toml").write_text(
        '[dataset]\nname = "own"\nlabels = ["up", "down"]\ntask = "single-label"\n[columns]\nlabels = "labels"\n'
        '[splits]\ntrain = "t.csv"\ndev = "t.csv"\n'
    )
    (tmp_path / "t.csv").write_text("text,labels\n" + "happy,up\ngloomy,down\n" * 20)
    table = {
        "recipe": "tfidf",
        "name": "own",
        "data": {"train": f"{tmp_path / 'own.toml'}:train", "dev": f"{tmp_path / 'own.toml'}:dev"},
        "naive_bayes": {},
    }
    recipe = parse_config(TfidfRecipe, {**table, "thresholds": {"method": "fixed", "value": 0.9}})
    with pytest.raises(
        ConfigError, match=r"no \[thresholds\] for a single-label space.*got method 'fixed' for own\.v1"
    ):
        train_tfidf(recipe, tmp_path / "model")
    trained = train_tfidf(parse_config(TfidfRecipe, table), tmp_path / "model")
    assert trained.model.config.threshold_method == "likeliest label"
    assert trained.report["thresholds"]["cross_fitted_on_dev"]["chosen"]["macro_f1"] == 1.0


def test_a_folder_of_somebody_else_is_refused_before_anything_is_trained(corpus, tmp_path):
    told = []
    with pytest.raises(OutputError, match=r"an empty folder, or one that holds a model"):
        train_tfidf(make_recipe(corpus), corpus.parent, on_progress=lambda *news: told.append(news))
    assert told == []
