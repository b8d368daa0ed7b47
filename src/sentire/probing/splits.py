"""Embeddings with their targets, and decisions from scores the way the library's classifiers make them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.classifiers.folds import CalibratedFold, make_folds
from sentire.classifiers.thresholds import fit_per_label
from sentire.core.errors import DataError, ShapeError
from sentire.core.seeding import make_generator
from sentire.metrics.bootstrap import Estimate, bootstrap
from sentire.metrics.classification import ClassificationStatistic, macro_f1
from sentire.metrics.inputs import (
    SEVERAL_LABELS_HINT,
    BoolArray,
    Float32Array,
    FloatArray,
    as_labels,
    check_embeddings,
    check_indicator,
)

N_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class EmbeddedSplit:
    """Frozen embeddings of a split and what they are to tell.

    Attributes:
        embeddings: Shape (N, D).
        targets: One class a text, shape (N,), whole numbers or names (also as objects, as in a column of a table); or
            an indicator of labels, shape (N, C); or continuous scores, shape (N, K), for the affect probe.
    """

    embeddings: ArrayLike
    targets: ArrayLike


@dataclass(frozen=True, kw_only=True)
class ProbeSplits:
    """Train, dev and test of a classification probe, checked.

    Attributes:
        embeddings: Of train, dev and test, each of shape (N, D).
        targets: Their indicators, each of shape (N, C).
        classes: Names of the columns; for an indicator their numbers.
        is_single_label: Whether each text has exactly one class, and the likeliest is decided.
    """

    embeddings: tuple[Float32Array, Float32Array, Float32Array]
    targets: tuple[BoolArray, BoolArray, BoolArray]
    classes: tuple[str, ...]
    is_single_label: bool


@dataclass(frozen=True, kw_only=True)
class Cutoffs:
    """How scores become decisions.

    Attributes:
        thresholds: Of each label, shape (C,); None where the likeliest class is decided.
        dev_macro_f1: On dev, over the classes that ``ProbeQuality`` tells of; by cross-fitting where cut-offs were
            fitted there.
    """

    thresholds: NDArray[np.float64] | None
    dev_macro_f1: float

    def decide(self, scores: FloatArray) -> BoolArray:
        """Decide from scores of shape (N, C)."""
        if self.thresholds is not None:
            return scores >= self.thresholds
        decisions = np.zeros(scores.shape, dtype=np.bool_)
        decisions[np.arange(len(scores)), scores.argmax(axis=1)] = True
        return decisions


@dataclass(frozen=True, kw_only=True)
class ProbeQuality:
    """How well a probe's decisions fit the test split.

    Attributes:
        macro_f1: Mean of the classes' F1. Of one class a text, over the classes that are true or answered somewhere in
            test, as scikit-learn does; of several labels a text, over all labels.
        micro_f1: F1 of all decisions pooled; for one class a text, the accuracy.
        f1_per_class: By class, of those that ``macro_f1`` is the mean of.
        n_test: Examples it rests on.
    """

    macro_f1: Estimate
    micro_f1: Estimate
    f1_per_class: dict[str, float]
    n_test: int


def check_splits(train: EmbeddedSplit, dev: EmbeddedSplit, test: EmbeddedSplit) -> ProbeSplits:
    """Check that three splits fit together.

    Raises:
        ShapeError: Embeddings of different size, targets that do not fit their embeddings, or splits of another kind.
        DataError: A value is not finite, or train has one class only.
    """
    splits = {"train": train, "dev": dev, "test": test}
    embeddings = check_same_size({name: split.embeddings for name, split in splits.items()})
    raw = {
        name: as_labels(split.targets, name=f"{name} targets", hint=SEVERAL_LABELS_HINT)
        for name, split in splits.items()
    }
    for name, targets in raw.items():
        if targets.ndim not in (1, 2) or len(targets) != len(embeddings[name]):
            raise ShapeError(
                expected=f"targets of {len(embeddings[name])} texts, shape (N,) or (N, C)",
                got=f"shape {targets.shape}",
                where=f"{name} targets",
            )
    kinds = {targets.shape[1:] for targets in raw.values()}
    if len(kinds) > 1:
        raise ShapeError(
            expected="targets of the same kind in every split",
            got=", ".join(f"{name} {targets.shape}" for name, targets in raw.items()),
        )
    is_single_label = raw["train"].ndim == 1
    if is_single_label:
        classes, indicators = _encode(raw)
    else:
        indicators = {name: check_indicator(targets, name=f"{name} targets") for name, targets in raw.items()}
        classes = tuple(str(column) for column in range(indicators["train"].shape[1]))
    if is_single_label and indicators["train"].any(axis=0).sum() < 2:
        raise DataError(expected="at least 2 classes to tell apart", got="1", where="train targets")
    if not indicators["train"].any():
        raise DataError(expected="labels to learn", got="none", where="train targets")
    return ProbeSplits(
        embeddings=(embeddings["train"], embeddings["dev"], embeddings["test"]),
        targets=(indicators["train"], indicators["dev"], indicators["test"]),
        classes=classes,
        is_single_label=is_single_label,
    )


def check_same_size(by_name: dict[str, ArrayLike]) -> dict[str, Float32Array]:
    """Check embeddings of several splits, each of shape (N, D) with the same D.

    Raises:
        ShapeError: Another D.
        DataError: A value is not finite.
    """
    checked = {name: check_embeddings(values, name=f"{name} embeddings") for name, values in by_name.items()}
    sizes = {name: values.shape[1] for name, values in checked.items()}
    if len(set(sizes.values())) > 1:
        raise ShapeError(
            expected="embeddings of the same size in every split",
            got=", ".join(f"{name} {size}" for name, size in sizes.items()),
        )
    return checked


def fit_cutoffs(scores: FloatArray, targets: BoolArray, *, is_single_label: bool, seed: int) -> Cutoffs:
    """Choose on dev how scores become decisions: the likeliest class, or one shrunken cut-off a label.

    Args:
        scores: Of dev, shape (N, C), from 0 to 1.
        targets: Of dev, shape (N, C).
        is_single_label: Whether each text has exactly one class.
        seed: Of the folds that judge the cut-offs.

    Raises:
        DataError: Fewer dev texts than the folds of the cut-offs.
    """
    if is_single_label:
        decisions = Cutoffs(thresholds=None, dev_macro_f1=float("nan")).decide(scores)
        present = find_present(targets, decisions)
        return Cutoffs(thresholds=None, dev_macro_f1=macro_f1(targets[:, present], decisions[:, present]))
    if len(scores) < N_FOLDS:
        raise DataError(
            expected=f"at least {N_FOLDS} dev texts, since cut-offs are cross-fitted",
            got=str(len(scores)),
            where="dev",
            hint="give more dev texts",
        )
    folds = [
        CalibratedFold(fitted_on=fitted_on, judged=judged, proba=scores)
        for fitted_on, judged in make_folds(len(scores), N_FOLDS, seed)
    ]
    fitted = fit_per_label(targets, scores, folds)
    return Cutoffs(thresholds=fitted.thresholds, dev_macro_f1=fitted.cross_fitted["macro_f1"])


def find_present(targets: BoolArray, decisions: BoolArray) -> BoolArray:
    """Mark the classes that are true or decided somewhere, shape (C,): those that a mean over classes runs over.

    The others would count as 0, though nothing was there to find and nothing was found wrongly.
    """
    return np.asarray(targets.any(axis=0) | decisions.any(axis=0))


def judge_decisions(
    targets: BoolArray,
    decisions: BoolArray,
    classes: Sequence[str],
    *,
    is_single_label: bool,
    seed: int,
    n_resamples: int,
    confidence: float,
) -> ProbeQuality:
    """Measure decisions on test with intervals over texts."""
    if is_single_label:
        present = find_present(targets, decisions)
        targets, decisions = targets[:, present], decisions[:, present]
        classes = [name for name, is_present in zip(classes, present, strict=True) if is_present]
    found = bootstrap(
        ClassificationStatistic(targets, decisions),
        generator=make_generator(seed, "bootstrap of a probe"),
        n_resamples=n_resamples,
        confidence=confidence,
    )
    n = len(targets)
    return ProbeQuality(
        macro_f1=found["macro_f1"].estimate(n=n),
        micro_f1=found["micro_f1"].estimate(n=n),
        f1_per_class=dict(zip(classes, found["f1"].value.tolist(), strict=True)),
        n_test=n,
    )


def _encode(raw: dict[str, NDArray[np.generic]]) -> tuple[tuple[str, ...], dict[str, BoolArray]]:
    for name, values in raw.items():
        if values.dtype.kind not in "biuU":
            raise DataError(
                expected="classes as whole numbers or names", got=f"values of {values.dtype}", where=f"{name} targets"
            )
    if len({values.dtype.kind == "U" for values in raw.values()}) > 1:
        raise DataError(expected="names in every split, or numbers in every split", got="both", where="targets")
    known = np.unique(np.concatenate(list(raw.values())))
    return tuple(str(value) for value in known), {
        name: np.asarray(values[:, None] == known) for name, values in raw.items()
    }
