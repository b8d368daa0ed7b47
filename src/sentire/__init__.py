"""Sentire: understand the emotions in text.

>>> import sentire
>>> answers = sentire.analyze(["Thank you so much, this helped a lot!"])
>>> answers[0].labels
('gratitude',)

``analyze`` answers texts, ``explain`` says which words moved the answers, ``load`` gives a model with
``predict_proba``, ``predict`` and ``label_space``. Everything is loaded at its first use, so that importing the package
costs next to nothing.
"""

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sentire._version import __version__

if TYPE_CHECKING:
    from sentire.analysis.analyze import analyze
    from sentire.analysis.answers import Answer, Emotion
    from sentire.analysis.explain import Explanation, explain
    from sentire.core.errors import SentireError
    from sentire.core.label_maps import load_label_map
    from sentire.core.labels import LabelSpace, load_label_space
    from sentire.core.records import Example
    from sentire.data.registry import load_dataset
    from sentire.evaluate.evaluator import evaluate_classifier
    from sentire.representations.load import load_encoder
    from sentire.runtime.load import load

__all__ = [
    "Answer",
    "Emotion",
    "Example",
    "Explanation",
    "LabelSpace",
    "SentireError",
    "__version__",
    "analyze",
    "evaluate_classifier",
    "explain",
    "load",
    "load_dataset",
    "load_encoder",
    "load_label_map",
    "load_label_space",
]

_HOMES = MappingProxyType(
    {
        "Answer": "sentire.analysis.answers",
        "Emotion": "sentire.analysis.answers",
        "Example": "sentire.core.records",
        "Explanation": "sentire.analysis.explain",
        "LabelSpace": "sentire.core.labels",
        "SentireError": "sentire.core.errors",
        "analyze": "sentire.analysis.analyze",
        "evaluate_classifier": "sentire.evaluate.evaluator",
        "explain": "sentire.analysis.explain",
        "load": "sentire.runtime.load",
        "load_dataset": "sentire.data.registry",
        "load_encoder": "sentire.representations.load",
        "load_label_map": "sentire.core.label_maps",
        "load_label_space": "sentire.core.labels",
    }
)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sentire' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
