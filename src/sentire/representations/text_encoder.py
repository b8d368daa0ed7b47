"""What turns texts into vectors, whatever it is made of."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sentire.core.progress import OnProgress, stay_quiet


class TextEncoder(Protocol):
    """Texts in, one vector a text out; ``load_encoder`` gives one."""

    @property
    def name(self) -> str:
        """By which ``load_encoder`` finds it again."""

    @property
    def revision(self) -> str:
        """The commit on the hub, or the package and its version; else empty."""

    @property
    def fingerprint(self) -> str:
        """A hash of everything that determines the vectors."""

    @property
    def n_dimensions(self) -> int:
        """D, the length of a vector."""

    def encode(self, texts: Iterable[str], *, on_progress: OnProgress = stay_quiet) -> NDArray[np.float32]:
        """Return the vectors of N texts in their order, shape (N, D), float32.

        A text has the same vector alone and in any batch.

        Raises:
            DataError: One string instead of several, or an element that is none.
        """
