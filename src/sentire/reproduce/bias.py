"""The bias audit of an encoder: what a classifier on its vectors makes of words for what somebody is."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sentire.classifiers.labelled import LabelledSplit
from sentire.core.labels import LabelSpace
from sentire.evaluate.identity_terms import audit_identity_terms
from sentire.probing.linear import LinearWeights, fit_linear
from sentire.reproduce.part import Figures
from sentire.runtime.judgement import Judgement

STRENGTH = 0.01
"""C of the classifier: the same for every encoder, so that shifts can be compared."""


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
