"""What was made, as a data set that has one split only: train."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sentire._version import __version__
from sentire.augmentation.config import AugmentationConfig
from sentire.augmentation.rounds import Augmented
from sentire.classifiers.labelled import LabelledSplit
from sentire.core.config import fingerprint
from sentire.core.labels import LABEL_SPACES
from sentire.data.description import render_description
from sentire.storage.atomic import write_bytes, write_json
from sentire.storage.folders import open_folder
from sentire.storage.writers import open_row_writer

DESCRIPTION_NAME = "augmented.toml"

_COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("id", "text", "labels", "made_for", "source", "source_id", "call"), str),
    "is_synthetic": bool,
}


def export_augmentation(
    settings: AugmentationConfig, augmented: Augmented, train: LabelledSplit, folder: Path
) -> dict[str, Any]:
    """Write rows, description, statistics and card, and return the statistics; the same rows give the same bytes.

    Raises:
        OutputError: The folder cannot be written.
    """
    statistics = {
        "name": settings.name,
        "settings": fingerprint(settings),
        "sentire_version": __version__,
        "made_for": train.name,
        "n_train": len(train),
        "n_made": len(augmented.rows),
        "by_source": dict(Counter(row.source for row in augmented.rows)),
        "labels": {label: asdict(course) for label, course in augmented.courses.items()},
    }
    rows = [
        {
            "id": row.id,
            "text": row.text,
            "labels": ",".join(row.labels),
            "made_for": row.label,
            "source": row.source,
            "source_id": row.source_id,
            "call": row.key,
            "is_synthetic": True,
        }
        for row in augmented.rows
    ]
    with open_folder(folder) as staged:
        for file_format in ("jsonl", "parquet"):
            with open_row_writer(staged / f"train.{file_format}", file_format, _COLUMNS) as writer:
                writer.write(rows)
        # Labels of one's own are a label space by the name of their data: rows that go with them say the same name.
        is_registered = train.space.name in LABEL_SPACES
        description = render_description(
            "Made by sentire augment; to learn from, and nothing else: there is no dev or test split on purpose.",
            name=settings.name if is_registered else train.space.name,
            space=train.space,
            licence=settings.licence,
            columns={"id": "id", "labels": "labels"},
            splits={"train": "train.jsonl"},
        )
        write_bytes(staged / DESCRIPTION_NAME, description.encode())
        write_json(staged / "statistics.json", statistics)
        write_bytes(staged / "README.md", _render_card(settings, statistics).encode())
    return statistics


def _render_card(settings: AugmentationConfig, statistics: Mapping[str, Any]) -> str:
    lines = [
        f"# {settings.name}",
        "",
        (
            f"{statistics['n_made']:,} rows made for rare labels of {statistics['made_for']} by "
            f"{', '.join(settings.sources)}; synthetic, to learn from and nothing else."
        ),
        "",
        "| label | rows before | made | rounds | end | left out by rule | calls without a text |",
        "|---|---|---|---|---|---|---|",
    ]
    for label, course in statistics["labels"].items():
        figures = f"{course['before']} | {course['made']} | {course['rounds']} | {course['end']}"
        lines.append(f"| {label} | {figures} | {_list_counts(course['refused'])} | {_list_counts(course['failed'])} |")
    return "\n".join([*lines, ""])


def _list_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in counts.items() if n) or "none"
