import numpy as np
import pytest

from sentire.core.errors import ShapeError

pytest.importorskip("torch")

import torch

from sentire.losses.affect import AffectLoss, affect_loss, concordance_loss


def make_case(n=9, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.uniform(-1, 1, size=(n, 3))
    return torch.tensor(0.6 * targets + rng.normal(scale=0.3, size=(n, 3)) + 0.1), torch.tensor(targets)


def test_the_squared_error_of_each_example():
    predicted, targets = make_case()
    slow = [sum((float(predicted[b, d]) - float(targets[b, d])) ** 2 for d in range(3)) / 3 for b in range(9)]
    np.testing.assert_allclose(affect_loss(predicted, targets), slow, rtol=1e-12)
    assert torch.equal(AffectLoss()(predicted, targets), affect_loss(predicted, targets))
    by_hand = affect_loss(torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[0.0, 0.0, 1.0]]))
    assert by_hand.tolist() == [pytest.approx(5 / 3)]


def test_concordance_is_its_equation():
    predicted, targets = make_case()
    for d in range(3):
        x, y = predicted[:, d].numpy(), targets[:, d].numpy()
        covariance = np.cov(x, y, bias=True)
        expected = 1 - 2 * covariance[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
        assert concordance_loss(predicted, targets)[d].item() == pytest.approx(expected, rel=1e-12)


def test_the_ends_of_concordance():
    _, targets = make_case()
    centred = targets - targets.mean(dim=0)
    np.testing.assert_allclose(concordance_loss(targets, targets), [0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(concordance_loss(-centred, centred), [2, 2, 2], atol=1e-12)
    constant = torch.full((4, 3), 0.25, requires_grad=True)
    values = concordance_loss(constant, torch.full((4, 3), 0.25))
    values.sum().backward()
    assert values.tolist() == [1, 1, 1]
    assert torch.isfinite(constant.grad).all()


@pytest.mark.parametrize("loss", [affect_loss, concordance_loss])
def test_gradients_are_those_of_finite_differences(loss):
    predicted, targets = make_case()
    predicted.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: loss(x, targets), (predicted,))


@pytest.mark.parametrize("loss", [affect_loss, concordance_loss])
def test_half_precision_is_computed_in_float32(loss):
    predicted, targets = make_case()
    halved = predicted.to(torch.bfloat16)
    assert loss(halved, targets.float()).dtype == torch.float32
    torch.testing.assert_close(loss(halved, targets.float()), loss(halved.float(), targets.float()))


@pytest.mark.parametrize("loss", [affect_loss, concordance_loss])
def test_shapes_that_do_not_fit(loss):
    with pytest.raises(ShapeError, match=r"\(B, 3\): valence, arousal, dominance, got shape \(4, 2\) at predicted"):
        loss(torch.zeros(4, 2), torch.zeros(4, 2))
    with pytest.raises(ShapeError, match=r"got shape \(3,\) at targets"):
        loss(torch.zeros(4, 3), torch.zeros(3))
    with pytest.raises(ShapeError, match=r"targets of shape \(4, 3\), as the predictions have, got shape \(1, 3\)"):
        loss(torch.zeros(4, 3), torch.zeros(1, 3))
