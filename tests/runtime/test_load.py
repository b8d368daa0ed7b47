import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
import safetensors.numpy

import sentire
from sentire.core.errors import ArtifactError, UnknownNameError, UsageError
from sentire.core.labels import GOEMOTIONS
from sentire.runtime.load import EMBEDDED_MODELS, load, take_model

MODEL_FILES = ["README.md", "config.json", "vocabulary.json", "weights.safetensors"]
ASSETS = Path(sentire.__file__).parent / "assets"


def edit_json(path, change):
    data = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps(change(data) or data))


def edit_arrays(folder, **changes):
    path = folder / "weights.safetensors"
    arrays = {**safetensors.numpy.load(path.read_bytes()), **changes}
    path.write_bytes(safetensors.numpy.save({name: array for name, array in arrays.items() if array is not None}))


def config_with(*keys, value):
    """An edit of config.json: the entry under the keys gets a value, or goes where the value is KeyError."""

    def edit(folder):
        def change(data):
            place = data
            for key in keys[:-1]:
                place = place[key]
            if value is KeyError:
                del place[keys[-1]]
            else:
                place[keys[-1]] = value

        edit_json(folder / "config.json", change)

    return edit


def name_labels_anew(data):
    data["label_space"] |= {"name": "foreign", "neutral": None}
    data["id2label"]["0"] = "an\x1b[2Jger"
    data["thresholds"]["an\x1b[2Jger"] = data["thresholds"].pop(next(iter(data["thresholds"])))


def swap_labels(folder):
    def change(data):
        data["id2label"]["0"], data["id2label"]["1"] = data["id2label"]["1"], data["id2label"]["0"]

    edit_json(folder / "config.json", change)


def swap_words(folder):
    edit_json(folder / "vocabulary.json", lambda terms: terms.__setitem__(0, terms[1]))


@pytest.mark.parametrize("name", EMBEDDED_MODELS)
def test_the_embedded_models_load(name):
    model = load(name)
    texts = ["Thank you so much, that was lovely!", "", "I am so angry about this", "qqqq zzzz"]
    proba = model.predict_proba(texts)
    assert model.label_space is GOEMOTIONS
    assert (proba.shape, proba.dtype) == ((4, 28), np.float32)
    assert ((proba >= 0) & (proba <= 1)).all()
    assert model.predict_proba([]).shape == (0, 28)
    assert model.predict(texts).shape == (4, 28)
    assert GOEMOTIONS.labels[proba[0].argmax()] == "gratitude"
    assert GOEMOTIONS.labels[proba[2].argmax()] == "anger"
    # Pieces of words that make no word are still known to an encoder.
    assert model.judge(texts).is_known.tolist() == [True, False, True, name != "linear"]
    assert model.config.projected_thresholds.keys() == {"ekman", "sentiment"}
    assert model.config.training["data"]["name"] == "goemotions"


def test_without_a_name_the_default_is_loaded():
    assert load().fingerprint == load("default").fingerprint


