"""Scales of valence, arousal and dominance, and the way from one to another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import DataError, UnknownNameError

VAD_DIMENSIONS = ("valence", "arousal", "dominance")
"""The order of the columns of every array of affect scores."""


@dataclass(frozen=True, kw_only=True)
class AffectScale:
    """The interval on which raters placed valence, arousal and dominance.

    Attributes:
        name: Registered name.
        version: Counts from 1.
        low: The most negative, calmest, most controlled rating.
        high: The most positive, most aroused, most in control.
        source: Where the scale comes from.
    """

    name: str
    version: int
    low: float
    high: float
    source: str

    @property
    def id(self) -> str:
        """Name and version, as files record them: ``vad-1-5.v1``."""
        return f"{self.name}.v{self.version}"

    @property
    def middle(self) -> float:
        """Neither the one nor the other."""
        return (self.low + self.high) / 2

    def check(self, scores: ArrayLike, *, where: str = "") -> NDArray[np.float64]:
        """Return the scores as an array after making sure that each is finite and on the scale.

        Raises:
            DataError: A score is NaN, infinite or off the scale.
        """
        values = np.asarray(scores, dtype=np.float64)
        wrong = ~(np.isfinite(values) & (values >= self.low) & (values <= self.high))
        if wrong.any():
            raise DataError(
                expected=f"scores between {self.low:g} and {self.high:g} ({self.id})",
                got=f"{values[wrong].flat[0]:g}",
                where=where,
            )
        return values

    def convert(self, scores: ArrayLike, target: "AffectScale", *, where: str = "") -> NDArray[np.float64]:
        """Move scores to another scale, keeping their place between the two ends.

        Example:
            >>> VAD_1_5.convert([1.0, 3.0, 5.0], VAD_UNIT).tolist()
            [-1.0, 0.0, 1.0]
        """
        place = (self.check(scores, where=where) - self.low) / (self.high - self.low)
        return target.low + place * (target.high - target.low)


VAD_1_5 = AffectScale(
    name="vad-1-5", version=1, low=1.0, high=5.0, source="Buechel and Hahn 2017, EmoBank; IEMOCAP's ratings"
)
VAD_1_9 = AffectScale(
    name="vad-1-9",
    version=1,
    low=1.0,
    high=9.0,
    source="Scott et al. 2019, Glasgow Norms (valence, arousal, dominance)",
)
VAD_UNIT = AffectScale(
    name="vad-unit", version=1, low=-1.0, high=1.0, source="ours: 0 is neither positive nor negative"
)

AFFECT_SCALES: dict[str, AffectScale] = {scale.name: scale for scale in (VAD_1_5, VAD_1_9, VAD_UNIT)}


def load_affect_scale(name: str) -> AffectScale:
    """Return a registered scale by its name, or by name and version.

    Raises:
        UnknownNameError: No such scale.
    """
    for scale in AFFECT_SCALES.values():
        if name in (scale.name, scale.id):
            return scale
    raise UnknownNameError.among("affect scale", name, AFFECT_SCALES)
