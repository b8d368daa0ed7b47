"""A model's affect scores against ratings: converted, measured, and only where all three are rated."""

from dataclasses import replace

import numpy as np
import pytest

from sentire.core.affect import VAD_1_5, VAD_1_9, VAD_DIMENSIONS, VAD_UNIT
from sentire.core.errors import DataError, ShapeError, UsageError
from sentire.core.records import Example
from sentire.evaluate.affect_model import evaluate_affect_model
from sentire.evaluate.compare import compare_results
from sentire.evaluate.result import render_result
from sentire.runtime.judgement import Judgement

FACTS = {"data_name": "ratings", "data_revision": "r1", "split": "test", "n_resamples": 40}


def make_examples(n=60, *, low=1, high=5):
    ratings = np.random.default_rng(4).uniform(low, high, size=(n, 3))
    return [
        Example(id=f"s{number}", text=f"remark {number}", scores=dict(zip(VAD_DIMENSIONS, row, strict=True)))
        for number, row in enumerate(ratings.tolist())
    ]


@pytest.fixture
def model(affect_table):
    guesses = np.random.default_rng(5).uniform(-0.7, 0.7, size=(60, 3)).astype(np.float32)
    return affect_table({f"remark {number}": row for number, row in enumerate(guesses.tolist())})


@pytest.mark.parametrize(("scale", "low", "high"), [(VAD_1_5, 1, 5), (VAD_1_9, 1, 9), (VAD_UNIT, -1, 1)])
def test_scores_are_measured_on_the_scale_of_the_ratings(model, scale, low, high):
    examples = make_examples(low=low, high=high)
    result = evaluate_affect_model(model, examples, scale=scale, **FACTS)
    unit = model.judge([example.text for example in examples]).vad.astype(np.float64)
    guessed = low + (unit + 1) * (high - low) / 2
    true = np.array([[example.scores[dimension] for dimension in VAD_DIMENSIONS] for example in examples])
    for column, initial in enumerate("vad"):
        figures = {measure: result.metrics[f"{measure}_{initial}"].value for measure in ("pearson", "rmse", "mae")}
        gap = guessed[:, column] - true[:, column]
        assert figures["pearson"] == pytest.approx(np.corrcoef(guessed[:, column], true[:, column])[0, 1], rel=1e-5)
        assert figures["rmse"] == pytest.approx(np.sqrt(np.mean(gap**2)), rel=1e-5)
        assert figures["mae"] == pytest.approx(np.mean(np.abs(gap)), rel=1e-5)
        baseline = result.metrics[f"rmse_{initial}_mean_baseline"].value
        assert baseline == pytest.approx(true[:, column].std())
    np.testing.assert_allclose(result.rows.predictions, guessed, rtol=1e-6)
    assert result.data.label_space == scale.id
    assert result.settings.protocol == "scores as the model gives them, beside the mean of these texts"


def test_only_examples_with_all_three_ratings_are_asked_about(model):
    examples = make_examples()
    examples[3] = replace(examples[3], scores={"valence": 2.0, "arousal": 3.0})
    examples[9] = replace(examples[9], scores={})
    result = evaluate_affect_model(model, examples, scale=VAD_1_5, n_rejected=7, cautions=["mind"], **FACTS)
    assert (result.data.n, result.data.n_unscored, result.data.n_rejected) == (58, 2, 7)
    assert result.data.cautions == ("mind",)
    assert {"s3", "s9"}.isdisjoint(result.rows.ids)
    ((asked, _),) = model.asked
    assert len(asked) == 58
    assert {"remark 3", "remark 9"}.isdisjoint(asked)
    alone = [example for example in examples if example.id not in ("s3", "s9")]
    assert evaluate_affect_model(model, alone, scale=VAD_1_5, **FACTS).metrics == result.metrics


def test_the_mean_of_training_is_the_baseline_and_its_texts_are_left_out(model):
    examples = make_examples()
    result = evaluate_affect_model(
        model,
        examples,
        scale=VAD_1_5,
        train_mean=[2.0, 3.0, 4.0],
        train_name="ratings:train",
        train_texts=["REMARK 8!", "remark 60"],
        **FACTS,
    )
    gap = np.array([example.scores["dominance"] - 4.0 for example in examples])
    assert result.metrics["rmse_d_mean_baseline"].value == pytest.approx(np.sqrt(np.mean(gap**2)))
    assert result.settings.protocol.endswith("beside the mean of ratings:train")
    unseen = [example for example in examples if example.id != "s8"]
    alone = evaluate_affect_model(model, unseen, scale=VAD_1_5, train_mean=[2.0, 3.0, 4.0], **FACTS)
    assert (result.without_leaked.n, result.without_leaked.n_removed) == (59, 1)
    assert result.without_leaked.metrics["pearson_v"].value == alone.metrics["pearson_v"].value
    assert alone.without_leaked is None


