"""Texts from strangers on one line of a terminal."""

import re

from sentire.core.writable import make_showable

_BLANKS = re.compile(r"\s+")
_LOOKED_AT = 8  # times what is shown: blanks that fall together may stand between


def one_line(text: str) -> str:
    r"""Return a text without line breaks, repeated blanks, control characters and what turns the line.

    A text from a stranger must not move the cursor, rename the window or make the rest of the line run backwards.

    Example:
        >>> one_line(" thank\n you\x1b[0m")
        'thank you�[0m'
    """
    return one_line_part(text).strip(" ")


def one_line_part(text: str) -> str:
    """Do the same to a part of a text, which keeps the blanks between it and its neighbours."""
    return make_showable(_BLANKS.sub(" ", text))


def shorten(text: str, most_chars: int) -> str:
    """Return how a text begins, on one line.

    Example:
        >>> shorten("thank you", 9), shorten("thank you", 6)
        ('thank you', 'thank…')
    """
    # A text of any length may come; what is shown of it lies near its beginning.
    stripped = text.strip()
    begun = stripped[: most_chars * _LOOKED_AT]
    shown = one_line(begun)
    is_whole = len(begun) == len(stripped) and len(shown) <= most_chars
    return shown if is_whole else f"{shown[: most_chars - 1].rstrip()}…"


def shorten_before(text: str, most_chars: int) -> str:
    """Return how a text ends, on one line.

    Example:
        >>> shorten_before("thank you", 9), shorten_before("thank you", 6)
        ('thank you', '…k you')
    """
    stripped = text.strip()
    ended = stripped[-most_chars * _LOOKED_AT :]
    shown = one_line(ended)
    is_whole = len(ended) == len(stripped) and len(shown) <= most_chars
    return shown if is_whole else f"…{shown[-(most_chars - 1) :].lstrip()}"
