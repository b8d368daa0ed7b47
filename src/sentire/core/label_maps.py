"""Maps between label spaces, and the rule by which probabilities follow them.

Rule of projection: a target label holds where at least one of its source labels holds. Hard labels are united.
Probabilities are joined by the noisy-or, ``p(t) = 1 - prod over s in sources(t) of (1 - p(s))``, which is exact
where the sources are independent given the text, and always lies between the two bounds of a union,
``max p(s)`` and ``min(1, sum p(s))``. Where the target is a single-label space, the joined values are divided by
their sum, so that they are a distribution over the target's labels; where they are all 0, because what was found
has no target label, they stay 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sentire.core import labels as spaces
from sentire.core.errors import LabelError, ShapeError, UnknownNameError
from sentire.core.labels import LabelSpace

_SMALLEST_SUM = 1e-12


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """Which source labels stand for which target label.

    Attributes:
        source: The space that is mapped from.
        target: The space that is mapped to.
        version: Counts from 1.
        groups: For each target label, its source labels; a target may have none, a source may be in none.
        note: Who grouped them.
    """

    source: LabelSpace
    target: LabelSpace
    version: int
    groups: Mapping[str, tuple[str, ...]]
    note: str = ""

    def __post_init__(self) -> None:
        for target, sources in self.groups.items():
            self.target.index(target, where=f"label map {self.name}")
            for source in sources:
                self.source.index(source, where=f"label map {self.name}, group {target}")

    @property
    def name(self) -> str:
        """Source and target, such as ``goemotions-to-ekman``."""
        return f"{self.source.name}-to-{self.target.name}"

    @property
    def id(self) -> str:
        """Name and version, as files record them."""
        return f"{self.name}.v{self.version}"

    @cached_property
    def membership(self) -> NDArray[np.bool_]:
        """Shape (C source, C target): True where the source label stands for the target label."""
        matrix = np.zeros((len(self.source), len(self.target)), dtype=np.bool_)
        for target, sources in self.groups.items():
            for source in sources:
                matrix[self.source.index(source), self.target.index(target)] = True
        return matrix

    @property
    def unmapped(self) -> tuple[str, ...]:
        """Source labels that stand for no target label."""
        mapped = {source for sources in self.groups.values() for source in sources}
        return tuple(label for label in self.source.labels if label not in mapped)

    def map_labels(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Map hard labels; the result is in the target's order, without repeats.

        Example:
            >>> load_label_map("goemotions", "ekman").map_labels(["annoyance", "anger", "joy"])
            ('anger', 'joy')
        """
        chosen = np.zeros(len(self.target), dtype=np.bool_)
        for label in labels:
            chosen |= self.membership[self.source.index(label)]
        return tuple(self.target.labels[column] for column in np.flatnonzero(chosen))

    def project_indicator(self, indicator: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Map decisions of shape (N, C source) to shape (N, C target)."""
        self._check(indicator.shape)
        projected: NDArray[np.bool_] = (indicator.astype(np.int32) @ self.membership.astype(np.int32)) > 0
        return projected

    def project_proba(self, proba: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map probabilities of shape (N, C source) to shape (N, C target) by the rule of this module.

        Raises:
            ShapeError: The columns are not those of the source space.
        """
        self._check(proba.shape)
        absent = 1.0 - proba.astype(np.float64)
        projected = np.empty((proba.shape[0], len(self.target)))
        for column in range(len(self.target)):
            projected[:, column] = 1.0 - absent[:, self.membership[:, column]].prod(axis=1)
        if self.target.task == "single-label":
            projected /= np.maximum(projected.sum(axis=1, keepdims=True), _SMALLEST_SUM)
        return projected

    def _check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or shape[1] != len(self.source):
            raise ShapeError(
                expected=f"shape (N, {len(self.source)}) for {self.source.id}",
                got=f"shape {shape}",
                where=f"label map {self.id}",
            )


_EKMAN_GROUPS = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        "admiration",
        "amusement",
        "approval",
        "caring",
        "desire",
        "excitement",
        "gratitude",
        "joy",
        "love",
        "optimism",
        "pride",
        "relief",
    ),
    "sadness": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
    "surprise": ("confusion", "curiosity", "realization", "surprise"),
    "neutral": ("neutral",),
}

_SENTIMENT_GROUPS = {
    "positive": _EKMAN_GROUPS["joy"],
    "negative": (
        *_EKMAN_GROUPS["anger"],
        *_EKMAN_GROUPS["disgust"],
        *_EKMAN_GROUPS["fear"],
        *_EKMAN_GROUPS["sadness"],
    ),
    "ambiguous": _EKMAN_GROUPS["surprise"],
    "neutral": ("neutral",),
}

_JOYS = tuple(label for label in _EKMAN_GROUPS["joy"] if label != "excitement")


def _make_map(source: LabelSpace, target: LabelSpace, groups: Mapping[str, tuple[str, ...]], note: str) -> LabelMap:
    return LabelMap(source=source, target=target, version=1, groups=MappingProxyType(dict(groups)), note=note)


