"""Near-duplicates: exact on what is reported, almost complete on what is planted, bounded on what is hostile."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz.distance import Indel

from sentire.core.errors import MissingExtraError, UsageError
from sentire.core.normalise import normalise_text
from sentire.data import near_duplicates
from sentire.data.near_duplicates import (
    LONGEST_CHARS,
    N_BANDS,
    N_ROWS_PER_BAND,
    SHORTEST_CHARS,
    NearDuplicateIndex,
    collision_probability,
    find_near_duplicates,
)

SENTENCE = "the kettle began to sing before anyone had noticed it"


def _common_subsequence(first: str, second: str) -> int:
    """The textbook table, row by row."""
    row = [0] * (len(second) + 1)
    for char in first:
        before = 0
        for column, other in enumerate(second, start=1):
            before, row[column] = row[column], before + 1 if char == other else max(row[column], row[column - 1])
    return row[-1]


def _similarity(first: str, second: str) -> Fraction:
    return Fraction(2 * _common_subsequence(first, second), len(first) + len(second))


def _sentences(n_texts: int, seed: int) -> list[str]:
    """Invented words with Zipf's frequencies, so that unrelated texts share words as they do in a language."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucm"))
    words = np.array(["".join(rng.choice(letters, size=rng.integers(2, 9))) for _ in range(2_000)])
    weights = 1 / np.arange(1, len(words) + 1)
    weights /= weights.sum()
    return [" ".join(rng.choice(words, p=weights, size=rng.integers(8, 25))) for _ in range(n_texts)]


def _edit(text: str, kind: str, rng: np.random.Generator) -> str:
    """Change as much of a text as leaves its normal form at least .9 similar."""
    if kind == "word":
        words = text.split()
        words[int(rng.integers(len(words)))] = "xyz"
        return " ".join(words)
    edited = list(text)
    last = text
    for place in rng.permutation([place for place, char in enumerate(text) if char != " "]):
        edited[place] = "x" if kind == "substitution" else text[place] + "x"
        if Indel.normalized_similarity(text, "".join(edited)) < 0.9:
            break
        last = "".join(edited)
    return last


def test_pairs_and_similarity_equal_the_definition_for_every_pair():
    rng = np.random.default_rng(5)
    texts = _sentences(24, seed=4)
    texts += [_edit(text, kind, rng) for text in texts[:14] for kind in ("word", "substitution")]
    expected = {
        (first, second): _similarity(texts[first], texts[second])
        for first in range(len(texts))
        for second in range(first + 1, len(texts))
        if texts[first] != texts[second] and _similarity(texts[first], texts[second]) >= Fraction(9, 10)
    }
    found = find_near_duplicates(texts, seed=1)
    assert len(expected) > 14
    assert {(pair.first, pair.second) for pair in found.pairs} == set(expected)
    for pair in found.pairs:
        assert pair.similarity == pytest.approx(float(expected[pair.first, pair.second]), abs=1e-12)


@pytest.mark.parametrize(("kind", "least"), [("word", 0.999), ("substitution", 0.998), ("insertion", 0.94)])
def test_recall_on_planted_pairs(kind: str, least: float):
    rng = np.random.default_rng(11)
    texts = _sentences(1_500, seed=10)
    edited = [_edit(text, kind, rng) for text in texts]
    planted = {
        (place, place + len(texts))
        for place, (text, other) in enumerate(zip(texts, edited, strict=True))
        if text != other and Indel.normalized_similarity(text, other) >= 0.9
    }
    found = find_near_duplicates(texts + edited, seed=3)
    recall = len(planted & {(pair.first, pair.second) for pair in found.pairs}) / len(planted)
    assert len(planted) > 1_000
    assert recall >= least


def test_candidates_follow_the_s_curve():
    # Signatures of planted pairs against 1 - (1 - J^r)^b, at the worst kind of edit where the curve is not yet flat.
    rng = np.random.default_rng(2)
    texts = _sentences(800, seed=1)
    edited = [_edit(_edit(text, "insertion", rng), "insertion", rng) for text in texts]
    shingles = [[{text[at : at + 3] for at in range(len(text) - 2)} for text in side] for side in (texts, edited)]
    jaccard = [len(first & second) / len(first | second) for first, second in zip(*shingles, strict=True)]
    agree = near_duplicates._sign(texts, 0) == near_duplicates._sign(edited, 0)
    has_collided = agree.reshape(len(texts), N_BANDS, N_ROWS_PER_BAND).all(axis=2).any(axis=1)
    expected = np.mean([collision_probability(value) for value in jaccard])
    assert 0.2 < expected < 0.9
    assert has_collided.mean() == pytest.approx(expected, abs=0.06)
    assert agree.mean() == pytest.approx(np.mean(jaccard), abs=0.02)


