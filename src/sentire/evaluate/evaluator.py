"""The evaluation of a classifier on examples with labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentire._version import __version__
from sentire.core.errors import DataError, LabelError, ShapeError, list_names
from sentire.core.label_maps import LabelMap
from sentire.core.labels import LabelSpace
from sentire.core.protocols import Context, Predictor
from sentire.core.records import Example
from sentire.data.checks import find_recurring
from sentire.evaluate.contrast import Contrast, measure_contrast
from sentire.evaluate.examples import check_examples, gather_context
from sentire.evaluate.measures import ClassificationAnswers, Resampling, gather_averages, gather_labels
from sentire.evaluate.result import (
    DataFacts,
    EvaluationResult,
    EvaluationSettings,
    LabelRows,
    ModelFacts,
    WithoutLeaked,
    describe_machine,
    shorten,
)
from sentire.metrics.bootstrap import DEFAULT_CONFIDENCE, DEFAULT_RESAMPLES
from sentire.metrics.classification import count_support
from sentire.metrics.inputs import check_proba
from sentire.runtime.decisions import project_answers

MODEL_CUT_OFFS = "cut-offs of the model"
LIKELIEST_LABEL = "likeliest label"


def evaluate_classifier(
    predictor: Predictor,
    examples: Sequence[Example],
    *,
    data_name: str,
    data_revision: str,
    split: str,
    label_map: LabelMap | None = None,
    train_texts: Iterable[str] | None = None,
    ignore_context: bool = False,
    seed: int = 0,
    n_resamples: int = DEFAULT_RESAMPLES,
    confidence: float = DEFAULT_CONFIDENCE,
    keep_rows: bool = True,
    protocol: str = MODEL_CUT_OFFS,
    n_rejected: int = 0,
    cautions: Sequence[str] = (),
    allows_synthetic: bool = False,
    is_contrast_set: bool = False,
) -> EvaluationResult:
    """Ask a model about every example and measure its answers against the labels.

    Without a map the examples carry labels of the model's own space. A map that ends at the model's space is applied
    to the targets; then only labels that some label of the data stands for are measured, because the data cannot tell
    of the others. A map that begins at the model's space is applied to the answers: probabilities are projected,
    and the model's cut-offs for that space decide, or where it has none its decisions are united; where the data's
    space allows one label only, the largest projected probability decides. Then only labels that some label of the
    model stands for are measured, because the model cannot give the others, and the cautions say how many those are; a
    text that carries none but those counts against every label it is given.

    Args:
        predictor: The model.
        examples: With unique ids. In a multi-label space an example without labels is measured: every label given
            to it is wrong. Counted and not measured are examples that nobody labelled, those of which no label can be
            mapped, and in a single-label space those that have not exactly one.
        data_name: Name of the corpus, for the result.
        data_revision: Revision of the corpus, for the result.
        split: Name of the split, for the result.
        label_map: Between the data's space and the model's, in either direction; None where they are the same.
        train_texts: The texts that the model was trained on; examples with an equal text (equal normal forms) are
            left out of a second set of figures. None where they are not known.
        ignore_context: Ask a model that uses context without it; the result's settings say so.
        seed: Of the resamples.
        n_resamples: Of the bootstrap.
        confidence: Of the intervals.
        keep_rows: Whether the result holds the answers; two results can be compared only if they do.
        protocol: How the model's cut-offs were chosen, in words.
        n_rejected: Rows that could not be read as examples, for the result.
        cautions: Reasons to read the figures with care, for the result.
        allows_synthetic: Measure examples that a model made; say so in the cautions.
        is_contrast_set: Also measure whether the model uses context, by the examples' groups.

    Returns:
        The result; write it with ``result.write_result``.

    Raises:
        DataError: An example is synthetic, two have the same id, none can be measured, or an example of a
            single-label space carries several labels; or the model's probabilities are not from 0 to 1.
        LabelError: A label is not in the data's space, or the map fits neither side.
        ShapeError: The model's answers do not have its label space's columns.
    """
    check_examples(examples, f"{data_name}:{split}", allows_synthetic=allows_synthetic)
    view = _View.choose(predictor, label_map)
    encoded = [view.encode(example) for example in examples]
    scored = [example for example, row in zip(examples, encoded, strict=True) if row is not None]
    if not scored:
        raise DataError(
            expected=f"examples with labels of {view.data_space.id}",
            got=f"{len(examples)} examples, none of which carries any",
            where=f"{data_name}:{split}",
        )
    targets = np.stack([row for row in encoded if row is not None])
    thresholds = _name_thresholds(predictor)
    context, context_use = gather_context(scored, uses_context=predictor.uses_context, ignore_context=ignore_context)
    answers = _ask(predictor, scored, context, targets, view)
    resampling = Resampling(seed=seed, n_resamples=n_resamples, confidence=confidence)
    found = answers.measure(resampling, purpose="bootstrap")
    support = count_support(targets)
    return EvaluationResult(
        task=view.space.task,
        model=ModelFacts(
            name=predictor.name,
            fingerprint=predictor.fingerprint,
            label_space=predictor.label_space.id,
            thresholds=thresholds,
        ),
        data=DataFacts(
            name=data_name,
            revision=data_revision,
            split=split,
            n=len(scored),
            n_unscored=len(examples) - len(scored),
            label_space=view.space.id,
            label_map=None if label_map is None else label_map.id,
            labels=view.labels,
            n_undefined_labels=int(((support == 0) | (support == len(scored))).sum()),
            n_rejected=n_rejected,
            cautions=(*cautions, *view.cautions),
        ),
        settings=EvaluationSettings(
            seed=seed,
            n_resamples=n_resamples,
            confidence=confidence,
            protocol=LIKELIEST_LABEL if view.is_argmax else protocol,
            context=context_use,
        ),
        sentire_version=__version__,
        machine=describe_machine(),
        metrics=gather_averages(found, n=len(scored)),
        per_label=gather_labels(
            found,
            view.labels,
            support=support,
            n=len(scored),
            thresholds=view.name_projected_thresholds() if view.projects_answers else thresholds,
        ),
        contrast=_measure_contrast(scored, answers, resampling) if is_contrast_set else None,
        without_leaked=None if train_texts is None else _measure_unseen(scored, train_texts, answers, resampling),
        rows=_make_rows(scored, answers) if keep_rows else None,
    )


@dataclass(frozen=True, kw_only=True)
class _View:
    """In which labels a model and a corpus meet."""

    data_space: LabelSpace
    space: LabelSpace
    label_map: LabelMap | None
    projects_answers: bool
    columns: NDArray[np.int64]
    projected_thresholds: NDArray[np.float64] | None = None

    @classmethod
    def choose(cls, predictor: Predictor, label_map: LabelMap | None) -> "_View":
        model_space = predictor.label_space
        all_columns = np.arange(len(model_space))
        if label_map is None:
            return cls(
                data_space=model_space, space=model_space, label_map=None, projects_answers=False, columns=all_columns
            )
        if label_map.target == model_space:
            return cls(
                data_space=label_map.source,
                space=model_space,
                label_map=label_map,
                projects_answers=False,
                columns=np.flatnonzero(label_map.membership.any(axis=0)),
            )
        if label_map.source == model_space:
            return cls(
                data_space=label_map.target,
                space=label_map.target,
                label_map=label_map,
                projects_answers=True,
                columns=np.flatnonzero(label_map.membership.any(axis=0)),
                projected_thresholds=predictor.projected_thresholds.get(label_map.target.name),
            )
        raise LabelError(
            expected=f"a label map that begins or ends at {model_space.id}, which the model answers in",
            got=f"{label_map.id} from {label_map.source.id} to {label_map.target.id}",
            where="label_map",
        )

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.space.labels[column] for column in self.columns)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What the model cannot answer of the data's labels."""
        unanswered = [label for label in self.space.labels if label not in self.labels]
        if not self.projects_answers or not unanswered:
            return ()
        share = f"{len(unanswered)} of the {len(self.space)} labels"
        return (f"{share} are not measured, since no answer of the model stands for them: {list_names(unanswered)}",)

    @property
    def is_argmax(self) -> bool:
        return self.space.task == "single-label"

    def name_projected_thresholds(self) -> dict[str, float]:
        if self.projected_thresholds is None or self.is_argmax:
            return {}
        return dict(zip(self.labels, self.projected_thresholds[self.columns].tolist(), strict=True))

    def encode(self, example: Example) -> NDArray[np.bool_] | None:
        """Return the example's truths by measured label, or None where it has no label that can be measured."""
        if not example.is_labelled:
            return None
        where = f"example {example.id}"
        carried = np.zeros((1, len(self.data_space)), dtype=np.bool_)
        for label in example.labels:
            carried[0, self.data_space.index(label, where=where)] = True
        if self.data_space.task == "single-label" and carried.sum() > 1:
            raise DataError(
                expected=f"one label, as {self.data_space.id} is a single-label space",
                got=f"{carried.sum()}: {', '.join(example.labels)}",
                where=where,
            )
        if self.label_map is not None and not self.projects_answers:
            carried = self.label_map.project_indicator(carried)
        row: NDArray[np.bool_] = carried[0, self.columns]
        if self.space.task == "single-label":
            return row if row.sum() == 1 else None
        # No label at all is a truth like any other; labels that the map leads nowhere are no truth. Those that the
        # model cannot give are one: none of the measured labels holds.
        return row if row.any() or not example.labels or self.projects_answers else None

    def see(
        self, proba: NDArray[np.float64], decisions: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Turn a model's answers into answers on the measured labels."""
        if self.label_map is None or not self.projects_answers:
            return proba[:, self.columns], decisions[:, self.columns]
        projected, decided = project_answers(self.label_map, proba, decisions, self.projected_thresholds)
        return projected[:, self.columns], decided[:, self.columns]


def _ask(
    predictor: Predictor,
    examples: Sequence[Example],
    context: list[Context] | None,
    targets: NDArray[np.bool_],
    view: _View,
) -> ClassificationAnswers:
    texts = [example.text for example in examples]
    proba = np.asarray(predictor.predict_proba(texts, context=context))
    _check_shape(proba, len(examples), predictor)
    decisions = np.asarray(predictor.decide(proba))
    _check_shape(decisions, len(examples), predictor)
    # Before any projection, which could turn a wrong probability into a plausible one.
    checked_decisions, checked_proba = check_proba(decisions, proba.astype(np.float64))
    projected, decided = view.see(checked_proba, checked_decisions)
    return ClassificationAnswers(targets=targets, decisions=decided, proba=shorten(projected))


def _check_shape(answers: NDArray[np.generic], n_texts: int, predictor: Predictor) -> None:
    expected = (n_texts, len(predictor.label_space))
    if answers.shape != expected:
        raise ShapeError(
            expected=f"answers of shape {expected}, for {predictor.label_space.id}",
            got=f"shape {answers.shape}",
            where=f"model {predictor.name}",
        )


def _measure_unseen(
    examples: Sequence[Example], train_texts: Iterable[str], answers: ClassificationAnswers, resampling: Resampling
) -> WithoutLeaked:
    is_unseen = np.ones(len(examples), dtype=np.bool_)
    is_unseen[find_recurring(train_texts, (example.text for example in examples))] = False
    n = int(is_unseen.sum())
    metrics = (
        gather_averages(answers.select(is_unseen).measure(resampling, purpose="bootstrap without leaked"), n=n)
        if n
        else {}
    )
    return WithoutLeaked(n=n, n_removed=len(examples) - n, metrics=metrics)


def _measure_contrast(
    examples: Sequence[Example], answers: ClassificationAnswers, resampling: Resampling
) -> Contrast | None:
    return measure_contrast(
        [example.group for example in examples],
        answers.targets,
        answers.proba,
        seed=resampling.seed,
        n_resamples=resampling.n_resamples,
        confidence=resampling.confidence,
    )


def _name_thresholds(predictor: Predictor) -> dict[str, float]:
    if predictor.label_space.task == "single-label":
        return {}
    thresholds = np.asarray(predictor.thresholds, dtype=np.float64)
    if thresholds.shape != (len(predictor.label_space),):
        raise ShapeError(
            expected=f"{len(predictor.label_space)} cut-offs, one for each label of {predictor.label_space.id}",
            got=f"shape {thresholds.shape}",
            where=f"model {predictor.name}",
        )
    return dict(zip(predictor.label_space.labels, thresholds.tolist(), strict=True))


def _make_rows(examples: Sequence[Example], answers: ClassificationAnswers) -> LabelRows:
    return LabelRows(
        ids=tuple(example.id for example in examples),
        targets=_positions(answers.targets),
        predictions=_positions(answers.decisions),
        proba=tuple(tuple(row) for row in answers.proba.tolist()),
    )


def _positions(indicator: NDArray[np.bool_]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(np.flatnonzero(row).tolist()) for row in indicator)
