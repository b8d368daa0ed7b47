"""Invented texts with labels that their words give away, most of the time."""

import numpy as np
import pytest

PHRASES = {
    "glad": ["so glad", "what a lovely day", "I smile", "great soup", "thank you"],
    "cross": ["how annoying", "this is outrageous", "late again", "cold soup", "never again"],
    "tense": ["what if it fails", "my hands shake", "I dread it", "the exam", "so late"],
}
FILLERS = ["at the station", "on Monday", "said the neighbour", "with the tea", "in the queue", "about the bike"]


def write_toy_texts(n_texts: int, *, seed: int = 0, labels: tuple[str, ...] = tuple(PHRASES)):
    """Return texts and their indicator; the labels rotate through the three sets of phrases."""
    rng = np.random.default_rng(seed)
    moods = list(PHRASES.values())
    targets = rng.random((n_texts, len(labels))) < 0.35
    texts = []
    for row in targets:
        parts = [str(rng.choice(moods[column % 3])) for column in np.flatnonzero(row) if rng.random() < 0.85]
        parts += rng.choice(FILLERS, size=rng.integers(1, 3)).tolist()
        if rng.random() < 0.15:
            parts.append(str(rng.choice(moods[rng.integers(3)])))
        rng.shuffle(parts)
        texts.append(", ".join(parts) + str(rng.choice([".", "!", "?"])))
    return texts, targets


@pytest.fixture(scope="session")
def toy():
    """120 texts and their indicator of 3 labels."""
    return write_toy_texts(120)


@pytest.fixture(scope="session")
def write_toy():
    return write_toy_texts
