"""Grid search with progress, whose finished cells outlive a kill."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire.classifiers.estimators import TfidfClassifier
from sentire.classifiers.folds import make_folds
from sentire.classifiers.thresholds import find_best_threshold
from sentire.core.progress import OnProgress, stay_quiet
from sentire.data.splits import make_group_folds
from sentire.metrics.classification import micro_f1
from sentire.runtime.calibration import sigmoid
from sentire.storage.atomic import write_json

_Fold = tuple[NDArray[np.int64], NDArray[np.int64]]

SearchCutoffs = Literal["fixed", "per-label", "likeliest"]


@dataclass(frozen=True, kw_only=True)
class SearchCell:
    """One setting and its micro-F1 on each fold."""

    settings: Mapping[str, Any]
    fold_scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the folds, by which cells are compared."""
        return sum(self.fold_scores) / len(self.fold_scores)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"settings": dict(self.settings), "mean_micro_f1": self.mean, "fold_micro_f1": list(self.fold_scores)}


def grid_search(
    estimator: TfidfClassifier,
    grid: Mapping[str, Sequence[Any]],
    texts: Sequence[str],
    targets: NDArray[np.bool_],
    *,
    n_folds: int,
    seed: int,
    groups: Sequence[str] = (),
    n_judged: int | None = None,
    cutoffs: SearchCutoffs = "per-label",
    checkpoint: Path | None = None,
    fingerprint: str = "",
    on_progress: OnProgress = stay_quiet,
) -> list[SearchCell]:
    """Measure every combination of the grid by cross-validation.

    Source: course project "Multi-label emotion classification": 3 folds, micro-F1 at .5 (``cutoffs="fixed"``).
    Departures: vocabulary and idf are learned within each fold, not on all texts; folds are shuffled; with
        ``cutoffs="per-label"`` the cells are compared as they will be used, each at its own cut-offs.

    Args:
        estimator: Everything that the grid does not vary; it is not changed.
        grid: For each varied parameter, its candidates.
        texts: N prepared texts.
        targets: Indicator, shape (N, C).
        n_folds: At least 2.
        seed: Of the folds.
        groups: For each text what is never both fitted on and judged, shape (N,); empty where there is no such thing.
        n_judged: Texts from this place on are fitted on and never judged; None to judge all.
        cutoffs: ``fixed`` compares the cells at .5; ``per-label`` at each label's best cut-off, which is chosen on
            one half of the judged fold and applied to the other, and the other way round; ``likeliest`` by the
            likeliest label, as a single-label space is answered.
        checkpoint: Where finished cells are kept; a search of the same fingerprint goes on from there.
        fingerprint: Of everything that the scores depend on.
        on_progress: Told after every fit.

    Returns:
        The cells in the order of the grid; the best is ``max(cells, key=lambda cell: cell.mean)``.

    Raises:
        UsageError: There are fewer texts to judge, or groups of them, than folds.

    Cost:
        Cells x folds fits; features are made once a fold.
    """
    from sklearn.base import clone

    candidates = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    done = _read_checkpoint(checkpoint, fingerprint)
    missing = [settings for settings in candidates if _key(settings) not in done]
    folds = _divide(len(texts), len(texts) if n_judged is None else n_judged, groups, n_folds, seed)
    n_total, n_done = len(candidates) * n_folds, (len(candidates) - len(missing)) * n_folds
    prepared = [_prepare_fold(estimator, texts, fold) for fold in folds] if missing else []
    for settings in missing:
        scores = []
        for (fitted_on, judged), (features, rows, judged_rows) in zip(folds, prepared, strict=True):
            on_progress(n_done, n_total, f"grid search, {_describe(settings)}")
            candidate = clone(estimator).set_params(**settings)
            candidate.features_ = features
            candidate.fit_labels(rows, targets[fitted_on])
            scores.append(_score(targets[judged], candidate.scorer_.score(judged_rows), cutoffs))
            n_done += 1
        done[_key(settings)] = scores
        if checkpoint is not None:
            write_json(checkpoint, {"fingerprint": fingerprint, "cells": done})
    on_progress(n_total, n_total, "grid search")
    return [SearchCell(settings=one, fold_scores=tuple(done[_key(one)])) for one in candidates]


def _divide(n_texts: int, n_judged: int, groups: Sequence[str], n_folds: int, seed: int) -> list[_Fold]:
    folds: Iterable[tuple[NDArray[Any], NDArray[Any]]] = (
        make_group_folds(groups[:n_judged], n_folds, seed) if groups else make_folds(n_judged, n_folds, seed)
    )
    divided = []
    for fitted, judged in folds:
        apart = {groups[row] for row in judged} if groups else set()
        further = [row for row in range(n_judged, n_texts) if not groups or groups[row] not in apart]
        divided.append((np.concatenate([fitted, np.array(further, dtype=np.int64)]), judged))
    return divided


def _score(targets: NDArray[np.bool_], logits: NDArray[np.float32], cutoffs: SearchCutoffs) -> float:
    if cutoffs == "likeliest":
        likeliest = np.zeros(targets.shape, dtype=np.bool_)
        likeliest[np.arange(len(logits)), logits.argmax(axis=1)] = True
        return micro_f1(targets, likeliest)
    if cutoffs == "fixed":
        return micro_f1(targets, logits > 0)
    proba = sigmoid(logits)
    decisions = np.zeros(targets.shape, dtype=np.bool_)
    halves = np.arange(len(targets)) % 2 == 0
    for chosen_on, applied_to in ((halves, ~halves), (~halves, halves)):
        best = [find_best_threshold(targets[chosen_on, c], proba[chosen_on, c]) for c in range(targets.shape[1])]
        decisions[applied_to] = proba[applied_to] >= best
    return micro_f1(targets, decisions)


def _prepare_fold(estimator: TfidfClassifier, texts: Sequence[str], fold: _Fold) -> tuple[Any, Any, Any]:
    from sklearn.base import clone

    fitted_texts, judged_texts = ([texts[position] for position in positions] for positions in fold)
    features = clone(estimator).fit_features(fitted_texts).features_
    return features, features.transform(fitted_texts), features.transform(judged_texts)


def _read_checkpoint(checkpoint: Path | None, fingerprint: str) -> dict[str, list[float]]:
    if checkpoint is None:
        return {}
    try:
        kept = orjson.loads(checkpoint.read_bytes())
        if kept["fingerprint"] != fingerprint:
            return {}
        return {key: [float(score) for score in scores] for key, scores in kept["cells"].items()}
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        # A missing or damaged checkpoint only costs the time to fit its cells again.
        return {}


def _key(settings: Mapping[str, Any]) -> str:
    return orjson.dumps(settings, option=orjson.OPT_SORT_KEYS).decode()


def _describe(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
