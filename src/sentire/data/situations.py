"""Data of our own, which the package ships: utterances in changing situations, and comments for rare labels."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import cast

from sentire.core.errors import quote
from sentire.core.labels import GOEMOTIONS
from sentire.core.records import Example
from sentire.data.cards import DatasetCard
from sentire.data.reading import Reading, pass_over
from sentire.data.splits import WHOLE, assign_split
from sentire.storage.rows import read_rows

SITUATIONS_FRACTIONS: Mapping[str, float] = {"train": 0.8, "dev": 0.1, "test": 0.1}
"""Share of the utterances in each split."""

SITUATIONS_SPLIT_SEED = 0

MOST_LABELS = 3
"""A row with more labels is a slip of ours."""

_HOMEPAGE = "https://github.com/sentire/sentire/blob/main/docs/data.md"
_LICENCE = "Apache-2.0"
_ACCESS = "ships with the package: there is nothing to fetch"
_DEFECTS = (
    (
        "made for this project: a language model wrote texts and labels at our direction; no crowd and no second "
        "reader judged them, so there is no agreement to report"
    ),
    "written to be clear: real comments are longer, more ambiguous and less evenly spread over the labels",
)

SITUATIONS_CARD = DatasetCard(
    name="situations",
    title="Situations",
    revision="2026.2",
    citation="Sentire 2026, Situations: utterances whose emotion depends on their context, data made by the project",
    homepage=_HOMEPAGE,
    licence=_LICENCE,
    weights_may_ship="yes",
    label_space=GOEMOTIONS,
    split_counts={WHOLE: 5471, "train": 4354, "dev": 532, "test": 585},
    grouped_by="utterance",
    has_context=True,
    defects=(
        *_DEFECTS,
        (
            "a figure measured on test is one on data that we made ourselves, in the style of what was learned: it "
            "shows whether a model uses the context, not how well it judges texts of others"
        ),
    ),
    changes=(
        (
            "train, dev and test (80, 10, 10 %) are drawn by utterance: the same words in other contexts are in the "
            "same split"
        ),
        "groups that begin with d have a context that has nothing to do with the utterance",
    ),
    access=_ACCESS,
    is_ours=True,
)

RARE_LABELS_CARD = DatasetCard(
    name="rare-labels",
    title="Rare labels",
    revision="2026.1",
    citation="Sentire 2026, Rare labels: comments for the labels that GoEmotions has few of, data made by the project",
    homepage=_HOMEPAGE,
    licence=_LICENCE,
    weights_may_ship="yes",
    label_space=GOEMOTIONS,
    split_counts={"train": 500},
    defects=(*_DEFECTS, "a label occurs as often as we wrote it: the counts say nothing of how frequent an emotion is"),
    changes=("rows carry the mark of synthetic rows: they are learned from and never measured",),
    access=_ACCESS,
    is_ours=True,
)


def iter_situations_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:  # noqa: ARG001
    """Stream a split of the utterances in situations; they stand in the package, not in the data root."""
    return iter_situations_file(_asset("situations.jsonl"), split, reading)


def iter_rare_labels_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:  # noqa: ARG001
    """Stream the comments for rare labels, all of them ``train``; they stand in the package, not in the data root."""
    return iter_rare_labels_file(_asset("rare_labels.jsonl"), split, reading)


def iter_situations_file(path: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream a split of a JSONL file whose rows have an id, a group, a context, a text and labels."""
    report = reading.report(path)
    seen: set[str] = set()
    for row in read_rows(path, report, file_format="jsonl"):
        fault = _find_fault(row.fields, ("id", "group", "text"), seen) or _find_context_fault(row.fields)
        if fault:
            report.reject(row.number, *fault)
            continue
        group = str(row.fields["group"])
        if split != WHOLE and assign_split(group, SITUATIONS_FRACTIONS, SITUATIONS_SPLIT_SEED) != split:
            pass_over(report)
            continue
        yield Example(
            id=str(row.fields["id"]),
            text=str(row.fields["text"]),
            context=tuple(cast("list[str]", row.fields["context"])),
            labels=_labels(row.fields),
            group=group,
            is_synthetic=True,
        )
    report.finish()


def iter_rare_labels_file(path: Path, split: str, reading: Reading) -> Iterator[Example]:  # noqa: ARG001
    """Stream a JSONL file whose rows have an id, a text and labels; there is one split alone."""
    report = reading.report(path)
    seen: set[str] = set()
    for row in read_rows(path, report, file_format="jsonl"):
        fault = _find_fault(row.fields, ("id", "text"), seen)
        if fault:
            report.reject(row.number, *fault)
            continue
        yield Example(
            id=str(row.fields["id"]), text=str(row.fields["text"]), labels=_labels(row.fields), is_synthetic=True
        )
    report.finish()


def _asset(name: str) -> Path:
    return Path(str(files("sentire"))) / "assets" / name


def _labels(fields: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(sorted(cast("list[str]", fields["labels"]), key=GOEMOTIONS.index))


def _find_fault(fields: Mapping[str, object], texts: tuple[str, ...], seen: set[str]) -> tuple[str, str] | None:
    """Tell the reason and the detail for which a row cannot be used, or None; ``seen`` gets the id of a good row."""
    for name in texts:
        value = fields.get(name)
        if not isinstance(value, str) or not value.strip():
            return f"no {name}", f"got {quote(value)}"
    labels = fields.get("labels")
    if not isinstance(labels, list) or not 1 <= len(labels) <= MOST_LABELS:
        return f"not a list of 1 to {MOST_LABELS} labels", f"got {quote(labels)}"
    unknown = [label for label in labels if not isinstance(label, str) or label not in GOEMOTIONS]
    if unknown:
        return "label outside the label space", quote(unknown[0])
    if len(set(labels)) < len(labels):
        return "the same label twice", quote(labels)
    identity = str(fields["id"])
    if identity in seen:
        return "an id that stands twice", quote(identity)
    seen.add(identity)
    return None


def _find_context_fault(fields: Mapping[str, object]) -> tuple[str, str] | None:
    context = fields.get("context")
    if not isinstance(context, list) or not all(isinstance(turn, str) and turn.strip() for turn in context):
        return "context is not a list of texts", f"got {quote(context)}"
    return None
