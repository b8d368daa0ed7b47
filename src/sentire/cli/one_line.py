"""Texts from strangers on one line of a terminal."""

import re

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_BLANKS = re.compile(r"\s+")


def one_line(text: str) -> str:
    r"""Return a text without line breaks, repeated blanks and control characters.

    A text from a stranger must not move the cursor or rename the window.

    Example:
        >>> one_line(" thank\n you\x1b[0m")
        'thank you�[0m'
    """
    return one_line_part(text).strip(" ")


def one_line_part(text: str) -> str:
    """Do the same to a part of a text, which keeps the blanks between it and its neighbours."""
    return _CONTROLS.sub("\ufffd", _BLANKS.sub(" ", text))


def shorten(text: str, most_chars: int) -> str:
    """Return how a text begins, on one line.

    Example:
        >>> shorten("thank you", 9), shorten("thank you", 6)
        ('thank you', 'thank…')
    """
    # A text of any length may come; what is shown of it lies near its beginning.
    shown = one_line(text[: most_chars * 8])
    return shown if len(shown) <= most_chars else f"{shown[: most_chars - 1].rstrip()}…"
