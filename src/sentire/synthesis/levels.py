"""From what a model wrote to labels of the space: mapped, allow-listed, and cut at the least level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sentire.synthesis.definitions import LabelGuide, clean_word


@dataclass(frozen=True, kw_only=True)
class MappedLevels:
    """The levels of one utterance in its label space.

    Attributes:
        levels: By label, in the order of the model; of two words for one label the higher level.
        mapped: Words outside the space that stand for a label.
        unmapped: Words outside the space that stand for none.
    """

    levels: Mapping[str, float]
    mapped: tuple[str, ...]
    unmapped: tuple[str, ...]


def map_levels(guide: LabelGuide, levels: Sequence[tuple[str, float]]) -> MappedLevels:
    """Map the words of a model onto a label space.

    Example:
        >>> from sentire.synthesis.definitions import load_label_guide_of
        >>> found = map_levels(load_label_guide_of("goemotions"), [("joy", 0.8), ("hope", 0.4), ("mauve", 0.3)])
        >>> dict(found.levels), found.mapped, found.unmapped
        ({'joy': 0.8, 'optimism': 0.4}, ('hope',), ('mauve',))
    """
    known: dict[str, float] = {}
    mapped, unmapped = [], []
    for word, level in levels:
        label = guide.read(word)
        if label is None:
            unmapped.append(clean_word(word))
            continue
        if clean_word(word) != clean_word(label):
            mapped.append(clean_word(word))
        known[label] = max(level, known.get(label, 0.0))
    return MappedLevels(levels=known, mapped=tuple(mapped), unmapped=tuple(unmapped))


def get_expressed(levels: Mapping[str, float], least_level: float) -> tuple[str, ...]:
    """Return the labels that reach the least level, in their order."""
    return tuple(label for label, level in levels.items() if level >= least_level)


def agree(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Return the weighted Jaccard similarity of two sets of levels, 0 to 1: the sum of minima over that of maxima.

    Example:
        >>> round(agree({"joy": 0.8, "love": 0.2}, {"joy": 0.6}), 2)
        0.6
    """
    labels = {**first, **second}
    largest = sum(max(first.get(label, 0.0), second.get(label, 0.0)) for label in labels)
    smallest = sum(min(first.get(label, 0.0), second.get(label, 0.0)) for label in labels)
    return smallest / largest if largest else 1.0
