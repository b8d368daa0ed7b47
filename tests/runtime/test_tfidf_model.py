import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentire.core.errors import ArtifactError, DataError, OutputError, ShapeError, UsageError
from sentire.core.labels import make_label_space
from sentire.core.protocols import Predictor
from sentire.runtime import batches
from sentire.runtime.calibration import PlattScaling, TemperatureScaling, Uncalibrated
from sentire.runtime.linear import LinearScorer
from sentire.runtime.load import load
from sentire.runtime.model_folder import ModelConfig
from sentire.runtime.tfidf_model import TfidfModel

some_texts = st.lists(
    st.one_of(
        st.lists(st.sampled_from(["so", "glad", "NO", "no", "cold", "soup", "queue", "zzz", "\x00"]), max_size=9).map(
            " ".join
        ),
        st.text(st.characters(), max_size=10),
    ),
    max_size=7,
)


def test_it_is_a_predictor(make_model):
    assert isinstance(make_model(), Predictor)


def test_answers_follow_from_the_parts(make_model, sentences):
    model = make_model()
    rows = model.features.transform(sentences)
    logits = np.zeros((len(sentences), 7))
    for row in range(len(sentences)):
        logits[row] = model.scorer.bias
        for entry in range(rows.starts[row], rows.starts[row + 1]):
            logits[row] += rows.values[entry] * model.scorer.weights[rows.columns[entry]]
    np.testing.assert_allclose(model.predict_logits(sentences), logits, atol=1e-5)
    proba = model.predict_proba(sentences)
    np.testing.assert_array_equal(proba, model.calibrator.apply(model.predict_logits(sentences)))
    np.testing.assert_array_equal(model.predict(sentences), proba >= model.thresholds)
    judgement = model.judge(sentences)
    assert judgement.vad is None
    assert judgement.is_known.tolist() == [True, True, True, False, False, True]
    assert len({tuple(row) for row in proba}) == 5  # the two texts without a known word get the same average answer


@settings(max_examples=60, deadline=None)
@given(texts=some_texts, data=st.data())
def test_a_text_gets_the_same_answer_alone_and_in_company_bit_by_bit(make_model, texts, data):
    model = make_model()
    order = data.draw(st.permutations(range(len(texts))))
    most_texts = data.draw(st.integers(1, 4))
    together = model.predict_proba(texts)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(batches, "MOST_TEXTS", most_texts)
        assert np.array_equal(model.predict_proba(texts), together)
        shuffled = model.judge([texts[position] for position in order])
    for place, position in enumerate(order):
        assert np.array_equal(shuffled.proba[place], together[position])
        assert np.array_equal(model.predict_proba([texts[position]])[0], together[position])
        assert model.judge([texts[position]]).is_known[0] == shuffled.is_known[place]


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize(
    "calibrator", [None, Uncalibrated(), TemperatureScaling(1 / 3), PlattScaling((1 / 3,) * 7, (0.1,) * 7)]
)
def test_saved_and_loaded_it_answers_bit_by_bit_the_same(make_model, tmp_path, sentences, precision, calibrator):
    model = make_model(calibrator=calibrator, is_float16=precision == "float16")
    fingerprint = model.save(tmp_path / "deep" / "model", card="# card\n", precision=precision)
    again = load(tmp_path / "deep" / "model")
    assert np.array_equal(again.predict_proba(sentences), model.predict_proba(sentences))
    assert np.array_equal(again.predict_logits(sentences), model.predict_logits(sentences))
    assert np.array_equal(again.thresholds, model.thresholds)
    assert again.fingerprint == model.fingerprint == fingerprint
    assert (again.name, again.label_space, again.calibrator) == ("small", model.label_space, model.calibrator)
    assert again.config.threshold_method == "per-label, chosen on nothing"
    assert again.config.training == {"seed": 5}
    assert again.config.projected_thresholds.keys() == {"sentiment"}
    assert np.array_equal(again.config.projected_thresholds["sentiment"], [0.1, 0.2, 0.3, 0.4])
    assert (again.uses_context, again.has_vad) == (False, False)
    assert (tmp_path / "deep" / "model" / "README.md").read_text() == "# card\n"


def test_float16_halves_the_weights(make_model, tmp_path):
    sizes = {}
    for precision in ("float32", "float16"):
        make_model().save(tmp_path / precision, card="", precision=precision)
        sizes[precision] = (tmp_path / precision / "weights.safetensors").stat().st_size
    assert sizes["float32"] - sizes["float16"] == 10 * 7 * 2


def test_saving_twice_gives_the_same_fingerprint_and_another_model_another(make_model, tmp_path):
    first = make_model().save(tmp_path / "a", card="x")
    assert make_model().save(tmp_path / "b", card="x") == first
    assert make_model(calibrator=Uncalibrated()).save(tmp_path / "b", card="x") != first
    assert load(tmp_path / "b").calibrator == Uncalibrated()  # the earlier model in the folder is replaced


def test_float16_that_would_change_a_weight_is_refused(make_model, tmp_path):
    model = make_model(is_float16=False)
    with pytest.raises(UsageError, match="expected weights that float16 can hold, got finer ones; round them before"):
        model.save(tmp_path / "model", card="", precision="float16")
    assert not (tmp_path / "model").exists()


