"""Near-duplicates: texts that are the same but for a few characters.

Candidates come from MinHash with locality-sensitive hashing (``rensa`` makes the signatures), so that the work grows
with the number of texts and not with its square; every candidate is then compared in full (``rapidfuzz``). What is
reported is therefore always right; what is missed is a matter of probability, which `collision_probability` states.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import MissingExtraError, UsageError, quote
from sentire.core.normalise import normalise_text
from sentire.core.seeding import make_generator

SHORTEST_CHARS = 20
"""Shorter normal forms are not compared: one or two characters make another sentence of them ("i love it", "i loved
it"), and at a similarity of .9 no more than that may differ. Equal short texts are exact duplicates all the same."""

LONGEST_CHARS = 2_000
"""Longer normal forms are compared by their first characters, since a comparison costs the product of the lengths."""

LOWEST_SIMILARITY = 0.9
"""The bands are chosen for .9; at .85 they would miss one pair in three of the worst case."""

N_BANDS = 60
N_ROWS_PER_BAND = 3

_SHINGLE_CHARS = 3
_CHARACTER_BITS = 21  # a code point needs 21 bits, so that three of them fill one 64-bit number and stay distinct
_CHUNK_TEXTS = 4_096
_PAIRS_PER_TEXT = 20
_PAIRS_AT_LEAST = 250_000
_ROUNDING = 1e-9
_CUTOFF_MARGIN = (
    1e-3  # rapidfuzz 3.14 drops pairs that stand exactly on its cut-off, so that ours is applied afterwards
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicate:
    """Two texts whose normal forms differ a little.

    Attributes:
        first: Position of the first text that has the one normal form.
        second: Position of the first text that has the other; larger than ``first``.
        similarity: Between the threshold and 1.
    """

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicateSearch:
    """What a search found, and what it did not look at.

    Attributes:
        pairs: Ordered by the positions of the texts.
        similarity: The threshold.
        n_forms: Different normal forms that were searched.
        n_too_short: Texts that were left out because their normal form has fewer than ``SHORTEST_CHARS`` characters.
        n_clipped: Normal forms that were compared by their first ``LONGEST_CHARS`` characters.
        n_compared: Comparisons of candidates; a pair may be compared in several bands.
        n_not_compared: Candidates beyond the bound of their band; a pair may count in several bands, and may have been
            compared in another. Above 0 the pairs may be incomplete.
    """

    pairs: tuple[NearDuplicate, ...]
    similarity: float
    n_forms: int
    n_too_short: int
    n_clipped: int
    n_compared: int
    n_not_compared: int


def collision_probability(jaccard: float) -> float:
    """Return the probability that two texts become candidates, by the Jaccard similarity of their shingles.

    With r rows in each of b bands it is the S-curve 1 - (1 - J^r)^b. Here r = 3 and b = 60: .9997 at J = .5, .98 at .4,
    .93 at .35, .81 at .3, and .007 at .05, which is what two unrelated English sentences share.

    **Source**: Leskovec, Rajaraman and Ullman 2020, Mining of Massive Datasets, section 3.4.2.

    Example:
        >>> round(collision_probability(0.4), 2)
        0.98
    """
    return 1.0 - (1.0 - jaccard**N_ROWS_PER_BAND) ** N_BANDS


def find_near_duplicates(texts: Sequence[str], *, similarity: float = 0.9, seed: int = 0) -> NearDuplicateSearch:
    """Find the pairs of texts that are nearly the same.

    Texts are compared in their normal form, each form once: texts of one form are exact duplicates and no pair here.
    The similarity of two forms is 2 · LCS / (length + length), where LCS is the length of their longest common
    subsequence of characters: rapidfuzz's normalised Indel similarity, ``fuzz.ratio`` on a scale of 1. It does not
    depend on the order of the two and respects the order of the words. The token ratios are no choice: they call a
    sentence and a part of it, or two orders of the same words, the same.

    Two forms are candidates when at least one band of their MinHash signatures over character trigrams agrees
    (`collision_probability`). A similarity of .9 can mean several Jaccard similarities of trigrams. Edits that lie
    together, as a changed word does, leave .75 to .95; single letters changed all over the text leave .58; single
    letters put in all over the text, the worst case, leave .39 and thereby a recall of .97.

    Where one band puts many texts into the same bucket, each text is compared with its neighbours in alphabetical
    order only, so that a band never makes more than 20 comparisons a text (or 250,000 in all, if that is more). What
    was left out is counted in ``n_not_compared``.

    Args:
        texts: N texts in any form.
        similarity: The threshold, from .9 to below 1.
        seed: Of the hash functions.

    Returns:
        The pairs, and the counts of what was not searched.

    Raises:
        UsageError: A threshold that the search is not made for.
        MissingExtraError: rensa or rapidfuzz is not installed.

    Cost: at most about 1,200 comparisons a text; 54,263 comments of GoEmotions take about 4 seconds on one core.
    """
    if not LOWEST_SIMILARITY <= similarity < 1.0:
        raise UsageError(
            expected=f"a similarity from {LOWEST_SIMILARITY} to below 1",
            got=quote(similarity),
            where="similarity",
            hint="texts of the same normal form are exact duplicates and are counted apart",
        )
    _require_extra()
    positions: dict[str, int] = {}
    n_too_short = 0
    for position, text in enumerate(texts):
        form = normalise_text(text)
        if len(form) < SHORTEST_CHARS:
            n_too_short += 1
        else:
            positions.setdefault(form, position)
    # Alphabetical order makes neighbours in a bucket those that begin alike, and the result independent of the input's.
    forms = sorted(positions)
    clipped = [form[:LONGEST_CHARS] for form in forms]
    found: dict[tuple[int, int], float] = {}
    n_compared = 0
    n_not_compared = 0
    if len(forms) > 1:
        signatures = _sign(clipped, seed)
        for band in range(N_BANDS):
            start = band * N_ROWS_PER_BAND
            first, second, n_left_out = _candidates(signatures[:, start : start + N_ROWS_PER_BAND])
            n_not_compared += n_left_out
            n_compared += first.size
            found.update(_verify(clipped, first, second, similarity))
    pairs = []
    for (first_form, second_form), value in found.items():
        low, high = sorted((positions[forms[first_form]], positions[forms[second_form]]))
        pairs.append(NearDuplicate(first=low, second=high, similarity=value))
    return NearDuplicateSearch(
        pairs=tuple(sorted(pairs, key=lambda pair: (pair.first, pair.second))),
        similarity=similarity,
        n_forms=len(forms),
        n_too_short=n_too_short,
        n_clipped=sum(len(form) > LONGEST_CHARS for form in forms),
        n_compared=n_compared,
        n_not_compared=n_not_compared,
    )


def _require_extra() -> None:
    try:
        import rapidfuzz
        import rensa
    except ImportError:
        raise MissingExtraError(extra="data", needed_for="the search for near-duplicates") from None
    del rapidfuzz, rensa


def _sign(forms: Sequence[str], seed: int) -> NDArray[np.uint32]:
    """Return the MinHash signatures, shape (N, N_BANDS * N_ROWS_PER_BAND)."""
    from rensa import RMinHash

    n_hashes = N_BANDS * N_ROWS_PER_BAND
    hash_seed = int(make_generator(seed, "near-duplicates").integers(2**63))
    signatures = np.empty((len(forms), n_hashes), dtype=np.uint32)
    for start in range(0, len(forms), _CHUNK_TEXTS):
        chunk = forms[start : start + _CHUNK_TEXTS]
        shingles, offsets = _hash_shingles(chunk)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingles, offsets, n_hashes, hash_seed)
        signatures[start : start + len(chunk)] = matrix.to_rows()
    return signatures


def _hash_shingles(forms: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return one hash for every run of three characters of every form, and where each form's hashes begin.

    Hashing code points instead of strings is quick and does not mind a lone surrogate, which has no UTF-8.
    """
    lengths = np.array([len(form) for form in forms], dtype=np.int64)
    joined = "".join(forms).encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(joined, dtype="<u4").astype(np.uint64)
    bits = np.uint64(_CHARACTER_BITS)
    shingles = (points[:-2] << (bits * np.uint64(2))) | (points[1:-1] << bits) | points[2:]
    ends = np.cumsum(lengths)
    is_inside = np.ones(shingles.size, dtype=np.bool_)
    for overlap in range(1, _SHINGLE_CHARS):  # a run that reaches into the next form is no shingle
        is_inside[ends[:-1] - overlap] = False
    offsets = np.concatenate([[0], np.cumsum(lengths - (_SHINGLE_CHARS - 1))]).astype(np.uint64)
    return _mix(shingles[is_inside]), offsets


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # The finaliser of SplitMix64 (Steele, Lea and Flood 2014): spreads every bit over all 64.
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _candidates(band: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the pairs of rows that agree in a band, and how many more there are beyond the bound."""
    keys = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        keys = _mix(keys * np.uint64(0x9E3779B97F4A7C15) + column)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    _, sizes = np.unique(keys, return_counts=True)
    n_pairs = int((sizes * (sizes - 1) // 2).sum())
    bound = max(_PAIRS_AT_LEAST, _PAIRS_PER_TEXT * len(band))
    firsts: list[NDArray[np.int64]] = []
    seconds: list[NDArray[np.int64]] = []
    n_taken = 0
    starts = np.arange(len(band))
    for distance in range(1, len(band)):
        starts = starts[starts + distance < len(band)]
        starts = starts[keys[starts] == keys[starts + distance]]
        if not starts.size or n_taken + starts.size > bound:
            break
        firsts.append(order[starts])
        seconds.append(order[starts + distance])
        n_taken += starts.size
    none = np.empty(0, dtype=np.int64)
    return np.concatenate([none, *firsts]), np.concatenate([none, *seconds]), n_pairs - n_taken


def _verify(
    forms: Sequence[str], first: NDArray[np.int64], second: NDArray[np.int64], similarity: float
) -> Iterator[tuple[tuple[int, int], float]]:
    """Compare candidates in full and yield those that reach the threshold."""
    from rapidfuzz import process
    from rapidfuzz.distance import Indel

    lengths = np.array([len(form) for form in forms])
    shorter = np.minimum(lengths[first], lengths[second])
    # A pair that stands exactly on the threshold belongs to it, whatever the last bit of a quotient says.
    threshold = similarity - _ROUNDING
    # No common subsequence is longer than the shorter text, so that lengths alone rule most candidates out.
    can_reach = 2 * shorter >= threshold * (lengths[first] + lengths[second])
    first, second = first[can_reach], second[can_reach]
    array: NDArray[Any] = np.array(forms, dtype=object)
    values = process.cpdist(
        array[first].tolist(),
        array[second].tolist(),
        scorer=Indel.normalized_similarity,
        score_cutoff=similarity - _CUTOFF_MARGIN,
        dtype=np.float64,
    )
    for place in np.flatnonzero(values >= threshold):
        low, high = sorted((int(first[place]), int(second[place])))
        yield (low, high), float(values[place])
