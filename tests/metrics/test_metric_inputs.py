import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sentire.metrics
from sentire.core.errors import DataError, ShapeError
from sentire.metrics import calibration, classification, ranking, regression
from sentire.metrics.inputs import as_labels, check_classes, check_embeddings, check_finite, check_indicator

SOURCES = sorted(Path(sentire.metrics.__file__).parent.glob("*.py"))

TARGETS = np.array([[True, False], [False, True], [True, True]])
DECISIONS = np.array([[True, True], [False, False], [True, True]])
PROBA = np.array([[0.9, 0.6], [0.2, 0.4], [0.7, 0.8]])

OF_DECISIONS = [
    classification.precision_per_label,
    classification.recall_per_label,
    classification.f1_per_label,
    classification.micro_precision,
    classification.micro_recall,
    classification.micro_f1,
    classification.macro_precision,
    classification.macro_recall,
    classification.macro_f1,
    classification.weighted_precision,
    classification.weighted_recall,
    classification.weighted_f1,
    classification.exact_match,
    classification.ClassificationStatistic,
]
OF_SCORES = [
    ranking.roc_auc_per_label,
    ranking.average_precision_per_label,
    ranking.macro_roc_auc,
    ranking.macro_average_precision,
    ranking.micro_roc_auc,
    ranking.micro_average_precision,
    ranking.RankingStatistic,
]
OF_PROBA = [
    calibration.ece_per_label,
    calibration.micro_ece,
    calibration.macro_ece,
    calibration.micro_brier,
    calibration.log_loss,
    calibration.make_reliability_table,
    calibration.CalibrationStatistic,
]
OF_PAIRS = [
    regression.pearson_r,
    regression.spearman_r,
    regression.concordance,
    regression.rmse,
    regression.mae,
    regression.RegressionStatistic,
]


@pytest.mark.parametrize("measure", [*OF_DECISIONS, *OF_SCORES, *OF_PROBA], ids=lambda one: one.__name__)
def test_other_shape_than_targets_is_refused(measure):
    with pytest.raises(ShapeError, match=r"expected shape \(3, 2\), as the targets have, got shape \(2, 2\)"):
        measure(TARGETS, DECISIONS[:2])


@pytest.mark.parametrize("measure", [*OF_DECISIONS, *OF_SCORES, *OF_PROBA], ids=lambda one: one.__name__)
@pytest.mark.parametrize("shape", [(3,), (0, 2), (3, 0), (3, 2, 1)])
def test_what_is_no_matrix_is_refused(measure, shape):
    with pytest.raises(ShapeError, match=r"shape \(N, C\) with N and C at least 1"):
        measure(np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool))


@pytest.mark.parametrize("measure", [*OF_SCORES, *OF_PROBA], ids=lambda one: one.__name__)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(measure, wrong):
    broken = PROBA.copy()
    broken[1, 0] = wrong
    with pytest.raises(DataError, match=r"finite numbers.*row 1, column 0"):
        measure(TARGETS, broken)


@pytest.mark.parametrize("measure", OF_PROBA, ids=lambda one: one.__name__)
@pytest.mark.parametrize("wrong", [-0.001, 1.001])
def test_probabilities_outside_their_range_are_refused(measure, wrong):
    broken = PROBA.copy()
    broken[2, 1] = wrong
    with pytest.raises(DataError, match=r"probabilities from 0 to 1, got -?[01]\.001 at row 2, column 1"):
        measure(TARGETS, broken)


@pytest.mark.parametrize("measure", OF_PAIRS, ids=lambda one: one.__name__)
def test_pairs_of_scores_are_checked(measure):
    with pytest.raises(ShapeError, match=r"expected shape \(3, 2\)"):
        measure(PROBA[:2], PROBA)
    with pytest.raises(ShapeError, match=r"shape \(N, C\)"):
        measure(PROBA[:, 0], PROBA[:, 0])
    broken = PROBA.copy()
    broken[0, 1] = np.nan
    with pytest.raises(DataError, match="predicted, row 0, column 1"):
        measure(broken, PROBA)
    with pytest.raises(DataError, match="targets, row 0, column 1"):
        measure(PROBA, broken)


def test_indicators_may_be_numbers_but_only_0_and_1():
    assert check_indicator([[0, 1], [1.0, 0]], name="targets").tolist() == [[False, True], [True, False]]
    with pytest.raises(DataError, match="only true and false"):
        check_indicator([[0, 2]], name="targets")
    with pytest.raises(DataError, match="only true and false"):
        check_indicator([[0.0, np.nan]], name="targets")
    with pytest.raises(DataError, match="only true and false"):
        check_indicator([["0", "1"]], name="targets")


def test_names_may_be_objects_as_in_a_column_of_a_table():
    column = np.array(["joy", "a longer name", "joy"], dtype=object)
    assert as_labels(column).dtype.kind == "U"
    assert as_labels(column).tolist() == column.tolist()
    assert check_classes(column, n_texts=3).tolist() == [1, 0, 1]
    # What is missing is no name, and stays what it is.
    for missing in (None, float("nan")):
        with pytest.raises(DataError, match="labels as whole numbers or names, got values of object at labels"):
            check_classes(np.array(["joy", missing, "joy"], dtype=object), n_texts=3)


RAGGED = [["joy"], ["joy", "anger"]] * 20


@pytest.mark.parametrize(
    "labels",
    [RAGGED, np.array(RAGGED, dtype=object), [set(labels) for labels in RAGGED]],
    ids=["list", "column", "set"],
)
def test_several_labels_a_text_in_lists_are_refused(labels):
    with pytest.raises(ShapeError, match=r"expected one label a text, got several in lists at classes; give one"):
        as_labels(labels, name="classes", hint="give one")
    with pytest.raises(ShapeError, match=r"one label a text, got several in lists at labels$"):
        check_classes(labels, n_texts=40)


@pytest.mark.parametrize("check", [check_embeddings, check_finite, check_indicator], ids=lambda one: one.__name__)
def test_rows_of_different_lengths_are_refused(check):
    with pytest.raises(ShapeError, match=r"shape \(N, C\) .*, got rows of different lengths at values"):
        check([[1.0, 0.0], [1.0]], name="values")


def test_train_mean_needs_one_value_a_dimension():
    with pytest.raises(ShapeError, match=r"expected shape \(2,\), got shape \(3,\) at train_mean"):
        regression.rmse_of_mean(PROBA, train_mean=[1.0, 2.0, 3.0])


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_metrics_import_numpy_and_core_alone(source):
    allowed = ("numpy", "sentire.core", "sentire.metrics")
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            is_standard = name.split(".")[0] in sys.stdlib_module_names
            assert is_standard or name.startswith(allowed), f"{source.name} imports {name}"


def test_metrics_load_no_other_package():
    modules = " ".join(f"sentire.metrics.{path.stem}" for path in SOURCES if path.stem != "__init__")
    code = (
        f"import sys, importlib\nfor name in {modules!r}.split(): importlib.import_module(name)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'scipy', 'sklearn', 'torch', 'pydantic', 'orjson', 'pyarrow', 'rich', 'typer'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
