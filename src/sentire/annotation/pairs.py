"""Utterances and their rewritings: who belongs to whom, and the sample in which people say which is more emotional.

An original and its rewriting have the same id, as in the sets that ``sentire synthesize`` writes (``corig`` and
``crewr``). Which of the two is shown first is drawn for each item, the rewriting in half of them, and stands in the key
alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sentire.annotation.questions import ALIKE, FIRST, MORE_EMOTIONAL, SECOND
from sentire.annotation.sample import Item, Key, Sample, make_sample
from sentire.core.errors import DataError, UsageError, list_names, quote
from sentire.core.records import Example
from sentire.core.seeding import make_generator


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An utterance before and after its rewriting.

    Attributes:
        original: What it was rewritten from.
        rewritten: What came of it.
    """

    original: Example
    rewritten: Example

    @property
    def context(self) -> tuple[str, ...]:
        """In which both are said."""
        return self.original.context or self.rewritten.context


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """The pairs of two sets of examples.

    Attributes:
        pairs: In the order of the originals.
        n_not_rewritten: Originals without a rewriting.
        n_without_original: Rewritings without an original.
    """

    pairs: tuple[Pair, ...]
    n_not_rewritten: int
    n_without_original: int


def pair_versions(
    originals: Iterable[Example], rewritings: Iterable[Example], *, original_name: str, rewritten_name: str
) -> Pairing:
    """Find the rewriting of each utterance by their id.

    Args:
        originals: Utterances.
        rewritings: Of some of them, or all.
        original_name: Of the data of the first.
        rewritten_name: Of the data of the second.

    Raises:
        DataError: An id occurs twice in one set, no id occurs in both, a rewriting is of another group or in another
            context than the original of its id, or no rewriting differs from its original.
    """
    before, after = _sort_by_id(originals, original_name), _sort_by_id(rewritings, rewritten_name)
    pairs = tuple(Pair(original=one, rewritten=after[name]) for name, one in before.items() if name in after)
    if not pairs:
        raise DataError(
            expected=f"ids that are also in {original_name} ({_show_some(before)})",
            got=_show_some(after),
            where=rewritten_name,
            hint="name the same split of both, and in both descriptions the column of the ids",
        )
    for pair in pairs:
        _check_fit(pair, original_name, rewritten_name)
    if all(pair.original.text == pair.rewritten.text for pair in pairs):
        raise DataError(
            expected=f"rewritings of the texts of {original_name}",
            got="the same texts",
            where=rewritten_name,
            hint="name the original texts with --data and what came of them with --rewritten",
        )
    return Pairing(pairs=pairs, n_not_rewritten=len(before) - len(pairs), n_without_original=len(after) - len(pairs))


def draw_pairs(pairs: Sequence[Pair], *, name: str, n: int, seed: int = 0) -> tuple[Sample, Key]:
    """Draw pairs, and which version of each is shown first.

    Args:
        pairs: To draw from.
        name: Of the data.
        n: Items; fewer where there are fewer pairs.
        seed: Of the draw and the order of the versions.

    Raises:
        UsageError: Fewer than one item.
        DataError: There is no pair.
    """
    if n < 1:
        raise UsageError(expected="at least one item", got=str(n))
    if not pairs:
        raise DataError(expected="utterances with their rewritings", got="none", where=name)
    generator = make_generator(seed, "annotation sample of pairs")
    chosen = [pairs[place] for place in generator.permutation(len(pairs))[:n]]
    # Half of the rewritings stand first, so that somebody who prefers a place favours neither version.
    places = generator.permutation((np.arange(len(chosen)) + generator.integers(2)) % 2).tolist()
    items = []
    for pair, place in zip(chosen, places, strict=True):
        texts = (pair.original.text, pair.rewritten.text)
        shown = texts if place else texts[::-1]
        items.append(Item(id=pair.original.id, texts=shown, context=pair.context, options=(FIRST, SECOND, ALIKE)))
    sample = make_sample(name, MORE_EMOTIONAL, items)
    rewritten = {item.id: place for item, place in zip(items, places, strict=True)}
    return sample, Key(fingerprint=sample.fingerprint, rewritten=rewritten)


def _sort_by_id(examples: Iterable[Example], name: str) -> dict[str, Example]:
    found: dict[str, Example] = {}
    for example in examples:
        if example.id in found:
            raise DataError(
                expected="an id for each example",
                got=f"{quote(example.id)} twice",
                where=name,
                hint="it would not be known which text was rewritten",
            )
        found[example.id] = example
    return found


def _check_fit(pair: Pair, original_name: str, rewritten_name: str) -> None:
    one, other = pair.original, pair.rewritten
    for kind, before, after in (("group", one.group, other.group), ("context", one.context, other.context)):
        if before and after and before != after:
            raise DataError(
                expected=f"the {kind} of the original in {original_name}, {quote(before)}",
                got=quote(after),
                where=f"{quote(other.id)} in {rewritten_name}",
                hint="the two are no versions of one utterance: take both files from one export",
            )


def _show_some(examples: Mapping[str, Example]) -> str:
    if not examples:
        return "none"
    shown = list_names(list(examples)[:3])
    return shown if len(examples) <= 3 else f"{shown} and {len(examples) - 3:,} more"
