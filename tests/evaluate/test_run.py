"""From names to a result: the right data, the right map, and the texts that the model has seen."""

from dataclasses import replace

import pytest

from sentire.core.affect import VAD_1_5, VAD_1_9, VAD_UNIT
from sentire.core.errors import DataError, LabelError, UnknownNameError, UsageError
from sentire.core.label_maps import LABEL_MAPS
from sentire.core.labels import LABEL_SPACES, LabelSpace, load_label_space, make_label_space
from sentire.data.reading import Reading
from sentire.data.registry import DATASETS, parse_split_name
from sentire.evaluate.evaluator import evaluate_classifier
from sentire.evaluate.result import render_result
from sentire.evaluate.run import MADE_BY_US, choose_label_map, evaluate_model
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
    for target, missing in (
        ("", "emotion labels or scores on an affect scale"),
        ("labels", "emotion labels"),
        ("affect", "scores on an affect scale"),
    ):
        with pytest.raises(DataError, match=rf"a data set with {missing}, got remarks, which has none at .*:test"):
            evaluate_model(linear, f"{data}:test", target=target)


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


MOODS_AND_RATINGS = """
[dataset]
name = "rated"
{labels}
affect_scale = "vad-1-9"
[columns]
id = "nr"
{column}
context = "before"
[columns.scores]
valence = "v"
arousal = "a"
dominance = "d"
[splits]
train = "rated-train.csv"
dev = "rated-dev.csv"
test = "rated-test.csv"
"""


def write_ratings(folder, *, has_labels=False):
    for split, start, shift in (("train", 100, 1.0), ("dev", 200, 0.0), ("test", 0, 0.0)):
        lines = ["nr,text,before,mood,v,a,d"]
        for number in range(start, start + 12):
            v, a, d = 3 + shift + number % 5, 2 + number % 7, 4 + number % 3
            mood = ("calm", "glad", "cross")[number % 3]
            lines.append(f"{number},remark {number},{'It began.' if number % 2 else ''},{mood},{v},{a},{d}")
        (folder / f"rated-{split}.csv").write_text("\n".join(lines))
    path = folder / "rated.toml"
    labels, column = ('labels = ["calm", "glad", "cross"]', 'labels = "mood"') if has_labels else ("", "")
    path.write_text(MOODS_AND_RATINGS.format(labels=labels, column=column))
    return f"{path}"


@pytest.fixture
def scorer(affect_table):
    """Make a model that knows the texts of ``write_ratings``."""
    guesses = {
        f"remark {number}": [(number % 4) / 4 - 0.5, (number % 5) / 5 - 0.5, (number % 3) / 3 - 0.5]
        for number in [*range(12), *range(100, 112), *range(200, 212)]
    }

    def make(**options):
        return affect_table(guesses, label_space=make_label_space("rated", ["calm", "glad", "cross"]), **options)

    guesses["Remark 7!"] = guesses["remark 7"]
    return make


def test_data_with_scores_alone_is_measured_by_them(scorer, tmp_path):
    data = write_ratings(tmp_path)
    told = []
    result = evaluate_model(
        scorer(), f"{data}:test", n_resamples=10, seed=4, on_progress=lambda *step: told.append(step)
    )
    assert (result.task, result.data.name, result.data.split, result.data.n) == ("affect", "rated", "test", 12)
    assert (result.data.label_space, result.settings.seed) == ("vad-1-9.v1", 4)
    assert result.rows.targets[4] == (7.0, 6.0, 5.0)
    assert result.rows.predictions[3] == pytest.approx((5 + 0.25 * 4, 5 + 0.1 * 4, 5 - 0.5 * 4))
    assert result.data.cautions == ("texts that also occur in the training data were not looked for",)
    assert result.settings.protocol.endswith("beside the mean of these texts")
    assert [step[:2] for step in told] == [(0, 3), (1, 3), (3, 3)]


def test_data_with_both_is_measured_by_labels_unless_told(scorer, tmp_path):
    data = f"{write_ratings(tmp_path, has_labels=True)}:test"
    assert {evaluate_model(scorer(), data, n_resamples=10, target=target).task for target in ("", "labels")} == {
        "multi-label"
    }
    by_scores = evaluate_model(scorer(), data, n_resamples=10, target="affect")
    write_ratings(tmp_path)
    assert by_scores.task == "affect"
    assert evaluate_model(scorer(), data, n_resamples=10).metrics == by_scores.metrics


@pytest.mark.parametrize("target", ["labels", "affect"])
def test_the_context_reaches_the_model_unless_it_is_withheld(scorer, tmp_path, target):
    data = f"{write_ratings(tmp_path, has_labels=True)}:test"
    given, withheld = (scorer(uses_context=True) for _ in range(2))
    with_context = evaluate_model(given, data, n_resamples=10, target=target)
    without = evaluate_model(withheld, data, n_resamples=10, target=target, ignore_context=True)
    assert given.asked[-1][1][:3] == [None, ("It began.",), None]
    assert all(context is None for _, context in withheld.asked)
    assert (with_context.settings.context, without.settings.context) == ("given", "withheld")


