"""From texts and contexts to token numbers, and from these to padded batches of tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from sentire.core.errors import MissingExtraError
from sentire.core.pooling import make_pooling_weights

try:
    import torch
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="running an encoder") from error


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """B texts as tensors, padded to the longest of them.

    Attributes:
        input_ids: Shape (B, T), int64.
        token_type_ids: 0 in the context and in a text without one, 1 in a text after a context; shape (B, T).
        attention_mask: 1 for real tokens, shape (B, T).
        pooling_weights: Shape (B, T), rows sum to 1.
    """

    input_ids: torch.Tensor
    token_type_ids: torch.Tensor
    attention_mask: torch.Tensor
    pooling_weights: torch.Tensor

    def to(self, device: torch.device) -> "TokenBatch":
        """Return the batch on a device."""
        return TokenBatch(**{name: getattr(self, name).to(device) for name in self.__dataclass_fields__})


class TokenAssembler:
    """Puts special tokens around texts and contexts, as the tokenizer's own template does, and cuts what is too long.

    Args:
        tokenizer: With a template for one text and for pairs.
        max_tokens: Of a row, special tokens included.
        max_context_tokens: Of its context; the end is kept.
        pooling: ``mean`` or ``cls``.
        padding_id: Of the encoder; what it is changes nothing, since padding is masked.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, max_tokens: int, max_context_tokens: int, pooling: str, padding_id: int = 0
    ) -> None:
        tokenizer.encode_special_tokens = True  # a text in which "[SEP]" is written is not cut in two by it
        self._tokenizer = tokenizer
        single, pair = tokenizer.encode("").ids, tokenizer.encode("", "").ids
        self._first, self._last = single[:1], single[1:]
        self._between = pair[1 : len(pair) - len(self._last)]
        self._max_tokens = max_tokens
        self._max_context_tokens = max_context_tokens
        self._pooling = pooling
        self._pad = padding_id

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token numbers of texts, without special tokens and cut to what a row can hold."""
        longest = self._max_tokens - len(self._first) - len(self._last)
        return [
            encoding.ids[:longest]
            for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ]

    def tokenise_contexts(self, contexts: Sequence[Sequence[str]]) -> list[list[int]]:
        """Return the token numbers of contexts, of each its end."""
        joined = ["\n".join(turns) for turns in contexts]
        encodings = self._tokenizer.encode_batch_fast(joined, add_special_tokens=False)
        return [encoding.ids[-self._max_context_tokens :] for encoding in encodings]

    def count(self, text: Sequence[int], context: Sequence[int]) -> int:
        """Return how many tokens the row of a text and its context has."""
        n_special = len(self._first) + len(self._last) + (len(self._between) if context else 0)
        return min(len(text) + len(context) + n_special, self._max_tokens)

    def assemble(self, texts: Sequence[Sequence[int]], contexts: Sequence[Sequence[int]]) -> TokenBatch:
        """Return a batch of B rows; an empty context is none."""
        rows = [self._assemble_row(text, context) for text, context in zip(texts, contexts, strict=True)]
        n_tokens = max(len(ids) for ids, _ in rows)
        input_ids = np.full((len(rows), n_tokens), self._pad, dtype=np.int64)
        segments = np.zeros((len(rows), n_tokens), dtype=np.int64)
        mask = np.zeros((len(rows), n_tokens), dtype=np.int64)
        for number, (ids, n_before) in enumerate(rows):
            input_ids[number, : len(ids)] = ids
            mask[number, : len(ids)] = 1
            if n_before:
                segments[number, n_before : len(ids)] = 1
        has_context: NDArray[np.bool_] = np.array([n_before > 0 for _, n_before in rows])
        weights = make_pooling_weights(segments, mask, pooling=self._pooling, has_context=has_context)
        return TokenBatch(
            input_ids=torch.from_numpy(input_ids),
            token_type_ids=torch.from_numpy(segments),
            attention_mask=torch.from_numpy(mask),
            pooling_weights=torch.from_numpy(weights),
        )

    def _assemble_row(self, text: Sequence[int], context: Sequence[int]) -> tuple[list[int], int]:
        # The number is that of the tokens before the text's segment, 0 where there is no context.
        if not context:
            return [*self._first, *text, *self._last], 0
        room = self._max_tokens - len(self._first) - len(self._between) - len(self._last) - len(context)
        before = [*self._first, *context, *self._between]
        return [*before, *text[:room], *self._last], len(before)
