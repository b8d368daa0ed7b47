"""One normal form of a text, by which two texts count as the same."""

import re
import unicodedata

_NON_WORDS = re.compile(r"[\W_]+")


def normalise_text(text: str) -> str:
    """Reduce a text to what makes it the same text: NFKC, lower case, non-word runs to one blank.

    Example:
        >>> normalise_text("  Well… THANK you!! ")
        'well thank you'
    """
    return _NON_WORDS.sub(" ", unicodedata.normalize("NFKC", text).lower()).strip()
