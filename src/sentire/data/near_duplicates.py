"""Near-duplicates: texts that are the same but for a few characters.

Candidates come from MinHash with locality-sensitive hashing (``rensa`` makes the signatures), so that the work grows
with the number of texts and not with its square; every candidate is then compared in full (``rapidfuzz``). What is
reported is therefore always right; what is missed is a matter of probability, which `collision_probability` states.
`find_near_duplicates` looks through a set of texts once; `NearDuplicateIndex` keeps one that grows, and is asked of new
texts only.
"""

from bisect import bisect_left
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
    _check_similarity(similarity)
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
        comparable = _Comparable.of(clipped)
        signatures = _sign(clipped, seed)
        for band in range(N_BANDS):
            first, second, n_left_out = _candidates(_make_keys(signatures, band))
            n_not_compared += n_left_out
            n_compared += first.size
            found.update(_verify(comparable, first, second, similarity))
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


class NearDuplicateIndex:
    """A set of texts that grows, asked which new texts are near-duplicates of it or of one another.

    It finds what ``find_near_duplicates`` of all texts together finds: normal forms, hash functions, bands, similarity
    and threshold are the same. But the texts that are there are hashed once, and not compared with one another again.
    The bound on the comparisons of a band is the same as well, and here it is for those with new texts alone, so that
    less is left out: a pair that the other search did not look at may be found. Beyond the bound a new text is compared
    with its neighbours in alphabetical order, half of them on each side.

    Args:
        similarity: The threshold, from .9 to below 1.
        seed: Of the hash functions.

    Raises:
        UsageError: A threshold that the search is not made for.
        MissingExtraError: rensa or rapidfuzz is not installed.

    Cost: about 1 KB a text, and the text itself.
    """

    def __init__(self, *, similarity: float = 0.9, seed: int = 0) -> None:
        _check_similarity(similarity)
        _require_extra()
        self._similarity, self._seed = similarity, seed
        self._n_texts = 0
        self._forms: list[str] = []
        self._known: set[str] = set()
        self._positions: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._comparable = _Comparable.of([])
        # Of each band the keys in their order, and whose they are: in a bucket the forms in alphabetical order.
        self._keys: list[NDArray[np.uint64]] = [np.empty(0, dtype=np.uint64) for _ in range(N_BANDS)]
        self._members: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64) for _ in range(N_BANDS)]

    def __len__(self) -> int:
        return self._n_texts

    def add(self, texts: Sequence[str]) -> None:
        """Add texts; their positions go on from those that are there."""
        found, _ = self._find_new(texts)
        self._n_texts += len(texts)
        if not found:
            return
        start = len(self._forms)
        forms = sorted(found)
        self._forms += forms
        self._known.update(forms)
        self._positions = np.concatenate([self._positions, np.array([found[form] for form in forms], dtype=np.int64)])
        clipped = [form[:LONGEST_CHARS] for form in forms]
        self._comparable = self._comparable.join(_Comparable.of(clipped))
        signatures = _sign(clipped, self._seed)
        for band in range(N_BANDS):
            self._insert(band, _make_keys(signatures, band), start)

    def search(self, texts: Sequence[str]) -> NearDuplicateSearch:
        """Find the near-duplicates that texts would bring, without adding them.

        Args:
            texts: M texts in any form.

        Returns:
            The pairs of a text that is there, or of one of these, with one of these. Positions are those of the texts
            that are there, followed by these; a text whose normal form is there brings no pair. All counts are of
            these texts.
        """
        found, n_too_short = self._find_new(texts)
        forms = sorted(found)
        clipped = [form[:LONGEST_CHARS] for form in forms]
        n_known = len(self._forms)
        positions = np.concatenate([self._positions, np.array([found[form] for form in forms], dtype=np.int64)])
        values: dict[tuple[int, int], float] = {}
        n_compared = n_not_compared = 0
        if forms:
            comparable = self._comparable.join(_Comparable.of(clipped))
            signatures = _sign(clipped, self._seed)
            for band in range(N_BANDS):
                keys = _make_keys(signatures, band)
                known, new, n_left_out = self._find_candidates(band, keys, forms)
                first, second, n_more = _candidates(keys)
                n_not_compared += n_left_out + n_more
                first, second = (
                    np.concatenate([known, n_known + first]),
                    np.concatenate([n_known + new, n_known + second]),
                )
                n_compared += first.size
                values.update(_verify(comparable, first, second, self._similarity))
        pairs = []
        for one, value in values.items():
            low, high = sorted(int(positions[number]) for number in one)
            pairs.append(NearDuplicate(first=low, second=high, similarity=value))
        return NearDuplicateSearch(
            pairs=tuple(sorted(pairs, key=lambda pair: (pair.first, pair.second))),
            similarity=self._similarity,
            n_forms=len(forms),
            n_too_short=n_too_short,
            n_clipped=sum(len(form) > LONGEST_CHARS for form in forms),
            n_compared=n_compared,
            n_not_compared=n_not_compared,
        )

    def _find_new(self, texts: Sequence[str]) -> tuple[dict[str, int], int]:
        """Return the new normal forms, with the position of the first text of each, and how many are too short."""
        found: dict[str, int] = {}
        n_too_short = 0
        for position, text in enumerate(texts, start=self._n_texts):
            form = normalise_text(text)
            if len(form) < SHORTEST_CHARS:
                n_too_short += 1
            elif form not in self._known:
                found.setdefault(form, position)
        return found, n_too_short

    def _insert(self, band: int, keys: NDArray[np.uint64], start: int) -> None:
        """Put new forms, numbered from ``start`` in alphabetical order, where they belong in a band."""
        order = np.argsort(keys, kind="stable")
        known, members = self._keys[band], self._members[band]
        lows, highs = np.searchsorted(known, keys[order]), np.searchsorted(known, keys[order], side="right")
        places = lows.copy()
        for row in np.flatnonzero(highs > lows):
            form = self._forms[start + int(order[row])]
            places[row] += bisect_left(members[lows[row] : highs[row]], form, key=lambda one: self._forms[one])
        self._keys[band] = np.insert(known, places, keys[order])
        self._members[band] = np.insert(members, places, start + order)

    def _find_candidates(
        self, band: int, keys: NDArray[np.uint64], forms: Sequence[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Return the pairs of a form that is there and a new one that agree in a band, and how many more there are."""
        members = self._members[band]
        lows = np.searchsorted(self._keys[band], keys)
        highs = np.searchsorted(self._keys[band], keys, side="right")
        n_pairs = int((highs - lows).sum())
        if n_pairs > _bound(len(self._forms) + len(forms)):
            reach = max(1, _bound(len(self._forms) + len(forms)) // (2 * len(forms)))
            for row in np.flatnonzero(highs - lows > 2 * reach):
                bucket = members[lows[row] : highs[row]]
                middle = int(lows[row]) + bisect_left(bucket, forms[int(row)], key=lambda one: self._forms[one])
                lows[row], highs[row] = max(lows[row], middle - reach), min(highs[row], middle + reach)
        sizes = highs - lows
        new = np.repeat(np.arange(len(forms)), sizes)
        within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return members[np.repeat(lows, sizes) + within], new, n_pairs - int(sizes.sum())


def _check_similarity(similarity: float) -> None:
    if not LOWEST_SIMILARITY <= similarity < 1.0:
        raise UsageError(
            expected=f"a similarity from {LOWEST_SIMILARITY} to below 1",
            got=quote(similarity),
            where="similarity",
            hint="texts of the same normal form are exact duplicates and are counted apart",
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


def _make_keys(signatures: NDArray[np.uint32], band: int) -> NDArray[np.uint64]:
    """Return one number for each signature, shape (N,), which is the same where two agree in a band."""
    start = band * N_ROWS_PER_BAND
    keys = np.zeros(len(signatures), dtype=np.uint64)
    for column in signatures[:, start : start + N_ROWS_PER_BAND].T:
        keys = _mix(keys * np.uint64(0x9E3779B97F4A7C15) + column)
    return keys


def _bound(n_texts: int) -> int:
    """Return the most comparisons that a band makes."""
    return max(_PAIRS_AT_LEAST, _PAIRS_PER_TEXT * n_texts)


def _candidates(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the pairs of rows that agree in a band, and how many more there are beyond the bound."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    _, sizes = np.unique(keys, return_counts=True)
    n_pairs = int((sizes * (sizes - 1) // 2).sum())
    firsts: list[NDArray[np.int64]] = []
    seconds: list[NDArray[np.int64]] = []
    n_taken = 0
    starts = np.arange(len(keys))
    for distance in range(1, len(keys)):
        starts = starts[starts + distance < len(keys)]
        starts = starts[keys[starts] == keys[starts + distance]]
        if not starts.size or n_taken + starts.size > _bound(len(keys)):
            break
        firsts.append(order[starts])
        seconds.append(order[starts + distance])
        n_taken += starts.size
    none = np.empty(0, dtype=np.int64)
    return np.concatenate([none, *firsts]), np.concatenate([none, *seconds]), n_pairs - n_taken


@dataclass(frozen=True, slots=True)
class _Comparable:
    """Forms as they are compared, with their lengths."""

    forms: NDArray[Any]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, forms: Sequence[str]) -> "_Comparable":
        return cls(np.array(forms, dtype=object), np.array([len(form) for form in forms], dtype=np.int64))

    def join(self, other: "_Comparable") -> "_Comparable":
        return _Comparable(np.concatenate([self.forms, other.forms]), np.concatenate([self.lengths, other.lengths]))


def _verify(
    comparable: _Comparable, first: NDArray[np.int64], second: NDArray[np.int64], similarity: float
) -> Iterator[tuple[tuple[int, int], float]]:
    """Compare candidates in full and yield those that reach the threshold."""
    from rapidfuzz import process
    from rapidfuzz.distance import Indel

    lengths = comparable.lengths
    shorter = np.minimum(lengths[first], lengths[second])
    # A pair that stands exactly on the threshold belongs to it, whatever the last bit of a quotient says.
    threshold = similarity - _ROUNDING
    # No common subsequence is longer than the shorter text, so that lengths alone rule most candidates out.
    can_reach = 2 * shorter >= threshold * (lengths[first] + lengths[second])
    first, second = first[can_reach], second[can_reach]
    values = process.cpdist(
        comparable.forms[first].tolist(),
        comparable.forms[second].tolist(),
        scorer=Indel.normalized_similarity,
        score_cutoff=similarity - _CUTOFF_MARGIN,
        dtype=np.float64,
    )
    for place in np.flatnonzero(values >= threshold):
        low, high = sorted((int(first[place]), int(second[place])))
        yield (low, high), float(values[place])
