"""Cross-entropy, focal and asymmetric loss: against loops from the equations, each other, and finite differences."""

from functools import partial
from math import exp, log

import numpy as np
import pytest

from sentire.core.errors import ShapeError, UsageError

pytest.importorskip("torch")

import torch

from sentire.losses.asymmetric import AsymmetricLoss, asymmetric_loss
from sentire.losses.bce import BinaryCrossEntropy, bce_loss
from sentire.losses.focal import FocalLoss, focal_loss

N_LABELS = 5


def make_case(*, is_hard, seed=0, n=12):
    rng = np.random.default_rng(seed)
    targets = rng.random((n, N_LABELS))
    if is_hard:
        targets = (targets < 0.3).astype(np.float64)
    logits = torch.tensor(rng.normal(scale=3, size=(n, N_LABELS)))
    weights = torch.tensor(rng.uniform(0.2, 8, size=N_LABELS))
    return logits, torch.tensor(targets), weights


def loop(value_of, logits, targets, weights):
    values = torch.zeros_like(logits)
    for b in range(logits.shape[0]):
        for c in range(logits.shape[1]):
            p = 1 / (1 + exp(-float(logits[b, c])))
            values[b, c] = value_of(p, float(targets[b, c]), 1.0 if weights is None else float(weights[c]))
    return values


def slow_bce(p, t, w):
    return -w * t * log(p) - (1 - t) * log(1 - p)


def slow_focal(p, t, w, *, gamma):
    return abs(t - p) ** gamma * slow_bce(p, t, w)


def slow_asymmetric(p, t, w, *, gamma_positive, gamma_negative, clip):
    shifted = max(p - clip, 0.0)
    positive = -w * (1 - p) ** gamma_positive * log(p)
    negative = -(shifted**gamma_negative) * log(1 - shifted)
    return t * positive + (1 - t) * negative


ASYMMETRIC = {"gamma_positive": 1.0, "gamma_negative": 4.0, "clip": 0.05}
LOSSES = {
    "bce": (bce_loss, slow_bce),
    "focal 2": (partial(focal_loss, gamma=2.0), partial(slow_focal, gamma=2.0)),
    "focal 0.5": (partial(focal_loss, gamma=0.5), partial(slow_focal, gamma=0.5)),
    "asymmetric": (partial(asymmetric_loss, **ASYMMETRIC), partial(slow_asymmetric, **ASYMMETRIC)),
    "asymmetric without clip": (
        partial(asymmetric_loss, gamma_positive=0.5, gamma_negative=0.7, clip=0.0),
        partial(slow_asymmetric, gamma_positive=0.5, gamma_negative=0.7, clip=0.0),
    ),
    "asymmetric with a wide clip": (
        partial(asymmetric_loss, gamma_positive=0.0, gamma_negative=0.5, clip=0.4),
        partial(slow_asymmetric, gamma_positive=0.0, gamma_negative=0.5, clip=0.4),
    ),
}
every_loss = pytest.mark.parametrize("name", LOSSES)
both_kinds = pytest.mark.parametrize("is_hard", [True, False], ids=["hard", "soft"])


@every_loss
@both_kinds
@pytest.mark.parametrize("is_weighted", [True, False], ids=["weighted", "plain"])
def test_a_loss_is_its_equation(name, is_hard, is_weighted):
    fast, slow = LOSSES[name]
    logits, targets, weights = make_case(is_hard=is_hard)
    weights = weights if is_weighted else None
    values = fast(logits, targets, positive_weights=weights)
    assert values.shape == logits.shape
    torch.testing.assert_close(values, loop(slow, logits, targets, weights), rtol=1e-10, atol=1e-14)


def test_values_by_hand():
    # p = .8 and .2: -ln .8 = .223144 where right, -ln .2 = 1.609438 where wrong.
    logit = log(4)
    logits, targets = torch.tensor([[logit, logit, -logit]]).double(), torch.tensor([[1.0, 0.0, 0.0]]).double()
    np.testing.assert_allclose(bce_loss(logits, targets), [[0.223144, 1.609438, 0.223144]], atol=1e-6)
    focal = [[0.04 * 0.223144, 0.64 * 1.609438, 0.04 * 0.223144]]
    np.testing.assert_allclose(focal_loss(logits, targets, gamma=2.0), focal, atol=1e-6)
    # q = .75 and .15: .75^4 · -ln .25 = .438632 and .15^4 · -ln .85 = .0000823
    asymmetric = [[0.2 * 0.223144, 0.438632, 0.0000823]]
    np.testing.assert_allclose(asymmetric_loss(logits, targets, **ASYMMETRIC), asymmetric, atol=1e-6)


