"""A finished data set in a folder: Parquet and JSONL by split, descriptions that recipes take, statistics and card."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from sentire._version import __version__
from sentire.core.config import dump_config
from sentire.core.progress import OnProgress, stay_quiet
from sentire.data.description import render_description
from sentire.storage.atomic import make_directory, write_bytes, write_json
from sentire.storage.folders import open_folder
from sentire.storage.ledger import LedgerReader
from sentire.storage.writers import open_row_writer
from sentire.synthesis.card import render_card
from sentire.synthesis.config import SynthesisConfig, fingerprint_outcome
from sentire.synthesis.definitions import LabelGuide, load_label_guide
from sentire.synthesis.dividing import SPLITS, divide
from sentire.synthesis.judging import Row, SetName
from sentire.synthesis.prompts import identify_prompt
from sentire.synthesis.run import Collection, Site, collect
from sentire.synthesis.statistics import Encode, measure_synthesis
from sentire.synthesis.tasks import soft_labels

SET_TITLES: Mapping[SetName, str] = {
    "orig": "Orig: what is said, with its labels",
    "corig": "COrig: the same in its clean context",
    "crewr": "CRewr: rewritten, in its clean context, with labels made again",
}

STATISTICS_NAME = "statistics.json"
STRAYS_NAME = "stray-labels.csv"
CALLS_NAME = "calls.parquet"

Draw = Callable[[Mapping[str, Any]], Mapping[str, bytes]]
"""Makes pictures of statistics: file name to content."""


def export_synthesis(
    site: Site,
    ledger: LedgerReader,
    folder: Path,
    *,
    encode: Encode,
    encoder_name: str,
    draw: Draw | None = None,
    on_progress: OnProgress = stay_quiet,
) -> dict[str, Any]:
    """Write the data set of a synthesis and return its statistics; the same ledger gives the same bytes.

    Args:
        site: The synthesis.
        ledger: With its calls; those that are still to be made are counted.
        folder: Takes its new content when all is written.
        encode: For the similarities of the statistics.
        encoder_name: Whose vectors these are.
        draw: Makes the pictures; none where None.
        on_progress: Told what is going on.

    Raises:
        OutputError: The folder cannot be written.
        MissingExtraError: A library that it needs is not installed.
    """
    settings, guide = site.settings, load_label_guide(site.settings)
    on_progress(0, 4, "reading the ledger")
    collection = collect(site, ledger)
    on_progress(1, 4, "statistics")
    statistics = measure_synthesis(collection, settings, guide, encode, encoder_name)
    on_progress(2, 4, "pictures")
    pictures = draw(statistics) if draw is not None else {}
    on_progress(3, 4, "writing")
    with open_folder(folder) as staged:
        models = _list_models(site)
        divisions: dict[str, dict[str, int]] = {}
        for name, rows in collection.judgement.rows.items():
            shares = settings.splits.orig if name == "orig" else settings.splits.context
            split_of = divide([work.story.group for work in collection.works], shares, settings.seed)
            divisions[name] = _write_set(staged, name, rows, split_of, settings, guide, models, ledger)
            write_bytes(staged / f"{name}.toml", _describe_set(name, divisions[name], settings, guide).encode())
        _write_calls(staged / CALLS_NAME, collection, ledger)
        _write_strays(staged / STRAYS_NAME, statistics["strays"])
        statistics = {
            "name": settings.name,
            "sentire_version": __version__,
            "settings": fingerprint_outcome(settings),
            "models": models,
            "prompts": _list_prompts(),
            "splits": divisions,
            **statistics,
        }
        write_json(staged / STATISTICS_NAME, statistics)
        for file_name, content in pictures.items():
            write_bytes(staged / file_name, content)
        card = render_card(settings, guide, statistics, titles=SET_TITLES, pictures=sorted(pictures))
        write_bytes(staged / "README.md", card.encode())
    on_progress(4, 4, "written")
    return statistics


def _write_set(
    folder: Path,
    name: SetName,
    rows: Sequence[Row],
    split_of: Mapping[str, str],
    settings: SynthesisConfig,
    guide: LabelGuide,
    models: Mapping[str, str],
    ledger: LedgerReader,
) -> dict[str, int]:
    own = make_directory(folder / name)
    columns = _list_columns(name, guide)
    sizes = {}
    for split in SPLITS:
        chosen = [row for row in rows if split_of[row.utterance.group] == split]
        sizes[split] = len(chosen)
        made = [_make_cells(name, row, settings, guide, models, ledger) for row in chosen]
        for file_format in ("parquet", "jsonl"):
            with open_row_writer(own / f"{split}.{file_format}", file_format, columns) as writer:
                writer.write(made)
    return sizes


def _list_columns(name: SetName, guide: LabelGuide) -> dict[str, type]:
    columns: dict[str, type] = dict.fromkeys(("id", "text"), str)
    if name != "orig":
        columns["context"] = str
    columns |= dict.fromkeys(("character", "story", "labels"), str)
    columns |= {f"level_{label}": float for label in guide.space.labels}
    columns |= dict.fromkeys(("intended", "made_for"), str)
    columns |= dict.fromkeys(("quality", "expressiveness", "agreement", "hiddenness"), float)
    if name != "orig":
        columns["cleaning_overlap"] = float
    if name == "crewr":
        columns |= {"rewriting_overlap": float, "original": str}
    columns |= dict.fromkeys(("model", "sampling", "prompts", "calls", "raw_reply"), str)
    return columns | {"is_synthetic": bool}


def _make_cells(
    name: SetName,
    row: Row,
    settings: SynthesisConfig,
    guide: LabelGuide,
    models: Mapping[str, str],
    ledger: LedgerReader,
) -> dict[str, Any]:
    one = row.utterance
    key = one.keys["labels-in-context" if name == "crewr" and "labels-in-context" in one.keys else soft_labels.TASK]
    entry = ledger.get(key)
    cells: dict[str, Any] = {"id": one.subject, "text": row.text, "context": row.context}
    cells |= {"character": one.actor, "story": one.group, "labels": ",".join(row.labels)}
    cells |= {f"level_{label}": round(row.levels.get(label, 0.0), 2) for label in guide.space.labels}
    cells |= {"intended": one.intended, "made_for": one.target, "quality": round(row.quality, 4)}
    cells |= {
        measure: round(row.measures[measure], 4) if measure in row.measures else None
        for measure in ("expressiveness", "agreement", "hiddenness", "cleaning_overlap", "rewriting_overlap")
    }
    cells |= {
        "original": one.text,
        "model": models["first"],
        "sampling": orjson.dumps(dump_config(settings.sampling)).decode(),
        "prompts": orjson.dumps([record.prompt for record in ledger.records(one.keys.values())]).decode(),
        "calls": orjson.dumps(one.keys).decode(),
        "raw_reply": (entry.reply if entry is not None else None) or "",
        "is_synthetic": True,
    }
    return {column: cells[column] for column in _list_columns(name, guide)}


def _write_calls(path: Path, collection: Collection, ledger: LedgerReader) -> None:
    # Of two that share a call, the ledger names the one that asked first, which another run may turn round: here it is
    # the first in the order of stories.
    names: dict[str, str] = {}
    for work in collection.works:
        of_utterances = [(key, f"{task}/{one.subject}") for one in work.utterances for task, key in one.keys.items()]
        for key, name in (*work.names.items(), *of_utterances):
            names.setdefault(key, name)
    columns = dict.fromkeys(("key", "task", "subject", "prompt", "model", "settings", "state", "failure", "reply"), str)

    def make() -> Iterator[dict[str, Any]]:
        for record in ledger.records(names):
            yield {name: getattr(record, name) for name in columns} | {"subject": names[record.key]}

    with open_row_writer(path, "parquet", columns) as writer:
        writer.write(make())


def _write_strays(path: Path, strays: Sequence[Mapping[str, Any]]) -> None:
    """Write the words outside the label space, for somebody to look through."""
    columns: dict[str, type] = {"word": str, "stands_for": str, "where": str, "n": int}
    with open_row_writer(path, "csv", columns) as writer:
        writer.write(strays)


def _describe_set(name: SetName, sizes: Mapping[str, int], settings: SynthesisConfig, guide: LabelGuide) -> str:
    """Return the description by which recipes and ``sentire evaluate`` read a data set."""
    context = {"context": "context"} if name != "orig" else {}
    return render_description(
        f"{SET_TITLES[name]}. Written by sentire synthesize.",
        name=f"{settings.name}-{name}",
        space=guide.space,
        licence=settings.licence,
        columns={"text": "text", **context, "id": "id", "group": "story", "labels": "labels"},
        scores={label: f"level_{label}" for label in guide.space.labels},
        splits={split: f"{name}/{split}.jsonl" for split, n in sizes.items() if n},
    )


def _list_models(site: Site) -> dict[str, str]:
    first, second = site.models
    return {"first": first, "second": second}


def _list_prompts() -> list[str]:
    names = ("actors", "utterances", "targeted", "soft_labels", "context", "cleaning", "rewriting", "labels_in_context")
    return [identify_prompt(f"{name}.v1") for name in names]
