"""Supervised contrastive loss: an embedding lies nearer to those of its kind than to the rest of the batch."""

from sentire.core.errors import MissingExtraError
from sentire.losses.embeddings import (
    check_axes,
    check_numbers,
    check_truths,
    compare,
    to_precise,
)
from sentire.losses.scales import check_scale

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training losses") from error


def supcon_loss(embeddings: Tensor, positives: Tensor, *, temperature: float) -> Tensor:
    """Return the loss of each anchor that has a positive.

    ``-1/|P(i)| Σ_{p∈P(i)} log( exp(z_i·z_p / τ) / Σ_{a≠i} exp(z_i·z_a / τ) )`` for the anchors i with P(i) not empty.

    Source: Khosla et al. 2020, Supervised contrastive learning, eq. 2 (the sum over positives outside the logarithm).
    Departures: the paper's batches hold a second view of every anchor, and so a positive; here an anchor without one
    has no value, where the equation would divide by 0.

    Args:
        embeddings: z, shape (B, D), from -1e12 to 1e12. Rows of length 1 are the caller's to make: their length is
            neither checked nor changed here. Half precision is computed in float32, under autocast, too.
        positives: Whether column p is a positive of row i, shape (B, B), boolean; the diagonal does not count.
        temperature: τ, 1e-6 or more.

    Returns:
        Shape (A,), 0 or more each, but for rounding: the anchors with a positive, in their order; B - A were left out.
        Without any (one row alone, or all of different kinds) shape (0,), whose mean would be NaN: look at the length
        first.

    Raises:
        ShapeError: The shapes do not fit together.
        DataError: ``positives`` is not boolean, or an embedding is NaN or beyond its range.
        UsageError: The temperature is out of its range.

    Cost: B² D products, and B² numbers kept for the gradient.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> same = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
        >>> [round(value, 4) for value in supcon_loss(z, same, temperature=1.0).tolist()]  # ln(1 + 1/e), twice
        [0.3133, 0.3133]
    """
    check_scale(temperature, where="temperature")
    check_axes(("embeddings", "BD", embeddings), ("positives", "BB", positives))
    check_truths(positives=positives)
    check_numbers(embeddings=embeddings)
    precise = to_precise(embeddings)
    itself = torch.eye(len(precise), dtype=torch.bool, device=precise.device)
    others = positives & ~itself
    anchors = others.any(dim=1)
    # An anchor that stays has a row beside itself to sum over, so that no sum is one over nothing.
    others, itself = others[anchors], itself[anchors]
    scores = compare(precise[anchors], precise, temperature=temperature)
    of_all = scores.masked_fill(itself, -torch.inf).logsumexp(dim=1)
    of_positives = (scores * others).sum(dim=1) / others.sum(dim=1)
    return of_all - of_positives


class SupervisedContrastiveLoss(nn.Module):
    """``supcon_loss`` with its settings.

    Args:
        temperature: 1e-6 or more; the default is that of the paper.

    Raises:
        UsageError: The temperature is out of its range.
    """

    def __init__(self, *, temperature: float = 0.1) -> None:
        super().__init__()
        check_scale(temperature, where="temperature")
        self.temperature = temperature

    def forward(self, embeddings: Tensor, positives: Tensor) -> Tensor:
        """Return one value for each anchor that has a positive; see ``supcon_loss``."""
        return supcon_loss(embeddings, positives, temperature=self.temperature)