@every_loss
@both_kinds
def test_gradients_are_those_of_finite_differences(name, is_hard):
    # PyTorch's check moves each logit a little up and down; no logit lies at the kink of a clip or at p = t.
    fast, _ = LOSSES[name]
    logits, targets, weights = make_case(is_hard=is_hard, seed=3, n=6)
    logits.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: fast(x, targets, positive_weights=weights), (logits,))


@every_loss
@both_kinds
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_give_finite_values_and_gradients(name, is_hard, dtype):
    fast, _ = LOSSES[name]
    extremes = torch.tensor([-1e4, -200.0, -90.0, -20.0, -1e-30, 0.0, 20.0, 90.0, 200.0, 1e4], dtype=dtype)
    logits = extremes[:, None].repeat(1, 3).requires_grad_(True)
    targets = torch.tensor([0.0, 1.0, 1.0] if is_hard else [0.5, 1e-6, 0.999], dtype=dtype).repeat(10, 1)
    values = fast(logits, targets)
    assert torch.isfinite(values).all()
    assert (values >= 0).all()
    values.sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_a_certain_mistake_costs_its_logit():
    logits, targets = torch.tensor([[1e4, -1e4]]), torch.tensor([[0.0, 1.0]])
    for fast in (bce_loss, partial(focal_loss, gamma=2.0), partial(asymmetric_loss, **ASYMMETRIC | {"clip": 0.0})):
        assert fast(logits, targets).tolist() == [[1e4, 1e4]]
    # With a clip m, a certain false positive costs (1 - m) ** gamma · -ln m, and no more.
    clipped = asymmetric_loss(logits, targets, **ASYMMETRIC)
    np.testing.assert_allclose(clipped, [[0.95**4 * -log(0.05), 1e4]], rtol=1e-5)


def test_a_nearly_certain_right_answer_is_no_rounding_error():
    # 1 - p is 2.06e-9 here and rounds to 0 in float32 when it is computed as a difference.
    value = focal_loss(torch.tensor([[20.0]]), torch.tensor([[1.0]]), gamma=1.0)
    assert value.item() == pytest.approx((exp(-20) / (1 + exp(-20))) ** 2, rel=1e-4)


@both_kinds
@pytest.mark.parametrize("is_weighted", [True, False], ids=["weighted", "plain"])
def test_cross_entropy_is_the_other_losses_without_focus(is_hard, is_weighted):
    logits, targets, weights = make_case(is_hard=is_hard)
    weights = weights if is_weighted else None
    entropy = bce_loss(logits, targets, positive_weights=weights)
    torch.testing.assert_close(focal_loss(logits, targets, gamma=0.0, positive_weights=weights), entropy)
    plain = asymmetric_loss(logits, targets, gamma_positive=0.0, gamma_negative=0.0, clip=0.0, positive_weights=weights)
    torch.testing.assert_close(plain, entropy)


def test_cross_entropy_is_that_of_torch_on_probabilities():
    logits, targets, weights = make_case(is_hard=False)
    other = torch.nn.functional.binary_cross_entropy(torch.sigmoid(logits), targets, reduction="none")
    torch.testing.assert_close(bce_loss(logits, targets), other)
    weighted = torch.nn.BCEWithLogitsLoss(pos_weight=weights, reduction="none")(logits, targets)
    torch.testing.assert_close(bce_loss(logits, targets, positive_weights=weights), weighted)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_on_hard_targets_focal_is_asymmetric_with_equal_powers(gamma):
    logits, targets, weights = make_case(is_hard=True)
    torch.testing.assert_close(
        focal_loss(logits, targets, gamma=gamma, positive_weights=weights),
        asymmetric_loss(
            logits, targets, gamma_positive=gamma, gamma_negative=gamma, clip=0.0, positive_weights=weights
        ),
    )


def test_a_soft_target_mixes_both_parts_of_the_asymmetric_loss():
    logits, targets, _ = make_case(is_hard=False)
    of_positive = asymmetric_loss(logits, torch.ones_like(targets), **ASYMMETRIC)
    of_negative = asymmetric_loss(logits, torch.zeros_like(targets), **ASYMMETRIC)
    torch.testing.assert_close(
        asymmetric_loss(logits, targets, **ASYMMETRIC), targets * of_positive + (1 - targets) * of_negative
    )


