"""Focal loss: cross-entropy that counts an example the less, the better it is already answered."""

import math

from sentire.core.errors import MissingExtraError, UsageError
from sentire.losses.bce import bce_loss

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training losses") from error


def focal_loss(logits: Tensor, targets: Tensor, *, gamma: float, positive_weights: Tensor | None = None) -> Tensor:
    """Return ``|t - p| ** gamma`` times the binary cross-entropy.

    Source: Lin, Goyal, Girshick, He and Dollár 2017, Focal loss for dense object detection, eq. 4, whose factor is
    ``(1 - p)`` for a positive and ``p`` for a negative.
    Departures: soft targets are allowed, with the distance ``|t - p|`` in the place of that factor (the quality
    focal loss of Li et al. 2020, Generalized focal loss); for targets 0 and 1 both are the same. The balance alpha is
    expressed by ``positive_weights``.

    Args:
        logits: Shape (B, C); half precision is computed in float32.
        targets: Shape (B, C), from 0 to 1.
        gamma: At least 0; 0 is plain cross-entropy. The factor takes part in the gradient.
        positive_weights: Of each label, shape (C,).

    Returns:
        Shape (B, C): one value an example and label, neither weighted nor averaged.

    Raises:
        ShapeError: The shapes do not fit together.
    """
    entropy = bce_loss(logits, targets, positive_weights=positive_weights)
    precise = logits.to(entropy.dtype)
    exact = targets.to(entropy.dtype)
    # As a difference of two sigmoids, not t - p: the distance of a nearly certain answer is then no rounding error.
    distance = (exact * torch.sigmoid(-precise) - (1 - exact) * torch.sigmoid(precise)).abs()
    # At distance 0, a power below 1 has no finite slope: there the gradient is that of the cross-entropy alone.
    return distance.clamp(min=torch.finfo(entropy.dtype).tiny).pow(gamma) * entropy


class FocalLoss(nn.Module):
    """``focal_loss`` with its settings.

    Args:
        gamma: At least 0.
        positive_weights: Shape (C,).

    Raises:
        UsageError: ``gamma`` is no number of 0 or more.
    """

    positive_weights: Tensor | None

    def __init__(self, *, gamma: float = 2.0, positive_weights: Tensor | None = None) -> None:
        super().__init__()
        if not (math.isfinite(gamma) and gamma >= 0):
            raise UsageError(expected="a focusing power of 0 or more", got=f"{gamma:g}", where="gamma")
        self.gamma = gamma
        self.register_buffer("positive_weights", positive_weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return one value an example and label; see ``focal_loss``."""
        return focal_loss(logits, targets, gamma=self.gamma, positive_weights=self.positive_weights)
