"""Contrastive loss with weighted positives, and the weights by which texts of like affect attract each other."""

from sentire.core.errors import MissingExtraError
from sentire.losses.embeddings import check_axes, check_numbers, check_places, compare, to_precise
from sentire.losses.scales import check_scale

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training losses") from error


def weighted_contrastive_loss(queries: Tensor, keys: Tensor, weights: Tensor, *, temperature: float) -> Tensor:
    """Return the cross-entropy between the weights of the keys and their similarities, for each query that has weights.

    ``-Σ_j w_ij / (Σ_l w_il) · log( exp(q_i·k_j / τ) / Σ_l exp(q_i·k_l / τ) )`` for the queries i with a weight above 0.

    Source: Son, Saurez and Har 2025, arXiv 2502.20613 (the continuous contrastive loss, with the weights of
    ``affect_weights``). With weights of 1 and 0 it is eq. 2 of Khosla et al. 2020, for keys other than the queries.
    Departures: a query without any weight, which nothing attracts, has no value.

    Args:
        queries: q, shape (B, D), from -1e12 to 1e12. Rows of length 1 are the caller's to make, here and for the keys.
            Half precision is computed in float32, under autocast, too.
        keys: k, shape (K, D), in the same range; those of a momentum encoder or a queue come without gradient. A query
            has nothing to tell a single key from: its value is 0.
        weights: w, shape (B, K), finite and 0 or more; only their shares of the row matter.
        temperature: τ, 1e-6 or more.

    Returns:
        Shape (A,), 0 or more each, but for rounding: the queries with a weight above 0, in their order; B - A were left
        out.

    Raises:
        ShapeError: The shapes do not fit together.
        DataError: A weight is negative, infinite or NaN, or a query or key is NaN or beyond its range.
        UsageError: The temperature is out of its range.

    Cost: B K D products, and B K numbers kept for the gradient.
    """
    check_scale(temperature, where="temperature")
    check_axes(("queries", "BD", queries), ("keys", "KD", keys), ("weights", "BK", weights))
    check_numbers(queries=queries, keys=keys)
    precise = to_precise(queries)
    exact = weights.to(precise.dtype)
    # In this form NaN is wrong, too.
    check_places("weights", exact, (exact >= 0) & (exact < torch.inf), expected="weights of 0 or more")
    greatest = exact.amax(dim=1, keepdim=True)
    anchors = greatest.squeeze(1) > 0
    # By their greatest first: the sum of very small or very large weights would leave the range of float32.
    shares = exact[anchors] / greatest[anchors]
    shares = shares / shares.sum(dim=1, keepdim=True)
    scores = compare(precise[anchors], keys.to(precise.dtype), temperature=temperature)
    return scores.logsumexp(dim=1) - (shares * scores).sum(dim=1)


def affect_weights(queries: Tensor, keys: Tensor, *, bandwidth: float) -> Tensor:
    """Return ``exp(-‖y_i - y_j‖² / (2 σ²))``, 1 for the same affect and falling with the distance.

    Source: Son, Saurez and Har 2025, arXiv 2502.20613. The shares of each row are left to
    ``weighted_contrastive_loss``.

    Args:
        queries: Valence and arousal of the queries, shape (B, A), A = 2, z-scored, from -1e12 to 1e12.
        keys: Those of the keys, shape (K, A), in the same range.
        bandwidth: σ, 1e-6 or more, on the same scale.

    Returns:
        Shape (B, K), from 0 to 1, float32 or wider. Beyond 14.5 bandwidths a weight is 0 in float32: a query that is so
        far from every key has no positive, and is left out by the loss.

    Raises:
        ShapeError: The shapes do not fit together.
        DataError: A label is NaN or beyond its range.
        UsageError: The bandwidth is out of its range.

    Example:
        >>> here, there = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 0.0], [3.0, 4.0]])
        >>> [round(value, 4) for value in affect_weights(here, there, bandwidth=2.5).tolist()[0]]  # exp(-2)
        [1.0, 0.1353]
    """
    check_scale(bandwidth, where="bandwidth")
    check_axes(("queries", "BA", queries), ("keys", "KA", keys))
    check_numbers(queries=queries, keys=keys)
    precise = to_precise(queries)
    # Without the expansion into products, whose rounding would give equal labels a distance.
    distances = torch.cdist(precise, keys.to(precise.dtype), compute_mode="donot_use_mm_for_euclid_dist")
    return torch.exp(-(distances / bandwidth).square() / 2)


class MomentumContinuousContrastiveLoss(nn.Module):
    """``weighted_contrastive_loss`` with ``affect_weights``; the momentum encoder and the queue make its keys.

    Source: Son, Saurez and Har 2025, arXiv 2502.20613.
    Departures: the defaults are ours.

    Args:
        temperature: 1e-6 or more.
        bandwidth: 1e-6 or more, on the scale of the affect labels.

    Raises:
        UsageError: A setting is out of its range.
    """

    def __init__(self, *, temperature: float = 0.1, bandwidth: float = 0.5) -> None:
        super().__init__()
        check_scale(temperature, where="temperature")
        check_scale(bandwidth, where="bandwidth")
        self.temperature = temperature
        self.bandwidth = bandwidth

    def forward(self, queries: Tensor, keys: Tensor, query_affect: Tensor, key_affect: Tensor) -> Tensor:
        """Return one value for each query that a key attracts.

        Args:
            queries: Shape (B, D), rows of length 1.
            keys: Shape (K, D), rows of length 1.
            query_affect: Shape (B, A).
            key_affect: Shape (K, A).

        Returns:
            Shape (A,); see ``weighted_contrastive_loss``.

        Raises:
            ShapeError, DataError: As ``affect_weights`` and ``weighted_contrastive_loss``.
        """
        weights = affect_weights(query_affect, key_affect, bandwidth=self.bandwidth)
        return weighted_contrastive_loss(queries, keys, weights, temperature=self.temperature)
