"""A graph as the export writes it, read by the runtime: the same text, the same answer, bit by bit."""

import numpy as np
import pytest
from tiny_encoder import WORDS, TinyEncoder, make_tokenizer

from sentire.core.labels import EKMAN
from sentire.runtime.encoder_batches import plan_batches
from sentire.runtime.encoder_settings import parse_encoder_settings
from sentire.runtime.encoder_tokens import TextTokens
from sentire.runtime.load import load

pytest.importorskip("onnx")

SIZE, INNER, N_POSITIONS = 32, 64, 40
TEXTS = [" ".join(WORDS[4 + (number * step) % 20] for step in range(1, 1 + number % 29)) for number in range(120)]
CONTEXTS = [None if number % 3 else TEXTS[-number - 1] for number in range(120)]


def draw_arrays():
    rng = np.random.default_rng(17)
    arrays = {}

    def draw(name, *shape):
        arrays[name] = rng.normal(0, 0.4, shape).astype(np.float32)

    def draw_linear(name, n_outputs, n_inputs):
        draw(f"{name}.weight", n_outputs, n_inputs)
        draw(f"{name}.bias", n_outputs)

    for table, n_rows in (("word", len(WORDS)), ("position", N_POSITIONS), ("token_type", 2)):
        draw(f"encoder.embeddings.{table}_embeddings.weight", n_rows, SIZE)
    norms = ["encoder.embeddings.LayerNorm"]
    for layer in ("encoder.encoder.layer.0", "encoder.encoder.layer.1"):
        for part in ("query", "key", "value"):
            draw_linear(f"{layer}.attention.self.{part}", SIZE, SIZE)
        draw_linear(f"{layer}.attention.output.dense", SIZE, SIZE)
        draw_linear(f"{layer}.intermediate.dense", INNER, SIZE)
        draw_linear(f"{layer}.output.dense", SIZE, INNER)
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for norm in norms:
        arrays[f"{norm}.weight"] = rng.uniform(0.5, 1.5, SIZE).astype(np.float32)
        draw(f"{norm}.bias", SIZE)
    draw_linear("emotion_head", len(EKMAN), SIZE)
    draw_linear("affect_head", 3, SIZE)
    return arrays


@pytest.fixture(scope="module", params=["float32", "int8"])
def model(request, tmp_path_factory):
    from sentire.encoders.shape import describe_encoder
    from sentire.export.graph import build_graph

    shape = describe_encoder(
        {
            "model_type": "bert",
            "vocab_size": len(WORDS),
            "hidden_size": SIZE,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": INNER,
            "max_position_embeddings": N_POSITIONS,
        }
    )
    reading = {
        "max_tokens": 24,
        "window_stride_tokens": 16,
        "max_context_tokens": 8,
        "uses_context": True,
        "pooling": "mean",
        "precision": request.param,
    }
    tokens = TextTokens(make_tokenizer(), parse_encoder_settings(reading), where="")
    rows = tokens.tokenise(TEXTS, [context or "" for context in CONTEXTS], n_threads=1)
    calibration = [tokens.make_batch(rows, chosen) for chosen in plan_batches(rows.lengths, 1)]
    content = build_graph(draw_arrays(), shape, precision=request.param, calibration=calibration)
    folder = tmp_path_factory.mktemp("models") / request.param
    TinyEncoder().write(folder, onnx_bytes=content, facts={"encoder": reading})
    return load(folder, n_threads=2)


@pytest.mark.parametrize("contexts", [None, CONTEXTS])
def test_a_text_gets_the_same_answer_alone_and_in_company_bit_by_bit(model, contexts):
    together = model.judge(TEXTS, context=contexts)
    assert any(together.course)
    assert len({row.tobytes() for row in together.proba}) > 100
    order = np.random.default_rng(1).permutation(len(TEXTS))
    shuffled = model.judge([TEXTS[place] for place in order], context=contexts and [contexts[place] for place in order])
    assert np.array_equal(shuffled.proba, together.proba[order])
    assert np.array_equal(shuffled.vad, together.vad[order])
    for place in range(0, len(TEXTS), 2):
        alone = model.judge([TEXTS[place]], context=contexts and [contexts[place]])
        assert np.array_equal(alone.proba[0], together.proba[place])
        assert np.array_equal(alone.vad[0], together.vad[place])
        assert np.array_equal(model.embed([TEXTS[place]]), model.embed(TEXTS)[[place]])


def test_the_context_moves_the_answer(model):
    with_context, without = model.predict_proba(TEXTS, context=CONTEXTS), model.predict_proba(TEXTS)
    is_moved = (with_context != without).any(axis=1)
    assert is_moved.tolist() == [bool(context) for context in CONTEXTS]
