"""Which tokens of an encoder make up the vector of a text, as weights: one definition for training and answering."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import ShapeError, UnknownNameError

POOLINGS = ("mean", "cls")
"""``mean``: over the tokens of the text. ``cls``: the first token alone."""

TEXT_SEGMENT = 1
"""The segment of the text where a context stands before it; the context's own is 0."""


def make_pooling_weights(
    token_type_ids: ArrayLike, attention_mask: ArrayLike, *, pooling: str, has_context: ArrayLike
) -> NDArray[np.float32]:
    """Return the share of every token in the vector of its text: ``pooled[b] = sum_t weights[b, t] * hidden[b, t]``.

    ``mean`` without a context weighs all real tokens alike, the special ones included, as sentence-transformers does.
    With a context, the tokens of the text (its own ``[SEP]`` included) and the first token are weighed alike, and the
    context's tokens have no weight: they speak through attention alone.

    Args:
        token_type_ids: Shape (B, T): 0 for the first token and the context's segment with the special tokens that end
            it, 1 for the text after them and its closing token. Tokenizers of RoBERTa's kind give 0 to both; here
            their rows are given as those of a BERT. Not looked at in rows without a context.
        attention_mask: Shape (B, T): 1 for a real token, 0 for padding, which stands at the end of a row.
        pooling: ``mean`` or ``cls``.
        has_context: Shape (B,): whether a row is a pair of context and text.

    Returns:
        Shape (B, T), each row sums to 1.

    Raises:
        UnknownNameError: No such pooling.
        ShapeError: The shapes do not fit together, or a row begins with padding.

    Example:
        >>> types, is_real = [[0, 0, 0, 1, 0]], [[1, 1, 1, 1, 0]]
        >>> make_pooling_weights(types, is_real, pooling="mean", has_context=[True]).tolist()
        [[0.5, 0.0, 0.0, 0.5, 0.0]]
    """
    if pooling not in POOLINGS:
        raise UnknownNameError.among("pooling", pooling, POOLINGS)
    types, is_real = np.asarray(token_type_ids), np.asarray(attention_mask).astype(np.bool_)
    is_pair = np.asarray(has_context).astype(np.bool_)
    if is_real.ndim != 2 or types.shape != is_real.shape or is_pair.shape != is_real.shape[:1]:
        raise ShapeError(
            expected="token_type_ids and attention_mask of shape (B, T) and has_context of shape (B,)",
            got=f"{types.shape}, {is_real.shape} and {is_pair.shape}",
        )
    if not is_real[:, :1].all() or (is_real.shape[0] and not is_real.shape[1]):
        raise ShapeError(expected="rows that begin with a real token", got="a row that begins with padding or is empty")
    has_weight = np.zeros_like(is_real)
    if pooling == "mean":
        has_weight = is_real & (~is_pair[:, None] | (types == TEXT_SEGMENT))
    has_weight[:, :1] = True
    weights: NDArray[np.float32] = (has_weight / has_weight.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights
