"""Tiny random networks in torch, as arrays and as what torch answers."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sentire.core.pooling import make_pooling_weights
from sentire.encoders.shape import EncoderShape, describe_encoder
from sentire.runtime.onnx_files import TokenBatch

N_LABELS = 28
KINDS = ("bert", "roberta", "xlm-roberta", "distilbert", "electra")
_CLASSES = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "electra": "Electra"}
_SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
_DISTILBERT_SIZES = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64}
N_WORDS, N_ROWS = 90, 66


@dataclass
class Network:
    """An encoder in torch with random heads beside it.

    Attributes:
        encoder: The torch module.
        shape: Its numbers.
        arrays: Its weights and those of the heads, as a state dict has them.
    """

    encoder: Any
    shape: EncoderShape
    arrays: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def answer(self, batch: TokenBatch) -> dict[str, NDArray[np.float64]]:
        """Return what torch answers."""
        import torch

        takes_types = self.shape.model_type != "distilbert"
        types = {"token_type_ids": torch.from_numpy(batch.token_type_ids)} if takes_types else {}
        with torch.no_grad():
            hidden = self.encoder(torch.from_numpy(batch.input_ids), **types).last_hidden_state.numpy()
        pooled = np.einsum("bt,btd->bd", batch.pooling_weights.astype(np.float64), hidden)
        answers = {"embedding": pooled}
        for name, head in (("logits", "emotion_head"), ("vad", "affect_head")):
            answers[name] = pooled @ self.arrays[f"{head}.weight"].T + self.arrays[f"{head}.bias"]
        return answers


def make_batch(rng: np.random.Generator, n_rows: int, n_tokens: int, *, has_context: bool = False) -> TokenBatch:
    """Make random rows; with a context, the second half is the text."""
    types = np.zeros((n_rows, n_tokens), dtype=np.int64)
    if has_context:
        types[:, n_tokens // 2 :] = 1
    return TokenBatch(
        input_ids=rng.integers(3, N_WORDS, (n_rows, n_tokens)),
        token_type_ids=types,
        pooling_weights=make_pooling_weights(
            types, np.ones_like(types), pooling="mean", has_context=np.full(n_rows, has_context)
        ),
    )


def add_heads(network: Network, rng: np.random.Generator) -> Network:
    state = network.encoder.state_dict().items()
    network.arrays = {f"encoder.{name}": tensor.numpy() for name, tensor in state if tensor.is_floating_point()}
    for head, n_outputs in (("emotion_head", N_LABELS), ("affect_head", 3)):
        shape = (n_outputs, network.shape.hidden_size)
        network.arrays[f"{head}.weight"] = rng.normal(0, 0.3, shape).astype(np.float32)
        network.arrays[f"{head}.bias"] = rng.normal(0, 0.3, n_outputs).astype(np.float32)
    return network


def make_network(kind: str, seed: int = 7) -> Network:
    """Make a random network; the test skips without torch and transformers."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    common: dict[str, Any] = {"vocab_size": N_WORDS, "max_position_embeddings": N_ROWS, "model_type": kind}
    torch.manual_seed(seed)
    if kind == "distilbert":
        config = transformers.DistilBertConfig(**{**common, **_DISTILBERT_SIZES})
        encoder = transformers.DistilBertModel(config)
    else:
        name = _CLASSES[kind]
        own = {"embedding_size": _SIZES["hidden_size"]} if kind == "electra" else {}
        padding = 1 if "roberta" in kind else 0
        config = getattr(transformers, f"{name}Config")(
            **common, **_SIZES, **own, type_vocab_size=2, pad_token_id=padding
        )
        encoder = getattr(transformers, f"{name}Model")(config)
    with torch.no_grad():
        # As wide as trained ones, and with norms and biases that do something.
        for parameter in encoder.parameters():
            spread = 0.25 if parameter.ndim == 2 else 0.1
            parameter.copy_(torch.randn_like(parameter) * spread + (parameter.mean() > 0.9))
    return add_heads(Network(encoder.eval(), describe_encoder(config.to_dict())), np.random.default_rng(3))
