"""The tokenizer that a recipe asks for, and the embeddings that go with it."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sentire.core.errors import MissingExtraError
from sentire.encoders.emoji import add_emoji_tokens, name_tokens
from sentire.encoders.sources import EncoderFiles
from sentire.encoders.tokenizer import load_tokenizer
from sentire.storage.tokenizer_files import read_tokenizer
from sentire.training.recipe import EncoderSection

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error


def make_tokenizer_file(files: EncoderFiles, section: EncoderSection) -> bytes:
    """Return the content of the tokenizer's file, with emoji where the recipe wants them.

    Raises:
        ArtifactError: The file is no tokenizer, or not a harmless one.
        UsageError: Its vocabulary has no room for emoji.
    """
    content = files.tokenizer.read_bytes()
    return add_emoji_tokens(content, where=str(files.tokenizer)) if section.emoji else content


def find_new_tokens(files: EncoderFiles, content: bytes) -> Mapping[int, Sequence[int]]:
    """Return the new tokens of a tokenizer that was made from an encoder's, with those of the words of their names."""
    return name_tokens(load_tokenizer(files.tokenizer), read_tokenizer(content))


@torch.no_grad()
def teach_new_tokens(encoder: nn.Module, names: Mapping[int, Sequence[int]]) -> None:
    """Let the embedding of each new token be the mean of those of the words of its name."""
    embeddings = cast("Any", encoder).get_input_embeddings().weight
    known = embeddings.detach().clone()
    for entry, ids in names.items():
        embeddings[entry] = known[list(ids)].mean(dim=0)
