import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentire.core.errors import DataError, LabelError, ShapeError
from sentire.core.label_maps import LabelMap, load_label_map
from sentire.core.labels import EMOCONTEXT, GOEMOTIONS, ISEAR, make_label_space
from sentire.core.protocols import Predictor
from sentire.core.records import Example
from sentire.evaluate.evaluator import evaluate_classifier
from sentire.evaluate.result import render_result
from sentire.metrics import calibration, classification, ranking

FACTS = {"data_name": "remarks", "data_revision": "r1", "split": "test", "n_resamples": 40}

FOUR = [
    Example(id="a", text="fine weather", labels=("calm", "glad")),
    Example(id="b", text="well done", labels=("glad",)),
    Example(id="c", text="go away", labels=("cross",)),
    Example(id="d", text="so be it", labels=("calm",)),
]
FOUR_PROBA = {
    "fine weather": [0.9, 0.6, 0.1],
    "well done": [0.6, 0.7, 0.2],
    "go away": [0.2, 0.1, 0.4],
    "so be it": [0.8, 0.2, 0.3],
}


def test_worked_example(table_predictor):
    predictor = table_predictor(FOUR_PROBA)
    assert isinstance(predictor, Predictor)
    result = evaluate_classifier(predictor, FOUR, **FACTS)
    # calm: TP 2, FP 1; glad: TP 2; cross: FN 1.
    assert result.metrics["micro_f1"].value == pytest.approx(8 / 10)
    assert result.metrics["macro_f1"].value == pytest.approx((0.8 + 1 + 0) / 3)
    assert result.metrics["weighted_f1"].value == pytest.approx((2 * 0.8 + 2 * 1) / 5)
    assert result.metrics["exact_match"].value == pytest.approx(2 / 4)
    assert result.metrics["macro_roc_auc"].value == pytest.approx(1.0)
    assert math.isnan(result.metrics["macro_f1_min50"].value)
    calm = result.per_label["calm"]
    assert (calm["precision"].value, calm["recall"].value) == (pytest.approx(2 / 3), 1.0)
    assert {name: calm[name].n for name in calm} == {
        "precision": 2,
        "recall": 2,
        "f1": 2,
        "roc_auc": 2,
        "average_precision": 2,
        "ece": 4,
        "threshold": 2,
    }
    assert calm["threshold"].value == 0.5
    assert result.task == "multi-label"
    assert result.model.thresholds == {"calm": 0.5, "glad": 0.5, "cross": 0.5}
    assert (result.model.name, result.model.fingerprint, result.model.label_space) == (
        "table",
        "table-fingerprint",
        "moods.v1",
    )
    assert (result.data.n, result.data.n_unscored, result.data.label_map) == (4, 0, None)
    assert result.rows.ids == ("a", "b", "c", "d")
    assert result.rows.targets == ((0, 1), (1,), (2,), (0,))
    assert result.rows.predictions == ((0, 1), (0, 1), (), (0,))
    assert result.rows.proba[0] == (0.9, 0.6, 0.1)


def test_every_metric_equals_the_metrics_unit_and_lies_in_its_interval(case, moods):
    predictor, examples = case(3)
    result = evaluate_classifier(predictor, examples, **FACTS)
    texts = [example.text for example in examples]
    targets = moods.encode(example.labels for example in examples)
    proba = predictor.predict_proba(texts)
    decisions = predictor.decide(proba)
    expected = {
        f"{average}_{measure}": getattr(classification, f"{average}_{measure}")(targets, decisions)
        for average in ("micro", "macro", "weighted")
        for measure in ("precision", "recall", "f1")
    }
    expected["macro_f1_min50"] = classification.macro_f1(targets, decisions, min_positives=50)
    expected["exact_match"] = classification.exact_match(targets, decisions)
    expected["macro_roc_auc"] = ranking.macro_roc_auc(targets, proba).value
    expected["micro_roc_auc"] = ranking.micro_roc_auc(targets, proba)
    expected["macro_average_precision"] = ranking.macro_average_precision(targets, proba).value
    expected["micro_average_precision"] = ranking.micro_average_precision(targets, proba)
    expected["micro_ece"] = calibration.micro_ece(targets, proba)
    expected["macro_ece"] = calibration.macro_ece(targets, proba)
    expected["micro_brier"] = calibration.micro_brier(targets, proba)
    expected["log_loss"] = calibration.log_loss(targets, proba)
    assert {name: found.value for name, found in result.metrics.items()} == pytest.approx(expected)
    for name, found in result.metrics.items():
        assert found.low <= found.value <= found.high, name
        assert found.low < found.high, name
        assert found.n == len(examples)
    by_label = {
        "precision": classification.precision_per_label(targets, decisions),
        "recall": classification.recall_per_label(targets, decisions),
        "f1": classification.f1_per_label(targets, decisions),
        "roc_auc": ranking.roc_auc_per_label(targets, proba),
        "average_precision": ranking.average_precision_per_label(targets, proba),
        "ece": calibration.ece_per_label(targets, proba),
    }
    for name, values in by_label.items():
        found = [result.per_label[label][name].value for label in moods.labels]
        assert found == pytest.approx(values.tolist()), name


