"""From names to a result: the right data, the right map, and the texts that the model has seen."""

from dataclasses import replace

import pytest

from sentire.core.errors import DataError, LabelError, UnknownNameError, UsageError
from sentire.core.label_maps import LABEL_MAPS
from sentire.core.labels import LABEL_SPACES, LabelSpace, load_label_space, make_label_space
from sentire.data.reading import Reading
from sentire.data.registry import parse_split_name
from sentire.evaluate.evaluator import evaluate_classifier
from sentire.evaluate.result import render_result
from sentire.evaluate.run import choose_label_map, evaluate_model
from sentire.runtime.load import load
from sentire.runtime.tfidf_model import TfidfModel

REMARKS = [
    ("Thank you so much, what a lovely evening", "joy"),
    ("I hate this awful noise", "anger"),
    ("He cried, we are all so sad", "sadness"),
    ("I was terrified of the dog", "fear"),
    ("That smell is disgusting", "disgust"),
    ("The train leaves at nine", "neutral"),
    ("Wow, I did not expect that", "surprise"),
]


@pytest.fixture(scope="module")
def linear():
    return load("linear")


def write_data(folder, *, space="ekman", name="remarks", n=63, column="labels", extra=""):
    known = load_label_space(space).labels if space else ()
    for split, start in (("train", 500), ("test", 0)):
        rows = [(i, *REMARKS[i % 7]) for i in range(start, start + n)]
        cells = [f"{i};{text} {i}.;{label if not space or label in known else ''}" for i, text, label in rows]
        (folder / f"{split}.csv").write_text(
            "\n".join(["id,text,labels", *(c.replace(",", "").replace(";", ",") for c in cells)])
        )
    stated = f'label_space = "{space}"' if space else extra
    (folder / "data.toml").write_text(
        f'[dataset]\nname = "{name}"\n{stated}\n[columns]\nid = "id"\n'
        + (f'labels = "{column}"\n' if column else "")
        + '[splits]\ntrain = "train.csv"\ntest = "test.csv"\n'
    )
    return f"{folder / 'data.toml'}"


def trained_on(model, data):
    config = replace(model.config, training={"recipe": {"data": {"train": data}}})
    parts = {name: getattr(model, name) for name in ("features", "scorer", "calibrator", "fingerprint")}
    return TfidfModel(config=config, **parts)


def test_the_figures_are_those_of_the_evaluator(linear, tmp_path):
    data = write_data(tmp_path)
    dataset, split = parse_split_name(f"{data}:test")
    label_map = LABEL_MAPS["goemotions", "ekman"]
    result = evaluate_model(linear, f"{data}:test", seed=3, n_resamples=20)
    expected = evaluate_classifier(
        linear,
        dataset.read_split(split, reading=Reading()),
        data_name="remarks",
        data_revision=dataset.card.revision,
        split="test",
        label_map=label_map,
        seed=3,
        n_resamples=20,
        protocol=linear.config.threshold_method,
        cautions=result.data.cautions,
    )
    assert render_result(result) == render_result(expected)
    assert result.data.labels == LABEL_SPACES["ekman"].labels
    assert (result.data.n, result.data.label_map) == (63, label_map.id)
    assert result.settings.protocol == linear.config.threshold_method
    assert result.metrics["macro_f1"].value > 0.6
    # Where goemotions:train is not at hand, nothing is claimed, and no folder of this machine is named.
    assert result.without_leaked is None
    assert result.data.cautions == (
        "the model's train split, goemotions:train, cannot be read here",
        "texts that also occur in the training data were not looked for",
    )


@pytest.fixture(autouse=True)
def no_corpora(monkeypatch, tmp_path):
    monkeypatch.setenv("SENTIRE_DATA", str(tmp_path / "nothing"))


def test_rows_may_be_left_out_and_progress_is_told(linear, tmp_path):
    told = []
    result = evaluate_model(
        linear,
        f"{write_data(tmp_path)}:test",
        n_resamples=10,
        keep_rows=False,
        on_progress=lambda done, total, note: told.append((done, total, note)),
    )
    assert result.rows is None
    assert [one[:2] for one in told] == [(0, 3), (1, 3), (3, 3)]
    assert told[1][2] == "asking linear and measuring"


def test_texts_of_the_training_split_are_left_out(linear, tmp_path):
    data = write_data(tmp_path)
    with (tmp_path / "train.csv").open("a") as file:  # a test text again, with other signs and another case
        file.write("\n900,THANK you so much what a lovely evening   14!,joy\n901,Something else,joy\n")
    result = evaluate_model(trained_on(linear, f"{data}:train"), f"{data}:test", n_resamples=10)
    assert result.without_leaked is not None
    assert (result.without_leaked.n, result.without_leaked.n_removed) == (62, 1)


def test_a_model_asked_about_its_own_training_split_has_no_second_figures(linear, tmp_path):
    data = write_data(tmp_path)
    result = evaluate_model(trained_on(linear, f"{data}:test"), f"{data}:test", n_resamples=10)
    assert result.without_leaked is None


@pytest.mark.parametrize("gone", ["nowhere.toml:train", "no-such-corpus:train", "goemotions", 5, None])
def test_unknown_training_data_are_not_guessed(linear, tmp_path, gone):
    data = write_data(tmp_path)
    assert evaluate_model(trained_on(linear, gone), f"{data}:test", n_resamples=10).without_leaked is None


