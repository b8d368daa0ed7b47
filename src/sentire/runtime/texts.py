"""Texts as the runtime takes them: bounded, free of what no encoding can write, and flagged where cut."""

import re
from collections.abc import Sequence

from sentire.core.errors import DataError, UsageError, quote
from sentire.core.protocols import Context

LONGEST_TEXT_CHARS = 100_000
"""Longer texts are cut here, before anything else touches them; the answer says so."""

_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def prepare_text(text: object, *, where: str = "") -> str:
    """Return a text that every later step can take.

    It is cut to ``LONGEST_TEXT_CHARS``, and NUL and lone surrogates become U+FFFD, the replacement character.

    Raises:
        DataError: It is not a string.
    """
    if not isinstance(text, str):
        raise DataError(expected="a text (str)", got=f"{type(text).__name__} {quote(text)}", where=where)
    clipped = text if len(text) <= LONGEST_TEXT_CHARS else text[:LONGEST_TEXT_CHARS]
    # Searching is cheaper than replacing, and nearly every text has nothing to replace.
    return clipped if clipped.isascii() and "\x00" not in clipped else _UNWRITABLE.sub("\ufffd", clipped)


def prepare_texts(texts: Sequence[str]) -> list[str]:
    """Prepare a sequence of texts.

    Raises:
        DataError: A single string was given instead of a sequence, or an element is not a string.
    """
    if isinstance(texts, str):
        raise DataError(
            expected="a sequence of texts", got="one string", where="texts", hint="put it in a list: [text]"
        )
    return [prepare_text(text, where=f"texts[{position}]") for position, text in enumerate(texts)]


def check_context(context: Sequence[Context] | None, n_texts: int) -> None:
    """Make sure that there is one context, possibly None, for each text.

    Raises:
        UsageError: The lengths differ.
    """
    if context is not None and (isinstance(context, str) or len(context) != n_texts):
        got = "one string" if isinstance(context, str) else f"{len(context)} contexts"
        raise UsageError(expected=f"{n_texts} contexts, one a text", got=got, where="context")