def test_same_seed_same_result_and_other_seed_other_intervals(case):
    predictor, examples = case(3)
    first, again, other = (
        render_result(evaluate_classifier(predictor, examples, seed=seed, **FACTS)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_examples_without_labels_are_counted_and_not_asked(table_predictor):
    predictor = table_predictor(FOUR_PROBA)
    silent = [
        Example(id="x", text="nobody judged this", is_labelled=False),
        *FOUR,
        Example(id="y", text="nor this", is_labelled=False),
    ]
    result = evaluate_classifier(predictor, silent, **FACTS)
    assert (result.data.n, result.data.n_unscored) == (4, 2)
    assert result.rows.ids == ("a", "b", "c", "d")
    assert all("nobody judged this" not in texts for texts, _ in predictor.asked)


def test_a_text_that_carries_no_label_counts_against_every_label_it_is_given(table_predictor):
    bare = Example(id="e", text="nothing of the kind")
    predictor = table_predictor({**FOUR_PROBA, bare.text: [0.9, 0.1, 0.8]})
    without, with_bare = (evaluate_classifier(predictor, rows, **FACTS) for rows in (FOUR, [*FOUR, bare]))
    assert (with_bare.data.n, with_bare.data.n_unscored) == (5, 0)
    assert with_bare.rows.targets[-1] == ()
    assert with_bare.metrics["micro_precision"].value < without.metrics["micro_precision"].value
    assert with_bare.metrics["micro_recall"].value == without.metrics["micro_recall"].value
    assert with_bare.metrics["exact_match"].value == pytest.approx(without.metrics["exact_match"].value * 4 / 5)


def test_every_figure_can_be_had_again_from_the_rows(table_predictor):
    generator = np.random.default_rng(5)
    examples = [Example(id=str(n), text=f"t{n}", labels=(("calm",), ("glad", "cross"), ())[n % 3]) for n in range(60)]
    # Probabilities that five digits would make equal.
    predictor = table_predictor({one.text: 0.3 + generator.random(3) * 1e-6 for one in examples}, threshold=0.3000005)
    result = evaluate_classifier(predictor, examples, **FACTS)
    targets, proba = np.zeros((60, 3), dtype=bool), np.array(result.rows.proba)
    for row, columns in enumerate(result.rows.targets):
        targets[row, list(columns)] = True
    assert len(np.unique(proba)) > 20
    assert ranking.macro_average_precision(targets, proba).value == result.metrics["macro_average_precision"].value
    assert ranking.macro_roc_auc(targets, proba).value == result.metrics["macro_roc_auc"].value
    assert calibration.micro_ece(targets, proba) == result.metrics["micro_ece"].value


def test_undefined_labels_are_nan_and_counted(table_predictor):
    result = evaluate_classifier(table_predictor(FOUR_PROBA), FOUR[:2], **FACTS)
    assert result.data.n_undefined_labels == 2  # glad is in both, cross in none
    assert math.isnan(result.per_label["cross"]["roc_auc"].value)
    assert math.isnan(result.per_label["glad"]["roc_auc"].value)
    assert result.per_label["glad"]["average_precision"].value == 1.0
    assert result.metrics["macro_roc_auc"].value == 1.0  # calm alone


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([*FOUR, Example(id="e", text="t", labels=("calm",), is_synthetic=True)], "the synthetic example 'e' at rem"),
        ([*FOUR, FOUR[0]], "expected unique ids, got 'a' twice"),
        ([], "expected examples with labels of moods.v1, got 0 examples"),
        ([Example(id="x", text="t", is_labelled=False)], "got 1 examples, none of which carries any at remarks:test"),
    ],
)
def test_unusable_examples_are_refused(table_predictor, examples, message):
    with pytest.raises(DataError, match=message):
        evaluate_classifier(table_predictor(FOUR_PROBA), examples, **FACTS)


def test_an_unknown_label_is_named_with_its_example(table_predictor):
    wrong = [Example(id="q7", text="t", labels=("gladd",))]
    with pytest.raises(LabelError, match=r"got 'gladd' at example q7; did you mean .glad.\?"):
        evaluate_classifier(table_predictor(FOUR_PROBA), wrong, **FACTS)


