"""Vectors of texts: the same alone and in any batch, and those of the tokenizer and the network used by hand."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from sentire.core.errors import ArtifactError, DataError, UnknownNameError, UsageError
from sentire.encoders.load import build_encoder
from sentire.encoders.sources import find_encoder
from sentire.encoders.tokenizer import load_tokenizer
from sentire.representations.load import load_encoder
from sentire.representations.sentence_encoder import SentenceEncoder

TEXTS = [
    "so glad",
    "",
    "how late, no soup again!",
    "[SEP] never </s> again [CLS] <s>",
    "I dread it. what if my exam " * 4,
    "zzz",
    "so glad",
    "the\x00tea \ud800",
]


def build(folder, **settings):
    files = find_encoder(str(folder))
    model, shape = build_encoder(files)
    tokenizer = load_tokenizer(files.tokenizer, vocab_size=shape.vocab_size)
    return SentenceEncoder(model, tokenizer, shape, name="tiny", **settings)


def embed_by_hand(folder, text, max_tokens, pooling):
    """One text at a time, through the tokenizer's own template and truncation."""
    files = find_encoder(str(folder))
    model, _ = build_encoder(files)
    tokenizer = load_tokenizer(files.tokenizer)
    tokenizer.enable_truncation(max_tokens)
    ids = torch.tensor([tokenizer.encode(text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")).ids])
    with torch.no_grad():
        hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
    return (hidden[0] if pooling == "cls" else hidden.mean(0)).numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_vectors_are_those_of_one_text_by_hand(tiny_folder, pooling):
    vectors = load_encoder(str(tiny_folder), pooling=pooling, max_tokens=12).encode(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), 8), np.float32)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(vector, embed_by_hand(tiny_folder, text, 12, pooling), atol=1e-6)


def test_a_text_has_one_vector_alone_and_in_any_batch(tiny_folder):
    encoder = load_encoder(str(tiny_folder))
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    rng = np.random.default_rng(0)
    for _ in range(3):
        order = rng.integers(len(TEXTS), size=40)
        np.testing.assert_allclose(encoder.encode([TEXTS[one] for one in order]), alone[order], atol=1e-5)
    assert np.abs(alone[0] - alone[1]).max() > 1e-3, "different texts have different vectors"


def test_no_text_and_what_is_none(bert_folder):
    encoder = load_encoder(str(bert_folder))
    assert encoder.encode([]).shape == (0, 8)
    assert encoder.encode(iter(["so glad"])).shape == (1, 8)
    with pytest.raises(DataError, match="a sequence of texts, got one string"):
        encoder.encode("so glad")
    with pytest.raises(DataError, match=r"a text \(str\), got NoneType None at texts\[1\]"):
        encoder.encode(["so glad", None])


def test_progress_counts_every_text_once(bert_folder):
    news = []
    load_encoder(str(bert_folder)).encode(TEXTS, on_progress=lambda *one: news.append(one))
    done = [n_done for n_done, _, _ in news]
    assert done == sorted(set(done))
    assert news[-1] == (len(TEXTS), len(TEXTS), "texts")


def test_a_network_in_training_is_asked_without_dropout_and_goes_on_training(bert_folder):
    encoder = build(bert_folder)
    expected = encoder.encode(TEXTS)
    encoder.model.train()
    assert encoder.model.config.hidden_dropout_prob > 0
    np.testing.assert_array_equal(encoder.encode(TEXTS), expected)
    assert encoder.model.training


def test_vectors_of_length_one(bert_folder):
    plain, unit = build(bert_folder).encode(TEXTS), build(bert_folder, is_normalised=True).encode(TEXTS)
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6)


def test_the_fingerprint_is_of_all_that_determines_the_vectors(bert_folder, tmp_path):
    expected = build(bert_folder).fingerprint
    assert build(bert_folder).fingerprint == expected
    for settings in ({"pooling": "cls"}, {"max_tokens": 9}, {"is_normalised": True}):
        assert build(bert_folder, **settings).fingerprint != expected, settings
    changed = build(bert_folder)
    with torch.no_grad():
        next(changed.model.parameters())[3, 2] += 1e-6
    assert changed.fingerprint != expected
    other = build(bert_folder)
    other.tokenizer.add_tokens(["wow"])
    assert other.fingerprint != expected


def test_weights_that_went_astray_are_no_vectors(bert_folder):
    encoder = build(bert_folder)
    row = encoder.tokenizer.token_to_id("soup")
    with torch.no_grad():
        encoder.model.embeddings.word_embeddings.weight[row] = float("nan")
    assert np.isfinite(encoder.encode(["so glad"])).all()
    with pytest.raises(ArtifactError, match="vectors of finite numbers, got 1 of 2 others at tiny"):
        encoder.encode(["so glad", "good soup"])


@pytest.mark.parametrize("max_tokens", [0, 2, 41])
def test_lengths_that_the_encoder_cannot_take(bert_folder, max_tokens):
    with pytest.raises(UsageError, match=rf"max_tokens from 3 to 40, the positions of .*, got {max_tokens}"):
        load_encoder(str(bert_folder), max_tokens=max_tokens)


def test_a_pooling_of_no_such_name(bert_folder):
    with pytest.raises(UnknownNameError, match=r"name of a pooling \(cls, mean\), got 'maen'; did you mean \"mean\""):
        load_encoder(str(bert_folder), pooling="maen")
    with pytest.raises(UnknownNameError, match="name of a pooling"):
        build(bert_folder, pooling="max")


def test_a_tokenizer_of_other_weights(bert_folder, tmp_path):
    from tokenizers import Tokenizer

    from tiny_training import write_tiny_encoder

    folder = write_tiny_encoder(tmp_path / "mixed")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["hooray"])
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(ArtifactError, match=r"the encoder's own tokenizer, with ids below its \d+ .*got 'hooray'"):
        load_encoder(str(folder))
