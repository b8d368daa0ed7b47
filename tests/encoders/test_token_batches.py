"""Rows of tokens in training are those of the tokenizer itself, and those of the runtime."""

import numpy as np
import pytest

from tiny_training import invent_rows, write_tiny_encoder

pytest.importorskip("torch")

from tokenizers import Tokenizer

from sentire.encoders.token_batches import TokenAssembler
from sentire.encoders.tokenizer import load_tokenizer
from sentire.runtime.encoder_settings import EncoderSettings
from sentire.runtime.encoder_tokens import TextTokens
from sentire.runtime.texts import prepare_contexts

TEXTS = [
    "",
    "so glad",
    "how late, no soup again!",
    "[SEP] never </s> again [CLS]",
    "I dread it. what if my exam",
    "zzz",
]
CONTEXTS = [
    (),
    ("at the station",),
    ("on monday", "", "said the man"),
    ("good soup [SEP]",),
    ("",),
    ("what a day",) * 9,
]


@pytest.fixture(scope="module", params=["bert", "roberta"])
def tokenizer_file(request, tmp_path_factory):
    return write_tiny_encoder(tmp_path_factory.mktemp("tokenizer"), request.param) / "tokenizer.json"


def make_assembler(tokenizer_file, *, max_tokens=32, max_context_tokens=12, pooling="mean", padding_id=0):
    return TokenAssembler(
        load_tokenizer(tokenizer_file),
        max_tokens=max_tokens,
        max_context_tokens=max_context_tokens,
        pooling=pooling,
        padding_id=padding_id,
    )


def assemble(assembler, texts, contexts):
    return assembler.assemble(assembler.tokenise(texts), assembler.tokenise_contexts(contexts))


def take_row(batch, row):
    n_tokens = int(batch.attention_mask[row].sum())
    assert batch.attention_mask[row, n_tokens:].sum() == 0
    assert batch.pooling_weights[row, n_tokens:].sum() == 0
    return batch.input_ids[row, :n_tokens].tolist(), batch.token_type_ids[row, :n_tokens].tolist()


def test_rows_are_what_the_tokenizer_itself_puts_together(tokenizer_file):
    """The library's own templates, for one text and for two, are the oracle."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.encode_special_tokens = True
    batch = assemble(make_assembler(tokenizer_file), TEXTS, [*CONTEXTS[:5], ()])
    for row, (text, turns) in enumerate(zip(TEXTS, [*CONTEXTS[:5], ()], strict=True)):
        context = "\n".join(turns)
        encoding = tokenizer.encode(context, text) if context else tokenizer.encode(text)
        ids, types = take_row(batch, row)
        assert ids == encoding.ids
        if not context:
            assert set(types) == {0}
            continue
        # The text and the special token that closes it are the second segment.
        n_text = encoding.sequence_ids.count(1)
        assert types == [0] * (len(ids) - n_text - 1) + [1] * (n_text + 1)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_rows_are_those_of_the_runtime(tokenizer_file, pooling):
    """What fits into one window looks the same to the model in training and in use, whatever is in the text."""
    rows = invent_rows(60, seed=5)
    texts = TEXTS + [row["text"] for row in rows]
    contexts = CONTEXTS + [tuple(row["context"]) for row in rows]
    settings = EncoderSettings(
        max_tokens=40,
        window_stride_tokens=30,
        max_context_tokens=7,
        uses_context=True,
        pooling=pooling,
        precision="float32",
    )
    runtime = TextTokens(load_tokenizer(tokenizer_file), settings, where="here")
    assembler = make_assembler(tokenizer_file, max_tokens=40, max_context_tokens=7, pooling=pooling)
    for given in (contexts, [()] * len(texts)):
        found = runtime.tokenise(texts, prepare_contexts(given, len(texts)), n_threads=1)
        assert len(found.owners) == len(texts), "every text of this test must fit into one window"
        batch = assemble(assembler, texts, given)
        lengths = [
            assembler.count(*pair)
            for pair in zip(assembler.tokenise(texts), assembler.tokenise_contexts(given), strict=True)
        ]
        for row in range(len(texts)):
            n_tokens = lengths[row]
            expected = runtime.make_batch(found, np.array([row]))
            ids, types = take_row(batch, row)
            assert len(ids) == n_tokens
            assert ids == expected.input_ids[0].tolist()
            assert types == expected.token_type_ids[0].tolist()
            np.testing.assert_array_equal(batch.pooling_weights[row, :n_tokens].numpy(), expected.pooling_weights[0])


def test_of_a_long_context_the_end_is_kept_and_of_a_long_text_the_beginning(tokenizer_file):
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    assembler = make_assembler(tokenizer_file, max_tokens=16, max_context_tokens=5)
    turns = ("what if my exam", "never again", "at the station so late")
    text = "so glad on monday said the man with the tea in the queue about the bike what a day good soup"
    whole_context = tokenizer.encode("\n".join(turns), add_special_tokens=False).ids
    whole_text = tokenizer.encode(text, add_special_tokens=False).ids
    ids, types = take_row(assemble(assembler, [text], [turns]), 0)
    n_special = len(tokenizer.encode("", "").ids)
    assert len(ids) == 16
    assert ids[1:6] == whole_context[-5:]
    n_text = 16 - 5 - n_special
    assert ids[-1 - n_text : -1] == whole_text[:n_text]
    assert types.count(1) == n_text + 1
    alone, _ = take_row(assemble(assembler, [text], [()]), 0)
    assert alone[1:-1] == whole_text[:14]


def test_pooling_weights_of_a_slow_loop(tokenizer_file):
    batch = assemble(make_assembler(tokenizer_file), TEXTS, CONTEXTS)
    for row, turns in enumerate(CONTEXTS):
        has_context = "".join(turns) != ""
        expected = []
        for place in range(batch.input_ids.shape[1]):
            is_real = bool(batch.attention_mask[row, place])
            in_text = bool(batch.token_type_ids[row, place])
            expected.append(float(is_real and (not has_context or in_text or place == 0)))
        np.testing.assert_allclose(batch.pooling_weights[row], np.array(expected) / sum(expected), rtol=1e-6)
    first = assemble(make_assembler(tokenizer_file, pooling="cls"), TEXTS, CONTEXTS)
    assert (first.pooling_weights[:, 0] == 1).all()
    assert (first.pooling_weights[:, 1:] == 0).all()


def test_padding_is_the_encoders_token(tokenizer_file):
    batch = assemble(make_assembler(tokenizer_file, padding_id=3), ["", "so glad what a day"], [(), ()])
    assert batch.input_ids[0].tolist()[2:] == [3] * (batch.input_ids.shape[1] - 2)
