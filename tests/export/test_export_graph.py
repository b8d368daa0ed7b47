"""The graph is the network: the same numbers in float32, nearly the same in int8, and of every row by itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from english_sentences import CALIBRATION_SENTENCES, OTHER_SENTENCES
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from tiny_networks import KINDS, N_LABELS, N_WORDS, Network, make_batch, make_network
from tokenizers import Tokenizer

from sentire.core.errors import ArtifactError, UnknownNameError, UsageError
from sentire.export.calibration_texts import make_calibration
from sentire.export.comparison import compare_graph
from sentire.export.graph import build_graph
from sentire.export.graph_session import open_graph, run_graph
from sentire.runtime.encoder_settings import EncoderSettings
from sentire.runtime.encoder_tokens import TextTokens
from sentire.runtime.onnx_check import check_onnx
from sentire.runtime.onnx_files import EncoderGraph, TokenBatch

NAMES = ["logits", "vad", "embedding"]
LENGTHS = (3, 4, 9, 17, 64)


def make_batches(seed: int, lengths=LENGTHS, n_rows: int = 5) -> list[TokenBatch]:
    rng = np.random.default_rng(seed)
    return [
        make_batch(rng, n_rows, n_tokens, has_context=has_context)
        for n_tokens in lengths
        for has_context in (False, True)
    ]


def compare(graph: bytes, network: Network, batches: list[TokenBatch]):
    return compare_graph(graph, batches, [network.answer(batch) for batch in batches])


def take(batch: TokenBatch, rows) -> TokenBatch:
    return TokenBatch(
        input_ids=batch.input_ids[rows],
        token_type_ids=batch.token_type_ids[rows],
        pooling_weights=batch.pooling_weights[rows],
    )


# --- float32 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_what_torch_answers(kind):
    network = make_network(kind)
    drifts = compare(build_graph(network.arrays, network.shape, precision="float32"), network, make_batches(1))
    assert set(drifts) == set(NAMES)
    assert all(drift.largest < 1e-5 for drift in drifts.values()), drifts


def test_every_position_and_token_type_counts():
    # Rows that differ in one thing only must differ in the answer, as far as torch's do.
    network = make_network("roberta")
    graph = build_graph(network.arrays, network.shape, precision="float32")
    batch = make_batch(np.random.default_rng(5), 1, network.shape.n_positions)
    turned = replace(batch, input_ids=batch.input_ids[:, ::-1].copy())
    typed = replace(batch, token_type_ids=1 - batch.token_type_ids)
    answers = [run_graph(open_graph(graph), ["logits"], one)[0] for one in (batch, turned, typed)]
    assert np.abs(answers[0] - answers[1]).max() > 1e-2
    assert np.abs(answers[0] - answers[2]).max() > 1e-2
    assert compare(graph, network, [batch, turned, typed])["logits"].largest < 1e-5


def test_more_tokens_than_positions_are_refused():
    network = make_network("bert")
    session = open_graph(build_graph(network.arrays, network.shape, precision="float32"))
    with pytest.raises(ArtifactError, match="expected a batch that the graph can take"):
        run_graph(session, ["logits"], make_batch(np.random.default_rng(1), 1, network.shape.n_positions + 1))


def test_a_token_beyond_the_table_is_refused():
    network = make_network("bert")
    batch = make_batch(np.random.default_rng(1), 1, 4)
    batch.input_ids[0, 2] = N_WORDS
    for precision in ("float32", "int8"):
        graph = build_graph(network.arrays, network.shape, precision=precision, calibration=make_batches(2))
        with pytest.raises(ArtifactError, match=r"a batch that the graph can take, got .* running Gather"):
            run_graph(open_graph(graph), ["logits"], batch)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_the_runtime_takes_the_file(kind, precision):
    network = make_network(kind)
    content = build_graph(network.arrays, network.shape, precision=precision, calibration=make_batches(2))
    check_onnx(content, where="here")
    probe = make_batch(np.random.default_rng(1), 2, 6)
    graph = EncoderGraph(content, n_labels=N_LABELS, has_vad=True, probe=probe, where="here")
    assert graph.n_dimensions == network.shape.hidden_size
    assert np.array_equal(graph.run(["logits"], probe)[0], run_graph(open_graph(content), ["logits"], probe)[0])


def test_without_the_affect_head_there_is_no_such_output():
    network = make_network("bert")
    arrays = {name: array for name, array in network.arrays.items() if not name.startswith("affect_head")}
    graph = onnx.load_from_string(build_graph(arrays, network.shape, precision="float32")).graph
    assert [put.name for put in graph.output] == ["logits", "embedding"]


# --- int8 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_int8_is_near_torch(kind):
    network = make_network(kind)
    # A random network makes more of every rounding than a trained one.
    calibration = make_batches(11, lengths=range(3, 60, 8), n_rows=20)
    graph = build_graph(network.arrays, network.shape, precision="int8", calibration=calibration)
    drifts = compare(graph, network, make_batches(12, n_rows=20))
    assert drifts["logits"].relative < 0.09, drifts
    assert drifts["vad"].relative < 0.09, drifts
    assert drifts["embedding"].relative < 0.09, drifts


def test_int8_weights_have_seven_bits_and_the_large_tables_eight():
    network = make_network("bert")
    content = build_graph(network.arrays, network.shape, precision="int8", calibration=make_batches(2))
    model = onnx.load_from_string(content)
    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == network.shape.n_layers * 6
    for node in products:
        weight = constants[node.input[1]]
        assert weight.dtype == np.int8
        assert weight.min() >= -64
        assert weight.max() <= 63
        assert np.abs(weight).max() > 40  # and the bits are used
    assert constants["words"].dtype == np.int8
    assert constants["words"].shape == (N_WORDS, network.shape.hidden_size)
    assert np.allclose(
        constants["words"] * constants["words.scales"],
        network.arrays["encoder.embeddings.word_embeddings.weight"],
        atol=0.6 * constants["words.scales"].max(),
    )
    assert not [one.name for one in model.graph.initializer if one.HasField("data_location") and one.data_location]


def test_a_text_wider_than_all_calibration_is_kept_in_bounds():
    # Bytes are cut off at both ends, so what was never seen moves an answer, but cannot turn it over.
    network = make_network("bert")
    rng = np.random.default_rng(2)
    few = [make_batch(rng, 1, 5)]
    graph = build_graph(network.arrays, network.shape, precision="int8", calibration=few)
    answers = run_graph(open_graph(graph), NAMES, make_batch(rng, 50, 30))
    assert all(np.isfinite(answer).all() for answer in answers)
    right = network.answer(few[0])
    assert np.abs(run_graph(open_graph(graph), ["logits"], few[0])[0] - right["logits"]).max() < 0.1


def test_the_same_weights_give_the_same_bytes():
    network = make_network("bert")
    first, second = (
        build_graph(network.arrays, network.shape, precision="int8", calibration=make_batches(2)) for _ in range(2)
    )
    assert first == second


# --- the same text, the same answer -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minilm_tokens(minilm_folder: Path) -> TextTokens:
    settings = EncoderSettings(
        max_tokens=128,
        window_stride_tokens=96,
        max_context_tokens=48,
        uses_context=True,
        pooling="mean",
        precision="int8",
    )
    tokenizer = Tokenizer.from_file(str(minilm_folder / "tokenizer.json"))
    return TextTokens(tokenizer, settings, where="tokenizer.json")


@pytest.fixture(scope="module")
def minilm_graphs(minilm, minilm_tokens) -> dict[str, bytes]:
    calibration = make_calibration(minilm_tokens, CALIBRATION_SENTENCES)
    return {
        precision: build_graph(minilm.arrays, minilm.shape, precision=precision, calibration=calibration)
        for precision in ("float32", "int8")
    }


@pytest.fixture(scope="module")
def minilm_batches(minilm_tokens) -> list[TokenBatch]:
    contexts = [None if place % 3 else OTHER_SENTENCES[-place] for place in range(len(OTHER_SENTENCES))]
    return make_calibration(minilm_tokens, OTHER_SENTENCES, context=contexts)


@pytest.mark.slow
def test_the_real_encoder_is_what_torch_answers(minilm, minilm_graphs, minilm_batches):
    drifts = compare(minilm_graphs["float32"], minilm, minilm_batches)
    assert all(drift.largest < 2e-5 for drift in drifts.values()), drifts
    drifts = compare(minilm_graphs["int8"], minilm, minilm_batches)
    assert drifts["embedding"].relative < 0.12, drifts
    assert drifts["logits"].relative < 0.12, drifts


@pytest.mark.slow
def test_the_real_encoder_in_int8_is_small(minilm_graphs):
    assert len(minilm_graphs["int8"]) < 24.0e6


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_text_has_the_same_answer_alone_in_any_batch_and_in_any_order(minilm_graphs, minilm_batches, precision):
    session = open_graph(minilm_graphs[precision])
    alone = [
        [run_graph(session, NAMES, take(batch, [row])) for row in range(len(batch.input_ids))]
        for batch in minilm_batches
    ]

    @settings(max_examples=30)
    @given(st.data())
    def check(data):
        place = data.draw(st.integers(0, len(minilm_batches) - 1))
        n_rows = len(minilm_batches[place].input_ids)
        rows = data.draw(st.lists(st.integers(0, n_rows - 1), min_size=1, max_size=64))
        answers = run_graph(session, NAMES, take(minilm_batches[place], rows))
        for column, answer in enumerate(answers):
            expected = np.concatenate([alone[place][row][column] for row in rows])
            assert np.abs(answer - expected).max() <= 1e-6

    check()


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), n_rows=st.integers(1, 70), n_tokens=st.integers(3, 64), has_context=st.booleans())
def test_rows_of_a_tiny_network_do_not_see_each_other(tiny_session, seed, n_rows, n_tokens, has_context):
    batch = make_batch(np.random.default_rng(seed), n_rows, n_tokens, has_context=has_context)
    together = run_graph(tiny_session, NAMES, batch)
    order = np.random.default_rng(seed).permutation(n_rows)
    for name, answer, shuffled in zip(NAMES, together, run_graph(tiny_session, NAMES, take(batch, order)), strict=True):
        assert np.abs(answer[order] - shuffled).max() <= 1e-6, name
    for row in {0, n_rows // 2, n_rows - 1}:
        for answer, one in zip(together, run_graph(tiny_session, NAMES, take(batch, [row])), strict=True):
            assert np.abs(answer[row] - one[0]).max() <= 1e-6


@pytest.fixture(scope="module")
def tiny_session():
    network = make_network("bert")
    return open_graph(build_graph(network.arrays, network.shape, precision="int8", calibration=make_batches(2)))


# --- refusals ---------------------------------------------------------------------------------------------------


def test_int8_without_calibration_is_refused():
    network = make_network("bert")
    with pytest.raises(UsageError, match=r"texts to calibrate an int8 model on, got none.*make_calibration"):
        build_graph(network.arrays, network.shape, precision="int8")


def test_another_precision_is_refused():
    network = make_network("bert")
    with pytest.raises(UnknownNameError, match=r"precision \(float32, int8\), got 'int4'"):
        build_graph(network.arrays, network.shape, precision="int4")


def test_calibration_that_overflows_is_refused():
    network = make_network("bert")
    arrays = dict(network.arrays)
    arrays["encoder.encoder.layer.1.intermediate.dense.weight"] = np.full((64, 32), 3e38, dtype=np.float32)
    with pytest.raises(ArtifactError, match="finite numbers inside the network, got NaN or infinity at 'layer"):
        build_graph(arrays, network.shape, precision="int8", calibration=make_batches(2))