def test_the_mean_and_the_texts_of_the_affect_training_split(scorer, tmp_path):
    data = write_ratings(tmp_path)
    with (tmp_path / "rated-train.csv").open("a") as file:
        file.write("\n990,Remark 7!,,calm,9,9,9")
    trained = {"train": "nowhere.toml:train", "affect_train": f"{data}:train", "affect_dev": f"{data}:dev"}
    result = evaluate_model(scorer(data=trained), f"{data}:test", n_resamples=10)
    assert result.data.cautions == ()
    assert result.settings.protocol.endswith(f"beside the mean of {data}:train")
    assert (result.without_leaked.n, result.without_leaked.n_removed) == (11, 1)
    train_valence = [4 + number % 5 for number in range(100, 112)] + [9]
    test_valence = [3 + number % 5 for number in range(12)]
    mean = sum(train_valence) / 13
    expected = (sum((value - mean) ** 2 for value in test_valence) / 12) ** 0.5
    assert result.metrics["rmse_v_mean_baseline"].value == pytest.approx(expected)
    # The ratings of the same model, measured where it was chosen and where it learned.
    on_dev = evaluate_model(scorer(data=trained), f"{data}:dev", n_resamples=10)
    assert on_dev.data.cautions == ("the model was chosen on this very split",)
    on_train = evaluate_model(scorer(data=trained), f"{data}:train", n_resamples=10)
    assert on_train.data.cautions[0] == "the model was trained on this very split"
    assert on_train.without_leaked is None


def test_the_mean_moves_to_the_scale_that_is_measured(scorer, tmp_path):
    data = write_ratings(tmp_path)
    other = tmp_path / "other.toml"
    other.write_text((tmp_path / "rated.toml").read_text().replace('"rated"', '"other"').replace("vad-1-9", "vad-1-5"))
    lines = ["nr,text,before,mood,v,a,d", "1,someone else said this,,calm,2,3,4"]
    (tmp_path / "other.csv").write_text("\n".join(lines))
    other.write_text(other.read_text().replace("rated-train", "other"))
    model = scorer(data={"affect_train": f"{other}:train"})
    result = evaluate_model(model, f"{data}:test", n_resamples=10)
    valence = [3 + number % 5 for number in range(12)]  # 2 on the scale to 5 is 3 on the scale to 9
    assert result.metrics["rmse_v_mean_baseline"].value == pytest.approx(
        (sum((value - 3) ** 2 for value in valence) / 12) ** 0.5
    )


def test_further_training_texts_are_looked_for_too(scorer, tmp_path):
    data = write_ratings(tmp_path, has_labels=True)
    with (tmp_path / "rated-dev.csv").open("a") as file:
        file.write("\n991,Remark 3?,,calm,9,9,9")
    trained = {"train": f"{data}:train", "dev": "", "further_train": [f"{data}:dev", "nowhere.toml:train"]}
    result = evaluate_model(scorer(data=trained), f"{data}:test", n_resamples=10)
    assert (result.without_leaked.n, result.without_leaked.n_removed) == (11, 1)
    assert result.data.cautions == ("the model's further_train split, nowhere.toml:train, cannot be read here",)
    write_ratings(tmp_path, has_labels=True)
    seen = evaluate_model(scorer(data=trained), f"{data}:dev", n_resamples=10)
    assert seen.data.cautions[0] == "the model was trained on this very split"


def test_texts_that_teachers_labelled_are_looked_for_too(scorer, tmp_path):
    data = write_ratings(tmp_path, has_labels=True)
    with (tmp_path / "rated-dev.csv").open("a") as file:
        file.write("\n991,Remark 7!,,calm,9,9,9")

    def look(recipe, split="test", target="labels", **training):
        model = scorer()
        model.config = replace(model.config, training={"recipe": recipe, **training})
        return evaluate_model(model, f"{data}:{split}", n_resamples=10, target=target)

    trained = {"train": f"{data}:train", "dev": ""}
    taught = {"data": trained | {"unlabelled": [f"{data}:dev"]}, "distillation": {"teachers": ["x"]}}
    assert look(taught).without_leaked.n_removed == 1
    assert look(taught, "dev").data.cautions[0] == "the model was trained on this very split"
    rated = {"data": trained | {"affect_train": f"{data}:dev"}, "distillation": {"teachers": ["x"]}}
    assert look(rated).without_leaked.n_removed == 1
    assert look(rated, "dev").data.cautions[0] == "the model was trained on this very split"
    # Without teachers, the ratings alone are learned from.
    assert look(rated | {"distillation": {"teachers": []}}, "dev").data.cautions == ()


