"""The context contrast set, which the package ships: the same words in situations that change their emotion."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import cast

from sentire.core.errors import quote
from sentire.core.labels import GOEMOTIONS
from sentire.core.records import Annotation, Example
from sentire.data.cards import DatasetCard
from sentire.data.reading import Reading
from sentire.storage.rows import read_rows

KINDS = ("situation", "turns")
ANNOTATORS = ("writer", "reader-1", "reader-2")
FEWEST_VOTES = 2

CARD = DatasetCard(
    name="context-contrast",
    title="Context contrast",
    revision="2026.1",
    citation="Sentire 2026, Context contrast: utterances whose emotion their context changes, data made by the project",
    homepage="https://github.com/sentire/sentire/blob/main/docs/data.md",
    licence="Apache-2.0",
    weights_may_ship="yes",
    label_space=GOEMOTIONS,
    split_counts={"test": 501},
    grouped_by="utterance",
    has_context=True,
    defects=(
        (
            "made for this project: language models wrote utterances and contexts at our direction, and two others, "
            "which saw neither the intended labels nor each other's, labelled every pair; no person judged them"
        ),
        (
            "written to be clear: the two readers gave the same first label in 96 % of the rows, far more often than "
            "people do on real comments"
        ),
    ),
    changes=(
        "labels are those that at least two of writer and two readers gave; what each gave is kept as an annotation",
        "contexts of one utterance whose labels overlapped were taken out until none did",
        "a row is a test row and nothing else: to learn from it would take its meaning away",
    ),
    access="ships with the package: there is nothing to fetch",
    is_ours=True,
    is_contrast_set=True,
)


def iter_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:  # noqa: ARG001
    """Stream the rows; they stand in the package, not in the data root."""
    return iter_contrast_file(Path(str(files("sentire"))) / "assets" / "context_contrast.jsonl", reading)


def iter_contrast_file(path: Path, reading: Reading) -> Iterator[Example]:
    """Stream a JSONL file of contexts; a row that breaks the rules of the set is rejected."""
    report = reading.report(path)
    seen: set[str] = set()
    labels_of: dict[str, set[str]] = {}
    text_of: dict[str, str] = {}
    for row in read_rows(path, report, file_format="jsonl"):
        fields = row.fields
        fault = _find_fault(fields, seen) or _find_overlap(fields, labels_of, text_of)
        if fault:
            report.reject(row.number, *fault)
            continue
        annotations = cast("Mapping[str, list[str]]", fields["annotations"])
        yield Example(
            id=str(fields["id"]),
            text=str(fields["text"]),
            context=tuple(cast("list[str]", fields["context"])),
            labels=tuple(sorted(cast("list[str]", fields["labels"]), key=GOEMOTIONS.index)),
            group=str(fields["group"]),
            annotations=tuple(Annotation(annotator=name, labels=tuple(given)) for name, given in annotations.items()),
            is_synthetic=True,
            notes={"kind": str(fields["kind"]), "domain": str(fields["domain"])},
        )
    report.finish()


def _find_fault(fields: Mapping[str, object], seen: set[str]) -> tuple[str, str] | None:
    for name in ("id", "group", "text", "domain"):
        value = fields.get(name)
        if not isinstance(value, str) or not value.strip():
            return f"no {name}", f"got {quote(value)}"
    context = fields.get("context")
    if not isinstance(context, list) or not context or not all(isinstance(one, str) and one.strip() for one in context):
        return "no context", f"got {quote(context)}"
    if fields.get("kind") not in KINDS:
        return "unknown kind of context", quote(fields.get("kind"))
    annotations = fields.get("annotations")
    if not isinstance(annotations, dict) or set(annotations) != set(ANNOTATORS):
        return "not the annotations of writer and two readers", quote(annotations)
    votes: dict[str, int] = {}
    for given in annotations.values():
        if not isinstance(given, list) or not given:
            return "annotation that is no list of labels", quote(given)
        unknown = [label for label in given if not isinstance(label, str) or label not in GOEMOTIONS]
        if unknown:
            return "label outside the label space", quote(unknown[0])
        for label in set(given):
            votes[label] = votes.get(label, 0) + 1
    labels = fields.get("labels")
    if (
        not isinstance(labels, list)
        or not labels
        or any(not isinstance(label, str) or votes.get(label, 0) < FEWEST_VOTES for label in labels)
    ):
        return "labels that two did not give", quote(labels)
    identity = str(fields["id"])
    if identity in seen:
        return "an id that stands twice", quote(identity)
    seen.add(identity)
    return None


def _find_overlap(
    fields: Mapping[str, object], labels_of: dict[str, set[str]], text_of: dict[str, str]
) -> tuple[str, str] | None:
    """Tell whether a row breaks what makes the set a contrast: one text a group, no label in two of its contexts."""
    group, labels = str(fields["group"]), set(cast("list[str]", fields["labels"]))
    if text_of.setdefault(group, str(fields["text"])) != fields["text"]:
        return "another text than the group's", quote(fields["text"])
    both = labels & labels_of.setdefault(group, set())
    if both:
        return "label of another context of the group", ", ".join(sorted(both))
    labels_of[group] |= labels
    return None