def test_answers_of_another_shape_or_range_are_refused(table_predictor):
    narrow = table_predictor({text: row[:2] for text, row in FOUR_PROBA.items()})
    narrow.predict = narrow.predict_proba
    with pytest.raises(
        ShapeError, match=r"answers of shape \(4, 3\), for moods\.v1, got shape \(4, 2\) at model table"
    ):
        evaluate_classifier(narrow, FOUR, **FACTS)
    wild = table_predictor({**FOUR_PROBA, "go away": [0.2, 0.1, 1.4]})
    with pytest.raises(DataError, match=r"probabilities from 0 to 1, got 1\.4 at row 2, column 2"):
        evaluate_classifier(wild, FOUR, **FACTS)
    broken = table_predictor({**FOUR_PROBA, "go away": [0.2, math.nan, 0.4]})
    with pytest.raises(DataError, match=r"finite numbers, got nan at scores, row 2, column 1"):
        evaluate_classifier(broken, FOUR, **FACTS)
    few = table_predictor(FOUR_PROBA)
    few.thresholds = np.full(2, 0.5)
    with pytest.raises(ShapeError, match=r"3 cut-offs, one for each label of moods\.v1"):
        evaluate_classifier(few, FOUR, **FACTS)


def test_context_is_passed_to_models_that_use_it(table_predictor):
    told = [
        Example(id="a", text="well done", context=("I dropped the cake.",), labels=("glad",)),
        Example(id="b", text="go away", labels=("cross",)),
    ]
    with_context = table_predictor(FOUR_PROBA, uses_context=True)
    assert evaluate_classifier(with_context, told, **FACTS).settings.context == "given"
    assert [context for _, context in with_context.asked] == [[("I dropped the cake.",), None]]
    without_context = table_predictor(FOUR_PROBA)
    assert evaluate_classifier(without_context, told, **FACTS).settings.context == "none"
    assert all(context is None for _, context in without_context.asked)
    assert evaluate_classifier(with_context, FOUR, **FACTS).settings.context == "none"
    assert with_context.asked[-1][1] is None


def test_context_can_be_withheld_and_the_result_says_so(table_predictor):
    told = [replace(example, context=("And then?",)) for example in FOUR]
    predictor = table_predictor(FOUR_PROBA, uses_context=True)
    withheld = evaluate_classifier(predictor, told, ignore_context=True, **FACTS)
    assert all(context is None for _, context in predictor.asked)
    assert withheld.settings.context == "withheld"
    for model, examples in ((predictor, FOUR), (table_predictor(FOUR_PROBA), told)):  # nothing there to withhold
        assert evaluate_classifier(model, examples, ignore_context=True, **FACTS).settings.context == "none"


def test_leaked_examples_are_removed_in_a_second_set_of_figures(table_predictor):
    train = ["  GO away!! ", "something else", "so be it, then"]
    predictor = table_predictor(FOUR_PROBA)
    result = evaluate_classifier(predictor, FOUR, train_texts=iter(train), **FACTS)
    again = result.without_leaked
    assert (again.n, again.n_removed) == (3, 1)
    alone = evaluate_classifier(predictor, [FOUR[0], FOUR[1], FOUR[3]], **FACTS)
    assert set(again.metrics) == set(result.metrics)
    for name, found in alone.metrics.items():
        np.testing.assert_equal(again.metrics[name].value, found.value, err_msg=name)
        assert again.metrics[name].n == 3
    assert result.metrics["micro_f1"].n == 4
    assert evaluate_classifier(predictor, FOUR, **FACTS).without_leaked is None


def test_nothing_leaked_and_everything_leaked(table_predictor):
    predictor = table_predictor(FOUR_PROBA)
    nothing = evaluate_classifier(predictor, FOUR, train_texts=[], **FACTS).without_leaked
    assert (nothing.n, nothing.n_removed) == (4, 0)
    everything = evaluate_classifier(predictor, FOUR, train_texts=FOUR_PROBA, **FACTS).without_leaked
    assert (everything.n, everything.n_removed, everything.metrics) == (0, 4, {})


def test_texts_without_words_leak_only_when_equal(table_predictor):
    predictor = table_predictor({":)": [0.1, 0.9, 0.1], "!!!": [0.1, 0.1, 0.9]})
    examples = [Example(id="a", text=":)", labels=("glad",)), Example(id="b", text="!!!", labels=("cross",))]
    result = evaluate_classifier(predictor, examples, train_texts=["...", "!!!"], **FACTS)
    assert (result.without_leaked.n, result.without_leaked.n_removed) == (1, 1)


