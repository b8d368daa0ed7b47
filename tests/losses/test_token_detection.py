"""Perturbed token detection: the loss against a loop, and which tokens are moved, how far and where to."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import DataError, ShapeError, UsageError

pytest.importorskip("torch")

import torch

from sentire.losses.token_detection import (
    ChosenTokens,
    choose_perturbed,
    measure_saliency,
    perturb_along_gradient,
    perturb_chosen,
    token_detection_loss,
)


def make_case(n=5, t=8, seed=0):
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(scale=3, size=(n, t)))
    return logits, torch.tensor(rng.random((n, t)) < 0.4), torch.tensor(rng.random((n, t)) < 0.7)


def slow_loss(logits, targets, counted):
    values = []
    for b in range(len(logits)):
        costs = []
        for t in range(logits.shape[1]):
            if counted[b, t]:
                p = 1 / (1 + exp(-float(logits[b, t])))
                costs.append(-log(p) if targets[b, t] else -log(1 - p))
        values.append(sum(costs) / len(costs) if costs else 0.0)
    return values


def test_the_loss_is_its_equation():
    logits, targets, counted = make_case()
    counted[2] = False
    values = token_detection_loss(logits, targets, counted)
    np.testing.assert_allclose(values, slow_loss(logits, targets, counted), rtol=1e-10)
    assert values[2].item() == 0.0
    # p = .8, perturbed: -ln .8 = .223144; p = .2, perturbed: 1.609438; the third does not count.
    by_hand = token_detection_loss(
        torch.tensor([[log(4), -log(4), 9.0]]), torch.ones(1, 3), torch.tensor([[True, True, False]])
    )
    assert by_hand.tolist() == [pytest.approx((0.223144 + 1.609438) / 2, abs=1e-6)]


def test_gradients_are_those_of_finite_differences():
    logits, targets, counted = make_case()
    counted[2] = False
    assert torch.autograd.gradcheck(lambda x: token_detection_loss(x, targets, counted), (logits.requires_grad_(True),))


def test_what_does_not_count_reaches_neither_value_nor_gradient():
    logits, targets, counted = make_case()
    targets, expected = targets.double(), token_detection_loss(logits, targets, counted)
    logits[~counted], targets[~counted] = float("nan"), float("inf")
    logits.requires_grad_(True)
    values = token_detection_loss(logits, targets, counted)
    torch.testing.assert_close(values, expected)
    values.sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[~counted].any()


def test_the_most_salient_and_as_many_others():
    saliency = torch.tensor([[9.0, 1.0, 5.0, 4.0, 3.0, 2.0, 8.0]])
    eligible = torch.tensor([[False, True, True, True, True, True, False]])
    # Two of five eligible tokens; 5 and 4 are the highest. Of the rest (1, 3, 2) the two with the highest draws.
    draws = torch.tensor([[0.9, 0.7, 0.8, 0.8, 0.1, 0.5, 0.9]])
    chosen = choose_perturbed(saliency, eligible, draws, share=0.4)
    assert chosen.salient.tolist() == [[False, False, True, True, False, False, False]]
    assert chosen.controls.tolist() == [[False, True, False, False, False, True, False]]
    assert torch.equal(chosen.perturbed, chosen.salient | chosen.controls)


@given(
    st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4),
    st.sampled_from([0.01, 0.15, 1 / 3, 0.5]),
    st.integers(0, 5),
)
def test_how_many_are_chosen_and_from_where(mask, share, seed):
    eligible, rng = torch.tensor(mask), np.random.default_rng(seed)
    saliency, draws = (torch.tensor(rng.integers(3, size=eligible.shape).astype(np.float32)) for _ in range(2))
    chosen = choose_perturbed(saliency, eligible, draws, share=share)
    assert not (chosen.salient & chosen.controls).any()
    assert not (chosen.perturbed & ~eligible).any()
    for row, of_row in enumerate(eligible):
        n = int(of_row.sum())
        n_salient = 0 if n == 0 else min(max(1, round(share * n)), int((of_row & (saliency[row] > 0)).sum()))
        assert int(chosen.salient[row].sum()) == n_salient
        assert int(chosen.controls[row].sum()) == min(n_salient, n - n_salient)
        rest = of_row & ~chosen.salient[row]
        if n_salient and rest.any():
            assert saliency[row][chosen.salient[row]].min() >= saliency[row][rest].max()


def test_where_nothing_matters_nothing_is_chosen():
    saliency = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.0]])
    chosen = choose_perturbed(saliency, torch.ones(2, 4).bool(), torch.tensor([[0.1, 0.2, 0.3, 0.4]] * 2), share=0.5)
    assert chosen.salient.tolist() == [[False] * 4, [False, False, True, False]]
    assert chosen.controls.tolist() == [[False] * 4, [False, False, False, True]]


def test_every_other_token_is_a_control_equally_often():
    generator = torch.Generator().manual_seed(0)
    saliency = torch.arange(10.0).expand(4000, 10)
    draws = torch.rand(4000, 10, generator=generator)
    shares = choose_perturbed(saliency, torch.ones(4000, 10).bool(), draws, share=0.2).controls.double().mean(dim=0)
    assert shares[8:].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(shares[:8], 0.25, atol=0.03)  # 4 standard errors


def test_saliency_is_the_length_of_the_gradient():
    assert measure_saliency(torch.tensor([[[3.0, 4.0], [0.0, 0.0]]], dtype=torch.bfloat16)).tolist() == [[5.0, 0.0]]


def test_a_step_by_hand():
    embeddings = torch.tensor([[[3.0, 4.0], [3.0, 4.0], [0.0, 2.0]]], requires_grad=True)
    gradient = torch.tensor([[[0.0, 1e-30], [7.0, 7.0], [0.0, 0.0]]])
    moved = perturb_along_gradient(embeddings, gradient, torch.tensor([[True, False, True]]), step=0.1)
    # A tenth of the length 5, upwards, however small the gradient; not chosen; chosen, but nowhere to go.
    np.testing.assert_allclose(moved.detach(), [[[3.0, 4.5], [3.0, 4.0], [0.0, 2.0]]], rtol=1e-6)
    moved.sum().backward()
    assert embeddings.grad.tolist() == torch.ones(1, 3, 2).tolist()


def test_salient_tokens_follow_the_gradient_and_controls_the_draw():
    generator = torch.Generator().manual_seed(0)
    embeddings, gradient, directions = (torch.randn(3, 6, 4, generator=generator).double() for _ in range(3))
    chosen = choose_perturbed(
        measure_saliency(gradient), torch.ones(3, 6).bool(), torch.rand(3, 6, generator=generator), share=0.3
    )
    moves = perturb_chosen(embeddings, gradient, directions, chosen, step=0.2) - embeddings
    for kind, along in ((chosen.salient, gradient), (chosen.controls, directions)):
        assert kind.any()
        expected = along / along.norm(dim=2, keepdim=True) * 0.2 * embeddings.norm(dim=2, keepdim=True)
        torch.testing.assert_close(moves[kind], expected[kind])
    assert not moves[~chosen.perturbed].any()


def test_a_small_step_along_the_gradient_of_a_loss_raises_it():
    embeddings = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1)).double().requires_grad_(True)

    def measure(tokens):
        return tokens.tanh().prod(dim=2).sum()

    (gradient,) = torch.autograd.grad(measure(embeddings), embeddings)
    moved = perturb_along_gradient(embeddings, gradient, torch.ones(2, 5).bool(), step=0.01)
    assert measure(moved) > measure(embeddings)


def test_half_precision_embeddings_stay_so():
    embeddings = torch.ones(1, 2, 3, dtype=torch.bfloat16)
    moved = perturb_along_gradient(embeddings, torch.ones(1, 2, 3), torch.ones(1, 2).bool(), step=0.5)
    assert moved.dtype == torch.bfloat16
    assert moved.tolist() == [[[1.5] * 3] * 2]


@pytest.mark.parametrize("share", [0.0, -0.1, 0.51, float("nan")])
def test_a_share_out_of_range(share):
    with pytest.raises(UsageError, match=f"a share above 0 and at most 0.5, got {share:g} at share"):
        choose_perturbed(torch.ones(1, 2), torch.ones(1, 2).bool(), torch.ones(1, 2), share=share)


@pytest.mark.parametrize("step", [0.0, -1.0, 1e-7, float("nan")])
def test_a_step_without_meaning(step):
    with pytest.raises(UsageError, match=f"a number of 1e-06 or more, got {step:g} at step"):
        perturb_along_gradient(torch.ones(1, 2, 3), torch.ones(1, 2, 3), torch.ones(1, 2).bool(), step=step)


def test_numbers_that_are_none():
    bad, good, mask = torch.tensor([[1.0, float("nan")]]), torch.ones(1, 2), torch.tensor([[True, True]])
    with pytest.raises(DataError, match="finite numbers for the eligible tokens, got NaN or infinity at saliency"):
        choose_perturbed(bad, mask, good, share=0.2)
    with pytest.raises(DataError, match="got NaN or infinity at random_scores"):
        choose_perturbed(good, mask, bad, share=0.2)
    with pytest.raises(DataError, match=r"true and false, got values of torch.float32 at eligible"):
        choose_perturbed(good, good, good, share=0.2)
    with pytest.raises(DataError, match=r"true and false, got values of torch.float32 at counted"):
        token_detection_loss(good, good, good)
    with pytest.raises(DataError, match="a finite gradient for the chosen tokens, got NaN or infinity at gradient"):
        perturb_along_gradient(torch.ones(1, 2, 3), bad.unsqueeze(2).expand(1, 2, 3), mask, step=0.1)
    unchosen = torch.tensor([[True, False]])
    assert choose_perturbed(bad, unchosen, good, share=0.2).salient.tolist() == [[True, False]]
    moved = perturb_along_gradient(torch.ones(1, 2, 3), bad.unsqueeze(2).expand(1, 2, 3), unchosen, step=0.1)
    assert torch.isfinite(moved).all()


@pytest.mark.parametrize("wrong", [7.0, 1.001, -0.001])
def test_targets_that_are_no_shares(wrong):
    logits, targets, counted = torch.ones(2, 3), torch.tensor([[0.0, 1.0, 0.5]] * 2), torch.ones(2, 3).bool()
    targets[1, 2] = wrong
    with pytest.raises(DataError, match=rf"targets from 0 to 1, got {wrong:g} at targets, row 1, column 2"):
        token_detection_loss(logits, targets, counted)
    counted[1, 2] = False
    assert (token_detection_loss(logits, targets, counted) > 0).all()


def test_shapes_that_do_not_fit():
    ones, mask = torch.ones(2, 3), torch.ones(2, 3).bool()
    with pytest.raises(ShapeError, match=r"shape \(B, T\) with T = 3, got shape \(2, 2\) at random_scores"):
        choose_perturbed(ones, mask, ones[:, :2], share=0.2)
    tokens = torch.ones(2, 3, 4)
    with pytest.raises(ShapeError, match=r"shape \(B, T, E\) with E = 4, got shape \(2, 3, 1\) at gradient"):
        perturb_along_gradient(tokens, tokens[:, :, :1], mask, step=0.1)
    with pytest.raises(ShapeError, match=r"shape \(B, T, E\) with E = 4, got shape \(2, 3, 1\) at random_directions"):
        perturb_chosen(tokens, tokens, tokens[:, :, :1], ChosenTokens(salient=mask, controls=mask), step=0.1)
    with pytest.raises(ShapeError, match=r"shape \(B, T, E\), none of them 0, got shape \(2, 3\) at gradient"):
        measure_saliency(ones)
