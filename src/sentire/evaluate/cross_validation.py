"""Cross-validation of an encoder's recipe: every text is answered once, by a model that never saw its group."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentire.classifiers.labelled import LabelledSplit, read_labelled
from sentire.core.errors import ConfigError
from sentire.core.labels import LabelSpace, load_label_space
from sentire.core.progress import OnProgress, stay_quiet
from sentire.core.protocols import Context
from sentire.core.records import Example
from sentire.data.checks import find_recurring
from sentire.data.splits import make_group_folds
from sentire.encoders.sources import REGISTERED_ENCODERS
from sentire.evaluate.evaluator import evaluate_classifier
from sentire.evaluate.result import EvaluationResult, write_result
from sentire.metrics.classification import macro_f1, micro_f1, weighted_f1
from sentire.runtime.load import load
from sentire.storage.atomic import check_writable, make_directory
from sentire.storage.locks import hold_lock
from sentire.training.processes import is_first_process
from sentire.training.recipe import EncoderRecipe, check_recipe
from sentire.training.sources import Sources
from sentire.training.train import train_on_sources

RESULT_NAME = "result.json"
OUT_OF_FOLD = "out of fold: each answer by a model that chose on a part of its own training folds"

LOCAL_ENCODER = "the encoder is from a local folder, and may have learned from the texts that are tested"
"""The caution of figures with an encoder of which nobody can tell what it has seen."""


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """What cross-validation measured.

    Attributes:
        result: Of all texts together, each answered by the model that did not see it, with bootstrap intervals.
        folds: macro-, micro- and weighted F1 of each fold's test part.
    """

    result: EvaluationResult
    folds: list[dict[str, float]]


def cross_validate(
    recipe: EncoderRecipe,
    output: Path,
    *,
    data_root: Path | None = None,
    seed: int = 0,
    on_progress: OnProgress = stay_quiet,
) -> CrossValidation:
    """Train and test once a fold, with no group on both sides; folds that are done are not done again.

    An encoder from a local folder may itself have learned from the tested texts, and nobody can tell from the folder:
    the result says so among its cautions. Texts that stand in another group, too, may have been learned from; a second
    set of figures leaves out those that the model of their fold had seen.

    Args:
        recipe: With ``[folds]``.
        output: Folder; gets ``fold-1``, ``fold-2``, … with their models, and ``result.json``. The cut-offs in the
            result are the means of theirs.
        data_root: Where the corpora are; found by itself where None.
        seed: Of the bootstrap.
        on_progress: Told what is going on.

    Raises:
        ConfigError: The recipe has no folds, asks for more than there are groups, or names what may have learned from
            the tested texts: further data, teachers, or an earlier training to start from.
        DataError, UnknownNameError, ArtifactError, OutputError, TrainingError: As their messages say.
    """
    check_recipe(recipe)
    if not recipe.folds.n_folds:
        raise ConfigError(
            expected="a recipe with [folds]", got="none", where=recipe.name, hint="run: sentire train, or add n_folds"
        )
    _refuse_other_knowledge(recipe)
    make_directory(output)
    is_first = is_first_process()
    with hold_lock(output, holder="cross-validation") if is_first else nullcontext():
        check_writable(output / RESULT_NAME)
        wanted = load_label_space(recipe.data.label_space) if recipe.data.label_space else None
        found = _run_folds(recipe, read_labelled(recipe.data.train, wanted, data_root), output, seed, on_progress)
        if is_first:
            write_result(output / RESULT_NAME, found.result)
    return found


def _refuse_other_knowledge(recipe: EncoderRecipe) -> None:
    """Refuse all beside the train split that labels may come from: nobody could say that it misses what is tested."""
    others = {
        "data.further_train": recipe.data.further_train,
        "data.unlabelled": recipe.data.unlabelled,
        "data.affect_train": recipe.data.affect_train,
        "encoder.start": recipe.encoder.start,
        "distillation.teachers": recipe.distillation.teachers,
    }
    for name, value in others.items():
        if value:
            raise ConfigError(
                expected="a recipe with [folds] that learns from data.train alone",
                got=name,
                where=recipe.name,
                hint="leave it out, or train without folds",
            )


def _run_folds(
    recipe: EncoderRecipe, whole: LabelledSplit, output: Path, seed: int, on_progress: OnProgress
) -> CrossValidation:
    groups = [group or name for group, name in zip(whole.groups, whole.ids, strict=True)]
    proba = np.zeros(whole.targets.shape, np.float32)
    decisions = np.zeros(whole.targets.shape, np.bool_)
    folds, thresholds, marks = [], [], []
    leaked: list[str] = []
    for number, (train, dev, tested) in enumerate(divide_into_folds(groups, recipe), start=1):
        title = f"fold {number} of {recipe.folds.n_folds}"
        sources = Sources(
            labelled=[replace(whole.take(train), name=f"{whole.name}, {title}")],
            unlabelled={},
            rated=None,
            dev=replace(whole.take(dev), name=f"{whole.name}, dev of {title}"),
            dev_rated=None,
        )
        folder = output / f"fold-{number}"
        marks.append(train_on_sources(recipe, sources, folder, on_progress=_prefix(on_progress, title)).fingerprint)
        test = whole.take(tested)
        seen_texts = [whole.texts[row] for part in (train, dev) for row in part.tolist()]
        leaked += [test.texts[place] for place in find_recurring(seen_texts, test.texts)]
        model = load(folder)
        context = [turns or None for turns in test.contexts] if model.uses_context else None
        proba[tested] = model.predict_proba(test.texts, context=context)
        decisions[tested] = model.decide(proba[tested])
        thresholds.append(model.thresholds)
        folds.append(
            {
                "macro_f1": macro_f1(test.targets, decisions[tested]),
                "micro_f1": micro_f1(test.targets, decisions[tested]),
                "weighted_f1": weighted_f1(test.targets, decisions[tested]),
            }
        )
    answers = _OutOfFold(
        recipe,
        whole.space,
        proba,
        decisions,
        thresholds=np.mean(thresholds, axis=0),
        fingerprint=hashlib.sha256(" ".join(marks).encode()).hexdigest()[:16],
    )
    result = evaluate_classifier(
        answers,
        _make_examples(whole),
        data_name=whole.card.name,
        data_revision=whole.card.revision,
        split=recipe.data.train.rpartition(":")[2],
        train_texts=leaked,  # what leaked in one fold stands in others, and leaks in them, too
        seed=seed,
        n_rejected=whole.left_out["rejected_rows"],
        cautions=(LOCAL_ENCODER,) if _is_local(recipe.encoder.name) else (),
    )
    protocol = f"{result.settings.protocol}, {OUT_OF_FOLD}"
    return CrossValidation(
        result=replace(
            result,
            data=replace(result.data, n_unscored=whole.left_out["without_usable_label"]),
            settings=replace(result.settings, protocol=protocol),
        ),
        folds=folds,
    )


def _is_local(encoder: str) -> bool:
    return encoder not in REGISTERED_ENCODERS and os.path.isdir(encoder)  # noqa: PTH112  as ``find_encoder`` asks


def divide_into_folds(
    groups: Sequence[str], recipe: EncoderRecipe
) -> list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
    """Return the positions of the texts to train on, to choose on and to test on, for each fold; no group is torn.

    Args:
        groups: Of each of N texts.
        recipe: Says how many folds, and which share of the training texts is dev.

    Raises:
        ConfigError: There are too few groups.
    """
    n_folds, n_groups = recipe.folds.n_folds, len(set(groups))
    if n_groups < max(n_folds, 3):
        raise ConfigError(
            expected=f"at least {max(n_folds, 3)} groups for {n_folds} folds, each with a train, dev and test part",
            got=str(n_groups),
            where=f"folds.n_folds of {recipe.name}",
        )
    folds = []
    for seen, tested in make_group_folds(groups, n_folds, recipe.seed):
        seen_groups = [groups[row] for row in seen]
        n_seen = len(set(seen_groups))
        if n_seen < 2:
            raise ConfigError(
                expected="folds that leave two groups to train and to choose on",
                got="one group",
                where=f"folds.n_folds of {recipe.name}",
                hint="take more folds",
            )
        # One part of as many as give the wanted share is dev.
        n_parts = min(max(2, round(1 / recipe.folds.dev_fraction)), n_seen)
        train, dev = make_group_folds(seen_groups, n_parts, recipe.seed)[0]
        folds.append((seen[train], seen[dev], tested))
    return folds


class _OutOfFold:
    """Answers that are there already, in the order of the texts that will be asked about."""

    def __init__(
        self,
        recipe: EncoderRecipe,
        space: LabelSpace,
        proba: NDArray[np.float32],
        decisions: NDArray[np.bool_],
        *,
        thresholds: NDArray[np.float64],
        fingerprint: str,
    ) -> None:
        self.name = recipe.name
        self.label_space = space
        self.uses_context = recipe.context.is_used
        self.thresholds = thresholds
        self.projected_thresholds: Mapping[str, NDArray[np.float64]] = {}
        self.fingerprint = fingerprint
        self._proba, self._decisions = proba, decisions

    def predict_proba(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> NDArray[np.float32]:
        """Return the probabilities, whatever is asked."""
        del texts, context
        return self._proba

    def decide(self, proba: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return the decisions, each at the cut-offs of its own fold."""
        del proba
        return self._decisions


def _make_examples(split: LabelledSplit) -> list[Example]:
    return [
        Example(id=name, text=text, context=context, labels=labels)
        for name, text, context, labels in zip(
            split.ids, split.texts, split.contexts, split.space.decode(split.targets), strict=True
        )
    ]


def _prefix(on_progress: OnProgress, title: str) -> OnProgress:
    def tell(n_done: int, n_total: int | None, note: str) -> None:
        on_progress(n_done, n_total, f"{title}, {note}")

    return tell
