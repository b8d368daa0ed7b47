import numpy as np
import orjson
import pytest

from sentire.metrics.classification import micro_f1
from sentire.runtime.calibration import sigmoid

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV

from sentire.classifiers.estimators import TfidfLogisticRegression, TfidfNaiveBayes
from sentire.classifiers.folds import make_folds
from sentire.classifiers.search import grid_search
from sentire.data.splits import make_group_folds

GRID = {"alpha": (0.05, 0.5, 5.0), "fit_prior": (True, False)}


class CountingBayes(TfidfNaiveBayes):
    n_fits = 0

    def fit_labels(self, rows, y):
        CountingBayes.n_fits += 1
        return super().fit_labels(rows, y)


@pytest.fixture
def counting():
    CountingBayes.n_fits = 0
    return CountingBayes(max_features=80)


def search(estimator, toy, grid=GRID, **settings):
    return grid_search(estimator, grid, *toy, **{"n_folds": 3, "seed": 4, **settings})


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (TfidfNaiveBayes(max_features=80), GRID),
        (TfidfLogisticRegression(max_features=80), {"C": (0.01, 1.0, 100.0), "penalty": ("l1", "l2")}),
    ],
    ids=["naive bayes", "logistic regression"],
)
def test_every_cell_scores_as_in_scikit_learns_grid_search(toy, estimator, grid):
    texts, targets = toy
    theirs = GridSearchCV(
        estimator,
        {name: list(values) for name, values in grid.items()},
        scoring=make_scorer(f1_score, average="micro", zero_division=0),
        cv=list(make_folds(len(texts), 3, 4)),
        refit=False,
    ).fit(texts, targets.astype(int))
    cells = search(estimator, toy, grid, cutoffs="fixed")
    assert len(cells) == 6
    for cell in cells:
        place = theirs.cv_results_["params"].index(dict(cell.settings))
        expected = [theirs.cv_results_[f"split{fold}_test_score"][place] for fold in range(3)]
        np.testing.assert_allclose(cell.fold_scores, expected, atol=1e-12)
        assert cell.mean == pytest.approx(theirs.cv_results_["mean_test_score"][place])
    assert max(cells, key=lambda cell: cell.mean).settings == theirs.best_params_
    assert len({cell.mean for cell in cells}) > 2


def test_cells_come_in_the_order_of_the_grid(toy):
    cells = search(TfidfNaiveBayes(max_features=20), toy)
    assert [tuple(cell.settings.values()) for cell in cells] == [
        (0.05, True), (0.05, False), (0.5, True), (0.5, False), (5.0, True), (5.0, False),
    ]  # fmt: skip
    assert cells[0].as_dict() == {
        "settings": {"alpha": 0.05, "fit_prior": True},
        "mean_micro_f1": cells[0].mean,
        "fold_micro_f1": list(cells[0].fold_scores),
    }


def test_at_its_own_cutoffs_each_half_of_a_fold_is_cut_where_the_other_half_is_best(toy):
    texts, targets = toy
    estimator = TfidfNaiveBayes(max_features=80)
    (cell,) = search(estimator, toy, {"alpha": (0.5,)}, cutoffs="per-label")
    for (fitted, judged), score in zip(make_folds(len(texts), 3, 4), cell.fold_scores, strict=True):
        model = clone(estimator).set_params(alpha=0.5).fit([texts[one] for one in fitted], targets[fitted])
        proba = sigmoid(model.decision_function([texts[one] for one in judged])).astype(float)
        truths, decisions = targets[judged], np.zeros((len(judged), 3), bool)
        for half in (0, 1):
            for column in range(3):
                own, own_truths = proba[half::2, column], truths[half::2, column]
                ordered = np.unique(own)
                cuts = [ordered[0] / 2, *(ordered[:-1] + np.diff(ordered) / 2)]
                scores = [f1_score(own_truths, own >= cut, zero_division=0) for cut in cuts]
                best = cuts[max(range(len(cuts)), key=lambda one: (scores[one], one))]  # the highest of equals
                decisions[1 - half :: 2, column] = proba[1 - half :: 2, column] >= best
        assert score == pytest.approx(micro_f1(truths, decisions))


def test_the_estimator_is_not_changed(toy):
    estimator = TfidfNaiveBayes(alpha=0.3, max_features=20)
    search(estimator, toy)
    assert estimator.alpha == 0.3
    assert not hasattr(estimator, "features_")


def test_words_of_a_judged_fold_are_not_in_the_vocabulary(toy):
    seen = []

    class Watching(TfidfNaiveBayes):
        def fit_features(self, texts):
            seen.append(len(texts))
            return super().fit_features(texts)

    search(Watching(), toy)
    assert seen == [80, 80, 80]  # once a fold, whatever the number of cells, and never all 120


def test_progress_counts_every_fit(toy):
    news = []
    search(TfidfNaiveBayes(max_features=20), toy, on_progress=lambda *one: news.append(one))
    assert [n_done for n_done, _, _ in news] == [*range(18), 18]
    assert {n_total for _, n_total, _ in news} == {18}
    assert news[0][2] == "grid search, alpha 0.05, fit_prior True"


def stop_after(n_fits):
    def on_progress(n_done, n_total, note):
        if n_done == n_fits:
            raise KeyboardInterrupt

    return on_progress