def test_context_is_given_or_withheld_and_the_result_says_which(affect_table):
    examples = [replace(one, context=("Guess what!",)) for one in make_examples(4, low=-1, high=1)]
    examples[2] = replace(examples[2], context=())
    model = affect_table({f"remark {number}": [0.0, 0.0, 0.0] for number in range(4)}, uses_context=True)
    given = evaluate_affect_model(model, examples, scale=VAD_UNIT, **FACTS)
    assert model.asked[-1][1] == [("Guess what!",), ("Guess what!",), None, ("Guess what!",)]
    assert [row[0] for row in given.rows.predictions] == [0.25, 0.25, 0.0, 0.25]
    withheld = evaluate_affect_model(model, examples, scale=VAD_UNIT, ignore_context=True, **FACTS)
    assert model.asked[-1][1] is None
    assert {score for row in withheld.rows.predictions for score in row} == {0.0}
    told_nothing = evaluate_affect_model(
        affect_table({f"remark {number}": [0.0] * 3 for number in range(4)}), examples, scale=VAD_UNIT, **FACTS
    )
    assert [one.settings.context for one in (given, withheld, told_nothing)] == ["given", "withheld", "none"]


def test_two_results_compare_by_their_rows(model, affect_table):
    examples = make_examples()
    exact = affect_table(
        {
            example.text: VAD_1_5.convert(list(example.scores.values()), VAD_UNIT).astype(np.float32).tolist()
            for example in examples
        }
    )
    a, b = (evaluate_affect_model(one, examples, scale=VAD_1_5, **FACTS) for one in (model, exact))
    found = compare_results(a, b, n_resamples=50)
    assert found.metrics["pearson_a"].value_b == pytest.approx(1.0)
    assert found.metrics["pearson_a"].value_a == pytest.approx(a.metrics["pearson_a"].value, abs=1e-12)
    assert found.metrics["rmse_d"].difference == pytest.approx(-a.metrics["rmse_d"].value, abs=1e-5)


def test_rows_may_be_left_out_and_the_same_seed_gives_the_same_file(model):
    examples = make_examples()
    first, again = (evaluate_affect_model(model, examples, scale=VAD_1_5, seed=1, **FACTS) for _ in range(2))
    assert render_result(first) == render_result(again)
    other = evaluate_affect_model(model, examples, scale=VAD_1_5, seed=2, keep_rows=False, **FACTS)
    assert other.rows is None
    assert other.metrics["pearson_v"].value == first.metrics["pearson_v"].value
    assert other.metrics["pearson_v"].low != first.metrics["pearson_v"].low


def answering(vad):
    def judge(texts, *, context=None):
        is_plain = np.ones(len(texts), dtype=np.bool_)
        return Judgement(proba=np.zeros((len(texts), 3)), vad=vad, is_known=is_plain, is_english=is_plain)

    return judge


@pytest.mark.parametrize(
    ("vad", "error", "message"),
    [
        (None, ShapeError, r"affect scores of shape \(60, 3\), got none at model affect table"),
        (np.zeros((60, 2)), ShapeError, r"affect scores of shape \(60, 3\), got shape \(60, 2\)"),
        (np.zeros((59, 3)), ShapeError, r"got shape \(59, 3\)"),
        (np.full((60, 3), 1.5), DataError, r"between -1 and 1 \(vad-unit.v1\), got 1.5 at model affect table"),
        (np.full((60, 3), np.nan), DataError, "got nan at model affect table"),
    ],
)
def test_answers_that_are_no_scores(model, vad, error, message):
    model.judge = answering(vad)
    with pytest.raises(error, match=message):
        evaluate_affect_model(model, make_examples(), scale=VAD_1_5, **FACTS)


def test_what_cannot_be_measured(model):
    examples = make_examples()
    with pytest.raises(DataError, match="got the synthetic example 's0' at ratings:test"):
        evaluate_affect_model(model, [replace(examples[0], is_synthetic=True)], scale=VAD_1_5, **FACTS)
    with pytest.raises(DataError, match="unique ids, got 's0' twice at ratings:test"):
        evaluate_affect_model(model, [examples[0], examples[0]], scale=VAD_1_5, **FACTS)
    with pytest.raises(DataError, match="scores of valence, arousal, dominance, got 1 examples, none of which carries"):
        evaluate_affect_model(model, [replace(examples[0], scores={"valence": 1.0})], scale=VAD_1_5, **FACTS)
    off = replace(examples[0], scores=dict.fromkeys(VAD_DIMENSIONS, 5.5))
    with pytest.raises(DataError, match=r"between 1 and 5 \(vad-1-5.v1\), got 5.5 at ratings:test"):
        evaluate_affect_model(model, [off], scale=VAD_1_5, **FACTS)
    model.has_vad = False
    with pytest.raises(
        UsageError, match=r"answers with valence, arousal and dominance, got affect table, which answers"
    ):
        evaluate_affect_model(model, examples, scale=VAD_1_5, **FACTS)
    assert model.asked == []
