import dataclasses

import numpy as np
import pytest

from tiny_training import write_data

pytest.importorskip("torch")

import torch

from sentire.classifiers.calibrate import make_calibrated_folds
from sentire.classifiers.thresholds import fit_per_label
from sentire.core.errors import TrainingError
from sentire.metrics.classification import weighted_f1
from sentire.training.dev_measure import DEV_FOLDS, DEV_SHRINKAGE, measure_on_dev, run_network

CPU = torch.device("cpu")


def measure(parts, seed=3):
    return measure_on_dev(parts.network, parts.assembler, parts.dev, CPU, seed=seed)


def make_network_tell(network):
    """Give the answers some spread: new heads hardly differ between texts."""
    with torch.no_grad():
        network.emotion_head.weight.mul_(500)
    return network


def test_answers_do_not_depend_on_the_batch(make_parts):
    parts = make_parts(context={"is_used": True}, data={"affect_train": "", "affect_dev": ""})
    make_network_tell(parts.network)
    parts.network.train()
    logits, affect = run_network(parts.network, parts.assembler, parts.dev.labelled, CPU)
    assert affect is None
    assert parts.network.training
    parts.network.eval()
    for row in range(len(parts.dev.labelled)):
        batch = parts.assembler.assemble([parts.dev.labelled.texts[row]], [parts.dev.labelled.contexts[row]])
        with torch.no_grad():
            np.testing.assert_allclose(logits[row], parts.network(batch)[0][0].numpy(), rtol=1e-4, atol=1e-5)


def test_f1_is_that_of_cut_offs_from_the_other_half(make_parts):
    """The general cross-fitting of cut-offs is the oracle; it knows macro- and micro-F1 only."""
    parts = make_parts()
    make_network_tell(parts.network)
    logits, _ = run_network(parts.network, parts.assembler, parts.dev.labelled, CPU)
    targets = parts.dev.labelled.targets > 0
    folds = make_calibrated_folds("none", logits, targets, n_folds=DEV_FOLDS, seed=3)
    proba = 1 / (1 + np.exp(-logits.astype(np.float64)))
    fit = fit_per_label(targets, proba, folds, shrinkages=(DEV_SHRINKAGE,))
    measured = measure(parts)
    assert {name: measured[name] for name in ("macro_f1", "micro_f1")} == fit.cross_fitted
    assert 0 < measured["weighted_f1"] <= 1
    assert measure(parts, seed=4) != measured
    assert measure(parts) == measured


def test_of_single_labels_the_likeliest_is_right_or_wrong(make_parts, tmp_path):
    data = write_data(tmp_path, is_single=True)
    parts = make_parts(data={"train": f"{data}:train", "dev": f"{data}:dev"})
    make_network_tell(parts.network)
    logits, _ = run_network(parts.network, parts.assembler, parts.dev.labelled, CPU)
    targets = parts.dev.labelled.targets > 0
    decided = np.eye(3, dtype=bool)[logits.argmax(axis=1)]
    measured = measure(parts)
    assert measured["micro_f1"] == pytest.approx((decided & targets).any(axis=1).mean())
    assert measured["weighted_f1"] == weighted_f1(targets, decided)
    with torch.no_grad():
        parts.network.emotion_head.weight.zero_()
    assert measure(parts)["micro_f1"] == pytest.approx(targets[:, 0].mean())  # one label each, even where all are equal


def test_affect_is_a_correlation(make_parts, data):
    parts = make_parts(data={"affect_train": f"{data}:train", "affect_dev": f"{data}:dev"})
    _, scores = run_network(parts.network, parts.assembler, parts.dev.affect, CPU)
    expected = [np.corrcoef(scores[:, d], parts.dev.affect.affect[:, d])[0, 1] for d in range(3)]
    measured = measure(parts)
    np.testing.assert_allclose([measured[f"pearson_{name}"] for name in "vad"], expected, rtol=1e-4)
    with torch.no_grad():
        parts.network.affect_head.weight.zero_()
    assert np.isnan(measure(parts)["pearson_v"])
    parts.dev = dataclasses.replace(parts.dev, affect=None)
    assert "pearson_v" not in measure(parts)


@pytest.mark.parametrize("head", ["emotion_head", "affect_head"])
def test_answers_that_are_no_numbers_end_the_training(make_parts, data, head):
    parts = make_parts(data={"affect_train": f"{data}:train", "affect_dev": f"{data}:dev"})
    with torch.no_grad():
        getattr(parts.network, head).bias[1] = float("nan")
    with pytest.raises(TrainingError, match=r"finite .* on dev, got NaN or infinity"):
        measure(parts)