def test_data_without_labels(linear, tmp_path):
    data = write_data(tmp_path, space="", column="")
    with pytest.raises(DataError, match=r"a data set with emotion labels, got remarks, which has none at .*:test"):
        evaluate_model(linear, f"{data}:test")


def test_labels_that_no_map_reaches(linear, tmp_path):
    labels = sorted({label for _, label in REMARKS})
    data = write_data(tmp_path, space="", extra=f"labels = {labels}", name="mine")
    with pytest.raises(LabelError, match=r"goemotions.v1 can be mapped to or from, got mine.v1; the maps are goem"):
        evaluate_model(linear, f"{data}:test")


def test_names_that_are_not_there(linear, tmp_path):
    data = write_data(tmp_path)
    with pytest.raises(UnknownNameError, match="got 'tset' at remarks; did you mean \"test\""):
        evaluate_model(linear, f"{data}:tset")
    with pytest.raises(UnknownNameError, match='did you mean "goemotions"'):
        evaluate_model(linear, "goemotion:test")
    with pytest.raises(UsageError, match=r"data.toml:train, .*data.toml:test\).*add a colon and the split"):
        evaluate_model(linear, data)
    with pytest.raises(DataError, match=r"nothing/goemotions/test.tsv; .*sentire data fetch goemotions"):
        evaluate_model(linear, "goemotions:test")


def test_the_map_speaks_of_the_datas_labels_where_it_can():
    goemotions = LABEL_SPACES["goemotions"]
    for name in ("ekman", "isear", "emocontext", "iemocap-6", "meld"):
        assert choose_label_map(goemotions, LABEL_SPACES[name]) is LABEL_MAPS["goemotions", name]
    for (source, target), label_map in LABEL_MAPS.items():
        if (target, source) not in LABEL_MAPS:
            assert choose_label_map(LABEL_SPACES[target], LABEL_SPACES[source]) is label_map
    assert choose_label_map(goemotions, goemotions) is None


def test_the_same_labels_are_the_same_space_wherever_they_come_from():
    own = make_label_space("mine", ["calm", "tense"])
    stored = LabelSpace(name="mine", version=1, labels=("calm", "tense"), task="multi-label")
    assert choose_label_map(stored, own) is None
    for other in (
        make_label_space("mine", ["tense", "calm"]),
        make_label_space("yours", ["calm", "tense"]),
        make_label_space("mine", ["calm", "tense"], task="single-label"),
        make_label_space("mine", ["calm", "tense"], neutral="calm"),
    ):
        with pytest.raises(LabelError, match="can be mapped to or from"):
            choose_label_map(own, other)


def test_measuring_on_what_the_model_has_seen_is_said(linear, tmp_path):
    data = write_data(tmp_path)
    config = replace(linear.config, training={"recipe": {"data": {"train": f"{data}:train", "dev": f"{data}:test"}}})
    parts = {name: getattr(linear, name) for name in ("features", "scorer", "calibrator", "fingerprint")}
    model = TfidfModel(config=config, **parts)
    on_train = evaluate_model(model, f"{data}:train", n_resamples=10)
    assert on_train.without_leaked is None
    assert on_train.data.cautions[0] == "the model was trained on this very split"
    (tmp_path / "x").mkdir()  # another way to write the same path is the same split
    on_dev = evaluate_model(model, f"{tmp_path / '.' / 'x' / '..' / 'data.toml'}:test", n_resamples=10)
    assert on_dev.data.cautions == ("cut-offs and calibration were chosen on this very split",)
    assert on_dev.without_leaked is not None


@pytest.mark.parametrize("recipe", ["x", {"data": "x"}, {"data": {"train": 5}}, None])
def test_strange_facts_about_training_are_passed_over(linear, tmp_path, recipe):
    config = replace(linear.config, training={"recipe": recipe})
    parts = {name: getattr(linear, name) for name in ("features", "scorer", "calibrator", "fingerprint")}
    result = evaluate_model(TfidfModel(config=config, **parts), f"{write_data(tmp_path)}:test", n_resamples=10)
    assert result.data.cautions == ("texts that also occur in the training data were not looked for",)


def test_rows_that_cannot_be_read_are_counted_in_the_result(linear, tmp_path):
    data = write_data(tmp_path)
    with (tmp_path / "test.csv").open("a") as file:
        file.write("\n900,half a row\n901,fine,no-such-label\n")
    result = evaluate_model(linear, f"{data}:test", n_resamples=10)
    assert (result.data.n, result.data.n_rejected) == (63, 2)


def test_labels_that_lead_nowhere_in_the_wanted_space_are_not_measured(linear, tmp_path):
    (tmp_path / "t.csv").write_text("text,labels\nwhat a fine day,joy\nnothing to say,\nhm,bliss\n")
    (tmp_path / "own.toml").write_text(
        '[dataset]\nname = "own"\nlabel_space = "goemotions"\n[columns]\nlabels = "labels"\n[splits]\ntest = "t.csv"\n'
    )
    result = evaluate_model(linear, f"{tmp_path / 'own.toml'}:test", label_space="ekman", n_resamples=10)
    assert (result.data.n, result.data.n_unscored, result.data.n_rejected) == (2, 0, 1)
    assert result.data.label_space == "ekman.v1"
    assert result.per_label["joy"]["threshold"].value == linear.projected_thresholds["ekman"][3]
    meld = evaluate_model(linear, f"{tmp_path / 'own.toml'}:test", label_space="meld", n_resamples=10)
    assert (meld.data.n, meld.data.n_unscored) == (1, 1)
    assert meld.settings.protocol == "likeliest label"
