"""What a network is trained on: token numbers with the targets of every head, and which head each text can teach."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ShapeError
from sentire.core.seeding import make_generator


@dataclass(frozen=True, kw_only=True)
class Material:
    """N texts and their targets.

    Attributes:
        texts: Token numbers without special tokens.
        contexts: Token numbers of what each text was said in; empty where nothing is known.
        targets: Degrees of the C labels from 0 to 1, shape (N, C).
        has_labels: Which texts teach the emotion head, shape (N,).
        affect: Valence, arousal and dominance from -1 to 1, shape (N, 3).
        has_affect: Which texts teach the affect head, shape (N,).
    """

    texts: list[list[int]]
    contexts: list[list[int]]
    targets: NDArray[np.float32]
    has_labels: NDArray[np.bool_]
    affect: NDArray[np.float32]
    has_affect: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.texts)
        lengths = {len(self.contexts), len(self.targets), len(self.has_labels), len(self.affect), len(self.has_affect)}
        if lengths != {n}:
            raise ShapeError(expected=f"{n} rows of everything", got=f"{sorted(lengths)}", where="training material")

    def __len__(self) -> int:
        return len(self.texts)


def join_material(parts: Sequence[Material]) -> Material:
    """Put materials one after the other."""
    return Material(
        texts=[row for part in parts for row in part.texts],
        contexts=[row for part in parts for row in part.contexts],
        targets=np.concatenate([part.targets for part in parts]),
        has_labels=np.concatenate([part.has_labels for part in parts]),
        affect=np.concatenate([part.affect for part in parts]),
        has_affect=np.concatenate([part.has_affect for part in parts]),
    )


def measure_base_rates(material: Material) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean target of each label, shape (C,), above 0 and below 1, and the mean affect, shape (3,).

    Each rate is smoothed by half a text with and half a text without the label; where nothing is rated the affect is 0.
    """
    taught = material.targets[material.has_labels]
    rates = (taught.sum(axis=0, dtype=np.float64) + 0.5) / (len(taught) + 1)
    rated = material.affect[material.has_affect]
    affect = rated.mean(axis=0, dtype=np.float64) if len(rated) else np.zeros(3)
    return rates.astype(np.float32), affect.astype(np.float32)


def draw_contexts(
    material: Material,
    *,
    epoch: int,
    seed: int,
    unrelated_fraction: float,
    dropped_fraction: float,
    max_context_tokens: int,
) -> Material:
    """Return the material with the contexts of one epoch.

    Some contexts are dropped, and some texts without one get the text of another row, which says nothing of their
    emotion. The choice depends on seed and epoch alone, so that a resumed run sees the same.
    """
    if not unrelated_fraction and not dropped_fraction:
        return material
    generator = make_generator(seed, f"contexts of epoch {epoch}")
    chance = generator.random(len(material))
    donors = generator.integers(len(material), size=len(material))
    contexts: list[list[int]] = []
    for row, own in enumerate(material.contexts):
        if own:
            contexts.append([] if chance[row] < dropped_fraction else own)
        elif chance[row] < unrelated_fraction and donors[row] != row:
            contexts.append(material.texts[donors[row]][-max_context_tokens:])
        else:
            contexts.append([])
    return replace(material, contexts=contexts)
