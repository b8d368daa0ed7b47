"""The network: one pre-trained encoder and the heads that answer on its pooled vector."""

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import MissingExtraError
from sentire.encoders.embed import embed_batch
from sentire.encoders.token_batches import TokenBatch

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error


class EmotionEncoder(nn.Module):
    """An encoder with a head for C emotions and, where wanted, one for valence, arousal and dominance.

    ``h = Σ_t w_t Enc(x)_t`` with the pooling weights w, ``logits = W h + b``, ``vad = V h + d`` on the scale -1 to 1.

    Args:
        encoder: Gives the hidden state of every token.
        hidden_size: D.
        n_labels: C.
        has_affect: Whether there is a second head.
        dropout: On h.
        inner_dropout: Inside the encoder, in place of what its configuration says.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        hidden_size: int,
        n_labels: int,
        has_affect: bool,
        dropout: float,
        inner_dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        set_dropout(encoder, inner_dropout)
        self.dropout = nn.Dropout(dropout)
        self.emotion_head = nn.Linear(hidden_size, n_labels)
        self.affect_head = nn.Linear(hidden_size, 3) if has_affect else None
        for head in (self.emotion_head, self.affect_head):
            if head is not None:
                nn.init.normal_(head.weight, std=0.02)
                nn.init.zeros_(head.bias)

    @torch.no_grad()
    def start_at_base_rates(self, proba: NDArray[np.float32], affect: NDArray[np.float32]) -> None:
        """Let the heads begin with what is true on average, so that no step is spent on learning how rare a label is.

        Source: Lin et al. 2017, Focal loss for dense object detection, section 3.3, for one label.

        Args:
            proba: Share of the training texts that have each label, shape (C,), above 0 and below 1.
            affect: Mean ratings, shape (3,).
        """
        self.emotion_head.bias.copy_(torch.from_numpy(np.log(proba / (1 - proba))))
        if self.affect_head is not None:
            self.affect_head.bias.copy_(torch.from_numpy(affect))

    def embed(self, batch: TokenBatch) -> torch.Tensor:
        """Return the pooled vectors, shape (B, D)."""
        return embed_batch(self.encoder, batch)

    def forward(self, batch: TokenBatch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return logits, shape (B, C), and affect scores, shape (B, 3), or None without that head."""
        pooled = self.dropout(self.embed(batch))
        affect = None if self.affect_head is None else self.affect_head(pooled).float()
        return self.emotion_head(pooled).float(), affect


def set_dropout(encoder: nn.Module, probability: float) -> None:
    """Set every dropout inside an encoder, in place of what its configuration says."""
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
