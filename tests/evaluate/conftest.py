"""Predictors that answer from a table, and examples to ask them about."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from sentire.core.labels import LabelSpace, make_label_space
from sentire.core.records import Example
from sentire.runtime.judgement import Judgement
from sentire.runtime.model_folder import ModelConfig

MOODS = make_label_space("moods", ["calm", "glad", "cross"])


class TablePredictor:
    """Answers each text with the probabilities noted for it, and remembers what it was asked."""

    def __init__(
        self,
        proba_by_text: Mapping[str, Sequence[float]],
        *,
        label_space: LabelSpace = MOODS,
        threshold: float = 0.5,
        uses_context: bool = False,
        name: str = "table",
    ) -> None:
        self.name = name
        self.label_space = label_space
        self.thresholds = np.full(len(label_space), threshold)
        self.projected_thresholds = {}
        self.uses_context = uses_context
        self.fingerprint = f"{name}-fingerprint"
        self.asked: list[tuple[list[str], list[object] | None]] = []
        self._proba_by_text = proba_by_text

    def predict_proba(self, texts, *, context=None):
        self.asked.append((list(texts), context))
        return np.array([self._proba_by_text[text] for text in texts], dtype=np.float32)

    def decide(self, proba):
        return proba >= self.thresholds


class AffectTable(TablePredictor):
    """Answers each text with the valence, arousal and dominance noted for it; a context adds a quarter to each."""

    has_vad = True

    def __init__(self, vad_by_text: Mapping[str, Sequence[float]], *, data=None, **options) -> None:
        options = {"name": "affect table", **options}
        super().__init__(dict.fromkeys(vad_by_text, (0.9, 0.2, 0.1)), **options)
        self.config = ModelConfig(
            name=self.name,
            label_space=self.label_space,
            thresholds=self.thresholds,
            threshold_method="made up",
            training={"recipe": {"data": data or {}}},
        )
        self._vad_by_text = vad_by_text

    def judge(self, texts, *, context=None):
        proba = self.predict_proba(texts, context=context)
        vad = np.array([self._vad_by_text[text] for text in texts], dtype=np.float32)
        vad += 0.25 * np.array([[bool(said)] for said in context or [None] * len(texts)])
        is_plain = np.ones(len(texts), dtype=np.bool_)
        return Judgement(proba=proba, vad=vad, is_known=is_plain, is_english=is_plain)


def make_case(seed: int, *, n: int = 120, noise: float = 1.0, name: str = "table", text: str = "remark {}"):
    """Make n examples with one or two moods, and a predictor that guesses them through noise.

    The examples depend on n and text alone; the seed is the predictor's.
    """
    truth = np.random.default_rng(17)
    targets = truth.random((n, 3)) < np.array([0.5, 0.3, 0.15])
    targets[~targets.any(axis=1), 0] = True
    logits = 2 * targets - 1 + noise * np.random.default_rng(seed).normal(size=(n, 3))
    proba = 1 / (1 + np.exp(-logits))
    examples = [
        Example(id=f"e{number:03}", text=text.format(number), labels=labels)
        for number, labels in enumerate(MOODS.decode(targets))
    ]
    predictor = TablePredictor(
        {example.text: row for example, row in zip(examples, proba.tolist(), strict=True)}, name=name
    )
    return predictor, examples


@pytest.fixture(scope="session")
def moods() -> LabelSpace:
    return MOODS


@pytest.fixture(scope="session")
def table_predictor() -> type[TablePredictor]:
    return TablePredictor


@pytest.fixture(scope="session")
def case():
    return make_case


@pytest.fixture(scope="session")
def affect_table() -> type[AffectTable]:
    return AffectTable