_PUBLISHED = "the groups published with GoEmotions, neutral added to itself"
_EMO_PILLARS = "Shvets 2025 (Emo Pillars), mapping to the 28"
_OURS = "ours"

LABEL_MAPS: dict[tuple[str, str], LabelMap] = {
    (label_map.source.name, label_map.target.name): label_map
    for label_map in (
        _make_map(spaces.GOEMOTIONS, spaces.EKMAN, _EKMAN_GROUPS, _PUBLISHED),
        _make_map(spaces.GOEMOTIONS, spaces.SENTIMENT, _SENTIMENT_GROUPS, _PUBLISHED),
        _make_map(spaces.GOEMOTIONS, spaces.MELD, _EKMAN_GROUPS, "ours, through the Ekman groups"),
        _make_map(
            spaces.GOEMOTIONS,
            spaces.ISEAR,
            {
                **{name: _EKMAN_GROUPS[name] for name in ("joy", "fear", "anger", "disgust")},
                "sadness": ("disappointment", "grief", "sadness"),
                "shame": ("embarrassment",),
                "guilt": ("remorse",),
            },
            "ours, through the Ekman groups; shame and guilt as in Emo Pillars",
        ),
        _make_map(
            spaces.GOEMOTIONS,
            spaces.EMOCONTEXT,
            {
                "happy": _EKMAN_GROUPS["joy"],
                "sad": _EKMAN_GROUPS["sadness"],
                "angry": _EKMAN_GROUPS["anger"],
                "others": (
                    *_EKMAN_GROUPS["disgust"],
                    *_EKMAN_GROUPS["fear"],
                    *_EKMAN_GROUPS["surprise"],
                    "neutral",
                ),
            },
            "ours, through the Ekman groups",
        ),
        _make_map(
            spaces.GOEMOTIONS,
            spaces.IEMOCAP_4,
            {
                "anger": _EKMAN_GROUPS["anger"],
                "sadness": _EKMAN_GROUPS["sadness"],
                "happiness": _EKMAN_GROUPS["joy"],
                "neutral": ("neutral",),
            },
            "ours, through the Ekman groups; surprise, fear and disgust have no class",
        ),
        _make_map(
            spaces.GOEMOTIONS,
            spaces.IEMOCAP_6,
            {
                "anger": ("anger", "disapproval"),
                "frustration": ("annoyance",),
                "sadness": _EKMAN_GROUPS["sadness"],
                "happiness": _JOYS,
                "excitement": ("excitement",),
                "neutral": ("neutral",),
            },
            _OURS,
        ),
        _make_map(
            spaces.ISEAR,
            spaces.GOEMOTIONS,
            {
                **{name: (name,) for name in ("joy", "fear", "anger", "sadness", "disgust")},
                "embarrassment": ("shame",),
                "remorse": ("guilt",),
            },
            _EMO_PILLARS,
        ),
        _make_map(
            spaces.EMOCONTEXT,
            spaces.GOEMOTIONS,
            {"neutral": ("others",), "joy": ("happy",), "sadness": ("sad",), "anger": ("angry",)},
            _EMO_PILLARS,
        ),
        _make_map(spaces.MELD, spaces.GOEMOTIONS, {name: (name,) for name in spaces.MELD.labels}, _OURS),
        _make_map(spaces.MELD, spaces.EKMAN, {name: (name,) for name in spaces.EKMAN.labels}, _OURS),
        _make_map(
            spaces.IEMOCAP_6,
            spaces.IEMOCAP_4,
            {
                "anger": ("anger",),
                "sadness": ("sadness",),
                "neutral": ("neutral",),
                "happiness": ("happiness", "excitement"),
            },
            "the usual 4-way reading; frustration has no class",
        ),
        _make_map(
            spaces.IEMOCAP_6,
            spaces.GOEMOTIONS,
            {
                "joy": ("happiness",),
                "sadness": ("sadness",),
                "neutral": ("neutral",),
                "anger": ("anger",),
                "excitement": ("excitement",),
                "annoyance": ("frustration",),
            },
            _OURS,
        ),
    )
}


def load_label_map(source: str, target: str) -> LabelMap:
    """Return the registered map from one label space to another.

    Raises:
        UnknownNameError: One of the spaces is unknown, or no map joins them.
        LabelError: The two are the same space, which needs no map.
    """
    source_space, target_space = spaces.load_label_space(source), spaces.load_label_space(target)
    if source_space == target_space:
        raise LabelError(expected="two different label spaces", got=f"{source_space.id} twice")
    found = LABEL_MAPS.get((source_space.name, target_space.name))
    if found is None:
        known = (f"{one}-to-{other}" for one, other in LABEL_MAPS)
        raise UnknownNameError.among("label map", f"{source_space.name}-to-{target_space.name}", known)
    return found


def maps_from(source: LabelSpace) -> tuple[LabelMap, ...]:
    """Return every registered map that starts at a space."""
    return tuple(label_map for label_map in LABEL_MAPS.values() if label_map.source == source)
