"""Binary cross-entropy of every label by itself, for hard and for soft targets."""

from sentire.core.errors import MissingExtraError
from sentire.losses.targets import check_shapes

try:
    import torch
    from torch import Tensor, nn
    from torch.nn.functional import binary_cross_entropy_with_logits
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training losses") from error


def bce_loss(logits: Tensor, targets: Tensor, *, positive_weights: Tensor | None = None) -> Tensor:
    """Return ``-w t log p - (1 - t) log(1 - p)`` with ``p = 1 / (1 + exp(-logit))``.

    Computed from the logit itself, so that no finite logit gives an infinite loss.

    Source: Bishop 2006, Pattern Recognition and Machine Learning, eq. 4.90, with a weight on the positive part.

    Args:
        logits: Shape (B, C); half precision is computed in float32.
        targets: Shape (B, C), from 0 to 1; see ``check_targets``.
        positive_weights: w of each label, shape (C,).

    Returns:
        Shape (B, C): one value an example and label, neither weighted nor averaged.

    Raises:
        ShapeError: The shapes do not fit together.
    """
    check_shapes(logits.shape, targets.shape, None if positive_weights is None else positive_weights.shape)
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return binary_cross_entropy_with_logits(
        precise,
        targets.to(precise.dtype),
        pos_weight=None if positive_weights is None else positive_weights.to(precise.dtype),
        reduction="none",
    )


class BinaryCrossEntropy(nn.Module):
    """``bce_loss`` with its settings.

    Args:
        positive_weights: Shape (C,).
    """

    positive_weights: Tensor | None

    def __init__(self, *, positive_weights: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("positive_weights", positive_weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return one value an example and label; see ``bce_loss``."""
        return bce_loss(logits, targets, positive_weights=self.positive_weights)