def test_negatives_below_the_clip_count_nothing():
    low, high = log(0.04 / 0.96), log(0.06 / 0.94)
    logits = torch.tensor([[low, high]], dtype=torch.float64, requires_grad=True)
    values = asymmetric_loss(logits, torch.zeros(1, 2), **ASYMMETRIC)
    values.sum().backward()
    assert values[0, 0].item() < 1e-300
    assert logits.grad[0, 0].item() == 0.0
    assert values[0, 1].item() == pytest.approx(0.01**4 * -log(0.99))
    assert logits.grad[0, 1].item() > 0


@both_kinds
def test_cross_entropy_is_least_where_the_probability_is_the_target(is_hard):
    _, targets, _ = make_case(is_hard=is_hard)
    targets = targets.clamp(1e-6, 1 - 1e-6)
    logits = torch.logit(targets).requires_grad_(True)
    for fast in (bce_loss, partial(focal_loss, gamma=1.5)):
        (gradient,) = torch.autograd.grad(fast(logits, targets).sum(), logits)
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-7)


@every_loss
def test_half_precision_is_computed_in_float32(name):
    fast, _ = LOSSES[name]
    logits, targets, weights = make_case(is_hard=False)
    halved = logits.to(torch.bfloat16)
    values = fast(halved, targets.float(), positive_weights=weights.float())
    assert values.dtype == torch.float32
    torch.testing.assert_close(values, fast(halved.float(), targets.float(), positive_weights=weights.float()))


@pytest.mark.parametrize(
    ("module", "function", "name"),
    [
        (BinaryCrossEntropy, bce_loss, "bce"),
        (partial(FocalLoss, gamma=1.5), partial(focal_loss, gamma=1.5), "focal"),
        (
            partial(AsymmetricLoss, gamma_positive=0.5, gamma_negative=3.0, clip=0.1),
            partial(asymmetric_loss, gamma_positive=0.5, gamma_negative=3.0, clip=0.1),
            "asymmetric",
        ),
        (FocalLoss, partial(focal_loss, gamma=2.0), "focal by default"),
        (AsymmetricLoss, partial(asymmetric_loss, **ASYMMETRIC), "asymmetric by default"),
    ],
)
def test_a_module_is_its_function(module, function, name):
    logits, targets, weights = make_case(is_hard=False)
    assert torch.equal(module()(logits, targets), function(logits, targets))
    weighted = module(positive_weights=weights)
    assert torch.equal(weighted(logits, targets), function(logits, targets, positive_weights=weights))
    assert list(weighted.parameters()) == []
    assert weighted.state_dict() == {}  # settings come from the configuration, not from a checkpoint
    assert weighted.to(torch.float32).positive_weights.dtype == torch.float32  # they follow the module


@pytest.mark.parametrize("fast", [bce_loss, partial(focal_loss, gamma=2.0), partial(asymmetric_loss, **ASYMMETRIC)])
def test_shapes_that_do_not_fit(fast):
    logits, targets, weights = make_case(is_hard=True)
    with pytest.raises(ShapeError, match=r"targets of shape \(12, 5\), as the logits have, got shape \(12, 1\)"):
        fast(logits, targets[:, :1])
    with pytest.raises(ShapeError, match=r"positive weights of shape \(5,\), one a label, got shape \(4,\)"):
        fast(logits, targets, positive_weights=weights[:4])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FocalLoss(gamma=-1), "a focusing power of 0 or more, got -1 at gamma"),
        (lambda: FocalLoss(gamma=float("nan")), "a focusing power of 0 or more, got nan at gamma"),
        (lambda: AsymmetricLoss(gamma_positive=-0.5), "a focusing power of 0 or more, got -0.5 at gamma_positive"),
        (lambda: AsymmetricLoss(gamma_negative=float("inf")), "got inf at gamma_negative"),
        (lambda: AsymmetricLoss(clip=1.0), "a probability from 0 to below 1, got 1 at clip"),
        (lambda: AsymmetricLoss(clip=float("nan")), "a probability from 0 to below 1, got nan at clip"),
    ],
)
def test_settings_without_meaning(make, message):
    with pytest.raises(UsageError, match=message):
        make()
