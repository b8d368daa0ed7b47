"""The tokenizer of an encoder."""

from pathlib import Path

from tokenizers import Tokenizer

from sentire.core.errors import ArtifactError
from sentire.storage.tokenizer_files import read_tokenizer


def load_tokenizer(path: Path, *, vocab_size: int | None = None) -> Tokenizer:
    """Read a ``tokenizer.json`` whose steps are all known to be harmless, without truncation and padding.

    Args:
        path: The file.
        vocab_size: Rows of the encoder's embeddings; a tokenizer that gives larger ids is not the encoder's own.

    Raises:
        ArtifactError: The file is no tokenizer, holds a step that is not allowed, or does not fit the encoder.
    """
    tokenizer = read_tokenizer(path)
    if vocab_size is not None:
        token, largest = max(tokenizer.get_vocab().items(), key=lambda entry: entry[1], default=("", -1))
        if largest >= vocab_size:
            raise ArtifactError(
                expected=f"the encoder's own tokenizer, with ids below its {vocab_size} embeddings",
                got=f"{token!r} with id {largest}",
                where=str(path),
                hint="take tokenizer.json and model.safetensors from the same revision",
            )
    return tokenizer
