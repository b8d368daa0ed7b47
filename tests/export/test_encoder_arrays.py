"""Arrays that do not fit are refused by name, before anything is written."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_networks import KINDS, N_WORDS, make_network

from sentire.core.errors import ArtifactError
from sentire.export.encoder_arrays import read_network

QUERY = "encoder.encoder.layer.1.attention.self.query.weight"


@pytest.mark.parametrize("kind", KINDS)
def test_every_array_has_its_place(kind):
    network = make_network(kind)
    read = read_network(network.arrays, network.shape)
    assert read.words.shape == (N_WORDS, 32)
    assert len(read.positions) == network.shape.n_positions
    assert len(read.layers) == 3
    assert (read.token_types is None) == (kind == "distilbert")
    table = network.arrays["encoder.embeddings.position_embeddings.weight"]
    assert np.array_equal(read.positions[0], table[2 if "roberta" in kind else 0])


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (QUERY, None, f"expected the array {QUERY}, got weights without it"),
        (QUERY, np.zeros((32, 31), np.float32), r"query\.weight as floating-point numbers of shape \(32, 32\)"),
        (QUERY, np.zeros((32, 32), np.int8), r"floating-point numbers of shape \(32, 32\), got int8 of shape"),
        (QUERY, np.full((32, 32), np.nan, np.float32), r"finite numbers in encoder\.\S*query\.weight, got NaN"),
        ("encoder.embeddings.LayerNorm.bias", np.full(32, np.inf), r"finite numbers in .*LayerNorm\.bias"),
        ("encoder.embeddings.word_embeddings.weight", np.zeros((91, 32)), r"shape \(90, 32\), got .* \(91, 32\)"),
        ("emotion_head.weight", np.zeros((28, 33)), r"emotion_head\.weight as .* of shape \(any, 32\)"),
        ("emotion_head.bias", np.zeros(27), r"emotion_head\.bias as .* of shape \(28\), got .* \(27,\)"),
        ("emotion_head.bias", None, r"the array emotion_head\.bias"),
        ("affect_head.weight", np.zeros((4, 32)), r"affect_head\.weight as .* of shape \(3, 32\)"),
        ("affect_head.bias", None, r"the array affect_head\.bias"),
        ("encoder.embeddings_project.weight", np.zeros((2, 2)), r"no others, got encoder\.embeddings_project\.weight"),
        ("encoder.encoder.layer.3.output.dense.bias", np.zeros(32), r"no others, got encoder\.encoder\.layer\.3"),
    ],
)
def test_what_does_not_fit_is_refused(name, array, message):
    network = make_network("bert")
    arrays = dict(network.arrays)
    if array is None:
        del arrays[name]
    else:
        arrays[name] = array
    with pytest.raises(ArtifactError, match=message):
        read_network(arrays, network.shape)


def test_arrays_that_change_nothing_may_be_there():
    network = make_network("bert")
    arrays = {**network.arrays, "encoder.pooler.dense.weight": np.zeros((32, 32), np.float32)}
    assert np.array_equal(read_network(arrays, network.shape).words, read_network(network.arrays, network.shape).words)


def test_another_kind_of_encoder_is_refused():
    network = make_network("bert")
    with pytest.raises(ArtifactError, match=r"a model_type that can be exported .*, got 'deberta'"):
        read_network(network.arrays, replace(network.shape, model_type="deberta"))
