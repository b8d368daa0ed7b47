"""The records that flow between the units: one example, and what one person said of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One person's labels of one text.

    Attributes:
        annotator: An opaque identifier; never a person's name.
        labels: Names in the corpus's label space; empty where the person gave none.
        scores: Continuous ratings by dimension, for example ``{"valence": 3.0}``, on the corpus's scale.
        is_unclear: The person marked the text as too unclear to judge.
    """

    annotator: str
    labels: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    is_unclear: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A text with what is known of it.

    Attributes:
        id: Unique within a split; the name by which results speak of the text.
        text: What was said.
        context: The situation or the earlier turns in which it was said, oldest first; empty where none is known.
        labels: The aggregated hard labels, names in the corpus's label space; empty where the text carries none.
        is_labelled: Somebody decided on the labels. False where nobody did or the raters did not agree, so that an
            empty ``labels`` says nothing; such an example is neither learned from nor measured.
        scores: Continuous targets by dimension or soft labels by label, on the corpus's scale.
        group: What must not be torn apart by a split (respondent, document, dialogue, narrative); empty where none.
        annotations: What each person said, where the corpus keeps it.
        is_synthetic: Made by a model; such examples never enter an evaluation of other data than the project's own.
        notes: Further facts of the corpus (speaker, category), as text.
    """

    id: str
    text: str
    context: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    is_labelled: bool = True
    scores: Mapping[str, float] = field(default_factory=dict)
    group: str = ""
    annotations: tuple[Annotation, ...] = ()
    is_synthetic: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)
