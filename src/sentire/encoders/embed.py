"""From a batch of tokens to one vector a text."""

from typing import Any

from sentire.core.errors import MissingExtraError
from sentire.encoders.token_batches import TokenBatch

try:
    import torch
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="running an encoder") from error


def run_encoder(encoder: Any, batch: TokenBatch, *, embeddings: torch.Tensor | None = None) -> torch.Tensor:
    """Return the last hidden state of every token.

    Args:
        encoder: A ``transformers`` encoder as ``build_encoder`` returns it.
        batch: B rows, on the encoder's device.
        embeddings: Of the tokens, in the place of those that the encoder looks up, shape (B, T, E).

    Returns:
        Shape (B, T, D), with gradients where torch records them.
    """
    # DistilBERT alone knows no token types, and its forward refuses them.
    types = {} if encoder.config.model_type == "distilbert" else {"token_type_ids": batch.token_type_ids}
    tokens = {"input_ids": batch.input_ids} if embeddings is None else {"inputs_embeds": embeddings}
    hidden: torch.Tensor = encoder(attention_mask=batch.attention_mask, **tokens, **types).last_hidden_state
    return hidden


def embed_batch(encoder: Any, batch: TokenBatch, *, embeddings: torch.Tensor | None = None) -> torch.Tensor:
    """Return the pooled vectors ``h[b] = sum_t weights[b, t] * hidden[b, t]`` of a batch; arguments as above.

    Returns:
        Shape (B, D), with gradients where torch records them.
    """
    hidden = run_encoder(encoder, batch, embeddings=embeddings)
    return torch.bmm(batch.pooling_weights.to(hidden.dtype).unsqueeze(1), hidden).squeeze(1)
