"""The contrastive losses: against loops from the equations, other implementations, each other, finite differences."""

import re
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import DataError, UsageError

pytest.importorskip("torch")

import torch
from torch.nn.functional import cross_entropy, normalize

from sentire.losses.space_preservation import preservation_loss
from sentire.losses.supervised_contrastive import SupervisedContrastiveLoss, supcon_loss
from sentire.losses.weighted_contrastive import (
    MomentumContinuousContrastiveLoss,
    affect_weights,
    weighted_contrastive_loss,
)


def make_rows(n, seed=0, d=6, dtype=torch.float64):
    return normalize(torch.tensor(np.random.default_rng(seed).normal(size=(n, d))), dim=1).to(dtype)


def make_labels(n, n_classes=4, seed=1):
    return torch.tensor(np.random.default_rng(seed).integers(n_classes, size=n))


def pair(labels):
    return labels[:, None] == labels[None, :]


def slow_supcon(z, positives, temperature):
    values = []
    for i in range(len(z)):
        of_anchor = [p for p in range(len(z)) if p != i and positives[i, p]]
        if not of_anchor:
            continue
        total = sum(exp(float(z[i] @ z[a]) / temperature) for a in range(len(z)) if a != i)
        logs = [log(exp(float(z[i] @ z[p]) / temperature) / total) for p in of_anchor]
        values.append(-sum(logs) / len(of_anchor))
    return torch.tensor(values, dtype=torch.float64)


def slow_weighted(q, k, weights, temperature):
    values = []
    for i in range(len(q)):
        total_weight = sum(float(weight) for weight in weights[i])
        if total_weight == 0:
            continue
        total = sum(exp(float(q[i] @ k[j]) / temperature) for j in range(len(k)))
        parts = [
            float(weights[i, j]) / total_weight * log(exp(float(q[i] @ k[j]) / temperature) / total)
            for j in range(len(k))
        ]
        values.append(-sum(parts))
    return torch.tensor(values, dtype=torch.float64)


def make_weights(n_queries, n_keys, seed=2):
    weights = torch.tensor(np.random.default_rng(seed).uniform(size=(n_queries, n_keys)))
    weights[weights < 0.4] = 0.0
    weights[2] = 0.0
    return weights


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_the_supervised_loss_is_its_equation(temperature):
    z = make_rows(15)
    labels = torch.arange(15) % 4
    labels[3], labels[8] = 10, 11  # the only ones of their class
    several = torch.tensor(np.random.default_rng(3).random((15, 15)) < 0.2)  # neither symmetric nor transitive
    for positives, n_values in ((pair(labels), 13), (several, int((several & ~torch.eye(15).bool()).any(1).sum()))):
        values = supcon_loss(z, positives, temperature=temperature)
        assert values.shape == (n_values,)
        torch.testing.assert_close(values, slow_supcon(z, positives, temperature), rtol=1e-9, atol=1e-12)


def test_supervised_values_by_hand():
    # Anchor 0: similarities 1 (positive) and 0: ln(e + 1) - 1 = .313262. Anchor 2 is alone in its class.
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).double()
    values = supcon_loss(z, pair(torch.tensor([5, 5, 6])), temperature=1.0)
    np.testing.assert_allclose(values, [0.313262, 0.313262], atol=1e-6)
    # τ = .5, two positives for each, at 1 and at 0: ln(e² + 1) - (2 + 0) / 2 = 1.126928. Anchor 2 sees 0, 0: ln 2.
    values = supcon_loss(z, torch.ones(3, 3, dtype=torch.bool), temperature=0.5)
    np.testing.assert_allclose(values, [1.126928, 1.126928, 0.693147], atol=1e-6)


def test_the_supervised_loss_is_that_of_pytorch_metric_learning():
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    reducers = pytest.importorskip("pytorch_metric_learning.reducers")
    labels = make_labels(32, n_classes=6)
    labels[4] = 77
    z, other_z = (make_rows(32, seed=5).requires_grad_(True) for _ in range(2))
    other = losses.SupConLoss(temperature=0.1, reducer=reducers.DoNothingReducer())
    per_anchor = other(other_z, labels)["loss"]["losses"]
    ours = supcon_loss(z, pair(labels), temperature=0.1)
    has_positive = torch.tensor([index != 4 for index in range(32)])
    assert per_anchor[4].item() == 0.0  # an anchor without a positive: a silent 0 there, no value here
    torch.testing.assert_close(ours, per_anchor[has_positive], rtol=1e-6, atol=1e-6)
    ours.mean().backward()
    # Theirs normalises its rows, which ours are already: of its gradient, the part along the sphere is the same.
    losses.SupConLoss(temperature=0.1)(other_z, labels).backward()
    along = z.grad - (z.grad * z.detach()).sum(dim=1, keepdim=True) * z.detach()
    torch.testing.assert_close(along, other_z.grad, rtol=1e-6, atol=1e-6)


def test_the_weighted_loss_is_its_equation():
    q, k, weights = make_rows(9), make_rows(14, seed=1), make_weights(9, 14)
    values = weighted_contrastive_loss(q, k, weights, temperature=0.2)
    assert values.shape == (8,)
    torch.testing.assert_close(values, slow_weighted(q, k, weights, 0.2), rtol=1e-9, atol=1e-12)


def test_the_weighted_loss_is_the_cross_entropy_of_torch_with_soft_targets():
    q, k, weights = make_rows(9), make_rows(14, seed=1), make_weights(9, 14)
    kept = torch.tensor([0, 1, 3, 4, 5, 6, 7, 8])
    shares = weights[kept] / weights[kept].sum(dim=1, keepdim=True)
    other = cross_entropy(q[kept] @ k.T / 0.2, shares, reduction="none")
    torch.testing.assert_close(weighted_contrastive_loss(q, k, weights, temperature=0.2), other)


def test_weights_of_one_and_zero_make_the_supervised_loss():
    z, positives = make_rows(12), pair(make_labels(12, n_classes=3))
    supervised = supcon_loss(z, positives, temperature=0.3)
    for i in range(12):
        others = torch.arange(12) != i
        one = weighted_contrastive_loss(z[i : i + 1], z[others], positives[i : i + 1, others].double(), temperature=0.3)
        torch.testing.assert_close(one, supervised[i : i + 1])


@given(st.floats(1e-30, 1e30))
def test_only_shares_of_the_weights_count(factor):
    q, k, weights = (values.float() for values in (make_rows(5), make_rows(7, seed=1), make_weights(5, 7)))
    plain = weighted_contrastive_loss(q, k, weights, temperature=0.2)
    torch.testing.assert_close(weighted_contrastive_loss(q, k, weights * factor, temperature=0.2), plain)


def test_affect_weights_are_their_equation():
    rng = np.random.default_rng(0)
    queries, keys = torch.tensor(rng.normal(size=(5, 2))), torch.tensor(rng.normal(size=(40, 2)))
    keys[7] = queries[3]
    slow = [[exp(-((float(y[0] - x[0]) ** 2 + float(y[1] - x[1]) ** 2) / (2 * 0.7**2))) for y in keys] for x in queries]
    weights = affect_weights(queries, keys, bandwidth=0.7)
    np.testing.assert_allclose(weights, slow, rtol=1e-12)
    assert weights[3, 7].item() == 1.0
    # Equal labels have no distance in float32 either, however many there are and wherever they lie.
    labels = (torch.randn(60, 2, generator=torch.Generator().manual_seed(0)) + 100).float()
    assert affect_weights(labels, labels, bandwidth=0.01).diagonal().tolist() == [1.0] * 60


def test_continuous_contrast_by_hand():
    # Keys at distances 0 and σ sqrt(2 ln 3): weights 1 and 1/3, shares 3/4 and 1/4; similarities 1 and 0 at τ = 1.
    far = 2.0 * (2 * log(3)) ** 0.5
    module = MomentumContinuousContrastiveLoss(temperature=1.0, bandwidth=2.0)
    value = module(
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        torch.tensor([[0.5, 0.5]]),
        torch.tensor([[0.5, 0.5], [0.5, 0.5 + far]]),
    )
    np.testing.assert_allclose(value, [log(exp(1) + 1) - 0.75], atol=1e-6)  # .563262


def test_a_query_far_from_every_key_is_left_out():
    module = MomentumContinuousContrastiveLoss(temperature=0.1, bandwidth=0.5)
    q, k = make_rows(3, dtype=torch.float32), make_rows(4, seed=1, dtype=torch.float32)
    affect = torch.tensor([[0.0, 0.0], [50.0, 50.0], [0.2, 0.0]])
    values = module(q, k, affect, torch.zeros(4, 2))
    assert values.shape == (2,)
    torch.testing.assert_close(values, module(q[[0, 2]], k, affect[[0, 2]], torch.zeros(4, 2)))


def test_gradients_are_those_of_finite_differences():
    z, positives = make_rows(6).requires_grad_(True), pair(torch.tensor([0, 0, 1, 1, 1, 2]))
    assert torch.autograd.gradcheck(lambda x: supcon_loss(x, positives, temperature=0.4), (z,))
    q, k = make_rows(4, seed=2).requires_grad_(True), make_rows(5, seed=3).requires_grad_(True)
    weights = make_weights(4, 5)
    assert torch.autograd.gradcheck(lambda x, y: weighted_contrastive_loss(x, y, weights, temperature=0.4), (q, k))