def test_what_earlier_models_learned_from_is_looked_for_too(scorer, tmp_path):
    data = write_ratings(tmp_path, has_labels=True)
    with (tmp_path / "rated-dev.csv").open("a") as file:
        file.write("\n991,Remark 7!,,calm,9,9,9")
    recipe = {"data": {"train": f"{data}:train", "dev": ""}}

    def look(split, earlier, target="labels"):
        model = scorer()
        model.config = replace(model.config, training={"recipe": recipe, "earlier_data": earlier})
        return evaluate_model(model, f"{data}:{split}", n_resamples=10, target=target)

    earlier = {"labels": [f"{data}:dev", "nowhere.toml:train"], "affect": [f"{data}:test"], "unknown": ["some-teacher"]}
    assert look("test", earlier).without_leaked.n_removed == 1
    assert look("test", earlier).data.cautions == (
        "an earlier model's split, nowhere.toml:train, cannot be read here",
        "what some-teacher learned from, before the model learned from it, is not known",
    )
    assert look("dev", earlier).data.cautions[0] == "a model before it was trained on this very split"
    assert look("test", earlier, "affect").data.cautions[0] == "a model before it was trained on this very split"
    for strange in (5, {"labels": 5, "unknown": {}}, None):
        assert look("test", strange).data.cautions == ()


def test_a_training_split_that_teaches_labels_and_scores_needs_no_second_name(scorer, tmp_path):
    data = write_ratings(tmp_path, has_labels=True)
    model = scorer(data={"train": f"{data}:train", "dev": f"{data}:dev"})
    result = evaluate_model(model, f"{data}:test", n_resamples=10, target="affect")
    assert result.settings.protocol.endswith(f"beside the mean of {data}:train")
    assert result.data.cautions == ()
    labels_only = scorer(data={"train": f"{write_data(tmp_path)}:train"})
    result = evaluate_model(labels_only, f"{data}:test", n_resamples=10, target="affect")
    assert result.settings.protocol.endswith("beside the mean of these texts")
    assert result.without_leaked is None


def test_affect_training_data_that_cannot_be_read(scorer, tmp_path):
    model = scorer(data={"affect_train": "emobank:train", "affect_dev": 7})
    result = evaluate_model(model, f"{write_ratings(tmp_path)}:test", n_resamples=10)
    assert result.data.cautions == (
        "the model's affect_train split, emobank:train, cannot be read here",
        "texts that also occur in the training data were not looked for",
    )
    assert result.settings.protocol.endswith("beside the mean of these texts")


def test_what_has_no_affect_scores_is_told_before_anything_is_read(linear, scorer, tmp_path):
    with pytest.raises(
        UsageError, match=r"answers with valence, arousal and dominance, got linear, .* at emobank:test"
    ):
        evaluate_model(linear, "emobank:test")  # the corpus is not there
    with pytest.raises(
        DataError, match=r"with scores on an affect scale, got goemotions, which has none at goemotions:"
    ):
        evaluate_model(scorer(), "goemotions:test", target="affect")
    with pytest.raises(DataError, match=r"a data set with emotion labels, got emobank, which has none at emobank:test"):
        evaluate_model(scorer(), "emobank:test", target="labels")
    with pytest.raises(
        UsageError, match="only where labels are measured, got 'ekman' for affect scores at emobank:test"
    ):
        evaluate_model(scorer(), "emobank:test", label_space="ekman")
    with pytest.raises(UnknownNameError, match=r"a target \(affect, labels\), got 'afect'; did you mean \"affect\""):
        evaluate_model(scorer(), "emobank:test", target="afect")


@pytest.mark.corpus
def test_emobank_and_the_glasgow_norms(affect_table, corpus_root):
    for data, n, scale in (("emobank:test", 1000, VAD_1_5), ("glasgow-norms:all", 5553, VAD_1_9)):
        dataset, split = parse_split_name(data)
        examples = dataset.read_split(split, root=corpus_root)
        known = {one.text: scale.convert(list(one.scores.values()), VAD_UNIT).tolist() for one in examples}
        model = affect_table(known, data={"affect_train": "emobank:train"})
        result = evaluate_model(model, data, data_root=corpus_root, n_resamples=10)
        assert (result.data.n, result.data.n_unscored) == (n, 0)
        # One text has one answer, but words with several senses have several ratings.
        assert result.metrics["pearson_v"].value > 0.93
        assert result.settings.protocol.endswith("beside the mean of emobank:train")
        assert result.without_leaked is not None


def test_data_that_the_project_made_is_measured_and_says_so():
    result = evaluate_model(load("linear"), "situations:test", n_resamples=20, keep_rows=False)
    assert result.data.n == DATASETS["situations"].card.split_counts["test"]
    assert MADE_BY_US in result.data.cautions


def test_synthetic_rows_of_other_data_are_refused(tmp_path, monkeypatch):
    card = replace(DATASETS["situations"].card, is_ours=False)
    monkeypatch.setitem(DATASETS, "situations", replace(DATASETS["situations"], card=card))
    with pytest.raises(DataError, match="got the synthetic example"):
        evaluate_model(load("linear"), "situations:test", n_resamples=20)
