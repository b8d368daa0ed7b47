"""The evaluation of a loaded model on a named split: data, label map and leak search are found by themselves."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sentire.core.errors import DataError, LabelError, SentireError
from sentire.core.label_maps import LABEL_MAPS, LabelMap, load_label_map
from sentire.core.labels import LabelSpace, load_label_space
from sentire.core.progress import OnProgress, stay_quiet
from sentire.core.records import Example
from sentire.data.dataset import Dataset
from sentire.data.reading import Reading
from sentire.data.registry import parse_split_name
from sentire.evaluate.evaluator import evaluate_classifier
from sentire.evaluate.result import EvaluationResult
from sentire.metrics.bootstrap import DEFAULT_RESAMPLES
from sentire.runtime.load import Model


def evaluate_model(
    model: Model,
    data: str,
    *,
    label_space: str = "",
    data_root: Path | None = None,
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    keep_rows: bool = True,
    on_progress: OnProgress = stay_quiet,
) -> EvaluationResult:
    """Measure a model on a split.

    Where the data's labels are not the model's, a registered map joins them: from the model's space to the data's
    where there is one, so that the figures speak of the data's own labels, otherwise the other way round. Where the
    model tells which split it was trained on, texts of that split are left out of a second set of figures.

    Args:
        model: As ``load`` returns it.
        data: Name and split, such as ``goemotions:test``, or ``FILE.toml:SPLIT``.
        label_space: Measure in the labels of this space, such as ``ekman``, to which the data's labels are mapped;
            empty for the data's own.
        data_root: Where the corpora are; found by itself where None.
        seed: Of the resamples.
        n_resamples: Of the bootstrap.
        keep_rows: Whether the result holds the answers.
        on_progress: Told what is going on.

    Raises:
        UnknownNameError: No such data set or split.
        DataError: The data is not there, or has no labels.
        LabelError: No map joins the two label spaces.
    """
    dataset, split = parse_split_name(data)
    space = dataset.card.label_space
    if space is None:
        raise DataError(expected="a data set with emotion labels", got=f"{dataset.name}, which has none", where=data)
    on_progress(0, 3, f"reading {data}")
    reading = Reading()
    examples = dataset.read_split(split, root=data_root, reading=reading)
    if label_space and load_label_space(label_space) != space:
        to_wanted = load_label_map(space.name, label_space)
        space = to_wanted.target
        examples = [_map_example(example, to_wanted) for example in examples]
    train_texts, cautions = _look_at_training(model, dataset, split, data_root)
    on_progress(1, 3, f"asking {model.name} and measuring")
    result = evaluate_classifier(
        model,
        examples,
        data_name=dataset.name,
        data_revision=dataset.card.revision,
        split=split,
        label_map=choose_label_map(model.label_space, space),
        train_texts=train_texts,
        seed=seed,
        n_resamples=n_resamples,
        keep_rows=keep_rows,
        protocol=model.config.threshold_method,
        n_rejected=reading.n_rejected,
        cautions=cautions,
    )
    on_progress(3, 3, "done")
    return result


def choose_label_map(model_space: LabelSpace, data_space: LabelSpace) -> LabelMap | None:
    """Return the map that joins a model's and a data set's labels; None where they are the same.

    Raises:
        LabelError: There is no such map.
    """
    if _describe(model_space) == _describe(data_space):
        return None
    for pair in ((model_space.name, data_space.name), (data_space.name, model_space.name)):
        if pair in LABEL_MAPS:
            return LABEL_MAPS[pair]
    raise LabelError(
        expected=f"data with labels that {model_space.id} can be mapped to or from",
        got=data_space.id,
        hint=f"the maps are {', '.join(label_map.name for label_map in LABEL_MAPS.values())}",
    )


def _describe(space: LabelSpace) -> tuple[object, ...]:
    # All but where the labels come from, which a model does not keep of a space that is not registered.
    return space.id, space.labels, space.task, space.neutral


def _map_example(example: Example, label_map: LabelMap) -> Example:
    mapped = label_map.map_labels(example.labels)
    # Labels that lead nowhere say nothing of the wanted space; no labels say that none holds.
    return replace(example, labels=mapped, is_labelled=example.is_labelled and bool(mapped or not example.labels))


def _look_at_training(
    model: Model, dataset: Dataset, split: str, data_root: Path | None
) -> tuple[list[str] | None, list[str]]:
    """Return the texts that the model was trained on, where they can be read, and reasons for caution."""
    data = _named_data(model)
    cautions = []
    train_texts = None
    for role, consequence in (
        ("train", "the model was trained on this very split"),
        ("dev", "cut-offs and calibration were chosen on this very split"),
    ):
        name = data.get(role)
        if not isinstance(name, str):
            continue
        try:
            seen, seen_split = parse_split_name(name)
            if (seen.name, seen.card.revision, seen_split) == (dataset.name, dataset.card.revision, split):
                cautions.append(consequence)
            elif role == "train":
                train_texts = [example.text for example in seen.iter_split(seen_split, root=data_root)]
        except SentireError:
            # Why not would name folders of this machine, and a result may be given away.
            cautions.append(f"the model's {role} split, {name}, cannot be read here")
    if train_texts is None:
        cautions.append("texts that also occur in the training data were not looked for")
    return train_texts, cautions


def _named_data(model: Model) -> Mapping[str, object]:
    recipe = model.config.training.get("recipe")
    data = recipe.get("data") if isinstance(recipe, Mapping) else None
    return data if isinstance(data, Mapping) else {}
