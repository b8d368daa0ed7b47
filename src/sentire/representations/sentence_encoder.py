"""An encoder as its users meet it: texts in, one vector a text out."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from tokenizers import Tokenizer

from sentire.core.errors import ArtifactError, MissingExtraError, UnknownNameError, UsageError
from sentire.core.pooling import POOLINGS
from sentire.core.progress import OnProgress, stay_quiet
from sentire.encoders.embed import embed_batch
from sentire.encoders.shape import EncoderShape
from sentire.encoders.token_batches import TokenAssembler
from sentire.runtime.batches import iterate_batches
from sentire.runtime.encoder_batches import plan_batches
from sentire.runtime.texts import prepare_texts

try:
    import torch
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="embedding texts") from error

_SMALLEST_NORM = 1e-12


class SentenceEncoder:
    """Turns texts into vectors: the tokens' hidden states, pooled, and scaled to length 1 where that is asked for.

    The network may be one that is being trained: it is asked in evaluation mode, and goes on as it was.

    Attributes:
        name: What it is called in files and messages.
        revision: The commit on the hub, or the package and its version; else empty.
        model: The ``transformers`` encoder; vectors are computed where it lies.
        tokenizer: Its own.
        shape: The numbers that describe it.
        pooling: ``mean`` or ``cls``.
        max_tokens: Of a text, special tokens included; what is longer is cut at the end.
        is_normalised: Whether vectors have length 1.

    Args:
        model: As ``build_encoder`` returns it.
        tokenizer: As ``load_tokenizer`` returns it.
        shape: Of the model.
        name: Free.
        revision: Free.
        pooling: ``mean`` or ``cls``.
        max_tokens: At most ``shape.n_positions``, which None stands for.
        is_normalised: Scale to length 1.

    Raises:
        UnknownNameError: No such pooling.
        UsageError: The encoder cannot take so many tokens, or there is no room for a text.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        shape: EncoderShape,
        *,
        name: str,
        revision: str = "",
        pooling: str = "mean",
        max_tokens: int | None = None,
        is_normalised: bool = False,
    ) -> None:
        if pooling not in POOLINGS:
            raise UnknownNameError.among("pooling", pooling, POOLINGS)
        max_tokens = shape.n_positions if max_tokens is None else max_tokens
        n_special = tokenizer.num_special_tokens_to_add(is_pair=False)
        if not n_special < max_tokens <= shape.n_positions:
            raise UsageError(
                expected=f"max_tokens from {n_special + 1} to {shape.n_positions}, the positions of {name}",
                got=str(max_tokens),
            )
        self.name = name
        self.revision = revision
        self.model = model
        self.tokenizer = tokenizer
        self.shape = shape
        self.pooling = pooling
        self.max_tokens = max_tokens
        self.is_normalised = is_normalised
        self._assembler = TokenAssembler(
            tokenizer, max_tokens=max_tokens, max_context_tokens=1, pooling=pooling, padding_id=shape.padding_id
        )

    @property
    def n_dimensions(self) -> int:
        """D, the length of a vector."""
        return self.shape.hidden_size

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what determines the vectors: the weights, the tokenizer, the pooling and the lengths.

        Two folders that hold the same numbers under other names have the same one. Taken once, at the first question:
        for an encoder that is trained further, make a new SentenceEncoder.

        Cost: all weights are read once.
        """
        settings = {
            "shape": asdict(self.shape),
            "pooling": self.pooling,
            "max_tokens": self.max_tokens,
            "is_normalised": self.is_normalised,
        }
        digest = hashlib.sha256(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS))
        digest.update(self.tokenizer.to_str().encode())
        for name, weight in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {tuple(weight.shape)}".encode())
            digest.update(weight.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def encode(self, texts: Iterable[str], *, on_progress: OnProgress = stay_quiet) -> NDArray[np.float32]:
        """Return the vectors of texts, in their order.

        A text has the same vector alone and among others: it is computed with texts of its own length, without
        padding. An empty text is its special tokens alone. A text that says "[SEP]" is letters, not a special token.

        Args:
            texts: N texts, possibly none.
            on_progress: Told after every batch.

        Returns:
            Shape (N, D), float32.

        Raises:
            DataError: One string instead of several, or an element that is none.
            ArtifactError: A vector is not finite, as after a training that went astray.
        """
        prepared = prepare_texts(texts)
        ids: list[list[int]] = []
        for part in iterate_batches(prepared):  # a long text has many tokens before it is cut
            ids += self._assembler.tokenise(prepared[part])
        lengths = np.array([self._assembler.count(row, ()) for row in ids], dtype=np.int64)
        vectors = np.empty((len(ids), self.n_dimensions), dtype=np.float32)
        device = next(self.model.parameters()).device
        was_training = self.model.training
        self.model.eval()
        n_done = 0
        try:
            with torch.no_grad():
                for rows in plan_batches(lengths, 1):
                    batch = self._assembler.assemble([ids[row] for row in rows], [()] * len(rows))
                    vectors[rows] = embed_batch(self.model, batch.to(device)).float().cpu().numpy()
                    n_done += len(rows)
                    on_progress(n_done, len(ids), "texts")
        finally:
            self.model.train(was_training)
        if not np.isfinite(vectors).all():
            n_bad = int((~np.isfinite(vectors).all(axis=1)).sum())
            raise ArtifactError(
                expected="vectors of finite numbers", got=f"{n_bad} of {len(ids)} others", where=self.name
            )
        if self.is_normalised:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _SMALLEST_NORM)
        return vectors
