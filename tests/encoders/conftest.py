"""A tiny random encoder of every supported kind, in the files that a real one has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import safetensors.torch
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = """
    [PAD] <pad> [UNK] [CLS] [SEP] a b c d e i l n o r s t u y ##a ##d ##e ##n ##r ##s ##t ##y . ! ? ,
    the sun was up glad sad no queue soup
""".split()  # noqa: SIM905  forty strings would be hard to read
"""Forty pieces and words of our own."""

CONFIG: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 24,
    "hidden_act": "gelu",
    "type_vocab_size": 2,
    "pad_token_id": 0,
}
DISTILBERT_CONFIG: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "dim": 8,
    "n_layers": 2,
    "n_heads": 2,
    "hidden_dim": 12,
    "max_position_embeddings": 24,
    "activation": "gelu",
    "pad_token_id": 0,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {**CONFIG, "model_type": "bert", "position_embedding_type": "absolute"},
    "roberta": {**CONFIG, "model_type": "roberta", "type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5},
    "xlm-roberta": {**CONFIG, "model_type": "xlm-roberta", "type_vocab_size": 1, "pad_token_id": 1},
    "distilbert": {**DISTILBERT_CONFIG, "model_type": "distilbert"},
    "electra": {**CONFIG, "model_type": "electra", "embedding_size": 8},
}
TASK_CLASSES = {
    "bert": ("BertConfig", "BertForMaskedLM"),
    "roberta": ("RobertaConfig", "RobertaForSequenceClassification"),
    "xlm-roberta": ("XLMRobertaConfig", "XLMRobertaModel"),
    "distilbert": ("DistilBertConfig", "DistilBertForSequenceClassification"),
    "electra": ("ElectraConfig", "ElectraForPreTraining"),
}
"""The class that each tiny file was saved from: some with the heads of a task, one bare and with its pooler."""


def build_tokenizer() -> Tokenizer:
    vocabulary = {word: place for place, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [(word, WORDS.index(word)) for word in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    tokenizer.enable_truncation(7)
    tokenizer.enable_padding(length=7)
    return tokenizer


def build_model(model_type: str) -> torch.nn.Module:
    config_class, model_class = (getattr(transformers, name) for name in TASK_CLASSES[model_type])
    settings = {
        key: value for key, value in CONFIGS[model_type].items() if key not in ("model_type", "position_embedding_type")
    }
    torch.manual_seed(11)
    model = model_class(config_class(**settings))
    for parameter in model.parameters():  # no layer norm of ones and no bias of zeros, which would hide a mix-up
        torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


def write_encoder(folder: Path, model_type: str = "bert", **changes: Any) -> Path:
    """Write the files of a tiny encoder; ``changes`` are other entries of its config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    model = build_model(model_type)
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    weights = {name: value.clone() for name, value in model.state_dict().items() if name not in tied}
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_bytes(orjson.dumps({**CONFIGS[model_type], **changes}))
    build_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def write() -> Callable[..., Path]:
    """``write(folder, model_type, **changes)`` writes a tiny encoder."""
    return write_encoder


@pytest.fixture
def build() -> Callable[[str], torch.nn.Module]:
    """``build(model_type)`` makes the model whose weights ``write`` wrote."""
    return build_model
