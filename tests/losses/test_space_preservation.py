import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from sentire.losses.space_preservation import preservation_loss


def make_case(n=5, d=7, seed=0):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.normal(size=(n, d))), torch.tensor(rng.normal(size=(n, d)))


def test_it_is_its_equation():
    embeddings, fixed = make_case()
    slow = [sum((float(embeddings[i, d]) - float(fixed[i, d])) ** 2 for d in range(7)) / 7 for i in range(5)]
    np.testing.assert_allclose(preservation_loss(embeddings, fixed), slow, rtol=1e-12)
    by_hand = preservation_loss(torch.tensor([[3.0, 4.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert by_hand.tolist() == [12.5, 0.0]


def test_gradients_are_those_of_finite_differences():
    embeddings, fixed = make_case()
    assert torch.autograd.gradcheck(lambda x: preservation_loss(x, fixed), (embeddings.requires_grad_(True),))


def test_an_encoder_that_has_not_moved_has_neither_loss_nor_gradient():
    embeddings, _ = make_case()
    values = preservation_loss(embeddings.requires_grad_(True), embeddings.detach())
    values.sum().backward()
    assert values.tolist() == [0.0] * 5
    assert not embeddings.grad.any()
