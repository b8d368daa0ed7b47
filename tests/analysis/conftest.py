"""The embedded model, and one over it that knows affect and remembers what it was asked."""

from dataclasses import replace

import numpy as np
import pytest

from sentire.runtime.load import load


class AffectModel:
    """The embedded model with a made-up affect score; keeps the context that it was given."""

    uses_context = True
    has_vad = True

    def __init__(self, model):
        self._model = model
        self.name, self.config = "affective", model.config
        self.label_space, self.thresholds = model.label_space, model.thresholds
        self.asked = []

    def judge(self, texts, *, context=None):
        self.asked.append(context)
        vad = np.array([[0.5, -0.25, 1 / 3]] * len(texts), dtype=np.float32)
        return replace(self._model.judge(texts, context=context), vad=vad)


@pytest.fixture(scope="session")
def linear():
    return load("linear")


@pytest.fixture
def affect_model(linear):
    return AffectModel(linear)
