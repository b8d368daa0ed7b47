"""A hand-made encoder model with a vocabulary of forty words, and the same model once more as a slow loop in numpy.

Its graph obeys the contract of the kind ``encoder``: what a token becomes depends on the token, its place, its
segment, and through a mean on every other token of the row; positions end with the table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sentire.core.labels import EKMAN, LabelSpace
from sentire.runtime.calibration import Calibrator, TemperatureScaling
from sentire.runtime.model_folder import ModelConfig, write_model_folder

_WORDS = """
    [PAD] [UNK] [CLS] [SEP] a b e i am so glad sad angry not soup cold queue waited we you thank and the was is it
    very never ##s ##ly ##d ! ? . , : ) - [ ] sep in on
"""
WORDS = _WORDS.split()
UNKNOWN, FIRST, LAST = 1, 2, 3
D = 8


def make_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {word: place for place, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106  no password
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", FIRST), ("[SEP]", LAST)]
    )
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.enable_truncation(7)  # as files of real models have it; the runtime must not follow it
    tokenizer.enable_padding(length=9)
    return tokenizer


@dataclass
class TinyEncoder:
    """The weights, what is built of them, and how texts are read."""

    label_space: LabelSpace = EKMAN
    has_vad: bool = True
    max_tokens: int = 12
    window_stride_tokens: int = 6
    max_context_tokens: int = 4
    uses_context: bool = True
    pooling: str = "mean"
    n_positions: int = 12
    calibrator: Calibrator = field(default_factory=lambda: TemperatureScaling(0.7))

    def __post_init__(self) -> None:
        rng = np.random.default_rng(11)

        def draw(*shape: int) -> Any:
            return rng.normal(size=shape).astype(np.float32)

        self.weights = {
            "tokens": draw(len(WORDS), D),
            "types": draw(2, D),
            "places": draw(self.n_positions, D),
            "mixing": draw(D, D),
            "emotion_weight": draw(len(self.label_space), D),
            "emotion_bias": draw(len(self.label_space)),
            "affect_weight": draw(3, D),
            "affect_bias": draw(3),
        }

    # --- in numpy -------------------------------------------------------------------------------------------------

    def compute(self, ids: Sequence[int], segments: Sequence[int], weights: Sequence[float]) -> dict[str, Any]:
        """One row, token by token."""
        w = self.weights
        hidden = [
            np.tanh(w["tokens"][token] + w["types"][segment] + w["places"][place])
            for place, (token, segment) in enumerate(zip(ids, segments, strict=True))
        ]
        mean = sum(hidden) / len(hidden)
        mixed = [np.tanh(one + mean @ w["mixing"]) for one in hidden]
        pooled = sum(weight * one for weight, one in zip(weights, mixed, strict=True))
        return {
            "logits": w["emotion_weight"] @ pooled + w["emotion_bias"],
            "vad": np.clip(w["affect_weight"] @ pooled + w["affect_bias"], -1, 1),
            "embedding": pooled,
        }

    def compute_text(self, text: Sequence[int], context: Sequence[int] = ()) -> dict[str, Any]:
        """One text that fits, given as tokens without special ones."""
        if not context:
            ids = [FIRST, *text, LAST]
            weights = [1 / len(ids)] * len(ids)
            if self.pooling == "cls":
                weights = [1.0] + [0.0] * (len(ids) - 1)
            return self.compute(ids, [0] * len(ids), weights)
        before, after = [FIRST, *context, LAST], [*text, LAST]
        share = 1 / (1 + len(after))
        weights = [share] + [0.0] * (len(before) - 1) + [share] * len(after)
        if self.pooling == "cls":
            weights = [1.0] + [0.0] * (len(before) + len(after) - 1)
        return self.compute([*before, *after], [0] * len(before) + [1] * len(after), weights)

    # --- as ONNX --------------------------------------------------------------------------------------------------

    def make_onnx(self) -> Any:
        onnx = pytest.importorskip("onnx")
        from onnx import TensorProto, helper, numpy_helper

        node = helper.make_node
        nodes = [
            node("Shape", ["input_ids"], ["length"], start=1, end=2),
            node("Squeeze", ["length"], ["count"]),
            node("Range", ["zero", "count", "one"], ["numbers"]),
            node("Gather", ["tokens", "input_ids"], ["token"]),
            node("Gather", ["types", "token_type_ids"], ["type"]),
            node("Gather", ["places", "numbers"], ["place"]),
            node("Sum", ["token", "type", "place"], ["summed"]),
            node("Tanh", ["summed"], ["hidden"]),
            node("ReduceMean", ["hidden", "axis"], ["mean"], keepdims=1),
            node("MatMul", ["mean", "mixing"], ["mixed"]),
            node("Add", ["hidden", "mixed"], ["added"]),
            node("Tanh", ["added"], ["last"]),
            node("Unsqueeze", ["pooling_weights", "end"], ["shares"]),
            node("Mul", ["last", "shares"], ["weighed"]),
            node("ReduceSum", ["weighed", "axis"], ["embedding"], keepdims=0),
            node("Gemm", ["embedding", "emotion_weight", "emotion_bias"], ["logits"], transB=1),
            node("Gemm", ["embedding", "affect_weight", "affect_bias"], ["vad"], transB=1),
        ]
        outputs = [("logits", len(self.label_space)), ("vad", 3), ("embedding", D)]
        if not self.has_vad:
            nodes.pop()
            del outputs[1]
        constants = {
            **self.weights,
            "zero": np.array(0),
            "one": np.array(1),
            "axis": np.array([1]),
            "end": np.array([2]),
        }
        graph = helper.make_graph(
            nodes,
            "tiny",
            [
                helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length_in"]),
                helper.make_tensor_value_info("token_type_ids", TensorProto.INT64, ["batch", "length_in"]),
                helper.make_tensor_value_info("pooling_weights", TensorProto.FLOAT, ["batch", "length_in"]),
            ],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name, width in outputs],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(model)
        return model

    def write(
        self,
        folder: Path,
        *,
        change_onnx: Callable[[Any], Any] | None = None,
        onnx_bytes: bytes | None = None,
        tokenizer: bytes | None = None,
        facts: dict[str, Any] | None = None,
    ) -> Path:
        """Write the model as a folder, perhaps with one thing wrong that no hash can tell."""
        content = onnx_bytes
        if content is None:
            model = self.make_onnx()
            if change_onnx is not None:
                model = change_onnx(model) or model
            content = model.SerializeToString()
        n_labels = len(self.label_space)
        config = ModelConfig(
            name="tiny",
            label_space=self.label_space,
            thresholds=np.linspace(0.3, 0.6, n_labels),
            threshold_method="chosen on nothing",
            training={"seed": 11},
        )
        settings = (
            "max_tokens",
            "window_stride_tokens",
            "max_context_tokens",
            "uses_context",
            "pooling",
        )
        entry = {**{name: getattr(self, name) for name in settings}, "precision": "float32"}
        write_model_folder(
            folder,
            "encoder",
            config,
            facts={
                "encoder": entry,
                "calibration": self.calibrator.as_dict(),
                "affect": {"scale": "vad-unit.v1"} if self.has_vad else None,
                **(facts or {}),
            },
            files={
                "model.onnx": content,
                "tokenizer.json": make_tokenizer().to_str().encode() if tokenizer is None else tokenizer,
            },
            card="# tiny\n",
        )
        return folder


def tokens_of(text: str) -> list[int]:
    """The tokens of a text of known words and signs that stand apart."""
    return [WORDS.index(word) if word in WORDS else UNKNOWN for word in text.lower().split()]
