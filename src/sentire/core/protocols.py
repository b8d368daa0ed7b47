"""What a model must offer to be evaluated, compared and served, whatever it is made of."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sentire.core.labels import LabelSpace

Context = str | Sequence[str] | None
"""What a text was said in: a situation, or the earlier turns (oldest first), or nothing that is known."""


@runtime_checkable
class Predictor(Protocol):
    """A trained model that answers with probabilities and decisions."""

    @property
    def name(self) -> str:
        """The name under which results speak of the model."""

    @property
    def label_space(self) -> LabelSpace:
        """The labels of the columns of every answer."""

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """Cut-offs on the probabilities, shape (C,)."""

    @property
    def projected_thresholds(self) -> Mapping[str, NDArray[np.float64]]:
        """Cut-offs on probabilities that are projected to other label spaces, by the space's name; may be empty."""

    @property
    def uses_context(self) -> bool:
        """Whether a context changes the answer."""

    @property
    def fingerprint(self) -> str:
        """A hash of everything that determines the answers."""

    def predict_proba(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (N, C)."""

    def decide(self, proba: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return the decisions that belong to the model's own probabilities, both of shape (N, C)."""
