"""The speed of the encoder: all contenders hold the same weights, and the figures are what was measured."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from tiny_networks import make_batch, make_network

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["logits", "vad", "embedding"]


def load_script(name, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def script(monkeypatch):
    return load_script("encoder_speed", monkeypatch)


@pytest.fixture
def reader(monkeypatch):
    return load_script("graph_weights", monkeypatch)


# --- The weights of a graph -------------------------------------------------------------------------------------------


def test_the_weights_of_an_int8_graph_make_a_network_that_answers_nearly_the_same(reader):
    from sentire.export.graph import build_graph
    from sentire.export.graph_session import open_graph, run_graph

    network = make_network("bert")
    rng = np.random.default_rng(5)
    calibration = [make_batch(rng, 40, n_tokens, has_context=n_tokens == 9) for n_tokens in (5, 9, 17)]
    content = build_graph(network.arrays, network.shape, precision="int8", calibration=calibration)
    found = reader.read_weights(content)
    assert replace(found.shape, layer_norm_eps=network.shape.layer_norm_eps) == network.shape
    assert found.shape.layer_norm_eps == pytest.approx(network.shape.layer_norm_eps)
    assert found.arrays.keys() == {name for name in network.arrays if "pooler" not in name}
    integer = open_graph(content)
    floating = open_graph(build_graph(found.arrays, found.shape, precision="float32"))
    for has_context in (False, True):
        batch = make_batch(rng, 30, 12, has_context=has_context)
        for name, answer, usual in zip(
            NAMES, run_graph(integer, NAMES, batch), run_graph(floating, NAMES, batch), strict=True
        ):
            assert np.corrcoef(answer.ravel(), usual.ravel())[0, 1] > 0.99, name
            # Both round the same weights; the network before rounding is further away than they are from each other.
            assert np.abs(answer - usual).mean() < 0.1 * usual.std(), name
        torch_says = network.answer(batch)["logits"]
        assert np.corrcoef(run_graph(floating, ["logits"], batch)[0].ravel(), torch_says.ravel())[0, 1] > 0.97


def test_another_graph_is_refused(reader):
    from sentire.export.graph import build_graph

    network = make_network("bert")
    with pytest.raises(SystemExit, match=r"expected the int8 graph of a BERT .*, got none of 'words.scales'"):
        reader.read_weights(build_graph(network.arrays, network.shape, precision="float32"))


# --- Texts and operations ---------------------------------------------------------------------------------------------


def test_a_few_texts_are_as_long_as_all(script):
    lengths = np.random.default_rng(1).geometric(0.06, 5000)
    texts = [f"{place} {length}" for place, length in enumerate(lengths)]
    for n_texts in (40, 333):
        chosen = script.pick_texts(texts, lengths, n_texts, seed=0)
        of_chosen = np.array([int(text.split()[1]) for text in chosen])
        assert len(set(chosen)) == n_texts
        assert of_chosen.mean() == pytest.approx(lengths.mean(), rel=0.03)
        assert of_chosen.max() > np.quantile(lengths, 0.97)
        assert list(of_chosen) != sorted(of_chosen)
        assert chosen == script.pick_texts(texts, lengths, n_texts, seed=0)
    assert sorted(script.pick_texts(texts, lengths, 9999, seed=0)) == sorted(texts)


def test_operations_are_those_of_the_matrix_products_one_by_one(script):
    shape = make_network("bert").shape
    size, inner = shape.hidden_size, shape.intermediate_size
    by_hand = 0
    for n_tokens in (3, 20, 41):
        for _ in range(shape.n_layers):
            for n_inputs, n_outputs in [(size, size)] * 4 + [(size, inner), (inner, size)]:
                by_hand += 2 * n_tokens * n_inputs * n_outputs
            for _ in range(shape.n_heads):
                by_hand += 2 * (2 * n_tokens * n_tokens * size // shape.n_heads)
    assert script.count_operations(shape, np.array([3, 20, 41])) == by_hand


def test_a_token_of_minilm_costs_what_it_is_known_to_cost(script, minilm_folder):
    shape = script.EncoderShape(
        **{
            **make_network("bert").shape.__dict__,
            "hidden_size": 384,
            "n_layers": 6,
            "n_heads": 12,
            "intermediate_size": 1536,
        }
    )
    assert script.count_operations(shape, np.array([19])) / 19 == pytest.approx(21.4e6, rel=0.002)


# --- Figures ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def seconds(script):
    """Three rounds; ten texts each; the second round is slow for everybody."""
    return {
        script.INT8: {1: [0.10, 0.20, 0.10], 2: [0.05, 0.10, 0.06]},
        script.FLOAT32: {1: [0.30, 0.60, 0.30], 2: [0.20, 0.40, 0.20]},
        script.PLAIN_INT8: {1: [0.15, 0.30, 0.15], 2: [0.15, 0.30, 0.15]},
        f"{script.PIPELINE}-1": {1: [1.0, 2.0, 1.2], 2: [0.8, 1.6, 0.8]},
        f"{script.PIPELINE}-32": {1: [0.8, 1.6, 0.6], 2: [0.9, 1.8, 0.9]},
        script.PEAK_INT8: {1: [0.02, 0.04, 0.02]},
        script.PEAK_FLOAT32: {1: [0.04, 0.08, 0.05]},
    }


@pytest.fixture
def lengths_of(script, seconds):
    return {name: np.full(10, 20) for name in seconds if name not in script.PEAKS}


def test_ratios_are_of_rounds_and_against_the_best_batch_size(script, seconds, lengths_of):
    ratios = {(one["title"], one["cores"]): one for one in script.find_ratios(seconds, lengths_of)}
    pipelines = {cores: title for title, cores in ratios if "pipeline" in title}
    assert pipelines[1].endswith("batch 32")
    assert pipelines[2].endswith("batch 1")
    best = ratios[pipelines[1], 1]
    assert (best["low"], best["median"], best["high"]) == (6.0, 8.0, 8.0)
    # A slow minute slows both sides: the ratio of float32 is the same in every round.
    steady = ratios["Sentire, float32", 1]
    assert (steady["low"], steady["median"], steady["high"]) == (3.0, 3.0, 3.0)
    scaling = ratios["itself on one core", 2]
    assert (scaling["low"], scaling["median"], scaling["high"]) == (1.667, 2.0, 2.0)
    assert not any("roberta" in title or "sentence" in title for title, _ in ratios)


def test_rates_count_the_texts_of_each_contender(script, seconds, lengths_of):
    lengths_of[script.FLOAT32] = np.array([7, 8])
    summary = script.summarise(seconds, lengths_of)
    assert list(summary) == [name for name in script.TITLES if name in seconds]
    assert summary[script.INT8]["cores"]["1"]["texts_per_second"] == 100.0
    assert summary[script.INT8]["cores"]["2"]["best_texts_per_second"] == 200.0
    assert summary[script.INT8]["cores"]["1"]["tokens_per_second"] == 2000
    assert summary[script.FLOAT32]["cores"]["1"]["texts_per_second"] == pytest.approx(2 / 0.3, abs=0.06)
    assert summary[script.FLOAT32]["n_tokens"] == 15


def test_the_share_of_the_peak_is_the_median_over_the_best_products(script, seconds):
    operations = {script.PEAK_INT8: 4 * 10**9, script.PEAK_FLOAT32: 2 * 10**9}
    peak = script.find_shares(seconds, operations, 10 * 10**9)
    assert (peak["int8_gop_per_second"], peak["float32_gflop_per_second"]) == (200.0, 50.0)
    assert (peak["reached_gop_per_second"], peak["share_of_int8"]) == (100.0, 0.5)


def make_ready(script, proba):
    return script.Ready(names=(), proba=proba, operations={}, versions={})


def test_contenders_with_other_weights_are_found_out(script):
    usual = np.random.default_rng(0).uniform(size=(4, 3)).astype(np.float32)
    torch_side = make_ready(script, {script.PIPELINE: usual})
    near = make_ready(script, {script.INT8: usual + np.float32(0.04), script.FLOAT32: usual})
    assert script.compare_answers([near, torch_side]) == {
        script.INT8: pytest.approx(0.04, abs=1e-5),
        script.FLOAT32: 0.0,
    }
    far = make_ready(script, {script.INT8: usual, script.FLOAT32: usual + np.float32(0.01)})
    with pytest.raises(
        SystemExit, match=r"expected sentire-float32 and the pipeline to differ by at most 0.002, got 0.01"
    ):
        script.compare_answers([near, far, torch_side])


# --- The whole --------------------------------------------------------------------------------------------------------


def make_results(script, seconds, lengths_of):
    return {
        "machine": {
            "processor": "Abacus",
            "cores": 2,
            "load_before": 0.1,
            "versions": {"python": "3.11", "torch": "2"},
        },
        "model": {"name": "tiny", "layers": 3, "hidden_size": 32, "bytes": 1_500_000},
        "data": {"name": "goemotions:test", "n": 5427, "tokens_per_text": 19.25},
        "n_rounds": 3,
        "contenders": script.summarise(seconds, lengths_of),
        "ratios": script.find_ratios(seconds, lengths_of),
        "peak": script.find_shares(seconds, {script.PEAK_INT8: 4 * 10**9, script.PEAK_FLOAT32: 2 * 10**9}, 10**10),
        "cold_start_seconds": {"median": 0.414, "max": 0.5, "n": 5},
        "files": [{"rows": 20_000, "texts_per_second": 1234, "peak_mib": 187.2}],
    }


def test_the_table_shows_every_contender_ratio_and_file(script, seconds, lengths_of):
    table = script.render_table(json.loads(json.dumps(make_results(script, seconds, lengths_of))))
    for line in (
        "| texts a second | one core | 2 cores | texts a round |",
        "| **Sentire, int8** | 100 | 167 | 10 |",
        "| `transformers` pipeline, same weights, batch 32 | 12.5 | 11.1 | 10 |",
        "| `transformers` pipeline, same weights, batch 32 | 1 | 8.00 | 6.00 to 8.00 |",
        "| 20,000 rows | 1,234 | 187 |",
    ):
        assert f"{line}\n" in table
    assert "100 GOP/s on one core, 50% of the int8 peak" in table
    assert "from a cold start: 0.41 s (median of 5)" in table


def test_the_page_shows_the_stored_figures_or_none(script):
    table = script.render_table(orjson.loads(script.RESULTS.read_bytes())) if script.RESULTS.exists() else ""
    text = script.PAGE.read_text(encoding="utf-8")
    shown = text.partition("<!-- table: speed -->")[2].partition("<!-- end: speed -->")[0]
    assert shown.strip() == table, "run: python benchmarks/encoder_speed.py --tables-only"


# --- Workers ----------------------------------------------------------------------------------------------------------


def write_model(folder, network, *, precision, graph):
    """A model folder with a tokenizer that knows the digits."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    from sentire.core.labels import GOEMOTIONS
    from sentire.runtime.model_folder import ModelConfig, write_model_folder

    vocabulary = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"0123456789"])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106  no password
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    write_model_folder(
        folder,
        "encoder",
        ModelConfig(name="tiny", label_space=GOEMOTIONS, thresholds=np.full(28, 0.5), threshold_method="fixed"),
        facts={
            "encoder": {
                "max_tokens": network.shape.n_positions,
                "window_stride_tokens": network.shape.n_positions // 2,
                "max_context_tokens": 8,
                "uses_context": True,
                "pooling": "mean",
                "precision": precision,
            },
            "calibration": {"method": "none"},
            "affect": {"scale": "vad-unit.v1"},
        },
        files={"model.onnx": graph, "tokenizer.json": tokenizer.to_str().encode()},
        card="",
    )
    return folder


