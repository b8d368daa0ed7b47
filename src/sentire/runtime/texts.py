"""Texts as the runtime takes them: bounded, free of what no encoding can write, and flagged where cut."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sentire.core.errors import DataError, UsageError, quote
from sentire.core.protocols import Context
from sentire.core.writable import make_writable

LONGEST_TEXT_CHARS = 100_000
"""Longer texts are cut here, before anything else touches them; the answer says so."""

LONGEST_CONTEXT_CHARS = 4_000
"""Of a longer context the models read the end only; they take a few dozen words of it anyway."""


def prepare_text(text: object, *, where: str = "") -> str:
    """Return a text that every later step can take.

    It is cut to ``LONGEST_TEXT_CHARS``, and NUL and lone surrogates become U+FFFD, the replacement character.

    Raises:
        DataError: It is not a string.
    """
    if not isinstance(text, str):
        raise DataError(expected="a text (str)", got=f"{type(text).__name__} {quote(text)}", where=where)
    return make_writable(text[:LONGEST_TEXT_CHARS])


def list_texts(texts: Iterable[str]) -> list[str]:
    """Take any iterable of texts that has an order, such as a list, an array or a generator.

    Raises:
        DataError: It is one string, or no such iterable. A set has no order, and a mapping is more than its keys.
    """
    listed, got = _list_ordered(texts)
    if listed is None:
        hint = "put it in a list: [text]" if isinstance(texts, str) else ""
        raise DataError(expected="a sequence of texts", got=got, where="texts", hint=hint)
    return listed


def prepare_texts(texts: Iterable[str]) -> list[str]:
    """Prepare any iterable of texts that has an order.

    Raises:
        DataError: A single string was given instead of a sequence, or an element is not a string.
    """
    return [prepare_text(text, where=f"texts[{position}]") for position, text in enumerate(list_texts(texts))]


def check_context(context: Iterable[Context] | None, n_texts: int) -> list[Context] | None:
    """Make sure that there is one context, possibly None, for each text, and return them as a list.

    Raises:
        UsageError: They are no iterable that has an order, or not as many as the texts.
    """
    if context is None:
        return None
    listed, got = _list_ordered(context)
    if listed is None or len(listed) != n_texts:
        got = got or f"{len(listed or ())} contexts"
        raise UsageError(expected=f"{n_texts} contexts, one a text", got=got, where="context")
    return listed


def list_turns(context: Context) -> list[Any]:
    """Return the turns of a context, oldest first; one that is a text is its only turn, None has none."""
    if context is None:
        return []
    if isinstance(context, Sequence) and not isinstance(context, str | bytes | bytearray):
        return list(context)
    return [context]


def prepare_contexts(context: Iterable[Context] | None, n_texts: int) -> list[str] | None:
    """Return the contexts of N texts as models read them: a line a turn, and of long ones the end.

    Returns:
        N texts, empty where there is no context; None where there are none at all.

    Raises:
        UsageError: There is not one context, possibly None, a text.
        DataError: A turn is not a text.
    """
    listed = check_context(context, n_texts)
    if listed is None:
        return None
    return [_prepare_context(one, where=f"context[{position}]") for position, one in enumerate(listed)]


def is_beginning_left_out(context: Context) -> bool:
    """Tell whether more than white space stands before the end of a context that ``prepare_contexts`` keeps."""
    return bool("\n".join(list_turns(context))[:-LONGEST_CONTEXT_CHARS].strip())


def _prepare_context(context: Context, *, where: str) -> str:
    turns = [
        prepare_text(turn[-LONGEST_CONTEXT_CHARS:] if isinstance(turn, str) else turn, where=where)
        for turn in list_turns(context)
    ]
    return "\n".join(turns)[-LONGEST_CONTEXT_CHARS:]


def _list_ordered(given: Any) -> tuple[list[Any] | None, str]:
    """Return the elements of what has an order, or else a word for what was given."""
    if isinstance(given, str):
        return None, "one string"
    if isinstance(given, bytes | bytearray | memoryview | Mapping | set | frozenset) or not isinstance(given, Iterable):
        return None, f"{type(given).__name__} {quote(given)}"
    if getattr(given, "ndim", 1) == 0:  # an array that is one number
        return None, f"an array without a dimension {quote(given)}"
    return list(given), ""
