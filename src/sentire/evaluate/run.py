"""The evaluation of a loaded model on a named split: target, label map and leak search are found by themselves."""

from dataclasses import replace
from pathlib import Path

from sentire.core.affect import AffectScale
from sentire.core.errors import DataError, LabelError, UnknownNameError, UsageError, quote
from sentire.core.label_maps import LABEL_MAPS, LabelMap, load_label_map
from sentire.core.labels import LabelSpace, load_label_space
from sentire.core.progress import OnProgress, stay_quiet
from sentire.core.records import Example
from sentire.data.cards import DatasetCard
from sentire.data.reading import Reading
from sentire.data.registry import parse_split_name
from sentire.evaluate.affect_model import check_has_affect, evaluate_affect_model
from sentire.evaluate.evaluator import evaluate_classifier
from sentire.evaluate.result import EvaluationResult
from sentire.evaluate.training_data import TARGETS, look_at_training
from sentire.metrics.bootstrap import DEFAULT_RESAMPLES
from sentire.runtime.load import Model

MADE_BY_US = "data made for its purpose: it shows what a model can do, not how well it judges texts of others"
"""The caution of figures on a data set whose card says so."""


def evaluate_model(
    model: Model,
    data: str,
    *,
    target: str = "",
    label_space: str = "",
    ignore_context: bool = False,
    data_root: Path | None = None,
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    keep_rows: bool = True,
    on_progress: OnProgress = stay_quiet,
) -> EvaluationResult:
    """Measure a model on a split.

    Data with labels is measured by its labels, data with affect scores alone by valence, arousal and dominance; where
    it has both, ``target`` chooses.

    Where the data's labels are not the model's, a registered map joins them: from the model's space to the data's
    where there is one, so that the figures speak of the data's own labels, otherwise the other way round. Where the
    model tells which split it was trained on, texts of that split are left out of a second set of figures, and
    affect scores are compared with always answering that split's mean.

    Args:
        model: As ``load`` returns it.
        data: Name and split, such as ``goemotions:test``, or ``FILE.toml:SPLIT``.
        target: ``labels`` or ``affect``; empty for labels where the data has them.
        label_space: Measure in the labels of this space, such as ``ekman``, to which the data's labels are mapped;
            empty for the data's own.
        ignore_context: Ask a model that uses context without it; the result's settings say so.
        data_root: Where the corpora are; found by itself where None.
        seed: Of the resamples.
        n_resamples: Of the bootstrap.
        keep_rows: Whether the result holds the answers.
        on_progress: Told what is going on.

    Raises:
        UnknownNameError: No such data set, split or target.
        UsageError: Affect scores are to be measured, and the model has none or a label space is asked for.
        DataError: The data is not there, or has not what is to be measured.
        LabelError: No map joins the two label spaces.
    """
    dataset, split = parse_split_name(data)
    measured = choose_measured(dataset.card, target, where=data)
    if isinstance(measured, AffectScale):
        check_has_affect(model, where=data)
        if label_space:
            raise UsageError(
                expected="a label space only where labels are measured",
                got=f"{quote(label_space)} for affect scores",
                where=data,
            )
    on_progress(0, 3, f"reading {data}")
    reading = Reading()
    examples = dataset.read_split(split, root=data_root, reading=reading)
    training = look_at_training(
        model, dataset, split, data_root, target="affect" if isinstance(measured, AffectScale) else "labels"
    )
    on_progress(1, 3, f"asking {model.name} and measuring")
    if isinstance(measured, AffectScale):
        result = evaluate_affect_model(
            model,
            examples,
            scale=measured,
            data_name=dataset.name,
            data_revision=dataset.card.revision,
            split=split,
            train_texts=training.texts,
            train_mean=training.mean_on(measured),
            train_name=training.name,
            ignore_context=ignore_context,
            seed=seed,
            n_resamples=n_resamples,
            keep_rows=keep_rows,
            n_rejected=reading.n_rejected,
            cautions=training.cautions,
        )
    else:
        space, examples = _map_examples(examples, measured, label_space)
        result = evaluate_classifier(
            model,
            examples,
            data_name=dataset.name,
            data_revision=dataset.card.revision,
            split=split,
            label_map=choose_label_map(model.label_space, space),
            train_texts=training.texts,
            ignore_context=ignore_context,
            seed=seed,
            n_resamples=n_resamples,
            keep_rows=keep_rows,
            protocol=model.config.threshold_method,
            n_rejected=reading.n_rejected,
            cautions=(MADE_BY_US, *training.cautions) if dataset.card.is_ours else training.cautions,
            allows_synthetic=dataset.card.is_ours,
            is_contrast_set=dataset.card.is_contrast_set,
        )
    on_progress(3, 3, "done")
    return result


def choose_measured(card: DatasetCard, target: str, *, where: str) -> LabelSpace | AffectScale:
    """Return the label space or the affect scale in which a data set is measured.

    Args:
        card: Of the data set.
        target: ``labels`` or ``affect``; empty for labels where the data has them, and its scores otherwise.
        where: The data as the user named it.

    Raises:
        UnknownNameError: The target is neither.
        DataError: The data set does not have it.
    """
    if target and target not in TARGETS:
        raise UnknownNameError.among("target", target, TARGETS)
    if target != "affect" and card.label_space is not None:
        return card.label_space
    if target != "labels" and card.affect_scale is not None:
        return card.affect_scale
    missing = {
        "labels": "emotion labels",
        "affect": "scores on an affect scale",
        "": "emotion labels or scores on an affect scale",
    }[target]
    raise DataError(expected=f"a data set with {missing}", got=f"{card.name}, which has none", where=where)


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


def _map_examples(examples: list[Example], space: LabelSpace, wanted: str) -> tuple[LabelSpace, list[Example]]:
    if not wanted or load_label_space(wanted) == space:
        return space, examples
    to_wanted = load_label_map(space.name, wanted)
    return to_wanted.target, [_map_example(example, to_wanted) for example in examples]


def _map_example(example: Example, label_map: LabelMap) -> Example:
    mapped = label_map.map_labels(example.labels)
    # Labels that lead nowhere say nothing of the wanted space; no labels say that none holds.
    return replace(example, labels=mapped, is_labelled=example.is_labelled and bool(mapped or not example.labels))