@pytest.fixture
def folders(script, tmp_path):
    network = make_network("bert")
    rng = np.random.default_rng(5)
    graph = script.build_graph(
        network.arrays, network.shape, precision="int8", calibration=[make_batch(rng, 40, n) for n in (5, 9)]
    )
    folder = write_model(tmp_path / "int8", network, precision="int8", graph=graph)
    weights = script.read_weights(graph)
    return folder, script.write_float32_folder(folder, weights, tmp_path / "float32")


def test_models_of_another_kind_or_precision_are_refused(script, folders):
    with pytest.raises(SystemExit, match="expected a model of the kind encoder, got linear of the kind tfidf-linear"):
        script.find_folder("linear")
    int8_folder, float32_folder = folders
    assert script.find_folder(str(int8_folder)) == int8_folder
    with pytest.raises(SystemExit, match="expected an int8 model, from which a float32 one is made here, got float32"):
        script.find_folder(str(float32_folder))


def test_a_worker_answers_and_is_timed_in_a_process_of_its_own(script, monkeypatch, folders):
    import sentire

    int8_folder, float32_folder = folders
    texts = ["1 2 3 4 5", "7", "8 9 9 9 9 1 2"] * 20
    names = (script.INT8, script.FLOAT32, script.PLAIN_INT8, script.PLAIN_FLOAT32)
    worker = script.Worker(
        script.Plan(
            library="onnxruntime",
            cores=script.choose_cores(1),
            int8_folder=str(int8_folder),
            float32_folder=str(float32_folder),
            texts=dict.fromkeys(names, texts),
            seed=0,
        )
    )
    try:
        ready = worker.wait_ready()
        assert set(ready.names) == {*names, *script.PEAKS}
        assert ready.operations.keys() == set(script.PEAKS)
        for name, folder in ((script.INT8, int8_folder), (script.FLOAT32, float32_folder)):
            logits = sentire.load(folder).predict_logits(texts[:24])
            assert ready.proba[name] == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-6)
        for name in ready.names:
            assert 0 < worker.run(name) < 60
    finally:
        worker.stop()


def test_onnxruntime_alone_computes_what_the_runtime_computes(script, folders, monkeypatch):
    import sentire

    contenders = load_script("encoder_contenders", monkeypatch)
    texts = ["1 2 3 4 5", "7", "8 9 9 9 9 1 2"]
    for folder in folders:
        answers = contenders._make_plain_run(folder, 1)(texts)
        logits = sentire.load(folder).predict_logits(texts)
        assert answers == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-5)
