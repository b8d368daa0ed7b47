"""Vector space preservation: an embedding stays near the place that the untouched encoder gave it."""

from sentire.core.errors import MissingExtraError
from sentire.losses.embeddings import check_axes, check_numbers, to_precise

try:
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training losses") from error


def preservation_loss(embeddings: Tensor, fixed: Tensor) -> Tensor:
    """Return ``‖h_i - f_i‖² / D``, the squared distance from the frozen encoder's vector of the same text.

    Source: Shah, Reddy and Bhattacharyya 2023, Retrofitting light-weight language models for emotions using supervised
    contrastive learning (the vector space preservation loss), divided by D, so that its weight means the same for
    encoders of any width.

    Args:
        embeddings: h, shape (B, D), before any projection or normalisation, from -1e12 to 1e12; half precision is
            computed in float32.
        fixed: f, shape (B, D), in the same range, of the frozen encoder and therefore without gradient.

    Returns:
        Shape (B,), 0 or more: one value a text, neither weighted nor averaged.

    Raises:
        ShapeError: The shapes differ, or are not (B, D).
        DataError: A number is NaN or beyond its range.
    """
    check_axes(("embeddings", "BD", embeddings), ("fixed", "BD", fixed))
    check_numbers(embeddings=embeddings, fixed=fixed)
    precise = to_precise(embeddings)
    return (precise - fixed.to(precise.dtype)).square().mean(dim=1)


class SpacePreservationLoss(nn.Module):
    """``preservation_loss`` as a module; it has no settings."""

    def forward(self, embeddings: Tensor, fixed: Tensor) -> Tensor:
        """Return one value a text; see ``preservation_loss``."""
        return preservation_loss(embeddings, fixed)
