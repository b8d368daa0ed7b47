"""What a model says of a batch of texts, before anything is made of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the answer changes within one long text, which was judged in W overlapping windows.

    Attributes:
        spans: Shape (W, 2): where each window begins and ends, in characters of the prepared text; in order.
        proba: Calibrated probabilities of each window, shape (W, C), float32 in [0, 1].
        vad: Of each window, shape (W, 3), from -1 to 1; None where the model has no such head.
    """

    spans: NDArray[np.int64]
    proba: NDArray[np.float32]
    vad: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A model's answers to N texts.

    Attributes:
        proba: Calibrated probabilities, shape (N, C), float32 in [0, 1].
        vad: Valence, arousal and dominance, shape (N, 3), from -1 to 1; None where the model has no such head.
        is_known: Shape (N,): False where the model knows nothing of the text (no known word), so that its answer
            is little more than the average of its training data.
        is_english: Shape (N,): False where the text is probably not English, the language that the models know.
        is_context_cut: Shape (N,): True where only the end of the context was read; None where none was.
        course: For each text its course where it was judged in windows, or None; None where no text was.
    """

    proba: NDArray[np.float32]
    vad: NDArray[np.float32] | None
    is_known: NDArray[np.bool_]
    is_english: NDArray[np.bool_]
    is_context_cut: NDArray[np.bool_] | None = None
    course: tuple[Course | None, ...] | None = None