def test_collision_probability_by_hand():
    assert collision_probability(1.0) == 1.0
    assert collision_probability(0.0) == 0.0
    assert collision_probability(0.5) == pytest.approx(1 - 0.875**60)


@pytest.mark.parametrize(
    ("n_chars", "n_edits"), [(20, 2), (50, 5), (100, 10), (500, 50), (25, 2), (50, 4), (100, 9), (50, 1), (100, 3)]
)
def test_a_pair_exactly_on_the_threshold_is_found_and_the_next_is_not(n_chars: int, n_edits: int):
    # One substitution costs 1 / n of the similarity; at the end of the text most trigrams survive.
    words = "".join(np.random.default_rng(n_chars).choice(list("abcdefghij"), size=n_chars))
    on = words[:-n_edits] + "z" * n_edits
    below = words[: -n_edits - 1] + "z" * (n_edits + 1)
    similarity = (n_chars - n_edits) / n_chars
    found = find_near_duplicates([words, on], similarity=similarity).pairs
    assert [pair.similarity for pair in found] == [pytest.approx(similarity)]
    assert find_near_duplicates([words, below], similarity=similarity).pairs == ()


def test_equal_normal_forms_are_no_near_duplicates_and_the_first_of_each_form_is_named():
    other = SENTENCE.replace("kettle", "kettles")
    texts = ["unrelated words about something else", SENTENCE, SENTENCE.upper() + "!!", other, other]
    pairs = find_near_duplicates(texts).pairs
    assert [(pair.first, pair.second) for pair in pairs] == [(1, 3)]


def test_texts_below_the_shortest_length_are_left_out_and_counted():
    short = "a" * 9 + "b" * (SHORTEST_CHARS - 10)
    long = short + "c"
    assert len(short) == SHORTEST_CHARS - 1
    found = find_near_duplicates([short, short + "!", long, long + "d"])
    assert [(pair.first, pair.second) for pair in found.pairs] == [(2, 3)]
    assert (found.n_too_short, found.n_forms) == (2, 2)


def test_long_texts_are_compared_by_their_beginning():
    start = " ".join(_sentences(60, seed=8))[:LONGEST_CHARS].rstrip()
    start += "a" * (LONGEST_CHARS - len(start))
    found = find_near_duplicates([start + "b" * 3_000, start + "c" * 9_000])
    assert found.n_clipped == 2
    assert [pair.similarity for pair in found.pairs] == [1.0]


def test_lone_surrogates_do_no_harm():
    # A text without a word keeps its signs, such as halves of characters.
    texts = ["\ud83d" * 30, "\ud83d" * 30 + "\ud83e"]
    assert len(find_near_duplicates(texts).pairs) == 1


def test_a_huge_bucket_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(near_duplicates, "_PAIRS_AT_LEAST", 1_000)
    texts = [f"please visit my channel for more of number {number:04d}" for number in range(600)]
    found = find_near_duplicates(texts)
    assert found.n_compared <= N_BANDS * max(1_000, near_duplicates._PAIRS_PER_TEXT * len(texts))
    assert found.n_not_compared > 0
    # Neighbours in alphabetical order are compared all the same, so that every text is still found to have a twin.
    assert {place for pair in found.pairs for place in (pair.first, pair.second)} == set(range(600))
    # What is left out does not depend on the order of the texts.
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = find_near_duplicates([texts[place] for place in order])
    pairs = {frozenset((int(order[pair.first]), int(order[pair.second]))) for pair in shuffled.pairs}
    assert pairs == {frozenset((pair.first, pair.second)) for pair in found.pairs}


def test_the_same_seed_gives_the_same_search_and_order_does_not_matter():
    rng = np.random.default_rng(0)
    texts = _sentences(100, seed=2)
    texts += [_edit(text, "insertion", rng) for text in texts]
    order = rng.permutation(len(texts))
    shuffled = [texts[place] for place in order]
    first = find_near_duplicates(texts, seed=9)
    assert first == find_near_duplicates(texts, seed=9)
    pairs = {frozenset((texts[pair.first], texts[pair.second])) for pair in first.pairs}
    moved = {
        frozenset((shuffled[pair.first], shuffled[pair.second]))
        for pair in find_near_duplicates(shuffled, seed=9).pairs
    }
    assert pairs == moved


@pytest.mark.parametrize("texts", [[], [SENTENCE], ["", ""], [SENTENCE, SENTENCE]])
def test_too_few_forms_give_no_pairs(texts: list[str]):
    assert find_near_duplicates(texts).pairs == ()


def _search_all(known: list[str], new: list[str], **settings: float):
    """Search everything anew and return the pairs with a new text."""
    pairs = find_near_duplicates([*known, *new], **settings).pairs
    return tuple(pair for pair in pairs if pair.second >= len(known))


