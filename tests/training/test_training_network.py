import numpy as np
import pytest

from tiny_training import write_tiny_encoder

pytest.importorskip("torch")

import torch

from sentire.encoders.load import build_encoder
from sentire.encoders.sources import find_encoder
from sentire.encoders.token_batches import TokenAssembler
from sentire.encoders.tokenizer import load_tokenizer
from sentire.training.network import EmotionEncoder

TEXTS = ["so glad", "how late, no soup again!", "never again", "I dread it. what if my exam"]
CONTEXTS = [(), ("at the station",), (), ("on monday", "said the man")]
KINDS = ["bert", "roberta", "distilbert", "electra"]


def make(folder, kind, *, has_affect=True, dropout=0.0, inner_dropout=0.0):
    files = find_encoder(str(write_tiny_encoder(folder, kind)))
    encoder, shape = build_encoder(files)
    torch.manual_seed(0)
    network = EmotionEncoder(
        encoder, hidden_size=8, n_labels=3, has_affect=has_affect, dropout=dropout, inner_dropout=inner_dropout
    )
    assembler = TokenAssembler(
        load_tokenizer(files.tokenizer),
        max_tokens=32,
        max_context_tokens=8,
        pooling="mean",
        padding_id=shape.padding_id,
    )
    return network, assembler


def assemble(assembler, texts, contexts):
    return assembler.assemble(assembler.tokenise(texts), assembler.tokenise_contexts(contexts))


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_a_slow_loop(tmp_path, kind):
    network, assembler = make(tmp_path / kind, kind)
    network.eval()
    batch = assemble(assembler, TEXTS, CONTEXTS)
    with torch.no_grad():
        logits, affect = network(batch)
        for row in range(len(TEXTS)):
            n_tokens = int(batch.attention_mask[row].sum())
            types = {} if kind == "distilbert" else {"token_type_ids": batch.token_type_ids[row : row + 1, :n_tokens]}
            # Alone, without padding and without a mask.
            hidden = network.encoder(input_ids=batch.input_ids[row : row + 1, :n_tokens], **types).last_hidden_state[0]
            pooled = sum(batch.pooling_weights[row, place] * hidden[place] for place in range(n_tokens))
            torch.testing.assert_close(logits[row], network.emotion_head(pooled), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(affect[row], network.affect_head(pooled), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_without_dropout_training_and_answering_are_the_same(tmp_path, kind):
    """No dropout of the encoder's own configuration (.1 in all of these) is left anywhere."""
    network, assembler = make(tmp_path / kind, kind)
    batch = assemble(assembler, TEXTS, CONTEXTS)
    with torch.no_grad():
        taught, _ = network.train()(batch)
        asked, _ = network.eval()(batch)
    torch.testing.assert_close(taught, asked, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dropout", "inner_dropout"), [(0.5, 0.0), (0.0, 0.5)])
def test_dropout_is_where_it_is_wanted(tmp_path, dropout, inner_dropout):
    network, assembler = make(tmp_path / "bert", "bert", dropout=dropout, inner_dropout=inner_dropout)
    batch = assemble(assembler, TEXTS, CONTEXTS)
    with torch.no_grad():
        torch.manual_seed(1)
        first = network.train().embed(batch)
        torch.manual_seed(2)
        second = network.embed(batch)
        assert torch.equal(first, second) == (inner_dropout == 0)
        torch.manual_seed(1)
        assert not torch.equal(network(batch)[0], network.eval()(batch)[0])


def test_no_affect_head_where_none_is_wanted(tmp_path):
    network, assembler = make(tmp_path / "bert", "bert", has_affect=False)
    assert network(assemble(assembler, TEXTS, CONTEXTS))[1] is None
    assert not any(name.startswith("affect_head") for name in network.state_dict())


def test_names_of_the_weights_are_those_that_are_exported(tmp_path):
    network, _ = make(tmp_path / "bert", "bert")
    heads = {name for name in network.state_dict() if not name.startswith("encoder.")}
    assert heads == {"emotion_head.weight", "emotion_head.bias", "affect_head.weight", "affect_head.bias"}
    assert np.isclose(network.emotion_head.weight.detach().std().item(), 0.02, atol=0.015)
    assert not network.emotion_head.bias.any()


@pytest.mark.parametrize("has_affect", [True, False])
def test_heads_that_know_nothing_answer_with_the_base_rates(tmp_path, has_affect):
    network, assembler = make(tmp_path / "bert", "bert", has_affect=has_affect)
    with torch.no_grad():
        network.emotion_head.weight.zero_()
        if has_affect:
            network.affect_head.weight.zero_()
    rates, mean = np.array([0.9, 0.02, 0.3], np.float32), np.array([0.4, -0.2, 0.1], np.float32)
    network.start_at_base_rates(rates, mean)
    with torch.no_grad():
        logits, affect = network.eval()(assemble(assembler, TEXTS, CONTEXTS))
    np.testing.assert_allclose(torch.sigmoid(logits).numpy(), np.tile(rates, (4, 1)), rtol=1e-5)
    if has_affect:
        np.testing.assert_allclose(affect.numpy(), np.tile(mean, (4, 1)), rtol=1e-6)
