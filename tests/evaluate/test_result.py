import json
import math
from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentire.core.errors import ArtifactError, DataError, OutputError
from sentire.evaluate.affect import evaluate_affect
from sentire.evaluate.evaluator import evaluate_classifier
from sentire.evaluate.result import EvaluationResult, read_result, render_result, shorten, write_result
from sentire.metrics.bootstrap import Estimate

FACTS = {"data_name": "remarks", "data_revision": "r1", "split": "test", "n_resamples": 20}


@pytest.fixture(scope="module")
def result(case) -> EvaluationResult:
    predictor, examples = case(1, n=30)
    return evaluate_classifier(predictor, examples, train_texts=["remark 3"], **FACTS)


def test_a_written_result_is_read_back_whole(result, tmp_path):
    path = tmp_path / "result.json"
    write_result(path, result)
    again = read_result(path)
    assert render_result(again) == render_result(result)
    assert again.rows == result.rows
    assert again.model == result.model
    assert again.data == result.data
    assert again.settings == result.settings
    assert again.metrics["micro_f1"] == result.metrics["micro_f1"]
    assert again.without_leaked.n_removed == 1


def test_results_without_rows_and_of_affect_scores_are_read_back(case, tmp_path):
    predictor, examples = case(1, n=30)
    bare = evaluate_classifier(predictor, examples, keep_rows=False, **FACTS)
    generator = np.random.default_rng(0)
    targets = generator.uniform(1, 5, size=(20, 3))
    affect = evaluate_affect(
        targets + 0.3, targets, ids=[f"s{i}" for i in range(20)], model_name="m", model_fingerprint="f", **FACTS
    )
    for number, one in enumerate((bare, affect)):
        path = tmp_path / f"{number}.json"
        write_result(path, one)
        assert render_result(read_result(path)) == render_result(one)
    assert read_result(tmp_path / "0.json").rows is None
    assert read_result(tmp_path / "1.json").rows == affect.rows


def test_the_shape_of_the_file(result):
    content = json.loads(render_result(result))
    assert list(content) == [
        "format",
        "format_version",
        "task",
        "model",
        "data",
        "settings",
        "sentire_version",
        "machine",
        "metrics",
        "per_label",
        "without_leaked",
        "contrast",
        "rows",
    ]
    assert (content["format"], content["format_version"]) == ("sentire-result", 1)
    assert set(content["model"]) == {"name", "fingerprint", "label_space", "thresholds"}
    assert {"name", "revision", "split", "n", "n_unscored", "label_space", "label_map"} <= set(content["data"])
    assert set(content["settings"]) == {"seed", "n_resamples", "confidence", "protocol", "context"}
    assert set(content["machine"]) == {"python", "numpy", "platform"}
    assert {"value", "low", "high", "n"} <= set(content["metrics"]["macro_f1"])
    assert {"value", "low", "high", "n"} <= set(content["per_label"]["calm"]["roc_auc"])
    assert set(content["without_leaked"]) == {"n", "n_removed", "metrics"}
    assert set(content["rows"]) == {"ids", "targets", "predictions", "proba"}
    assert content["rows"]["targets"][0] == list(result.rows.targets[0])


def test_a_file_from_before_contexts_were_recorded_is_read(result, tmp_path):
    content = json.loads(render_result(result))
    del content["settings"]["context"]
    (tmp_path / "old.json").write_bytes(orjson.dumps(content))
    assert read_result(tmp_path / "old.json").settings.context == "none"


def test_undefined_values_are_null_in_the_file_and_nan_in_memory(result, tmp_path):
    assert math.isnan(result.metrics["macro_f1_min50"].value)
    content = json.loads(render_result(result))  # NaN would be no JSON
    assert content["metrics"]["macro_f1_min50"]["value"] is None
    write_result(tmp_path / "r.json", result)
    again = read_result(tmp_path / "r.json")
    assert math.isnan(again.metrics["macro_f1_min50"].value)
    assert math.isnan(again.per_label["calm"]["threshold"].low)


def test_numbers_are_as_short_as_float32_allows():
    numbers = np.random.default_rng(3).random((50, 4)).astype(np.float32)
    short = shorten(numbers)
    assert np.array_equal(short.astype(np.float32), numbers)
    assert all(len(str(value)) <= 13 for value in short.ravel().tolist())
    assert np.array_equal(shorten(short), short)


