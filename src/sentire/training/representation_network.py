"""The network of a representation's recipe: the encoder, and what is thrown away once it is trained."""

from typing import Any

from sentire.core.errors import MissingExtraError
from sentire.encoders.embed import embed_batch
from sentire.encoders.token_batches import TokenBatch
from sentire.training.momentum import KeyQueue, MomentumCopy
from sentire.training.network import set_dropout
from sentire.training.representation_recipe import ProjectionSection

try:
    import torch
    from torch import Tensor, nn
    from torch.nn.functional import normalize
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error


class ProjectedEncoder(nn.Module):
    """An encoder with a projection on its pooled vector, scaled to length 1: ``z = Proj(h) / ‖Proj(h)‖``."""

    def __init__(self, encoder: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = projection

    def forward(self, batch: TokenBatch) -> Tensor:
        """Return z, shape (B, P), float32."""
        return normalize(self.projection(embed_batch(self.encoder, batch)).float(), dim=1)


class RepresentationNetwork(nn.Module):
    """An encoder with a projection, heads, and, for a momentum contrast, a target encoder and its queue.

    Attributes:
        anchors: Texts that a contrast was asked about since the last look at dev, and those of them that had nobody but
            themselves to come near to; shape (2,), int64.

    Args:
        encoder: Gives the hidden state of every token.
        hidden_size: D.
        projection: Before contrastive losses.
        n_labels: Of the classification head; 0 for none.
        n_further_labels: Of the second task's head; 0 for none.
        has_affect_head: Whether there is a head for valence and arousal.
        has_token_head: Whether there is a head on every token, for whether it was perturbed.
        has_target: Whether there is a target encoder.
        queue_size: K of its queue; 0 for none.
        n_queue_labels: L, numbers that say what a key is.
        inner_dropout: Inside the encoder.
    """

    anchors: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        *,
        hidden_size: int,
        projection: ProjectionSection,
        n_labels: int = 0,
        n_further_labels: int = 0,
        has_affect_head: bool = False,
        has_token_head: bool = False,
        has_target: bool = False,
        queue_size: int = 0,
        n_queue_labels: int = 2,
        inner_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        set_dropout(encoder, inner_dropout)
        self.projection = _make_projection(projection, hidden_size)
        self.label_head = nn.Linear(hidden_size, n_labels) if n_labels else None
        self.further_head = nn.Linear(hidden_size, n_further_labels) if n_further_labels else None
        self.affect_head = nn.Linear(hidden_size, 2) if has_affect_head else None
        self.token_head = nn.Linear(hidden_size, 1) if has_token_head else None
        # Part of the state, so that a resumed run tells the same share.
        self.register_buffer("anchors", torch.zeros(2, dtype=torch.int64))
        self.target = MomentumCopy(ProjectedEncoder(encoder, self.projection)) if has_target else None
        n_projected = hidden_size if projection.kind == "none" else projection.n_dimensions
        self.queue = (
            KeyQueue(n_keys=queue_size, n_dimensions=n_projected, n_labels=n_queue_labels)
            if has_target and queue_size
            else None
        )

    def forward(self, batch: TokenBatch) -> Tensor:
        """Return the pooled vectors, shape (B, D)."""
        return embed_batch(self.encoder, batch)

    def project(self, vectors: Tensor) -> Tensor:
        """Return z of pooled vectors, shape (B, P), float32."""
        return normalize(self.projection(vectors).float(), dim=1)

    def update_target(self, momentum: float) -> None:
        """Let the target encoder follow the online one."""
        if self.target is not None:
            self.target.update(ProjectedEncoder(self.encoder, self.projection), momentum)

    def look_up_tokens(self, batch: TokenBatch) -> Tensor:
        """Return the embeddings of the tokens themselves, before positions and layers, shape (B, T, E)."""
        table: Any = self.encoder.get_input_embeddings()  # type: ignore[operator]
        embeddings: Tensor = table(batch.input_ids)
        return embeddings


def _make_projection(section: ProjectionSection, hidden_size: int) -> nn.Module:
    if section.kind == "none":
        return nn.Identity()
    if section.kind == "linear":
        return nn.Linear(hidden_size, section.n_dimensions)
    return nn.Sequential(nn.Linear(hidden_size, hidden_size), nn.ReLU(), nn.Linear(hidden_size, section.n_dimensions))
