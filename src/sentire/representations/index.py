"""Find the texts that are nearest to one: exact, by the cosine of their vectors, in one matrix product."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, ShapeError, UsageError, quote
from sentire.core.progress import OnProgress, stay_quiet
from sentire.representations.text_encoder import TextEncoder
from sentire.runtime.texts import list_texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One text that was found.

    Attributes:
        similarity: Cosine with what was asked, in [-1, 1].
        id: Of the text.
        text: Itself.
    """

    similarity: float
    id: str
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


class Index:
    """Texts with their directions, and the encoder that they are from.

    Attributes:
        encoder: Whose vectors they are; it reads what is asked.
        ids: N identifiers.
        texts: N texts.
        vectors: Shape (N, D), float32, rows of length 1.

    Args:
        encoder: Whose vectors they are.
        ids: N identifiers.
        texts: N texts.
        vectors: Of any lengths, shape (N, D).

    Raises:
        ShapeError: Not one vector and one identifier a text, or not D numbers a vector.
        DataError: There is no text, or a vector is not finite or has length 0, and so no direction.
    """

    def __init__(self, encoder: TextEncoder, ids: Sequence[str], texts: Sequence[str], vectors: ArrayLike) -> None:
        rows = np.asarray(vectors, dtype=np.float32)
        expected = (len(texts), encoder.n_dimensions)
        if rows.shape != expected or len(ids) != len(texts):
            raise ShapeError(
                expected=f"{len(texts)} ids and vectors of shape {expected}",
                got=f"{len(ids)} ids and shape {rows.shape}",
                where="index",
            )
        if not len(texts):
            raise DataError(expected="at least one text to search in", got="none", where="index")
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        is_bad = ~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0)
        if is_bad.any():
            first = int(np.argmax(is_bad))
            raise DataError(
                expected="vectors of finite numbers, none of length 0",
                got=f"{int(is_bad.sum())} others, the first of length {lengths[first, 0]:g}",
                where=f"index, row {first + 1}",
                hint="embed the texts again",
            )
        self.encoder = encoder
        self.ids = list(ids)
        self.texts = list(texts)
        self.vectors: NDArray[np.float32] = rows / lengths

    def __len__(self) -> int:
        """Return N."""
        return len(self.texts)

    def find(self, vector: ArrayLike, top: int) -> list[Found]:
        """Return the texts nearest to a vector of shape (D,), the nearest first; equal ones in their order.

        Args:
            vector: Of any length but 0.
            top: At least 1; all texts where there are fewer.

        Raises:
            UsageError: ``top`` is no whole number of at least 1.
            ShapeError: The vector has not D numbers.
            DataError: It is not finite or has length 0.

        Cost: O(N D); ``benchmarks/search_speed.py`` measures it.
        """
        if not isinstance(top, int | np.integer) or isinstance(top, bool) or top < 1:
            raise UsageError(expected="1 text or more", got=quote(top), where="top")
        query = np.asarray(vector, dtype=np.float32)
        if query.shape != self.vectors.shape[1:]:
            raise ShapeError(expected=f"a vector of shape {self.vectors.shape[1:]}", got=f"shape {query.shape}")
        length = np.linalg.norm(query)
        if not np.isfinite(length) or length == 0:
            raise DataError(expected="a vector of finite numbers, not of length 0", got=f"length {length:g}")
        similarities = self.vectors @ (query / length)
        n_found = min(top, len(self))
        # All that reach the last place, so that of equal ones the first in order stay.
        edge = np.partition(similarities, len(self) - n_found)[len(self) - n_found]
        places = np.flatnonzero(similarities >= edge)
        places = places[np.argsort(-similarities[places], kind="stable")][:n_found]
        return [
            Found(similarity=float(np.clip(similarities[place], -1.0, 1.0)), id=self.ids[place], text=self.texts[place])
            for place in places
        ]


def make_index(
    encoder: TextEncoder,
    texts: Iterable[str],
    *,
    ids: Sequence[str] | None = None,
    on_progress: OnProgress = stay_quiet,
) -> Index:
    """Embed texts and put them into an index.

    Args:
        encoder: As ``load_encoder`` returns it.
        texts: N texts, at least one.
        ids: N identifiers; the numbers of the texts from 1 where None.
        on_progress: Told after every batch.

    Raises:
        ShapeError: Not one identifier a text.
        DataError: There is no text, or an element is none or blank: a vector of nothing would be near to many.
    """
    listed = list_texts(texts)
    if blanks := [row for row, text in enumerate(listed, start=1) if not text.strip()]:
        raise DataError(
            expected="texts to search in",
            got=f"{len(blanks):,} of white space alone",
            where=f"text {blanks[0]:,}",
            hint="leave them out, and their ids",
        )
    numbers = [str(number) for number in range(1, len(listed) + 1)] if ids is None else ids
    return Index(encoder, numbers, listed, encoder.encode(listed, on_progress=on_progress))


def search(index: Index, text: str, top: int = 10) -> list[Found]:
    """Return the texts of an index that are nearest to a text, by the cosine of their vectors.

    Args:
        index: Where.
        text: What is asked.
        top: How many, at least 1.

    Raises:
        UsageError: The text is blank, or ``top`` is no whole number of at least 1.
        DataError: The text is none.
    """
    check_query(text)
    return index.find(index.encoder.encode([text])[0], top)


def check_query(text: str) -> None:
    """Refuse a text that cannot be looked for.

    Raises:
        UsageError: It is blank.
    """
    if isinstance(text, str) and not text.strip():
        raise UsageError(expected="a text to look for", got="an empty one", where="text")
