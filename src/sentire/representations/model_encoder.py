"""The vectors from which a trained model judges: of the embedded one without torch, offline, at once."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sentire.core.progress import OnProgress, stay_quiet
from sentire.runtime.batches import iterate_batches
from sentire.runtime.encoder_model import EncoderModel
from sentire.runtime.texts import prepare_texts


class ModelEncoder:
    """Turns texts into the vectors on which the heads of a model answer.

    They lie near each other where the model hears alike. A long text is read in several windows and has their mean; of
    one of more than ``LONGEST_TEXT_CHARS`` characters only the beginning is read. Vectors keep their lengths.

    Attributes:
        name: The model's registered name, or its folder.
        revision: Empty.
        model: The model itself.

    Args:
        model: As ``load`` returns it for an encoder.
        name: By which it was loaded.
    """

    def __init__(self, model: EncoderModel, *, name: str) -> None:
        self.model = model
        self.name = name
        self.revision = ""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model's files."""
        return self.model.fingerprint

    @property
    def n_dimensions(self) -> int:
        """D, the length of a vector."""
        return self.model.n_dimensions

    def encode(self, texts: Iterable[str], *, on_progress: OnProgress = stay_quiet) -> NDArray[np.float32]:
        """Return the vectors of N texts in their order, shape (N, D), float32.

        A text has the same vector alone and in any batch.

        Args:
            texts: N texts, possibly none.
            on_progress: Told after every batch.

        Raises:
            DataError: One string instead of several, or an element that is none.
        """
        prepared = prepare_texts(texts)
        vectors = np.empty((len(prepared), self.n_dimensions), dtype=np.float32)
        for part in iterate_batches(prepared):
            vectors[part] = self.model.embed(prepared[part])
            on_progress(min(part.stop, len(prepared)), len(prepared), "texts")
        return vectors
