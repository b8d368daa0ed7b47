"""The words of a text in any script, for rules that count or compare words."""

import re

_UNPARTED = (
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u0e00-\u0e7f\u0e80-\u0eff"  # Thai and Lao
    "\u1780-\u17ff"  # Khmer
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Burmese
)
"""Scripts that put no blanks between words; Hangul does."""

_SIGN = re.compile(f"[{_UNPARTED}]")
_WORDS = re.compile(rf"[^\w\s]*[{_UNPARTED}][^\w\s]*|[^\s{_UNPARTED}]+")
"""A sign with the marks and points around it, or a run of anything else."""


def split_words(text: str) -> list[str]:
    """Split a text at blanks and, where its script puts none between words, into single signs.

    A sign of Chinese, Japanese, Thai, Lao, Khmer or Burmese counts as a word: words there are one to a few signs, and
    to find them takes a dictionary. Vowel marks and points stay with their sign. Of other scripts it is
    ``text.split()``.

    Example:
        >>> split_words("So it goes.")
        ['So', 'it', 'goes.']
        >>> split_words("下雨了。")
        ['下', '雨', '了。']
    """
    return [word for part in text.split() for word in (_WORDS.findall(part) if _SIGN.search(part) else (part,))]
