"""A model as a folder: ``manifest.json`` with hashes, ``config.json``, a card, and the files of its kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, OutputError, SentireError, ShapeError, describe, quote
from sentire.core.labels import LABEL_SPACES, LabelSpace, load_label_space
from sentire.core.writable import is_showable
from sentire.storage.atomic import write_bytes, write_json
from sentire.storage.folders import open_folder
from sentire.storage.manifest import MANIFEST_NAME, read_manifest, write_manifest

MODEL_FORMAT = "sentire-model"
MODEL_FORMAT_VERSION = 1

CONFIG_NAME = "config.json"
CARD_NAME = "README.md"

CHECKPOINTS_NAME = "checkpoints"
"""Where a training keeps its state, inside the folder of the model that it will write."""

LEFTOVERS = frozenset({"search.partial.json", "training.json", CHECKPOINTS_NAME})
"""What a training that was stopped before its model was written may have left in its folder."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What every kind of model says of itself.

    Attributes:
        name: The name under which results speak of the model.
        label_space: Of its answers.
        thresholds: Cut-offs on the probabilities, shape (C,), each in [0, 1].
        threshold_method: How the cut-offs were chosen and on which split.
        projected_thresholds: Cut-offs for answers projected to other label spaces, by the space's name.
        training: Where the model comes from: data and revision, configuration and its fingerprint, seed, version.
    """

    name: str
    label_space: LabelSpace
    thresholds: NDArray[np.float64]
    threshold_method: str
    projected_thresholds: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spaces = {self.label_space.name: self.label_space, **LABEL_SPACES}
        for name, cutoffs in {self.label_space.name: self.thresholds, **self.projected_thresholds}.items():
            if cutoffs.shape != (len(spaces[name]),):
                raise ShapeError(expected=f"{len(spaces[name])} cut-offs for {name}", got=f"shape {cutoffs.shape}")
            if not ((cutoffs >= 0) & (cutoffs <= 1)).all():
                raise ArtifactError(expected=f"cut-offs between 0 and 1 for {name}", got=quote(cutoffs.tolist()))


def write_model_folder(
    folder: Path,
    kind: str,
    config: ModelConfig,
    *,
    facts: Mapping[str, Any],
    files: Mapping[str, bytes],
    card: str,
) -> str:
    """Write a model as a folder that appears whole or not at all; return the fingerprint of the contents.

    Raises:
        OutputError: The folder cannot be written, or holds files that are no model's.
    """
    check_model_folder(folder)
    space = config.label_space
    with open_folder(folder) as staged:
        write_json(
            staged / CONFIG_NAME,
            {
                "model_type": kind,
                "name": config.name,
                "problem_type": f"{space.task.replace('-', '_')}_classification",
                "label_space": {
                    "name": space.name,
                    "version": space.version,
                    "task": space.task,
                    "neutral": space.neutral,
                },
                "id2label": {str(column): label for column, label in enumerate(space.labels)},
                "threshold_method": config.threshold_method,
                "thresholds": dict(zip(space.labels, config.thresholds.tolist(), strict=True)),
                "projected_thresholds": {
                    name: dict(zip(LABEL_SPACES[name].labels, cutoffs.tolist(), strict=True))
                    for name, cutoffs in config.projected_thresholds.items()
                },
                **facts,
                "training": config.training,
            },
        )
        write_bytes(staged / CARD_NAME, card.encode())
        for name, content in files.items():
            write_bytes(staged / name, content)
        return write_manifest(
            staged,
            [CONFIG_NAME, CARD_NAME, *files],
            file_format=MODEL_FORMAT,
            version=MODEL_FORMAT_VERSION,
            facts={"kind": kind, "name": config.name, "label_space": space.id},
        )


def check_model_folder(folder: Path) -> None:
    """Make sure that a model may be written there: nothing stands there yet, or an earlier model, or our own leftovers.

    Raises:
        OutputError: The folder holds files of somebody else, which a model's would replace or join.
    """
    if not folder.exists() or (folder / MANIFEST_NAME).is_file():
        return
    try:
        foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in LEFTOVERS)
    except OSError as error:
        raise OutputError(expected="a folder for the model", got=describe(error), where=str(folder)) from error
    if foreign:
        raise OutputError(
            expected="an empty folder, or one that holds a model",
            got=f"a folder with {quote(foreign[0])}{f' and {len(foreign) - 1} more' if foreign[1:] else ''}",
            where=str(folder),
            hint="choose another folder",
        )


def read_model_manifest(folder: Path) -> dict[str, Any]:
    """Read a model's manifest and check every file against it.

    Raises:
        ArtifactError: The folder is no model, or a file is missing or changed.
    """
    return read_manifest(folder, file_format=MODEL_FORMAT, version=MODEL_FORMAT_VERSION)


def read_config_file(folder: Path) -> tuple[ModelConfig, dict[str, Any]]:
    """Read ``config.json`` and return what every model has, and the whole as plain data.

    Raises:
        ArtifactError: It is not complete, or its labels are not those of the label space that it names.
    """
    path = folder / CONFIG_NAME
    try:
        data = orjson.loads(path.read_bytes())
        space = _parse_label_space(data)
        config = ModelConfig(
            name=str(data["name"]),
            label_space=space,
            thresholds=_parse_cutoffs(data["thresholds"], space),
            threshold_method=str(data["threshold_method"]),
            projected_thresholds={
                name: _parse_cutoffs(cutoffs, load_label_space(name))
                for name, cutoffs in data["projected_thresholds"].items()
            },
            training=dict(data["training"]),
        )
        if not isinstance(data["name"], str):
            raise TypeError("the name is no text")
        if not is_showable(config.name):  # not where a model is made: a training would end in an error
            raise ArtifactError(expected="a name without control characters", got=quote(config.name), where="name")
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(expected="a complete model configuration", got=repr(error), where=str(path)) from error
    except ArtifactError as error:
        place = f"{error.where} in {path}" if error.where else str(path)
        raise ArtifactError(expected=error.expected, got=error.got, where=place, hint=error.hint) from error
    except SentireError as error:
        raise ArtifactError(expected="a sound model configuration", got=str(error), where=str(path)) from error
    return config, data


def _parse_label_space(data: Mapping[str, Any]) -> LabelSpace:
    stated = data["label_space"]
    space = LabelSpace(
        name=stated["name"],
        version=stated["version"],
        task=stated["task"],
        neutral=stated["neutral"],
        labels=tuple(data["id2label"][str(column)] for column in range(len(data["id2label"]))),
    )
    registered = LABEL_SPACES.get(space.name)
    if registered is None:
        return space
    if (space.id, space.labels, space.task) != (registered.id, registered.labels, registered.task):
        raise ArtifactError(
            expected=f"the labels of {registered.id} in their order",
            got=f"{space.id} with {', '.join(space.labels)}",
            where="id2label",
        )
    return registered


def _parse_cutoffs(data: Mapping[str, Any], space: LabelSpace) -> NDArray[np.float64]:
    if set(data) != set(space.labels):
        raise ArtifactError(expected=f"one cut-off for each label of {space.id}", got=quote(sorted(data)))
    return np.array([float(data[label]) for label in space.labels])