def test_targets_are_mapped_into_the_models_space_and_only_reachable_labels_are_measured(table_predictor):
    label_map = load_label_map("isear", "goemotions")
    proba = np.full((2, 28), 0.1)
    proba[0, GOEMOTIONS.index("embarrassment")] = 0.9
    proba[1, GOEMOTIONS.index("joy")] = 0.8
    proba[1, GOEMOTIONS.index("gratitude")] = 0.9  # ISEAR cannot say whether that is right
    predictor = table_predictor({"I blushed": proba[0], "we won": proba[1]}, label_space=GOEMOTIONS)
    examples = [
        Example(id="a", text="I blushed", labels=("shame",)),
        Example(id="b", text="we won", labels=("joy",)),
    ]
    result = evaluate_classifier(predictor, examples, label_map=label_map, **FACTS)
    assert set(result.data.labels) == {"joy", "fear", "anger", "sadness", "disgust", "embarrassment", "remorse"}
    assert tuple(result.per_label) == result.data.labels
    assert result.data.label_space == "goemotions.v1"
    assert result.data.label_map == "isear-to-goemotions.v1"
    assert result.metrics["exact_match"].value == 1.0
    assert result.metrics["micro_f1"].value == 1.0
    assert [result.data.labels[row[0]] for row in result.rows.targets] == ["embarrassment", "joy"]
    assert result.per_label["joy"]["threshold"].value == 0.5


def test_answers_are_projected_into_a_single_label_space_and_the_largest_decides(table_predictor):
    label_map = load_label_map("goemotions", "emocontext")
    proba = np.full((2, 28), 0.0)
    proba[0, GOEMOTIONS.index("joy")] = 0.3
    proba[0, GOEMOTIONS.index("neutral")] = 0.2
    proba[1, GOEMOTIONS.index("sadness")] = 0.4
    proba[1, GOEMOTIONS.index("grief")] = 0.5
    proba[1, GOEMOTIONS.index("anger")] = 0.6
    predictor = table_predictor({"yay": proba[0], "alas": proba[1]}, label_space=GOEMOTIONS)
    examples = [Example(id="a", text="yay", labels=("happy",)), Example(id="b", text="alas", labels=("angry",))]
    result = evaluate_classifier(predictor, examples, label_map=label_map, **FACTS)
    assert result.task == "single-label"
    assert result.data.labels == EMOCONTEXT.labels
    assert result.settings.protocol == "likeliest label"
    # The first says nothing at .5 and still decides; .4 or .5 is .7 and beats .6.
    assert [EMOCONTEXT.labels[row[0]] for row in result.rows.predictions] == ["happy", "sad"]
    assert [len(row) for row in result.rows.predictions] == [1, 1]
    expected = label_map.project_proba(proba.astype(np.float32))
    np.testing.assert_allclose(result.rows.proba, expected, atol=1e-5)
    assert result.rows.proba[1][EMOCONTEXT.index("sad")] == pytest.approx(0.7 / 1.3, abs=1e-5)
    assert "threshold" not in result.per_label["happy"]
    assert set(result.model.thresholds) == set(GOEMOTIONS.labels)
    assert result.metrics["exact_match"].value == 0.5


def test_answers_are_projected_into_a_multi_label_space_by_union(table_predictor):
    label_map = load_label_map("goemotions", "ekman")
    proba = np.full((1, 28), 0.0)
    proba[0, GOEMOTIONS.index("love")] = 0.6
    proba[0, GOEMOTIONS.index("annoyance")] = 0.4
    proba[0, GOEMOTIONS.index("anger")] = 0.4
    predictor = table_predictor({"oh you": proba[0]}, label_space=GOEMOTIONS)
    examples = [Example(id="a", text="oh you", labels=("joy",))]
    result = evaluate_classifier(predictor, examples, label_map=label_map, protocol="cut-offs chosen on dev", **FACTS)
    assert "threshold" not in result.per_label["joy"]  # the model's cut-off is for another joy
    # Two halves of anger are .64 likely together, but neither was decided.
    assert [result.data.labels[column] for column in result.rows.predictions[0]] == ["joy"]
    assert result.rows.proba[0][result.data.labels.index("anger")] == pytest.approx(0.64, abs=1e-5)
    assert result.settings.protocol == "cut-offs chosen on dev"


