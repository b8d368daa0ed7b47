"""Perturbed token detection: the tokens that matter most are moved, and a head tells which ones."""

from dataclasses import dataclass

from sentire.core.errors import DataError, MissingExtraError, UsageError
from sentire.losses.embeddings import check_axes, check_numbers, check_places, check_truths, to_precise
from sentire.losses.scales import check_scale

try:
    import torch
    from torch import Tensor, nn
    from torch.nn.functional import binary_cross_entropy_with_logits
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training losses") from error


def token_detection_loss(logits: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of each text's counted tokens.

    Source: Son, Saurez and Har 2025, arXiv 2502.20613 (perturbed token detection); Clark et al. 2020, ELECTRA, for the
    detection of replaced tokens.
    Departures: tokens are averaged within their text before texts are, so that a long text weighs no more than a short
    one.

    Args:
        logits: Of being perturbed, shape (B, T), from -1e12 to 1e12; half precision is computed in float32.
        targets: Whether a token was perturbed, shape (B, T); truths, or numbers from 0 to 1.
        counted: Which tokens count, shape (B, T), boolean: the real ones, without the special ones and the padding.
            What the others hold, NaN included, reaches neither value nor gradient.

    Returns:
        Shape (B,), 0 or more. A text without a counted token has the value 0 and no gradient: leave it out of a mean
        by ``counted.any(dim=1)``.

    Raises:
        ShapeError: The shapes do not fit together.
        DataError: ``counted`` is not boolean, or a logit or target of a counted token is NaN or out of its range.
    """
    check_axes(("logits", "BT", logits), ("targets", "BT", targets), ("counted", "BT", counted))
    check_truths(counted=counted)
    precise = to_precise(logits).masked_fill(~counted, 0.0)
    exact = targets.to(precise.dtype).masked_fill(~counted, 0.0)
    check_numbers(logits=precise, targets=exact)
    check_places("targets", exact, (exact >= 0) & (exact <= 1), expected="targets from 0 to 1")
    values = binary_cross_entropy_with_logits(precise, exact, reduction="none")
    return (values * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)


class TokenDetectionLoss(nn.Module):
    """``token_detection_loss`` as a module; it has no settings."""

    def forward(self, logits: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
        """Return one value a text; see ``token_detection_loss``."""
        return token_detection_loss(logits, targets, counted)


@dataclass(frozen=True, kw_only=True)
class ChosenTokens:
    """Which tokens are perturbed, and why; no token is both.

    Attributes:
        salient: Those that matter most, shape (B, T), boolean.
        controls: Those that were drawn, shape (B, T), boolean.
    """

    salient: Tensor
    controls: Tensor

    @property
    def perturbed(self) -> Tensor:
        """Both kinds, shape (B, T): the targets of ``token_detection_loss``."""
        return self.salient | self.controls


def measure_saliency(gradient: Tensor) -> Tensor:
    """Return ``s_t = ‖∂L/∂e_t‖``, how much a small move of each token would change the loss.

    Args:
        gradient: Of the loss by the token embeddings, shape (B, T, E).

    Returns:
        Shape (B, T), 0 or more, float32 or wider.

    Raises:
        ShapeError: Not three axes, or one of them is empty.
    """
    check_axes(("gradient", "BTE", gradient))
    lengths: Tensor = torch.linalg.vector_norm(to_precise(gradient), dim=2)
    return lengths


def choose_perturbed(saliency: Tensor, eligible: Tensor, random_scores: Tensor, *, share: float) -> ChosenTokens:
    """Choose each text's most salient tokens, and as many others at random.

    Of n eligible tokens, ``max(1, round(share n))`` are salient (equals: the first; halves to even), or all of those
    above 0 where they are fewer, and as many of the rest, or all of it where it is smaller, are controls: those with
    the highest random scores.

    Source: Son, Saurez and Har 2025, arXiv 2502.20613 (gradient-based perturbed token detection).
    Departures: the paper leaves the controls open. Here they are perturbed like the salient tokens and count as
    perturbed, so that a head which only learned where the salient words are cannot tell them apart.

    Args:
        saliency: Shape (B, T); see ``measure_saliency``.
        eligible: Shape (B, T), boolean: the real tokens, without the special ones and the padding.
        random_scores: Shape (B, T), such as ``torch.rand`` with the caller's generator; nothing is drawn in here.
        share: Above 0, at most .5, beyond which there would be fewer controls than salient tokens.

    Returns:
        Nothing chosen in a text without an eligible token of saliency above 0: where nothing matters, a move along the
        gradient is none, and there would be nothing to detect. One with a single token has no control, and one with two
        has no intact token.

    Raises:
        ShapeError: The shapes do not fit together.
        DataError: ``eligible`` is not boolean, or the saliency or random score of an eligible token is not finite.
        UsageError: The share is out of its range.
    """
    if not 0 < share <= 0.5:
        raise UsageError(expected="a share above 0 and at most 0.5", got=f"{share:g}", where="share")
    check_axes(("saliency", "BT", saliency), ("eligible", "BT", eligible), ("random_scores", "BT", random_scores))
    check_truths(eligible=eligible)
    for name, values in (("saliency", saliency), ("random_scores", random_scores)):
        if not bool(torch.isfinite(values[eligible]).all()):
            raise DataError(expected="finite numbers for the eligible tokens", got="NaN or infinity", where=name)
    n_eligible = eligible.sum(dim=1)
    matters = eligible & (saliency > 0)
    n_salient = (n_eligible * share).round().long().clamp(min=1).minimum(matters.sum(dim=1))
    salient = _take_highest(saliency, matters, n_salient)
    rest = eligible & ~salient
    controls = _take_highest(random_scores, rest, n_salient.minimum(rest.sum(dim=1)))
    return ChosenTokens(salient=salient, controls=controls)


def perturb_along_gradient(embeddings: Tensor, gradient: Tensor, chosen: Tensor, *, step: float) -> Tensor:
    """Return the token embeddings with the chosen ones moved: ``e_t + ε ‖e_t‖ g_t / ‖g_t‖``.

    Source: Son, Saurez and Har 2025, arXiv 2502.20613; the move by a normalised gradient is that of Miyato, Dai and
    Goodfellow 2017, Adversarial training methods for semi-supervised text classification, section 3.
    Departures: the step is a share of the token's own length, not an absolute one, so that ε means the same for
    encoders of any scale and for frequent and rare tokens. Along the gradient of a loss, the loss rises.

    Args:
        embeddings: e, shape (B, T, E).
        gradient: g, or any other directions, shape (B, T, E); only its direction counts. A token without a direction
            (all 0) stays where it is.
        chosen: Shape (B, T), boolean.
        step: ε, 1e-6 or more.

    Returns:
        Shape (B, T, E), in the precision of the embeddings. The move itself is a constant: the gradient by the
        embeddings is that of the identity.

    Raises:
        ShapeError: The shapes do not fit together.
        DataError: ``chosen`` is not boolean, or the gradient of a chosen token is not finite.
        UsageError: The step is out of its range.
    """
    check_scale(step, where="step")
    check_axes(("embeddings", "BTE", embeddings), ("gradient", "BTE", gradient), ("chosen", "BT", chosen))
    check_truths(chosen=chosen)
    with torch.no_grad():
        if not bool(torch.isfinite(gradient[chosen]).all()):
            raise DataError(expected="a finite gradient for the chosen tokens", got="NaN or infinity", where="gradient")
        # By its greatest entry first: the squares of a small gradient would be 0, and so would its length.
        greatest = to_precise(gradient).abs().amax(dim=2, keepdim=True)
        scaled = to_precise(gradient) / greatest.where(greatest > 0, 1.0)
        directions = scaled / torch.linalg.vector_norm(scaled, dim=2, keepdim=True).clamp(min=1.0)
        lengths = step * torch.linalg.vector_norm(to_precise(embeddings), dim=2, keepdim=True)
        moves = (lengths * directions).where(chosen.unsqueeze(2), 0.0)
    moved: Tensor = embeddings + moves.to(embeddings.dtype)
    return moved


def perturb_chosen(
    embeddings: Tensor, gradient: Tensor, random_directions: Tensor, chosen: ChosenTokens, *, step: float
) -> Tensor:
    """Return the embeddings with the salient tokens moved along the gradient and the controls along random directions.

    All moves are of the same relative length; see ``perturb_along_gradient``.

    Args:
        embeddings: Shape (B, T, E).
        gradient: Shape (B, T, E).
        random_directions: Shape (B, T, E), such as ``torch.randn`` with the caller's generator: normal numbers give
            every direction the same chance.
        chosen: Of ``choose_perturbed``.
        step: 1e-6 or more.

    Raises:
        ShapeError: The shapes do not fit together.
        DataError: A direction that is used is not finite.
        UsageError: The step is out of its range.
    """
    check_axes(
        ("gradient", "BTE", gradient),
        ("random_directions", "BTE", random_directions),
        ("chosen.salient", "BT", chosen.salient),
        ("chosen.controls", "BT", chosen.controls),
    )
    directions = gradient.where(chosen.salient.unsqueeze(2), random_directions)
    return perturb_along_gradient(embeddings, directions, chosen.perturbed, step=step)


def _take_highest(values: Tensor, among: Tensor, n_taken: Tensor) -> Tensor:
    order = values.masked_fill(~among, -torch.inf).argsort(dim=1, descending=True, stable=True)
    ranks = order.argsort(dim=1)
    return ranks < n_taken.unsqueeze(1)
