"""The figures that the classical models must reach on GoEmotions test, cut-offs from dev."""

from pathlib import Path

import numpy as np
import pytest

from sentire.core.config import read_config
from sentire.data.registry import load_dataset
from sentire.evaluate.run import evaluate_model
from sentire.metrics.ranking import roc_auc_per_label
from sentire.runtime.load import load

pytest.importorskip("sklearn")

from sentire.classifiers.recipe import TfidfRecipe
from sentire.classifiers.train import train_tfidf

CONFIGS = Path(__file__).parents[2] / "configs"

pytestmark = pytest.mark.corpus


@pytest.mark.parametrize(
    ("config", "settings", "macro", "micro"),
    [
        pytest.param(
            "goemotions-lr.toml",
            ["logistic_regression.C=1.0", 'logistic_regression.penalty="l1"'],
            0.44,
            0.525,
            marks=pytest.mark.slow,
        ),
        ("goemotions-nb.toml", ["naive_bayes.alpha=0.1", "naive_bayes.fit_prior=false"], 0.27, 0.40),
    ],
)
def test_the_course_projects_models(corpus_root, tmp_path, config, settings, macro, micro):
    recipe = read_config(TfidfRecipe, CONFIGS / config, settings)
    trained = train_tfidf(recipe, tmp_path / "model", data_root=corpus_root)
    assert trained.report["search"] == []
    result = evaluate_model(
        load(tmp_path / "model"), "goemotions:test", data_root=corpus_root, n_resamples=50, keep_rows=False
    )
    figures = {name: result.metrics[name].value for name in ("macro_f1", "micro_f1", "micro_ece", "macro_roc_auc")}
    assert figures["macro_f1"] >= macro, figures
    assert figures["micro_f1"] >= micro, figures
    assert figures["micro_ece"] < 0.01, figures
    # What was said of dev was cross-fitted, so test is no surprise.
    said = trained.report["thresholds"]["cross_fitted_on_dev"]["chosen"]
    assert said["micro_f1"] == pytest.approx(figures["micro_f1"], abs=0.02)
    calibrations = trained.report["calibration"]["cross_fitted_on_dev"]
    assert min(one["micro_ece"] for one in calibrations.values()) < calibrations["none"]["micro_ece"] / 2


def test_calibration_leaves_the_ranking_of_the_embedded_model_alone(corpus_root):
    model = load("linear")
    examples = load_dataset("goemotions").read_split("test", root=corpus_root)
    targets = model.label_space.encode(example.labels for example in examples)
    texts = [example.text for example in examples]
    before = roc_auc_per_label(targets, model.predict_logits(texts))
    after = roc_auc_per_label(targets, model.predict_proba(texts))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-6)
