"""What all kinds of model have in common: a configuration, and decisions made of probabilities."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sentire.core.labels import LabelSpace
from sentire.core.protocols import Context
from sentire.runtime.decisions import decide
from sentire.runtime.judgement import Judgement
from sentire.runtime.model_folder import ModelConfig


class ConfiguredModel(ABC):
    """A model of any kind; a kind adds ``judge``.

    Args:
        config: Name, label space, cut-offs and where the model comes from.
        fingerprint: Of the files it was read from; empty for a model that was never saved.
    """

    def __init__(self, config: ModelConfig, fingerprint: str) -> None:
        self.config = config
        self.fingerprint = fingerprint

    @property
    def name(self) -> str:
        """The name under which results speak of the model."""
        return self.config.name

    @property
    def label_space(self) -> LabelSpace:
        """The labels of the columns of every answer."""
        return self.config.label_space

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """Cut-offs on the probabilities, shape (C,)."""
        return self.config.thresholds

    @property
    def projected_thresholds(self) -> Mapping[str, NDArray[np.float64]]:
        """Cut-offs on probabilities that are projected to other label spaces, by the space's name."""
        return self.config.projected_thresholds

    @abstractmethod
    def judge(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> Judgement:
        """Return all that the model says of N texts."""

    def predict_proba(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (N, C), float32 in [0, 1]."""
        return self.judge(texts, context=context).proba

    def predict(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> NDArray[np.bool_]:
        """Return decisions, shape (N, C): at the cut-offs, or the likeliest label of a single-label space."""
        return self.decide(self.predict_proba(texts, context=context))

    def decide(self, proba: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return the decisions that belong to the model's own probabilities, both of shape (N, C)."""
        return decide(proba, self.thresholds, self.label_space)
