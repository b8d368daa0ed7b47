"""What of a text can be written, and what of it can be shown on a terminal."""

import re

_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
# Control characters, line and paragraph separators, and what turns the direction of the text that follows. Joiners
# may stay: emoji and words of Persian or Hindi need them.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def make_writable(text: str) -> str:
    r"""Return a text with U+FFFD, the replacement character, in the place of NUL and of lone surrogates.

    Bytes of a file name or of an argument that are no text stand as lone surrogates.

    Example:
        >>> make_writable("caf\udce9.csv")
        'caf�.csv'
    """
    # Searching is cheaper than replacing, and nearly every text has nothing to replace.
    return text if text.isascii() and "\x00" not in text else _UNWRITABLE.sub("\ufffd", text)


def make_showable(text: str) -> str:
    r"""Return a text with U+FFFD in the place of what moves the cursor, ends the line or turns it.

    Example:
        >>> make_showable("glad\x1b[2J")
        'glad�[2J'
    """
    return _UNSHOWABLE.sub("\ufffd", text)


def is_showable(name: str) -> bool:
    r"""Tell whether a name can be shown as it is, without moving the cursor or turning the line.

    Example:
        >>> is_showable("so glad"), is_showable("glad\x1b[2J")
        (True, False)
    """
    return not _UNSHOWABLE.search(name)
