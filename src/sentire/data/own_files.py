"""Your own data: a TOML file says which files, which columns and which labels, and gives a data set."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from sentire.core.affect import VAD_DIMENSIONS, AffectScale, load_affect_scale
from sentire.core.config import config, fingerprint, read_config
from sentire.core.errors import ConfigError, DataError, did_you_mean, list_names, quote
from sentire.core.labels import LABEL_SPACES, LabelSpace, Task, load_label_space, make_label_space
from sentire.core.records import Example
from sentire.data.cards import DatasetCard, WeightsMayShip
from sentire.data.dataset import Dataset
from sentire.data.hub import iter_hub_rows
from sentire.data.reading import Reading, parse_number
from sentire.storage.report import ReadReport
from sentire.storage.rows import Row, check_columns, detect_format, read_rows

OWN_HINT = "look at the first rejections: do columns, labels and scores of the description fit the file?"
"""What to do when too many rows of your own data were rejected."""


@config
class DatasetSection:
    """``[dataset]``: what the data is.

    Attributes:
        name: By which results speak of it.
        label_space: A registered label space; or else give ``labels``.
        labels: Your own labels, in column order.
        task: Of your own labels: ``multi-label`` or ``single-label``.
        neutral: The one of your own labels that stands for the absence of the others; empty for none.
        affect_scale: The registered scale of the scores; empty for no check.
        licence: Of the data.
        weights_may_ship: Whether a model trained on it may be given away.
        is_synthetic: A model wrote it: figures on it say that they do not show how well texts of others are judged.
        encoding: Of text files; empty for UTF-8, or UTF-16 with its mark.
        source: ``files`` or ``huggingface``.
        path: With ``huggingface``: ``owner/name``, or a folder relative to the TOML file.
        revision: With ``huggingface``: branch, tag or commit; empty for the newest.
        subset: With ``huggingface``: the configuration; empty for the only one.
    """

    name: str
    label_space: str = ""
    labels: tuple[str, ...] = ()
    task: Task = "multi-label"
    neutral: str = ""
    affect_scale: str = ""
    licence: str = "not stated"
    weights_may_ship: WeightsMayShip = "no"
    is_synthetic: bool = False
    encoding: str = ""
    source: Literal["files", "huggingface"] = "files"
    path: str = ""
    revision: str = ""
    subset: str = ""


@config
class ColumnsSection:
    """``[columns]``: which column holds what; an empty name is a column that is not there.

    Attributes:
        text: The text.
        context: What was said before it: a text, or in JSONL and Parquet a list of turns, oldest first.
        id: Of the example, a text or an integer in every row; where no column is named, the number of the row. A
            number with a fraction part, even 7.0, is no id: what wrote it has lost what the id was.
        group: What must stay on one side of a split, a text or an integer in every row.
        labels: One column with all labels: text, or in JSONL and Parquet a list.
        label_separator: Between the labels of a text cell.
        label_columns: One column a label instead, with 0 or 1, named as the labels are.
        scores: Column by dimension, such as ``valence = "V"``, or by label, whose degree from 0 to 1 it then holds.
    """

    text: str = "text"
    context: str = ""
    id: str = ""
    group: str = ""
    labels: str = ""
    label_separator: str = ","
    label_columns: bool = False
    scores: dict[str, str] = field(default_factory=dict)


@config
class DatasetFile:
    """A description of your own data.

    Attributes:
        dataset: What it is.
        columns: Which column holds what.
        splits: For each split its file, relative to the TOML file; with ``huggingface`` the name of its split.
    """

    dataset: DatasetSection
    splits: dict[str, str]
    columns: ColumnsSection = field(default_factory=ColumnsSection)


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    detail: str = ""


def read_dataset_file(path: Path) -> Dataset:
    """Read a description of your own data; the data itself is read when a split is.

    Raises:
        ConfigError: The description cannot be read, or what it says does not fit together.
        UnknownNameError: The label space or the affect scale is not registered.
    """
    settings = read_config(DatasetFile, path)
    space = _make_space(settings, path)
    scale = load_affect_scale(settings.dataset.affect_scale) if settings.dataset.affect_scale else None
    _check(settings, space, path)
    card = DatasetCard(
        name=settings.dataset.name,
        title=settings.dataset.name,
        revision=fingerprint(settings),
        citation=f"own data, described in {path.name}",
        homepage="",
        licence=settings.dataset.licence,
        weights_may_ship=settings.dataset.weights_may_ship,
        label_space=space,
        affect_scale=scale,
        split_counts=dict.fromkeys(settings.splits, 0),
        grouped_by=settings.columns.group,
        has_context=bool(settings.columns.context),
        is_ours=settings.dataset.is_synthetic,
    )
    return Dataset(card=card, iter_records=partial(_iter_records, settings, card, path.parent))


def _make_space(settings: DatasetFile, path: Path) -> LabelSpace | None:
    section = settings.dataset
    if section.label_space and section.labels:
        raise ConfigError(
            expected="a registered label space or labels of your own", got="both", where=f"dataset.labels in {path}"
        )
    if section.label_space:
        return load_label_space(section.label_space)
    if section.labels:
        repeated = [label for label, count in Counter(section.labels).items() if count > 1]
        if repeated:
            raise ConfigError(
                expected="different labels",
                got=f"{list_names(repeated)} more than once",
                where=f"dataset.labels in {path}",
            )
        if section.neutral and section.neutral not in section.labels:
            raise ConfigError(
                expected="one of the labels",
                got=quote(section.neutral),
                where=f"dataset.neutral in {path}",
                hint=did_you_mean(section.neutral, section.labels),
            )
        if section.name in LABEL_SPACES:
            raise ConfigError(
                expected="another name, since your own labels are a label space of that name",
                got=f"{quote(section.name)}, which is a registered label space",
                where=f"dataset.name in {path}",
            )
        return make_label_space(section.name, section.labels, task=section.task, neutral=section.neutral or None)
    return None


def _check(settings: DatasetFile, space: LabelSpace | None, path: Path) -> None:
    columns, section = settings.columns, settings.dataset
    has_labels = bool(columns.labels) or columns.label_columns
    if not settings.splits:
        raise ConfigError(expected="at least one split", got="none", where=f"splits in {path}")
    if columns.labels and columns.label_columns:
        raise ConfigError(
            expected="one column of labels or one column a label", got="both", where=f"columns.label_columns in {path}"
        )
    if columns.labels and not columns.label_separator:
        raise ConfigError(expected="a separator", got="an empty text", where=f"columns.label_separator in {path}")
    if has_labels and space is None:
        raise ConfigError(
            expected="a label space for the labels",
            got="none",
            where=f"dataset.label_space in {path}",
            hint='name a registered one, or list your own: labels = ["calm", "tense"]',
        )
    if space is not None and not has_labels:
        raise ConfigError(
            expected="the column of the labels",
            got="none",
            where=f"columns.labels in {path}",
            hint='name it: labels = "emotion", or set label_columns = true',
        )
    if section.source == "huggingface" and not section.path:
        raise ConfigError(expected="owner/name or a folder", got="none", where=f"dataset.path in {path}")
    if section.source == "files" and (section.path or section.revision or section.subset):
        raise ConfigError(
            expected="path, revision and subset only with source = 'huggingface'",
            got="source = 'files'",
            where=f"dataset.source in {path}",
        )


def _iter_records(
    settings: DatasetFile, card: DatasetCard, folder: Path, root: Path, split: str, reading: Reading
) -> Iterator[Example]:
    del root  # Own files are found from the description, not in the data root.
    section = settings.dataset
    if section.source == "huggingface":
        local = folder / section.path
        path = str(local) if local.is_dir() else section.path
        report = reading.report(Path(f"{path}:{settings.splits[split]}"), hint=OWN_HINT)
        rows = iter_hub_rows(
            path, split=settings.splits[split], report=report, revision=section.revision, subset=section.subset
        )
        may_differ = False
    else:
        file = folder / settings.splits[split]
        report = reading.report(file, hint=OWN_HINT)
        rows = read_rows(file, report, wanted=_wanted(settings.columns, card), encoding=section.encoding)
        may_differ = detect_format(file) == "jsonl"
    yield from _iter_examples(rows, report, settings.columns, card, may_differ=may_differ)
    report.finish()


def _iter_examples(
    rows: Iterator[Row], report: ReadReport, columns: ColumnsSection, card: DatasetCard, *, may_differ: bool
) -> Iterator[Example]:
    seen: set[str] = set()
    unseen = dict.fromkeys(_wanted(columns, card))  # in order
    row: Row | None = None
    for row in rows:
        if unseen:
            unseen = {column: None for column in unseen if column not in row.fields}
            if not may_differ:
                check_columns(list(unseen), list(row.fields), where=report.path)
        made = _make_example(row, columns, card)
        if isinstance(made, Example) and made.id in seen:
            made = _Refusal("id that an earlier row has", quote(made.id))
        if isinstance(made, _Refusal):
            try:
                report.reject(row.number, made.reason, made.detail)
            except DataError:  # maybe all for one misspelt name; a row without a context is none to be refused
                needed = [column for column in unseen if column != columns.context]
                check_columns(needed, list(row.fields), where=report.path)
                raise
        else:
            seen.add(made.id)
            yield made
    if row is not None:  # the rows of JSONL may differ, but a column that no row has is a misspelt one
        check_columns(list(unseen), list(row.fields), where=report.path)


def _wanted(columns: ColumnsSection, card: DatasetCard) -> list[str]:
    named = [columns.text, columns.context, columns.id, columns.group, columns.labels, *columns.scores.values()]
    if columns.label_columns and card.label_space is not None:
        named.extend(card.label_space.labels)
    return [column for column in named if column]


def _make_example(row: Row, columns: ColumnsSection, card: DatasetCard) -> Example | _Refusal:
    # A JSONL row may lack a key that the first row has; None stands for it, which each part below judges.
    cells = row.fields
    text = cells.get(columns.text)
    if not isinstance(text, str):
        return _Refusal("text that is no text", type(text).__name__)
    if not text.strip():
        return _Refusal("empty text")
    context = _parse_context(cells.get(columns.context)) if columns.context else ()
    if isinstance(context, _Refusal):
        return context
    labels = _parse_labels(cells, columns, card.label_space) if card.label_space is not None else ()
    if isinstance(labels, _Refusal):
        return labels
    scores = _parse_scores(cells, columns.scores, card)
    if isinstance(scores, _Refusal):
        return scores
    identity = _parse_name(cells, columns.id, "id") if columns.id else str(row.number)
    if isinstance(identity, _Refusal):
        return identity
    group = _parse_name(cells, columns.group, "group") if columns.group else ""
    if isinstance(group, _Refusal):
        return group
    return Example(
        id=identity,
        text=text,
        context=context,
        labels=labels,
        scores=scores,
        group=group,
        is_synthetic=card.is_ours,
    )


def _parse_name(cells: Mapping[str, object], column: str, kind: str) -> str | _Refusal:
    cell = cells.get(column)
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return _Refusal(f"no {kind}", column)
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        return _Refusal(f"{kind} that is neither a text nor an integer", f"{column}: {quote(cell)}")
    return str(cell).strip()


def _parse_context(cell: object) -> tuple[str, ...] | _Refusal:
    if cell is None:
        return ()
    turns: list[str] = []
    for turn in cell if isinstance(cell, list) else [cell]:
        if not isinstance(turn, str):
            return _Refusal("context that is neither a text nor a list of texts", quote(turn))
        if turn.strip():
            turns.append(turn)
    return tuple(turns)


def _parse_labels(
    cells: Mapping[str, object], columns: ColumnsSection, space: LabelSpace
) -> tuple[str, ...] | _Refusal:
    if columns.label_columns:
        chosen: list[str] = []
        for label in space.labels:
            cell = cells.get(label)  # rows of a JSONL file need not all have the same keys
            mark = float(cell) if isinstance(cell, bool) else parse_number(cell)
            if mark not in (0.0, 1.0):
                return _Refusal("label cell is neither 0 nor 1", f"{label}: {quote(cell)}")
            if mark == 1.0:
                chosen.append(label)
    else:
        cell = cells.get(columns.labels)
        if isinstance(cell, str):
            chosen = [part.strip() for part in cell.split(columns.label_separator) if part.strip()]
        elif isinstance(cell, list) and all(isinstance(part, str) for part in cell):
            chosen = list(cell)
        else:
            return _Refusal("labels that are neither a text nor a list of texts", quote(cell))
    for label in chosen:
        if label not in space:
            near = did_you_mean(label, space.labels)
            return _Refusal("label outside the label space", f"{quote(label)}{'; ' if near else ''}{near}")
    if space.task == "single-label" and len(set(chosen)) != 1:
        return _Refusal("not exactly one label", f"{len(set(chosen))} labels")
    return tuple(label for label in space.labels if label in chosen)


def _parse_scores(
    cells: Mapping[str, object], columns: Mapping[str, str], card: DatasetCard
) -> dict[str, float] | _Refusal:
    scores: dict[str, float] = {}
    for name, column in columns.items():
        score = parse_number(cells.get(column))
        if score is None:
            return _Refusal("score that is no number", f"{column}: {quote(cells.get(column))}")
        scale = card.affect_scale
        if card.label_space is not None and name in card.label_space and not _is_dimension(name, scale):
            if not 0 <= score <= 1:
                return _Refusal("soft label that is not from 0 to 1", f"{column}: {score:g}")
        elif scale is not None and not scale.low <= score <= scale.high:
            return _Refusal("score off the scale", f"{column}: {score:g}, expected {scale.low:g} to {scale.high:g}")
        scores[name] = score
    return scores


def _is_dimension(name: str, scale: AffectScale | None) -> bool:
    # Labels may be called valence, but not where a scale says that there are ratings.
    return scale is not None and name in VAD_DIMENSIONS
