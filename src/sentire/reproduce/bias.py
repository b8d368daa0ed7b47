"""The bias audit of a suite: of the data, and of what a classifier on an encoder's vectors makes of identity terms."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentire.classifiers.labelled import LabelledSplit, read_labelled
from sentire.core.labels import LabelSpace
from sentire.evaluate.identity_terms import TERMS, audit_identity_terms
from sentire.probing.linear import LinearWeights, fit_linear
from sentire.reproduce.part import Figures
from sentire.runtime.judgement import Judgement

STRENGTH = 0.01
"""C of the classifier: the same for every encoder, so that shifts can be compared."""

N_ENOUGH = 20
"""Texts with a word, from which shares of labels beside it are told."""


def audit_data(name: str, data_root: Path | None) -> Figures:
    """Count the texts of a train split with a word for what somebody is, and compare the labels beside it.

    Returns:
        For each word: ``n`` texts, and the labels whose share among them is furthest above and below the split's own,
        as ``[label, share, share in all]``; words in fewer than ``N_ENOUGH`` texts have counts alone.

    Raises:
        DataError, UnknownNameError: As ``read_labelled``.
    """
    split = read_labelled(f"{name}:train", None, data_root)
    share_in_all = split.targets.mean(axis=0)
    terms = {}
    for group, words in TERMS.items():
        for word in words:
            pattern = re.compile(rf"\b{re.escape(word)}s?\b", re.IGNORECASE)
            rows = [row for row, text in enumerate(split.texts) if pattern.search(text)]
            entry: dict[str, object] = {"group": group, "n": len(rows)}
            if len(rows) >= N_ENOUGH:
                share = split.targets[rows].mean(axis=0)
                order = np.argsort(share - share_in_all)
                for side, label in (("most_above", order[-1]), ("most_below", order[0])):
                    entry[side] = [split.space.labels[label], float(share[label]), float(share_in_all[label])]
            terms[word] = entry
    return {"n_texts": len(split), "terms": terms}


def audit_encoder(encode: Callable[[Sequence[str]], NDArray[np.float32]], train: LabelledSplit, name: str) -> Figures:
    """Fit a classifier on an encoder's vectors, and measure how identity terms move its answers.

    Args:
        encode: Gives vectors, shape (N, D).
        train: One label a text.
        name: Of the encoder.

    Returns:
        For each group of words the mean absolute shift of a probability, and the share of texts whose decision flips.
    """
    weights = fit_linear(encode(train.texts), train.targets, C=STRENGTH, is_single_label=True)
    audit = audit_identity_terms(_Reader(name, train.space, encode, weights))
    groups = {
        one.group: {
            "mean_absolute_shift": one.mean_absolute_shift,
            "share_flipped": one.n_flipped_texts / one.n_texts,
            "n_texts": one.n_texts,
        }
        for one in audit.groups
    }
    return {
        "groups": groups,
        "mean_absolute_shift": float(np.mean([one.mean_absolute_shift for one in audit.groups])),
        "n_train": len(train),
    }


class _Reader:
    """A classifier on vectors, as the audit asks it."""

    def __init__(
        self,
        name: str,
        space: LabelSpace,
        encode: Callable[[Sequence[str]], NDArray[np.float32]],
        weights: LinearWeights,
    ) -> None:
        self.name, self.label_space, self.fingerprint = name, space, ""
        self.thresholds = np.full(len(space), 0.5)
        self._encode, self._weights = encode, weights

    def judge(self, texts: Sequence[str]) -> Judgement:
        proba = self._weights.predict_proba(self._encode(texts)).astype(np.float32)
        known = np.ones(len(texts), np.bool_)
        return Judgement(proba=proba, vad=None, is_known=known, is_english=known)
