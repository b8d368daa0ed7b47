"""Cached gradients are plain gradients: value, every parameter, and the random state that is left."""

import copy

import pytest

pytest.importorskip("torch")

import torch
from torch import nn
from torch.nn.functional import normalize

from sentire.core.errors import ShapeError, TrainingError, UsageError
from sentire.losses.supervised_contrastive import supcon_loss
from sentire.training.gradient_cache import backward_through_cache

LABELS = torch.arange(22) % 5
POSITIVES = LABELS[:, None] == LABELS[None, :]


def make_encoder(dropout=0.3, dtype=torch.float64):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 8), nn.Dropout(dropout))
    return layers.to(dtype)


def make_chunks(sizes=(7, 1, 9, 5), dtype=torch.float64):
    return list(torch.randn(sum(sizes), 5, generator=torch.Generator().manual_seed(1)).to(dtype).split(list(sizes)))


def measure(embeddings):
    return supcon_loss(normalize(embeddings, dim=1), POSITIVES, temperature=0.2).mean()


def run_plainly(encode, chunks, loss):
    value = loss(torch.cat([encode(chunk) for chunk in chunks]))
    value.backward()
    return value.detach()


def gradients_of(module):
    return {name: parameter.grad for name, parameter in module.named_parameters()}


@pytest.mark.parametrize("sizes", [(22,), (7, 1, 9, 5), (11, 11)])
def test_gradients_are_the_plain_ones(sizes):
    encoder, head = make_encoder(), nn.Sequential(nn.Linear(8, 4), nn.Dropout(0.5)).double()
    values, gradients, states = [], [], []
    for run in (run_plainly, backward_through_cache):
        own, own_head = copy.deepcopy(encoder), copy.deepcopy(head)
        torch.manual_seed(7)
        values.append(run(own, make_chunks(sizes), lambda joined, own_head=own_head: measure(own_head(joined))))
        gradients.append(gradients_of(own) | {f"head {n}": g for n, g in gradients_of(own_head).items()})
        states.append(torch.get_rng_state())
    torch.testing.assert_close(values[0], values[1], rtol=1e-12, atol=0)
    assert values[1].shape == ()
    assert not values[1].requires_grad
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert gradient.abs().max() > 1e-4
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-6, atol=1e-12)
    assert torch.equal(*states)


def test_dropout_takes_part():
    # The oracle would hold without dropout, too: here another random state gives another gradient.
    gradients = []
    for seed in (7, 8):
        encoder = make_encoder()
        torch.manual_seed(seed)
        backward_through_cache(encoder, make_chunks(), measure)
        gradients.append(encoder[0].weight.grad)
    assert (gradients[0] - gradients[1]).norm() > 0.1 * gradients[0].norm()


def test_gradients_are_added_to_those_that_are_there():
    encoder = make_encoder(dropout=0.0)
    backward_through_cache(encoder, make_chunks(), measure)
    once = {name: gradient.clone() for name, gradient in gradients_of(encoder).items()}
    backward_through_cache(encoder, make_chunks(), lambda joined: 2 * measure(joined))
    for name, gradient in gradients_of(encoder).items():
        torch.testing.assert_close(gradient, 3 * once[name])


def test_the_graph_of_one_chunk_is_in_memory_at_a_time():
    encoder, held, most = make_encoder(), [], [0]

    def encode(chunk):
        embeddings = encoder(chunk)
        if embeddings.requires_grad:
            held.append(len(chunk))
            most[0] = max(most[0], len(held))
            embeddings.register_hook(lambda gradient: gradient * bool(held.pop()))
        return embeddings

    backward_through_cache(encode, make_chunks(), measure)
    assert most[0] == 1
    run_plainly(encode, make_chunks(), measure)
    assert most[0] == 4


def test_autocast_gives_the_plain_gradients_too():
    # Autocast keeps the weights that it rounded; those of the pass without a graph would take no gradient.
    gradients = []
    for run in (run_plainly, backward_through_cache):
        encoder = make_encoder(dtype=torch.float32)
        torch.manual_seed(7)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            run(encoder, make_chunks(dtype=torch.float32), measure)
        gradients.append(gradients_of(encoder))
    for name, gradient in gradients[0].items():
        assert gradients[1][name] is not None, name
        assert (gradients[1][name] - gradient).norm() < 0.02 * gradient.norm(), name


def test_chunks_may_be_anything():
    encoder = make_encoder(dropout=0.0)
    chunks = [{"rows": chunk} for chunk in make_chunks()]
    value = backward_through_cache(lambda chunk: encoder(chunk["rows"]), chunks, measure)
    torch.testing.assert_close(value, measure(encoder(torch.cat(make_chunks()))).detach())


@pytest.mark.parametrize(
    ("encode", "chunks", "loss", "error", "message"),
    [
        (make_encoder(), [], measure, UsageError, "one chunk of texts or more, got none at chunks"),
        (
            lambda chunk: chunk.sum(dim=1),
            make_chunks(),
            measure,
            ShapeError,
            r"embeddings of shape \(b, D\), got shape \(7,\) at encode",
        ),
        (
            make_encoder(),
            make_chunks(),
            lambda joined: joined.sum(dim=1),
            ShapeError,
            r"a loss that is one number, got shape \(22,\) at loss",
        ),
        (
            make_encoder(),
            make_chunks(),
            lambda joined: joined.detach().sum(),
            UsageError,
            "a loss that depends on the embeddings, got one without a gradient at loss",
        ),
        (
            make_encoder(),
            make_chunks(),
            lambda joined: (joined.detach() * torch.ones(1, requires_grad=True)).sum(),
            UsageError,
            "a loss that depends on the embeddings, got one that does not at loss",
        ),
        (
            make_encoder().requires_grad_(False),
            make_chunks(),
            measure,
            UsageError,
            "embeddings that depend on trained parameters, got some without a gradient at encode; an encoder that is",
        ),
    ],
)
def test_what_cannot_be_cached(encode, chunks, loss, error, message):
    with pytest.raises(error, match=message):
        backward_through_cache(encode, chunks, loss)


def test_random_numbers_from_elsewhere_are_noticed():
    encoder, generator = make_encoder(dropout=0.0), torch.Generator().manual_seed(3)

    def encode(chunk):
        embeddings = encoder(chunk)
        return embeddings * (torch.rand(embeddings.shape, generator=generator) < 0.9)

    with pytest.raises(
        TrainingError, match="the same embeddings in the second pass, got others at encode; draw random"
    ):
        backward_through_cache(encode, make_chunks(), measure)