def test_mapped_examples_without_a_usable_label_are_unscored(table_predictor, moods):
    states = make_label_space("states", ["happy", "angry", "sleepy", "content"], task="multi-label")
    one_mood = make_label_space("one-mood", ["good", "bad"], task="single-label")
    predictor = table_predictor({"t": [0.9, 0.1]}, label_space=one_mood)
    label_map = LabelMap(
        source=states, target=one_mood, version=1, groups={"good": ("happy", "content"), "bad": ("angry",)}
    )
    examples = [
        Example(id="a", text="t", labels=("happy", "content")),
        Example(id="b", text="t", labels=("sleepy",)),
        Example(id="c", text="t", labels=("happy", "angry")),
    ]
    result = evaluate_classifier(predictor, examples, label_map=label_map, **FACTS)
    assert result.rows.ids == ("a",)
    assert (result.data.n, result.data.n_unscored) == (1, 2)


def test_several_labels_contradict_a_single_label_space(table_predictor):
    predictor = table_predictor({"t": [0.1] * 7}, label_space=ISEAR)
    wrong = [Example(id="a", text="t", labels=("joy", "fear"))]
    with pytest.raises(
        DataError, match=r"one label, as isear\.v1 is a single-label space, got 2: joy, fear at example"
    ):
        evaluate_classifier(predictor, wrong, **FACTS)


def test_a_map_that_fits_neither_side_is_refused(table_predictor):
    with pytest.raises(LabelError, match=r"begins or ends at moods.v1.*got isear-to-goemotions.v1 from isear.v1"):
        evaluate_classifier(table_predictor(FOUR_PROBA), FOUR, label_map=load_label_map("isear", "goemotions"), **FACTS)


@settings(max_examples=20, deadline=None)
@given(token=st.text(alphabet="qxzjvkw", min_size=12, max_size=20))
def test_no_text_enters_the_result(case, token):
    predictor, examples = case(0, n=8, text=f"{token} {{}}")
    result = evaluate_classifier(
        predictor,
        [
            Example(id=one.id, text=one.text, context=(f"before {token}",), labels=one.labels, notes={"speaker": token})
            for one in examples
        ],
        train_texts=[f"{token} 3"],
        **{**FACTS, "n_resamples": 2},
    )
    assert token not in render_result(result)


def test_wrong_probabilities_are_refused_before_they_are_projected(table_predictor):
    proba = np.full(28, 0.1)
    proba[GOEMOTIONS.index("love")] = 1.5
    predictor = table_predictor({"oh you": proba}, label_space=GOEMOTIONS)
    examples = [Example(id="a", text="oh you", labels=("joy",))]
    with pytest.raises(DataError, match=r"probabilities from 0 to 1, got 1\.5"):
        evaluate_classifier(predictor, examples, label_map=load_label_map("goemotions", "ekman"), **FACTS)


def test_labels_that_no_answer_of_the_model_stands_for_are_not_measured_and_counted(table_predictor):
    answers = {"we won": [0.9, *[0.0] * 6], "thank you": [0.8, *[0.0] * 6], "I blushed": [0.0] * 6 + [0.7]}
    predictor = table_predictor(answers, label_space=ISEAR)
    examples = [
        Example(id="a", text="we won", labels=("joy",)),
        Example(id="b", text="thank you", labels=("gratitude",)),
        Example(id="c", text="I blushed", labels=("remorse", "pride")),
    ]
    label_map = load_label_map("isear", "goemotions")
    result = evaluate_classifier(predictor, examples, label_map=label_map, **{**FACTS, "cautions": ("before",)})
    assert set(result.data.labels) == {"joy", "fear", "anger", "sadness", "disgust", "embarrassment", "remorse"}
    assert tuple(result.per_label) == result.data.labels
    # Thanks are no joy: the text counts, and against the label that it is given.
    assert (result.data.n, result.data.n_unscored) == (3, 0)
    assert result.rows.targets == ((result.data.labels.index("joy"),), (), (result.data.labels.index("remorse"),))
    assert result.per_label["joy"]["precision"].value == 0.5
    assert result.metrics["micro_recall"].value == 1.0
    assert result.metrics["macro_f1"].value == pytest.approx((2 / 3 + 1) / 7)
    assert [len(row) for row in result.rows.proba] == [7, 7, 7]
    first, caution = result.data.cautions
    assert first == "before"
    assert caution.startswith("21 of the 28 labels are not measured, since no answer of the model stands for them: ad")
    predictor.projected_thresholds = {"goemotions": np.arange(28) / 100}
    cut = evaluate_classifier(predictor, examples, label_map=label_map, **FACTS).per_label
    assert {label: cut[label]["threshold"].value for label in cut} == {
        label: GOEMOTIONS.index(label) / 100 for label in result.data.labels
    }
