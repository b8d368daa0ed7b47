"""Asymmetric loss: easy negatives count little or nothing, positives nearly in full."""

import math

from sentire.core.errors import MissingExtraError, UsageError
from sentire.losses.targets import check_shapes

try:
    import torch
    from torch import Tensor, nn
    from torch.nn.functional import logsigmoid
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training losses") from error


def asymmetric_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma_positive: float,
    gamma_negative: float,
    clip: float,
    positive_weights: Tensor | None = None,
) -> Tensor:
    """Return ``t L+ + (1 - t) L-`` with one focusing power for positives and one for negatives.

    ``L+ = -w (1 - p) ** gamma_positive log p`` and ``L- = -q ** gamma_negative log(1 - q)`` with
    ``q = max(p - clip, 0)``: negatives below the clip count nothing.

    Source: Ridnik et al. 2021, Asymmetric loss for multi-label classification, eq. 7. The focusing factors take part in
    the gradient, as in the gradient that the paper derives and plots; its program can also leave them out
    (``disable_torch_grad_focal_loss``), which trains on another gradient than the loss has.
    Departures: soft targets are allowed and mix the two parts; for targets 0 and 1 this is the paper's loss. The paper
    has no ``positive_weights`` (w).

    Args:
        logits: Shape (B, C); half precision is computed in float32.
        targets: Shape (B, C), from 0 to 1.
        gamma_positive: At least 0.
        gamma_negative: At least 0.
        clip: Probability from 0 to below 1.
        positive_weights: w of each label, shape (C,).

    Returns:
        Shape (B, C): one value an example and label, neither weighted nor averaged.

    Raises:
        ShapeError: The shapes do not fit together.
    """
    check_shapes(logits.shape, targets.shape, None if positive_weights is None else positive_weights.shape)
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    exact = targets.to(precise.dtype)
    # A power below 1 has no finite slope at 0; the smallest number in its place keeps NaN out of the gradient.
    least = torch.finfo(precise.dtype).tiny
    positive = -torch.sigmoid(-precise).clamp(min=least).pow(gamma_positive) * logsigmoid(precise)
    if positive_weights is not None:
        positive = positive * positive_weights.to(precise.dtype)
    shifted = (torch.sigmoid(precise) - clip).clamp(min=least)
    # Without a clip, 1 - q rounds to 0 for high logits; with one, it is at least the clip.
    log_rest = torch.log1p(-shifted) if clip > 0 else logsigmoid(-precise)
    negative = -shifted.pow(gamma_negative) * log_rest
    return exact * positive + (1 - exact) * negative


class AsymmetricLoss(nn.Module):
    """``asymmetric_loss`` with its settings; the defaults are those of the paper's published program.

    Args:
        gamma_positive: At least 0.
        gamma_negative: At least 0.
        clip: Probability from 0 to below 1.
        positive_weights: Shape (C,).

    Raises:
        UsageError: A power is no number of 0 or more, or the clip is not from 0 to below 1.
    """

    positive_weights: Tensor | None

    def __init__(
        self,
        *,
        gamma_positive: float = 1.0,
        gamma_negative: float = 4.0,
        clip: float = 0.05,
        positive_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        for name, gamma in (("gamma_positive", gamma_positive), ("gamma_negative", gamma_negative)):
            if not (math.isfinite(gamma) and gamma >= 0):
                raise UsageError(expected="a focusing power of 0 or more", got=f"{gamma:g}", where=name)
        if not 0 <= clip < 1:
            raise UsageError(expected="a probability from 0 to below 1", got=f"{clip:g}", where="clip")
        self.gamma_positive = gamma_positive
        self.gamma_negative = gamma_negative
        self.clip = clip
        self.register_buffer("positive_weights", positive_weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return one value an example and label; see ``asymmetric_loss``."""
        return asymmetric_loss(
            logits,
            targets,
            gamma_positive=self.gamma_positive,
            gamma_negative=self.gamma_negative,
            clip=self.clip,
            positive_weights=self.positive_weights,
        )
