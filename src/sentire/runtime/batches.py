"""Batches of texts whose size is bounded by rows and by characters, so that memory is bounded too."""

from collections.abc import Iterator, Sequence

MOST_TEXTS = 4096
MOST_CHARS = 2_000_000


def iterate_batches(texts: Sequence[str], *, most_chars: int | None = None) -> Iterator[slice]:
    """Yield slices that cover the texts in order, none of them empty.

    A batch holds at most ``MOST_TEXTS`` texts and, unless one text alone is longer, ``most_chars`` characters
    (``MOST_CHARS`` where None).
    """
    most_chars = MOST_CHARS if most_chars is None else most_chars
    start, n_chars = 0, 0
    for position, text in enumerate(texts):
        if position > start and (position - start == MOST_TEXTS or n_chars + len(text) > most_chars):
            yield slice(start, position)
            start, n_chars = position, 0
        n_chars += len(text)
    if start < len(texts):
        yield slice(start, len(texts))