def test_the_embedded_linear_model_is_small_and_holds_no_pickle():
    files = [path for path in (ASSETS / "linear").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 6_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md"}
    for path in files:
        if path.suffix == ".json":
            orjson.loads(path.read_bytes())
    weights = (ASSETS / "linear" / "weights.safetensors").read_bytes()
    header_length = int.from_bytes(weights[:8], "little")
    assert orjson.loads(weights[8 : 8 + header_length]).keys() - {"__metadata__"} == {"weights", "bias", "idf"}


def test_loading_never_unpickles_and_needs_no_optional_library(saved):
    program = f"""
import sys
def refuse(event, arguments):
    if event == "pickle.find_class":
        raise SystemExit(f"{{event}} {{arguments}}")
sys.addaudithook(refuse)
from sentire.runtime.load import load
for name in ("default", {str(saved)!r}):
    assert load(name).predict_proba(["glad"]).shape[0] == 1
print(sorted({{"sklearn", "scipy", "torch", "pandas", "joblib"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.parametrize("unit", ["runtime", "classifiers", "storage"])
def test_no_source_file_speaks_of_pickle_libraries(unit):
    sources = list((Path(sentire.__file__).parent / unit).glob("*.py"))
    assert sources
    for path in sources:
        text = path.read_text()
        for name in ("import pickle", "joblib", "allow_pickle=True", "import dill", "cloudpickle", "import shelve"):
            assert name not in text, path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "lineer",
            r"a model \(default, linear\) or the folder of a trained model, got 'lineer'.*did you mean .linear.\?",
        ),
        ("defaut", "got 'defaut'; did you mean \"default\""),
        ("nothing/like/it", "got 'nothing/like/it'$"),
        ("x" * 5000, r"got 'xxx.*… \(5002 characters\)"),
        ("nul\x00byte", r"got 'nul\\x00byte'"),
        ("\ud800", "got '.ud800'"),
    ],
)
def test_a_name_that_is_none(name, message):
    with pytest.raises(UnknownNameError, match=message):
        load(name)


@pytest.mark.parametrize(("wrong", "got"), [(5, "int 5"), (None, "NoneType None"), (b"linear", "bytes b'linear'")])
def test_what_is_neither_name_nor_path(wrong, got):
    with pytest.raises(UsageError, match=f"the name of a model or the folder of a trained one, got {got}"):
        load(wrong)
    with pytest.raises(UsageError, match=f"got {got}"):
        take_model(wrong)


def test_a_loaded_model_is_taken_as_it_is():
    model = load("linear")
    assert take_model(model) is model
    assert take_model("linear").fingerprint == model.fingerprint


def test_a_file_instead_of_a_folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(UnknownNameError, match=r"or the folder of a trained model, got the file .*model\.safetensors"):
        load(str(tmp_path / "model.safetensors"))


def test_an_embedded_name_wins_over_a_folder_but_a_path_does_not(tmp_path, monkeypatch, saved):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved, tmp_path / "linear")
    assert load("linear").label_space is GOEMOTIONS
    assert load(Path("linear")).name == "small"
    assert load("./linear").name == "small"


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(ArtifactError, match=r"a sentire-model folder with a manifest\.json, got No such file"):
        load(tmp_path)


@pytest.mark.parametrize("name", MODEL_FILES)
def test_a_missing_file(saved, name):
    (saved / name).unlink()
    with pytest.raises(ArtifactError, match=f"expected the file {name}, got No such file.*copy the whole folder again"):
        load(saved)


@pytest.mark.parametrize("name", [*MODEL_FILES, "manifest.json"])
def test_a_truncated_file(saved, name):
    content = (saved / name).read_bytes()
    for n_bytes in (0, 1, len(content) // 2, len(content) - 1):
        (saved / name).write_bytes(content[:n_bytes])
        if name == "manifest.json" and n_bytes == len(content) - 1:
            assert load(saved).name == "small"  # all that is cut is the line end
            continue
        message = "a manifest in JSON" if name == "manifest.json" else f"with sha256.*got {n_bytes} bytes at .*{name}"
        with pytest.raises(ArtifactError, match=message):
            load(saved)


@pytest.mark.parametrize("name", [*MODEL_FILES, "manifest.json"])
def test_a_flipped_bit(saved, name):
    content = (saved / name).read_bytes()
    rng = np.random.default_rng(3)
    for position in [0, len(content) - 2, *rng.integers(0, len(content) - 1, size=25).tolist()]:
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        (saved / name).write_bytes(damaged)
        try:
            is_same = orjson.loads(damaged) == orjson.loads(content)  # a blank that became another blank
        except (orjson.JSONDecodeError, UnicodeDecodeError):
            is_same = False
        if name == "manifest.json" and is_same:
            continue
        expected = "manifest|format|list of files" if name == "manifest.json" else f"sha256.*{name}"
        with pytest.raises(ArtifactError, match=expected):
            load(saved)


DAMAGES = [
    (
        "labels in another order",
        swap_labels,
        r"the labels of ekman\.v1 in their order, got ekman\.v1 with disgust, anger",
    ),
    ("a label renamed", config_with("id2label", "2", value="dread"), r"the labels of ekman\.v1 in their order.*dread"),
    ("a label gone", config_with("id2label", "6", value=KeyError), "a neutral label that is one of the labels"),
    (
        "a hole in the labels",
        config_with("id2label", "0", value=KeyError),
        "complete model configuration, got KeyError.'0'",
    ),
    ("a label twice", config_with("id2label", "1", value="anger"), "one or more different labels"),
    ("another task", config_with("label_space", "task", value="single-label"), r"the labels of ekman\.v1"),
    (
        "another version of the labels",
        config_with("label_space", "version", value=2),
        r"labels of ekman\.v1.*got ekman\.v2",
    ),
    (
        "a neutral label that is none",
        config_with("label_space", "neutral", value="meh"),
        "a neutral label that is one of",
    ),
    (
        "no label space",
        config_with("label_space", value=KeyError),
        "complete model configuration, got KeyError.'label_space'",
    ),
    ("a cut-off above 1", config_with("thresholds", "joy", value=1.01), "cut-offs between 0 and 1 for ekman.*1.01"),
    ("a cut-off below 0", config_with("thresholds", "joy", value=-0.01), "cut-offs between 0 and 1 for ekman.*-0.01"),
    (
        "a cut-off that is null",
        config_with("thresholds", "joy", value=None),
        "complete model configuration, got TypeError",
    ),
    (
        "a cut-off that is a word",
        config_with("thresholds", "joy", value="half"),
        "complete model configuration, got ValueError",
    ),
    ("a cut-off gone", config_with("thresholds", "joy", value=KeyError), r"one cut-off for each label of ekman\.v1"),
    ("a cut-off too many", config_with("thresholds", "glee", value=0.5), r"one cut-off for each label of ekman\.v1"),
    (
        "no cut-offs",
        config_with("thresholds", value=[0.5] * 7),
        r"one cut-off for each label|complete model configuration",
    ),
    (
        "an unknown projected space",
        config_with("projected_thresholds", "sentimental", value={"positive": 0.5}),
        r"sound model configuration.*a label space .*'sentimental'.*did you mean .sentiment",
    ),
    (
        "projected cut-offs of another space",
        config_with("projected_thresholds", "isear", value={"positive": 0.5}),
        r"one cut-off for each label of isear\.v1",
    ),
    (
        "a name with escape codes",
        config_with("name", value="s\x1b[2Jmall"),
        r"a name without control characters, got 's\\x1b\[2Jmall' at name in .*config\.json",
    ),
    (
        "labels with escape codes",
        lambda f: edit_json(f / "config.json", name_labels_anew),
        r"sound model configuration, got expected names without control characters, got 'an\\x1b\[2Jger'",
    ),
    ("no name", config_with("name", value=KeyError), "complete model configuration, got KeyError.'name'"),
    ("no features", config_with("features", value=KeyError), "a tfidf-linear model that fit together, got 'features'"),
    (
        "a tokeniser that is not registered",
        config_with("features", "tokeniser", value="(a+)+$"),
        r"that fit together, got expected the name of a tokeniser \(social, word\), got '\(a\+\)\+\$'",
    ),
    (
        "a tokeniser that is no name",
        config_with("features", "tokeniser", value=["word"]),
        "tfidf-linear model that fit",
    ),
    ("a calibration that is none", config_with("calibration", value=[1, 2]), "tfidf-linear model that fit together"),
    (
        "an unknown calibration",
        config_with("calibration", "method", value="beta"),
        r"tfidf-linear model that fit together, got expected the name of a calibration method .*'beta'",
    ),
    (
        "a curve that falls",
        config_with("calibration", "values", 0, value=[0.9, 0.5, 0.4, 0.1]),
        "expected ascending curves",
    ),
    ("a curve too few", config_with("calibration", "knots", value=[[0.0]]), "expected 7 curves, got 1"),
    (
        "a config that is no object",
        lambda f: edit_json(f / "config.json", lambda _: [1]),
        "complete model configuration",
    ),
    (
        "a config that is no JSON",
        lambda f: (f / "config.json").write_text("{"),
        "complete model configuration, got JSON",
    ),
    (
        "a word too many",
        lambda f: edit_json(f / "vocabulary.json", lambda t: t.append("more")),
        r"idf of shape \(11,\)",
    ),
    ("a word too few", lambda f: edit_json(f / "vocabulary.json", lambda t: t.pop(0) and None), r"idf of shape \(9,\)"),
    ("a word twice", swap_words, "different terms of one or two words"),
    (
        "a term of three words",
        lambda f: edit_json(f / "vocabulary.json", lambda t: ["a b c", *t[1:]]),
        "one or two words",
    ),
    ("a term with the separator", lambda f: edit_json(f / "vocabulary.json", lambda t: ["\x00", *t[1:]]), "one or two"),
    (
        "an empty term",
        lambda f: edit_json(f / "vocabulary.json", lambda t: ["", *t[1:]]),
        "a list of terms, got another",
    ),
    ("a number as a term", lambda f: edit_json(f / "vocabulary.json", lambda t: [1, *t[1:]]), "a list of terms"),
    ("a vocabulary by name", lambda f: edit_json(f / "vocabulary.json", lambda _: {"a": 1}), "a list of terms"),
    ("weights that are NaN", lambda f: edit_arrays(f, weights=np.full((10, 7), np.nan, np.float32)), "NaN or infinity"),
    ("a bias that is infinite", lambda f: edit_arrays(f, bias=np.full(7, np.inf, np.float32)), "NaN or infinity"),
    ("an idf that is NaN", lambda f: edit_arrays(f, idf=np.full(10, np.nan, np.float32)), "finite, positive idf"),
    (
        "weights of other rows",
        lambda f: edit_arrays(f, weights=np.ones((9, 7), np.float32)),
        r"weights of shape \(10, 7\)",
    ),
    ("weights turned round", lambda f: edit_arrays(f, weights=np.ones((7, 10), np.float32)), "that fit together"),
    ("no bias", lambda f: edit_arrays(f, bias=None), "that fit together, got 'bias'"),
    ("no safetensors", lambda f: (f / "weights.safetensors").write_bytes(b"\x80\x04pickle"), "that fit together"),
]


@pytest.mark.parametrize(("damage", "message"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES])
def test_a_folder_whose_hashes_fit_but_whose_contents_do_not(saved, rehash, damage, message):
    damage(saved)
    rehash(saved)
    with pytest.raises(ArtifactError, match=message):
        load(saved)


def test_untouched_contents_with_new_hashes_load(saved, rehash):
    rehash(saved)
    assert load(saved).name == "small"


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("format", "other-model", "expected the format sentire-model, got 'other-model'"),
        ("format_version", 2, "expected sentire-model version 1, got version 2.*make the model again"),
        ("kind", "encoder-onnx", "that matches its checksum, got one that was changed"),
        ("checksum", "0", "that matches its checksum"),
    ],
)
def test_a_foreign_manifest(saved, entry, value, message):
    edit_json(saved / "manifest.json", lambda manifest: manifest.__setitem__(entry, value))
    with pytest.raises(ArtifactError, match=message):
        load(saved)


def test_a_foreign_kind(saved, rehash):
    edit_json(saved / "manifest.json", lambda manifest: manifest.__setitem__("kind", "encoder-onnx"))
    rehash(saved)
    with pytest.raises(ArtifactError, match="expected a model of the kind tfidf-linear, encoder, got 'encoder-onnx'"):
        load(saved)


def test_the_embedded_model_is_the_one_that_its_recipe_makes():
    from sentire.classifiers.recipe import TfidfRecipe
    from sentire.core.config import fingerprint, read_config

    recipe = read_config(TfidfRecipe, Path(__file__).parents[2] / "configs" / "linear.toml")
    assert load("linear").config.training["recipe_fingerprint"] == fingerprint(recipe), "run: make linear"