@given(st.integers(1, 7), st.integers(0, 2**49 - 1), st.sampled_from([0.01, 0.1, 5.0]))
def test_no_mask_gives_nan(n, bits, temperature):
    mask = torch.tensor([[bits >> (7 * i + j) & 1 for j in range(n)] for i in range(n)], dtype=torch.bool)
    z = make_rows(n, seed=n, dtype=torch.float32).requires_grad_(True)
    values = supcon_loss(z, mask, temperature=temperature)
    assert len(values) == int((mask & ~torch.eye(n, dtype=torch.bool)).any(dim=1).sum())
    weighted = weighted_contrastive_loss(z, z.detach(), mask.float(), temperature=temperature)
    assert len(weighted) == int(mask.any(dim=1).sum())
    (values.sum() + weighted.sum()).backward()
    for tensor in (values, weighted, z.grad):
        assert torch.isfinite(tensor).all()
    assert (torch.cat([values, weighted]) >= -1e-4).all()


@pytest.mark.parametrize("n", [1, 3])
def test_without_a_positive_there_is_no_value_and_no_gradient(n):
    z = make_rows(n).requires_grad_(True)
    for values in (
        supcon_loss(z, torch.eye(n, dtype=torch.bool), temperature=0.1),
        weighted_contrastive_loss(z, z, torch.zeros(n, n), temperature=0.1),
    ):
        assert values.shape == (0,)
        values.sum().backward()
        assert z.grad.tolist() == torch.zeros(n, 6).tolist()


def test_similarities_keep_their_precision_under_autocast():
    z, positives = make_rows(20, dtype=torch.float32), pair(make_labels(20))
    expected = supcon_loss(z, positives, temperature=0.05)
    weighted = weighted_contrastive_loss(z, z, positives.float(), temperature=0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (z @ z.T).dtype == torch.bfloat16
        assert torch.equal(supcon_loss(z, positives, temperature=0.05), expected)
        assert torch.equal(weighted_contrastive_loss(z, z, positives.float(), temperature=0.05), weighted)


@pytest.mark.parametrize("value", [0.0, -0.1, 1e-46, 1e-40, 9.9e-7, float("nan"), float("inf")])
def test_settings_without_meaning(value):
    message = f"a number of 1e-06 or more, got {value:g} at "
    z, truths = make_rows(3), torch.ones(3, 3)
    for call, where in (
        (lambda: supcon_loss(z, truths.bool(), temperature=value), "temperature"),
        (lambda: SupervisedContrastiveLoss(temperature=value), "temperature"),
        (lambda: weighted_contrastive_loss(z, z, truths, temperature=value), "temperature"),
        (lambda: affect_weights(z, z, bandwidth=value), "bandwidth"),
        (lambda: MomentumContinuousContrastiveLoss(temperature=value), "temperature"),
        (lambda: MomentumContinuousContrastiveLoss(bandwidth=value), "bandwidth"),
    ):
        with pytest.raises(UsageError, match=message + where):
            call()


def test_the_least_settings_and_the_largest_embeddings_give_numbers():
    z = torch.tensor([[1e12] * 6, [1e12] * 6, [-1e12] * 6], requires_grad=True)
    positives = pair(torch.tensor([0, 0, 0]))
    values = (
        supcon_loss(z, positives, temperature=1e-6),
        weighted_contrastive_loss(z, z, positives.float(), temperature=1e-6),
        affect_weights(z, z, bandwidth=1e-6),
        preservation_loss(z, -z.detach()),
    )
    sum(value.sum() for value in values).backward()
    for tensor in (*values, z.grad):
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_embeddings_whose_squares_would_overflow(dtype):
    z, large = torch.ones(3, 2, dtype=dtype), torch.ones(3, 2, dtype=dtype)
    large[1, 1] = -1e25
    for call, where in (
        (lambda: supcon_loss(large, torch.ones(3, 3).bool(), temperature=0.1), "embeddings"),
        (lambda: weighted_contrastive_loss(large, z, torch.ones(3, 3), temperature=0.1), "queries"),
        (lambda: weighted_contrastive_loss(z, large, torch.ones(3, 3), temperature=0.1), "keys"),
        (lambda: affect_weights(z, large, bandwidth=0.5), "keys"),
        (lambda: preservation_loss(large, z), "embeddings"),
        (lambda: preservation_loss(z, large), "fixed"),
    ):
        said = f"expected numbers from -1e+12 to 1e+12, got {large[1, 1].item():g} at {where}, row 1, column 1"
        with pytest.raises(DataError, match=re.escape(said)):
            call()


def test_masks_and_weights_that_are_none():
    z = make_rows(3)
    with pytest.raises(DataError, match=r"expected true and false, got values of torch.int64 at positives"):
        supcon_loss(z, torch.ones(3, 3, dtype=torch.int64), temperature=0.1)
    for wrong, shown in ((-0.5, "-0.5"), (float("nan"), "nan"), (float("inf"), "inf")):
        weights = torch.ones(3, 3)
        weights[1, 2] = wrong
        with pytest.raises(DataError, match=f"weights of 0 or more, got {shown} at weights, row 1, column 2"):
            weighted_contrastive_loss(z, z, weights, temperature=0.1)
