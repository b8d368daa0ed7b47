"""One normal form of a text, by which two texts count as the same."""

import re
import unicodedata

_NON_WORDS = re.compile(r"[\W_]+")
_MOST_MARKS = 30
"""As in Unicode's stream-safe text format: no writing system puts more marks on one letter."""

_MAYBE_MANY_MARKS = re.compile(rf"[^\w\s\x00-\x7f]{{{_MOST_MARKS + 1},}}")
_VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f]")


def normalise_text(text: str) -> str:
    """Reduce a text to what makes it the same text: NFKC, lower case, non-word runs to one blank.

    Edge cases:
        A combining mark that follows a letter belongs to the word: without it, the vowels of Hindi or Thai would
        not count; of a longer run, the first 30 stay. A text without any word (``:(`` or an emoji) keeps its signs,
        so that two of them differ.

    Example:
        >>> normalise_text("  Well… THANK you!! ")
        'well thank you'
    """
    if _MAYBE_MANY_MARKS.search(text):
        text = _limit_marks(text)
    folded = unicodedata.normalize("NFKC", text).lower()
    words = _NON_WORDS.sub(" ", folded) if folded.isascii() else _keep_words(folded)
    return " ".join(words.split()) or " ".join(_VARIATION_SELECTORS.sub("", folded).split())


def _limit_marks(text: str) -> str:
    # Normalising sorts the marks of a letter by insertion: a hundred thousand of them would take minutes.
    kept = []
    n_marks = 0
    for char in text:
        n_marks = n_marks + 1 if unicodedata.combining(char) else 0
        if n_marks <= _MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def _keep_words(text: str) -> str:
    kept = []
    is_word = False
    for char in text:
        is_word = char.isalnum() or (is_word and _is_mark(char))
        kept.append(char if is_word else " ")
    return "".join(kept)


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in ("Mn", "Mc") and not _VARIATION_SELECTORS.match(char)
