"""The bias audit of a data set: labels beside words for what somebody is, more or less often than by chance."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.stats import fisher_exact

from sentire.classifiers.labelled import LabelledSplit, read_labelled
from sentire.evaluate.identity_terms import TERMS
from sentire.metrics.multiple_testing import holm
from sentire.reproduce.part import Figures

N_ENOUGH = 20
"""Texts with a word, from which shares of labels beside it are compared."""

LEVEL = 0.05
"""Of the chance that even one of all the differences that are told is none."""

METHOD = 2
"""Changes where the words are matched, or the labels compared, in another way."""

_PEOPLE = "person|people|folks?|m[ae]n|wom[ae]n|guys?|girls?|boys?|kids?|child|children|males?|females?|couples?|dudes?"
_AMBIGUOUS = frozenset({"Black", "white", "straight", "blind"})
"""Words that are more often said of things: counted before a word for people alone."""

_MASK = re.compile(r"\[[A-Z]+\]")


def audit_data(name: str, data_root: Path | None) -> Figures:
    """Compare the labels of the texts with a word for what somebody is with those of all other texts.

    Each label of each word is compared by Fisher's exact test; the p-values of all comparisons are adjusted together
    (Holm), since of so many some are large by chance. Words are matched as they are spelled: "Polish" is not "polish".

    Returns:
        ``n_texts``; ``n_masked``, texts by the mask that the data has in the place of a word, such as ``[NAME]``;
        ``n_compared``, comparisons; and for each word ``n`` texts and ``differences``, the labels whose share differs
        by more than chance, as ``[label, share beside the word, share in all, adjusted p]``. Words in fewer than
        ``N_ENOUGH`` texts are not compared: their differences are None. So rare masks are left out, too.

    Raises:
        DataError, UnknownNameError: As ``read_labelled``.
    """
    split = read_labelled(f"{name}:train", None, data_root)
    terms = {word: (group, _find_texts(split, word)) for group, words in TERMS.items() for word in words}
    compared = [word for word, (_, rows) in terms.items() if N_ENOUGH <= len(rows) < len(split)]
    p_values = np.array([_compare(split, terms[word][1]) for word in compared]).reshape(len(compared), len(split.space))
    adjusted = holm(p_values.ravel()).reshape(p_values.shape)
    in_all = split.targets.mean(axis=0)
    differences = {
        word: [
            [split.space.labels[c], float(split.targets[terms[word][1], c].mean()), float(in_all[c]), float(p[c])]
            for c in np.flatnonzero(p < LEVEL)
        ]
        for word, p in zip(compared, adjusted, strict=True)
    }
    masks = Counter(mask for text in split.texts for mask in set(_MASK.findall(text)))
    return {
        "n_texts": len(split),
        "n_masked": {mask: n for mask, n in sorted(masks.items()) if n >= N_ENOUGH},
        "n_compared": int(p_values.size),
        "terms": {
            word: {"group": group, "n": len(rows), "differences": differences.get(word)}
            for word, (group, rows) in terms.items()
        },
    }


def _find_texts(split: LabelledSplit, word: str) -> list[int]:
    # A word that is a name keeps its capital letter; any other may begin a sentence.
    spelled = re.escape(word) if word[0].isupper() else f"[{word[0]}{word[0].upper()}]{re.escape(word[1:])}"
    after = rf"\s+(?i:{_PEOPLE})\b" if word in _AMBIGUOUS else r"s?\b"
    pattern = re.compile(rf"\b{spelled}{after}")
    return [row for row, text in enumerate(split.texts) if pattern.search(text)]


def _compare(split: LabelledSplit, rows: list[int]) -> list[float]:
    """Return the p-value of each label, those with the word against those without."""
    n_with, n_all = split.targets[rows].sum(axis=0), split.targets.sum(axis=0)
    n_rest = len(split) - len(rows)
    return [
        float(fisher_exact([[has, len(rows) - has], [total - has, n_rest - (total - has)]]).pvalue)
        for has, total in zip(n_with.tolist(), n_all.tolist(), strict=True)
    ]