def test_any_finite_or_undefined_estimate_survives(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")

    @settings(max_examples=30, deadline=None)
    @given(st.floats(allow_infinity=False), st.floats(allow_infinity=False), st.integers(0, 10**9))
    def check(value, low, n):
        estimate = Estimate(value=value, low=low, high=math.nan, n=n)
        changed = replace(result, metrics={"m": estimate}, rows=None)
        write_result(folder / "r.json", changed)
        found = read_result(folder / "r.json").metrics["m"]
        np.testing.assert_equal(
            [found.value, found.low, found.high, found.n], [estimate.value, estimate.low, estimate.high, estimate.n]
        )

    check()


def change(content, path, value):
    *parents, last = path
    place = content
    for key in parents:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["format"], "sentire-model", "expected the format sentire-result, got 'sentire-model'"),
        (["format"], ..., "expected the format sentire-result, got None"),
        (["format_version"], 2, "expected sentire-result version 1, got version 2"),
        (["metrics"], ..., r"holds together, got .* \(metrics\)"),
        (["metrics", "macro_f1", "value"], "high", r"valid number.*\(metrics.macro_f1.value\)"),
        (["metrics", "macro_f1", "n"], None, r"valid integer.*\(metrics.macro_f1.n\)"),
        (["metrics", "macro_f1"], 0.5, r"metrics.macro_f1"),
        (["per_label", "calm", "f1", "low"], [], r"per_label.calm.f1.low"),
        (["without_leaked", "metrics", "micro_f1", "value"], "x", r"without_leaked.metrics.micro_f1.value"),
        (["data", "n"], 31, "data.n is 31 but there are 30 rows"),
        (["data", "surprise"], 1, r"\(data.surprise\)"),
        (["surprise"], 1, r"\(surprise\)"),
        (["task"], "regression", r"\(task\)"),
        (["settings", "context"], "perhaps", r"\(settings.context\)"),
        (["task"], "affect", "the task is affect but the rows are LabelRows"),
        (["rows", "ids", 3], "e000", "an id occurs twice"),
        (["rows", "proba"], [], "there are 30 ids but 0 proba"),
        (["rows", "proba", 2], [0.5], "a row does not have 3 values"),
        (["rows", "targets", 2], [3], "a row names a column outside 0 to 2"),
        (["rows", "predictions", 2], [-1], "a row names a column outside 0 to 2"),
    ],
)
def test_foreign_and_damaged_files_are_refused(result, tmp_path, path, value, message):
    content = json.loads(render_result(result))
    change(content, path, value)
    file = tmp_path / "broken.json"
    file.write_bytes(orjson.dumps(content))
    with pytest.raises(ArtifactError, match=message) as caught:
        read_result(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a result file in JSON"),
        (b"[1, 2]", "expected the format sentire-result, got 'list'"),
        (b"id,text\n1,hello\n", "a result file in JSON"),
        (b"\xff\xfe{}", "a result file in JSON"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        read_result(path)


def test_a_cut_file_is_refused_wherever_it_was_cut(result, tmp_path):
    whole = render_result(result).encode()
    path = tmp_path / "cut.json"
    for length in range(0, len(whole) - 2, 997):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactError, match=r"a result file in JSON.*evaluate again"):
            read_result(path)


def test_missing_and_unwritable_places_are_named(result, tmp_path):
    with pytest.raises(ArtifactError, match=r"expected a result file, got No such file or directory at .*nowhere.json"):
        read_result(tmp_path / "nowhere.json")
    with pytest.raises(ArtifactError, match="got Is a directory"):
        read_result(tmp_path)
    with pytest.raises(OutputError, match="a place that can be written"):
        write_result(tmp_path / "no" / "folder" / "r.json", result)


def test_an_id_that_is_no_unicode_is_refused_and_nothing_is_written(case, tmp_path):
    predictor, examples = case(1, n=4)
    broken = evaluate_classifier(predictor, [replace(examples[0], id="\ud800"), *examples[1:]], **FACTS)
    with pytest.raises(DataError, match="names and ids in valid Unicode"):
        write_result(tmp_path / "r.json", broken)
    assert list(tmp_path.iterdir()) == []
