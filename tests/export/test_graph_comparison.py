"""Differences between a graph and a reference, and batches for calibration."""

import numpy as np
import pytest
from tiny_networks import make_batch, make_network

from sentire.core.errors import ShapeError, UsageError
from sentire.export.comparison import compare_graph
from sentire.export.graph import build_graph
from sentire.export.graph_session import open_graph, run_graph


@pytest.fixture(scope="module")
def graph() -> bytes:
    network = make_network("bert")
    return build_graph(network.arrays, network.shape, precision="float32")


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(1)
    return [make_batch(rng, 4, 6), make_batch(rng, 3, 9)]


def test_a_shift_of_the_reference_is_found(graph, batches):
    session = open_graph(graph)
    answers = [run_graph(session, ["logits", "vad"], batch) for batch in batches]
    references = [{"logits": logits.copy(), "vad": vad} for logits, vad in answers]
    references[1]["logits"][2, 5] += 0.5
    drifts = compare_graph(graph, batches, references)
    assert drifts["vad"].largest == drifts["vad"].relative == 0.0
    assert drifts["logits"].largest == pytest.approx(0.5)
    assert drifts["logits"].mean == pytest.approx(0.5 / (7 * 28))
    assert drifts["logits"].n_rows == 7
    right = np.concatenate([reference["logits"] for reference in references]).astype(np.float64)
    spread = np.sqrt(((right - right.mean(axis=0)) ** 2).mean())
    assert drifts["logits"].relative == pytest.approx(np.sqrt(0.25 / (7 * 28)) / spread)


def test_one_row_has_no_spread(graph, batches):
    logits = run_graph(open_graph(graph), ["logits"], batches[0])[0][:1]
    one = make_batch(np.random.default_rng(1), 4, 6)
    one = type(one)(
        input_ids=one.input_ids[:1], token_type_ids=one.token_type_ids[:1], pooling_weights=one.pooling_weights[:1]
    )
    assert np.isnan(compare_graph(graph, [one], [{"logits": logits}])["logits"].relative)


def test_references_that_do_not_fit_are_refused(graph, batches):
    with pytest.raises(UsageError, match="one reference for each, got 2 batches and 1 references"):
        compare_graph(graph, batches, [{}])
    with pytest.raises(UsageError, match="got 0 batches and 0 references"):
        compare_graph(graph, [], [])
    with pytest.raises(ShapeError, match=r"a reference of shape \(4, 28\) for logits, got shape \(4, 27\)"):
        compare_graph(graph, batches[:1], [{"logits": np.zeros((4, 27))}])