@pytest.mark.parametrize("similarity", [0.9, 0.95])
def test_an_index_that_grows_finds_what_a_search_of_everything_finds(similarity: float):
    rng = np.random.default_rng(1)
    texts = _sentences(120, seed=6)
    texts += [_edit(text, kind, rng) for text in texts for kind in ("word", "substitution", "insertion")]
    texts += [texts[3].upper() + "!", texts[200], "too short", "Too short!", texts[7] + " " + "la " * LONGEST_CHARS]
    texts += [texts[-1] + "and more", "a" * LONGEST_CHARS + "b" * 9, "a" * LONGEST_CHARS + "c" * 9]
    texts = [texts[place] for place in rng.permutation(len(texts))]
    index = NearDuplicateIndex(similarity=similarity, seed=4)
    known: list[str] = []
    n_pairs = 0
    for start in range(0, len(texts), 61):  # some are asked for again when they are there, and some never come to stay
        new = texts[max(0, start - 5) : start + 61]
        found = index.search(new)
        assert found == index.search(new)
        assert found.pairs == _search_all(known, new, similarity=similarity, seed=4)
        n_pairs += len(found.pairs)
        kept = new[: len(new) - start // 61]
        index.add(kept)
        known += kept
        assert len(index) == len(known)
    assert n_pairs > 50


def test_an_index_counts_what_it_did_not_compare_of_the_new_texts():
    index = NearDuplicateIndex()
    index.add(["short", SENTENCE])
    found = index.search(["short", "brief", SENTENCE.upper(), SENTENCE.replace("kettle", "kettles"), SENTENCE * 50])
    assert [(pair.first, pair.second) for pair in found.pairs] == [(1, 5)]
    assert (found.n_too_short, found.n_forms, found.n_clipped, found.n_not_compared) == (2, 2, 1, 0)
    assert index.search([]).pairs == NearDuplicateIndex().search([]).pairs == ()


def test_a_huge_bucket_of_an_index_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(near_duplicates, "_PAIRS_AT_LEAST", 1_000)
    monkeypatch.setattr(near_duplicates, "_PAIRS_PER_TEXT", 2)
    texts = [f"please visit my channel for more of number {number:04d}" for number in range(800)]
    there = np.random.default_rng(0).permutation(np.arange(0, 800, 2)).tolist()
    index = NearDuplicateIndex()
    for start in (0, 150, 300):
        index.add([texts[place] for place in there[start : start + 150]])
    found = index.search(texts[1::2])
    assert found.n_compared <= 2 * N_BANDS * 2 * len(texts)
    assert found.n_not_compared > 0
    # A new text finds its neighbours in alphabetical order among those that are there, in whatever order they came.
    pairs = {(there[pair.first], 2 * (pair.second - 400) + 1) for pair in found.pairs if pair.first < 400}
    assert pairs >= {(number - 1, number) for number in range(1, 800, 2)}


@pytest.mark.parametrize("similarity", [0.5, 1.0, float("nan")])
def test_a_threshold_the_search_is_not_made_for_is_refused(similarity: float):
    with pytest.raises(UsageError, match=r"a similarity from 0\.9 to below 1, got"):
        find_near_duplicates([SENTENCE], similarity=similarity)
    with pytest.raises(UsageError, match=r"a similarity from 0\.9 to below 1, got"):
        NearDuplicateIndex(similarity=similarity)


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sentire\[data\]'"):
        find_near_duplicates([SENTENCE])
    with pytest.raises(MissingExtraError, match=r"pip install 'sentire\[data\]'"):
        NearDuplicateIndex()


@pytest.mark.corpus
def test_goemotions_test_texts_against_an_exhaustive_search(corpus_root: Path):
    from rapidfuzz import process

    texts = [line.split("\t")[0] for line in (corpus_root / "goemotions" / "test.tsv").read_text("utf-8").splitlines()]
    forms = sorted({form for form in map(normalise_text, texts) if len(form) >= SHORTEST_CHARS})
    expected = set()
    for start in range(0, len(forms), 1_000):
        values = process.cdist(
            forms[start : start + 1_000],
            forms,
            scorer=Indel.normalized_similarity,
            score_cutoff=0.899,
            dtype=np.float64,
        )
        for row, column in zip(*np.nonzero(values >= 0.9 - 1e-9), strict=True):
            if start + row < column:
                expected.add(frozenset((forms[start + row], forms[column])))
    found = find_near_duplicates(texts)
    assert expected
    assert {
        frozenset((normalise_text(texts[pair.first]), normalise_text(texts[pair.second]))) for pair in found.pairs
    } == expected