@pytest.mark.parametrize(("n_fits", "n_kept"), [(0, 0), (1, 0), (3, 1), (8, 2), (17, 5)])
def test_after_a_kill_only_the_missing_cells_are_fitted_and_the_result_is_the_same(
    toy, tmp_path, counting, n_fits, n_kept
):
    unbroken = search(counting, toy)
    checkpoint = tmp_path / "search.json"
    with pytest.raises(KeyboardInterrupt):
        search(counting, toy, checkpoint=checkpoint, fingerprint="f", on_progress=stop_after(n_fits))
    CountingBayes.n_fits = 0
    assert search(counting, toy, checkpoint=checkpoint, fingerprint="f") == unbroken
    assert CountingBayes.n_fits == (6 - n_kept) * 3
    assert search(counting, toy, checkpoint=checkpoint, fingerprint="f") == unbroken
    assert CountingBayes.n_fits == (6 - n_kept) * 3  # nothing is left to do


def test_a_grown_grid_fits_only_what_is_new(toy, tmp_path, counting):
    checkpoint = tmp_path / "search.json"
    search(counting, toy, {"alpha": (0.5,)}, checkpoint=checkpoint)
    CountingBayes.n_fits = 0
    cells = search(counting, toy, {"alpha": (0.5, 1.0)}, checkpoint=checkpoint)
    assert CountingBayes.n_fits == 3
    assert cells == search(counting, toy, {"alpha": (0.5, 1.0)})


FORGED = {orjson.dumps({"alpha": 0.5}).decode(): [0.99, 0.99, 0.99]}


def test_a_checkpoint_of_the_same_search_is_believed(toy, tmp_path):
    checkpoint = tmp_path / "search.json"
    checkpoint.write_bytes(orjson.dumps({"fingerprint": "mine", "cells": FORGED}))
    (cell,) = search(TfidfNaiveBayes(), toy, {"alpha": (0.5,)}, checkpoint=checkpoint, fingerprint="mine")
    assert cell.fold_scores == (0.99, 0.99, 0.99)


@pytest.mark.parametrize(
    "content",
    [
        orjson.dumps({"fingerprint": "another", "cells": FORGED}),
        orjson.dumps({"fingerprint": "mine", "cells": FORGED})[:-5],
        orjson.dumps({"fingerprint": "mine"}),
        orjson.dumps({"fingerprint": "mine", "cells": [1, 2]}),
        orjson.dumps({"fingerprint": "mine", "cells": {'{"alpha":0.5}': ["x"]}}),
        orjson.dumps({"fingerprint": "mine", "cells": {'{"alpha":0.5}': 3}}),
        orjson.dumps([]),
        b"",
        b"\xff\xfe",
    ],
)
def test_a_foreign_or_damaged_checkpoint_is_left_aside(toy, tmp_path, content):
    checkpoint = tmp_path / "search.json"
    checkpoint.write_bytes(content)
    cells = search(TfidfNaiveBayes(), toy, {"alpha": (0.5,)}, checkpoint=checkpoint, fingerprint="mine")
    assert cells == search(TfidfNaiveBayes(), toy, {"alpha": (0.5,)})
    assert orjson.loads(checkpoint.read_bytes())["fingerprint"] == "mine"


def test_single_label_cells_are_compared_by_the_likeliest_label(toy):
    texts, targets = toy
    one_each = np.zeros_like(targets)
    one_each[np.arange(len(targets)), targets.argmax(axis=1)] = True
    estimator = TfidfNaiveBayes(max_features=80)
    (cell,) = grid_search(estimator, {"alpha": (0.5,)}, texts, one_each, n_folds=3, seed=4, cutoffs="likeliest")
    for (fitted_on, judged), score in zip(make_folds(len(texts), 3, 4), cell.fold_scores, strict=True):
        model = clone(estimator).set_params(alpha=0.5).fit([texts[i] for i in fitted_on], one_each[fitted_on])
        likeliest = model.decision_function([texts[i] for i in judged]).argmax(axis=1)
        assert score == pytest.approx((one_each[judged].argmax(axis=1) == likeliest).mean())


def test_no_group_is_fitted_on_and_judged_and_further_rows_are_never_judged(toy):
    texts, targets = toy
    n_own = 90
    groups = [f"g{row % 7}" for row in range(n_own)] + ["g0"] * 10 + [f"made {row}" for row in range(20)]
    for given in (groups, ()):
        cells = grid_search(
            TfidfNaiveBayes(max_features=80), {"alpha": (0.5,)}, texts, targets,
            n_folds=3, seed=4, cutoffs="fixed", groups=given, n_judged=n_own,
        )  # fmt: skip
        folds = make_group_folds(groups[:n_own], 3, 4) if given else list(make_folds(n_own, 3, 4))
        for (fitted, judged), score in zip(folds, cells[0].fold_scores, strict=True):
            apart = {groups[row] for row in judged} if given else set()
            further = [row for row in range(n_own, 120) if groups[row] not in apart]
            assert len(further) == (20 if "g0" in apart else 30)
            learned = [*fitted.tolist(), *further]
            model = TfidfNaiveBayes(max_features=80, alpha=0.5).fit([texts[one] for one in learned], targets[learned])
            logits = model.decision_function([texts[one] for one in judged])
            assert score == pytest.approx(micro_f1(targets[judged], logits > 0))
