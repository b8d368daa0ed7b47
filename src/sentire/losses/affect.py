"""Losses of valence, arousal and dominance: squared error of each example, and concordance over a batch."""

from sentire.core.errors import MissingExtraError, ShapeError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training losses") from error


def affect_loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """Return the squared error of each example, averaged over its three dimensions.

    Args:
        predicted: Shape (B, 3), on the scale of the targets; half precision is computed in float32.
        targets: Shape (B, 3).

    Returns:
        Shape (B,): one value an example, neither weighted nor averaged.

    Raises:
        ShapeError: The shapes differ, or are not (B, 3).
    """
    _check_shapes(predicted, targets)
    precise = predicted.to(torch.promote_types(predicted.dtype, torch.float32))
    return (precise - targets.to(precise.dtype)).square().mean(dim=1)


def concordance_loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """Return 1 minus the concordance correlation coefficient of each dimension over the batch.

    Source: Lin 1989, A concordance correlation coefficient to evaluate reproducibility, with variances over B.
    Departures: where predictions and targets are one and the same constant, the coefficient is 0, as no agreement is
    shown.

    Args:
        predicted: Shape (B, 3), on the scale of the targets; half precision is computed in float32.
        targets: Shape (B, 3).

    Returns:
        Shape (3,), each from 0 (the same) to 2 (the opposite).

    Raises:
        ShapeError: The shapes differ, or are not (B, 3).
    """
    _check_shapes(predicted, targets)
    guessed = predicted.to(torch.promote_types(predicted.dtype, torch.float32))
    true = targets.to(guessed.dtype)
    middle_guessed, middle_true = guessed.mean(dim=0), true.mean(dim=0)
    off_guessed, off_true = guessed - middle_guessed, true - middle_true
    spread = off_guessed.square().mean(dim=0) + off_true.square().mean(dim=0)
    distance = spread + (middle_guessed - middle_true).square()
    return 1 - 2 * (off_guessed * off_true).mean(dim=0) / distance.clamp(min=torch.finfo(guessed.dtype).tiny)


class AffectLoss(nn.Module):
    """``affect_loss`` as a module; it has no settings."""

    def forward(self, predicted: Tensor, targets: Tensor) -> Tensor:
        """Return one value an example; see ``affect_loss``."""
        return affect_loss(predicted, targets)


def _check_shapes(predicted: Tensor, targets: Tensor) -> None:
    for name, shape in (("predicted", predicted.shape), ("targets", targets.shape)):
        if len(shape) != 2 or shape[1] != 3:
            raise ShapeError(
                expected="shape (B, 3): valence, arousal, dominance", got=f"shape {tuple(shape)}", where=name
            )
    if predicted.shape != targets.shape:
        raise ShapeError(
            expected=f"targets of shape {tuple(predicted.shape)}, as the predictions have",
            got=f"shape {tuple(targets.shape)}",
        )
