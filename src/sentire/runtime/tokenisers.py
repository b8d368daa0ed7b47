"""Tokenisers of the linear models, chosen by name.

A model file names its tokeniser and never carries a pattern of its own: a regular expression from a stranger can
run for hours.
"""

import re
from types import MappingProxyType

from sentire.core.errors import UnknownNameError

SEPARATOR = "\x00"
"""Stands between the texts of a batch; prepared texts never hold it."""

_WORD = r"\b\w\w+\b"
_SOCIAL = (
    r"[^\W_]+(?:['’][^\W_]+)*"  # words, contractions in one piece, single letters too
    r"|[!?]+"  # runs of exclamation and question marks
    r"|[:;=][-'^]?[)(\]\[DdPpOo/\\|*]"  # western emoticons
    r"|<3"
    r"|[\u2600-\u27bf\U0001f300-\U0001faff]"  # emoji
)

TOKENISERS = MappingProxyType(
    {
        "word": _WORD,
        "social": _SOCIAL,
    }
)
"""``word``: two or more word characters, scikit-learn's default. ``social``: words with their contractions, runs of
! and ?, emoticons and emoji, which in short comments carry much of the feeling."""


def token_pattern(name: str) -> str:
    """Return the regular expression of a tokeniser.

    Raises:
        UnknownNameError: No such tokeniser.
    """
    if name not in TOKENISERS:
        raise UnknownNameError.among("tokeniser", name, TOKENISERS)
    return TOKENISERS[name]


def batch_pattern(name: str) -> re.Pattern[str]:
    """Return the pattern that finds the tokens of many texts joined by ``SEPARATOR``, and the separators."""
    return re.compile(f"{SEPARATOR}|{token_pattern(name)}")
