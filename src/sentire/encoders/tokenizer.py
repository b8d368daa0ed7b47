"""The tokenizer of an encoder."""

from pathlib import Path

from tokenizers import Tokenizer

from sentire.core.errors import ArtifactError
from sentire.storage.tokenizer_files import read_tokenizer

_PADDING_TOKENS = ("[PAD]", "<pad>")
_HINT = "take tokenizer.json and model.safetensors from the same revision"


def load_tokenizer(path: Path, *, vocab_size: int | None = None, padding_id: int | None = None) -> Tokenizer:
    """Read a ``tokenizer.json`` whose steps are all known to be harmless, without truncation and padding.

    What an encoder's numbers tell of its tokenizer is compared. Embeddings may have rows to spare, as those that are
    padded to a round number, up to as many as there are pieces. A tokenizer of equal size with its padding at the same
    place cannot be told from the encoder's own, such as a cased one from an uncased one.

    Args:
        path: The file.
        vocab_size: Rows of the encoder's embeddings; a tokenizer that gives larger ids, or has pieces for less than
            half of them, is not the encoder's own.
        padding_id: The encoder's; a tokenizer whose piece ``[PAD]`` or ``<pad>`` has another id is not its own.

    Raises:
        ArtifactError: The file is no tokenizer, holds a step that is not allowed, or does not fit the encoder.
    """
    tokenizer = read_tokenizer(path)
    vocabulary = tokenizer.get_vocab()
    if vocab_size is not None:
        token, largest = max(vocabulary.items(), key=lambda entry: entry[1], default=("", -1))
        if largest >= vocab_size:
            raise ArtifactError(
                expected=f"the encoder's own tokenizer, with ids below its {vocab_size} embeddings",
                got=f"{token!r} with id {largest}",
                where=str(path),
                hint=_HINT,
            )
        if 2 * len(vocabulary) < vocab_size:
            raise ArtifactError(
                expected=f"the encoder's own tokenizer, with pieces for half of its {vocab_size} embeddings or more",
                got=str(len(vocabulary)),
                where=str(path),
                hint=_HINT,
            )
    padding = {token: vocabulary[token] for token in _PADDING_TOKENS if token in vocabulary}
    if padding_id is not None and padding and padding_id not in padding.values():
        raise ArtifactError(
            expected=f"the encoder's own tokenizer, whose padding has id {padding_id}, as config.json says",
            got=" and ".join(f"{token!r} with id {number}" for token, number in padding.items()),
            where=str(path),
            hint=_HINT,
        )
    return tokenizer
