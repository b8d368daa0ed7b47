"""The result file: every figure with its interval, what it was measured on, and the answers it came from.

A result names examples by their ids and labels by their columns; it never holds a text. Undefined values (the
ROC-AUC of a label without positives) are NaN in memory and null in the file.
"""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sentire.core.errors import ArtifactError, DataError, describe, quote
from sentire.evaluate.contrast import Contrast
from sentire.metrics.bootstrap import Estimate
from sentire.storage.atomic import write_bytes

RESULT_FORMAT = "sentire-result"
RESULT_VERSION = 1

ResultTask = Literal["multi-label", "single-label", "affect"]

ContextUse = Literal["given", "withheld", "none"]
"""Whether the model was told what the texts were said in; ``none`` where it takes no context or the data has none."""

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ModelFacts:
    """Which model was measured.

    Attributes:
        name: Its name.
        fingerprint: A hash of everything that determines its answers.
        label_space: Id of the label space (or affect scale) that it answers in.
        thresholds: Its cut-off for each of its labels; empty where it has none.
    """

    name: str
    fingerprint: str
    label_space: str
    thresholds: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class DataFacts:
    """What it was measured on.

    Attributes:
        name: Registered name of the corpus, or of a file.
        revision: Of the corpus.
        split: Of the corpus.
        n: Examples that were measured.
        n_unscored: Examples that were left out because they carry no label that can be measured, or in a single-label
            space not exactly one.
        n_rejected: Rows of the data that could not be read as examples.
        cautions: Reasons to read the figures with care, such as that the model was trained on this very split.
        label_space: Id of the label space (or affect scale) of the figures.
        label_map: Id of the map that was applied to the targets or to the answers; None where none was needed.
        labels: The measured labels (or dimensions), in the order of the columns that rows refer to.
        n_undefined_labels: Labels of which the measured examples have one class only; they have no ROC-AUC, and its
            average leaves them out.
    """

    name: str
    revision: str
    split: str
    n: int
    n_unscored: int
    label_space: str
    label_map: str | None
    labels: tuple[str, ...]
    n_undefined_labels: int = 0
    n_rejected: int = 0
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class EvaluationSettings:
    """How it was measured.

    Attributes:
        seed: Of the resamples.
        n_resamples: Of the bootstrap.
        confidence: Of the intervals.
        protocol: How decisions were made and cut-offs chosen.
        context: Whether the model was given the examples' context, or would have used it and was not.
    """

    seed: int
    n_resamples: int
    confidence: float
    protocol: str
    context: ContextUse = "none"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class WithoutLeaked:
    """The figures again without the examples whose text also occurs in the training data.

    Attributes:
        n: Examples that remain.
        n_removed: Examples that were removed.
        metrics: Averages over the remaining examples; empty where none remains.
    """

    n: int
    n_removed: int
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class LabelRows:
    """The answers, example by example.

    Attributes:
        ids: Of the examples, unique.
        targets: Columns of the true labels of each example.
        predictions: Columns of the decided labels of each example.
        proba: Probabilities of all labels of each example, as the shortest decimals that tell one float32 from another.
    """

    ids: tuple[str, ...]
    targets: tuple[tuple[int, ...], ...]
    predictions: tuple[tuple[int, ...], ...]
    proba: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        _check_rows(self.ids, targets=self.targets, predictions=self.predictions, proba=self.proba)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ScoreRows:
    """The affect scores, example by example.

    Attributes:
        ids: Of the examples, unique.
        targets: True scores of each example by dimension.
        predictions: Predicted scores of each example by dimension, as the shortest decimals that tell one float32 from
            another.
    """

    ids: tuple[str, ...]
    targets: tuple[tuple[float, ...], ...]
    predictions: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        _check_rows(self.ids, targets=self.targets, predictions=self.predictions)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class EvaluationResult:
    """Everything that one evaluation found.

    Attributes:
        task: Whether labels or affect scores were measured, and whether one text may carry several labels.
        model: Which model.
        data: On what.
        settings: How.
        metrics: Averages by name; of affect scores every measure, by ``<measure>_<initial of the dimension>``.
        per_label: For each label its measures by name; empty for affect scores.
        without_leaked: The averages again without examples known from training; None where training is not known.
        contrast: Whether the model uses context, on a contrast set; None on other data.
        rows: The answers; None where they were not kept.
        sentire_version: Of the code.
        machine: Versions of Python and numpy, and the platform; never the name of a machine.
    """

    task: ResultTask
    model: ModelFacts
    data: DataFacts
    settings: EvaluationSettings
    sentire_version: str
    machine: Mapping[str, str]
    metrics: Mapping[str, Estimate]
    per_label: Mapping[str, Mapping[str, Estimate]]
    without_leaked: WithoutLeaked | None = None
    contrast: Contrast | None = None
    rows: LabelRows | ScoreRows | None = None

    def __post_init__(self) -> None:
        if self.rows is None:
            return
        if len(self.rows.ids) != self.data.n:
            raise ValueError(f"data.n is {self.data.n} but there are {len(self.rows.ids)} rows")
        if isinstance(self.rows, LabelRows) == (self.task == "affect"):
            raise ValueError(f"the task is {self.task} but the rows are {type(self.rows).__name__}")
        n_labels = len(self.data.labels)
        wide = self.rows.proba if isinstance(self.rows, LabelRows) else (*self.rows.targets, *self.rows.predictions)
        if any(len(row) != n_labels for row in wide):
            raise ValueError(f"a row does not have {n_labels} values, one for each of data.labels")
        if isinstance(self.rows, LabelRows):
            positions = (position for row in (*self.rows.targets, *self.rows.predictions) for position in row)
            if any(not 0 <= position < n_labels for position in positions):
                raise ValueError(f"a row names a column outside 0 to {n_labels - 1}")