def test_an_unknown_precision_is_refused(make_model, tmp_path):
    with pytest.raises(UsageError, match="expected float32 or float16, got 'int8' at precision"):
        make_model().save(tmp_path, card="", precision="int8")


def test_a_folder_that_cannot_be_written(make_model, tmp_path):
    (tmp_path / "file").write_text("here first")
    with pytest.raises(OutputError, match=r"a place that can be written.*file"):
        make_model().save(tmp_path / "file" / "model", card="")


def test_a_folder_with_files_of_somebody_else_is_left_alone(make_model, tmp_path):
    (tmp_path / "README.md").write_text("my project")
    with pytest.raises(
        OutputError, match=r"an empty folder, or one that holds a model, got a folder with 'README\.md'"
    ):
        make_model().save(tmp_path, card="")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("README.md", "my project")]


def test_a_model_that_cannot_be_finished_leaves_the_earlier_one(make_model, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    first = make_model().save(folder, card="first")
    (folder / "notes.txt").write_text("kept")

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("sentire.runtime.model_folder.write_manifest", fail)
        with pytest.raises(KeyboardInterrupt):
            make_model(calibrator=Uncalibrated()).save(folder, card="second")
    assert load(folder).fingerprint == first
    make_model(calibrator=Uncalibrated()).save(folder, card="third")
    assert load(folder).fingerprint != first
    assert (folder / "notes.txt").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_labels_of_your_own(make_model, tmp_path, sentences):
    space = make_label_space("moods", ["calm", "tense", "Grün"], task="single-label", neutral="calm")
    model = make_model(label_space=space, calibrator=Uncalibrated())
    model.save(tmp_path, card="")
    again = load(tmp_path)
    assert again.label_space.labels == ("calm", "tense", "Grün")
    assert (again.label_space.task, again.label_space.neutral, again.label_space.id) == (
        "single-label",
        "calm",
        "moods.v1",
    )
    assert np.array_equal(again.predict(sentences), model.predict(sentences))
    assert (again.predict(sentences).sum(axis=1) == 1).all()


def test_no_texts(make_model):
    model = make_model()
    assert model.predict_proba([]).shape == (0, 7)
    assert model.predict([]).shape == (0, 7)
    assert model.predict_logits([]).shape == (0, 7)
    assert model.judge([]).is_known.shape == (0,)


def test_context_is_checked_and_has_no_influence(make_model, sentences):
    model = make_model()
    contexts = ["at the café", None, ["a", "b"], "", None, "glad"]
    assert np.array_equal(model.predict_proba(sentences, context=contexts), model.predict_proba(sentences))
    with pytest.raises(UsageError, match="expected 6 contexts, one a text, got 1 contexts"):
        model.predict(sentences, context=["one"])


@pytest.mark.parametrize(
    ("texts", "message"), [("glad", "got one string"), (["a", None], r"NoneType None at texts\[1\]")]
)
def test_what_is_no_list_of_texts_is_refused(make_model, texts, message):
    for ask in (make_model().predict_proba, make_model().predict, make_model().predict_logits):
        with pytest.raises(DataError, match=message):
            ask(texts)


def test_ten_megabytes_and_nasty_texts(make_model):
    model = make_model()
    nasty = [
        "glad " * 2_000_000,
        "a" * 1_000_000,
        "e" + "\u0301" * 1_000_000,
        "\x00" * 50,
        "\ud800\udfff",
        "<b>glad</b>",
    ]
    proba = model.predict_proba(nasty)
    assert proba.shape == (6, 7)
    assert np.isfinite(proba).all()
    assert np.array_equal(proba[0], model.predict_proba(["glad " * 20_000])[0])


def test_parts_that_do_not_fit_are_refused(make_model):
    model = make_model()
    scorer = LinearScorer(weights=np.zeros((10, 6), np.float32), bias=np.zeros(6, np.float32))
    with pytest.raises(ShapeError, match=r"weights of shape \(10, 7\), got shape \(10, 6\)"):
        TfidfModel(config=model.config, features=model.features, scorer=scorer, calibrator=model.calibrator)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"thresholds": np.full(6, 0.5)}, ShapeError, r"7 cut-offs for ekman, got shape \(6,\)"),
        ({"thresholds": np.full(7, 1.5)}, ArtifactError, "cut-offs between 0 and 1 for ekman"),
        ({"thresholds": np.full(7, np.nan)}, ArtifactError, "cut-offs between 0 and 1 for ekman"),
        ({"projected_thresholds": {"sentiment": np.full(7, 0.5)}}, ShapeError, "4 cut-offs for sentiment"),
        ({"projected_thresholds": {"sentiment": np.full(4, -0.1)}}, ArtifactError, "0 and 1 for sentiment"),
    ],
)
def test_cutoffs_that_do_not_fit_are_refused(make_model, changes, error, message):
    config = make_model().config
    settings = {"name": "x", "label_space": config.label_space, "thresholds": config.thresholds, "threshold_method": ""}
    with pytest.raises(error, match=message):
        ModelConfig(**{**settings, **changes})


def test_texts_may_come_one_by_one_and_what_is_no_text_is_refused(make_model, sentences):
    model = make_model()
    assert np.array_equal(model.predict_proba(text for text in sentences), model.predict_proba(sentences))
    with pytest.raises(DataError, match="None"):
        model.predict_proba(None)
