"""Texts as batches from which an int8 model takes the ranges of its activations."""

from collections.abc import Sequence

from sentire.core.protocols import Context
from sentire.runtime.encoder_batches import plan_batches
from sentire.runtime.encoder_tokens import TextTokens
from sentire.runtime.onnx_files import TokenBatch
from sentire.runtime.texts import prepare_contexts, prepare_texts

N_CALIBRATION_TEXTS = 1000
"""So many short texts are 20,000 tokens, more than ten for each input of the widest layer of a small encoder."""


def make_calibration(
    tokens: TextTokens, texts: Sequence[str], *, context: Sequence[Context] | None = None
) -> list[TokenBatch]:
    """Make batches of texts, exactly as the runtime will make them.

    Args:
        tokens: Of the model that is to be written, with its settings.
        texts: Of a training split; draw them at random, ``N_CALIBRATION_TEXTS`` are enough.
        context: One a text, or none at all. For a model that uses contexts, give some texts with theirs and some
            without, since it will read both.

    Raises:
        DataError: An element is not a text.
        UsageError: There is not one context a text.
    """
    prepared = prepare_texts(texts)
    rows = tokens.tokenise(prepared, prepare_contexts(context, len(prepared)), n_threads=1)
    return [tokens.make_batch(rows, chosen) for chosen in plan_batches(rows.lengths, 1)]
