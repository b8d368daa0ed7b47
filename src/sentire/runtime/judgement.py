"""What a model says of a batch of texts, before anything is made of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A model's answers to N texts.

    Attributes:
        proba: Calibrated probabilities, shape (N, C), float32 in [0, 1].
        vad: Valence, arousal and dominance, shape (N, 3), from -1 to 1; None where the model has no such head.
        is_known: Shape (N,): False where the model knows nothing of the text (no known word), so that its answer
            is no more than the average of its training data.
    """

    proba: NDArray[np.float32]
    vad: NDArray[np.float32] | None
    is_known: NDArray[np.bool_]