def shorten(numbers: NDArray[np.floating]) -> NDArray[np.float64]:
    """Round numbers to float32 and write each with no more digits than tell it from its neighbours.

    What a result measures are these numbers, so that every figure can be had again, exactly, from its rows.
    """
    shortest = numbers.astype(np.float32).astype(str)
    return shortest.astype(np.float64)


def describe_machine() -> dict[str, str]:
    """Name what can change a figure in its last digits: versions and platform, not the machine itself."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
    }


def render_result(result: EvaluationResult) -> str:
    """Turn a result into the text of its file: figures indented, one line for each example."""
    facts = {
        "format": RESULT_FORMAT,
        "format_version": RESULT_VERSION,
        "task": result.task,
        "model": result.model,
        "data": result.data,
        "settings": result.settings,
        "sentire_version": result.sentire_version,
        "machine": result.machine,
        "metrics": result.metrics,
        "per_label": result.per_label,
        "without_leaked": result.without_leaked,
        "contrast": result.contrast,
    }
    head = _dump(facts, indent=True).removesuffix("\n}")
    return f'{head},\n  "rows": {_render_rows(result.rows)}\n}}\n'


def write_result(path: Path, result: EvaluationResult) -> None:
    """Write a result file, whole or not at all.

    Raises:
        OutputError: The place cannot be written.
        DataError: A name or id is not valid Unicode.
    """
    write_bytes(path, render_result(result).encode())


def read_result(path: Path) -> EvaluationResult:
    """Read a result file and check that it holds together.

    Raises:
        ArtifactError: The file cannot be read, is no result, of another version, or damaged.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(expected="a result file", got=describe(error), where=str(path)) from error
    except orjson.JSONDecodeError as error:
        raise ArtifactError(
            expected="a result file in JSON",
            got=f"{error.msg} (line {error.lineno})",
            where=str(path),
            hint="the file may have been cut; evaluate again",
        ) from error
    if not isinstance(content, dict) or content.get("format") != RESULT_FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ArtifactError(
            expected=f"the format {RESULT_FORMAT}",
            got=quote(found),
            where=str(path),
            hint="result files are written by sentire evaluate",
        )
    if content.get("format_version") != RESULT_VERSION:
        raise ArtifactError(
            expected=f"{RESULT_FORMAT} version {RESULT_VERSION}",
            got=f"version {quote(content.get('format_version'))}",
            where=str(path),
            hint="evaluate again, or use the version of Sentire that wrote it",
        )
    fields = {key: value for key, value in content.items() if key not in ("format", "format_version")}
    try:
        return TypeAdapter(EvaluationResult).validate_python(_restore_undefined(fields))
    except ValidationError as error:
        raise ArtifactError(
            expected="a result file that holds together",
            got=_explain(error),
            where=str(path),
            hint="the file was changed or cut; evaluate again",
        ) from error


def _render_rows(rows: LabelRows | ScoreRows | None) -> str:
    if rows is None:
        return "null"
    columns = {"ids": rows.ids, "targets": rows.targets, "predictions": rows.predictions}
    if isinstance(rows, LabelRows):
        columns["proba"] = rows.proba
    shown = []
    for name, values in columns.items():
        lines = ",\n      ".join(_dump(value) for value in values)
        shown.append(f'    "{name}": [\n      {lines}\n    ]')
    return "{\n" + ",\n".join(shown) + "\n  }"


def _dump(value: object, *, indent: bool = False) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
    except orjson.JSONEncodeError as error:
        raise DataError(
            expected="names and ids in valid Unicode", got=str(error), where="the result", hint="give the examples ids"
        ) from error


def _restore_undefined(fields: dict[str, Any]) -> dict[str, Any]:
    # JSON has no NaN; a null stands for it in the three numbers of an estimate and nowhere else.
    restored = dict(fields)
    restored["metrics"] = _restore_estimates(fields.get("metrics"))
    if isinstance(fields.get("per_label"), dict):
        restored["per_label"] = {label: _restore_estimates(group) for label, group in fields["per_label"].items()}
    if isinstance(fields.get("without_leaked"), dict):
        again = fields["without_leaked"]
        restored["without_leaked"] = {**again, "metrics": _restore_estimates(again.get("metrics"))}
    if isinstance(fields.get("contrast"), dict):
        restored["contrast"] = _restore_estimates(fields["contrast"])
    return restored


def _restore_estimates(group: object) -> object:
    if not isinstance(group, dict):
        return group
    return {name: _restore_estimate(entry) if isinstance(entry, dict) else entry for name, entry in group.items()}


def _restore_estimate(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        key: float("nan") if value is None and key in ("value", "low", "high") else value
        for key, value in entry.items()
    }


def _check_rows(ids: tuple[str, ...], **columns: tuple[tuple[float, ...], ...]) -> None:
    for name, values in columns.items():
        if len(values) != len(ids):
            raise ValueError(f"there are {len(ids)} ids but {len(values)} {name}")
    if len(set(ids)) != len(ids):
        raise ValueError("an id occurs twice")


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{message} ({place})" if place else message
