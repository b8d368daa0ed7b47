"""A sequence classifier in the format of transformers: an encoder of a supported type with the head that comes with it.

The encoder passes all checks of ``encoders``; the head is built here, so that nothing of the folder decides which code
runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, LabelError, MissingExtraError, list_names, quote
from sentire.core.labels import LabelSpace
from sentire.encoders.device import find_device
from sentire.encoders.load import build_encoder
from sentire.encoders.shape import read_json_file
from sentire.encoders.sources import EncoderFiles
from sentire.encoders.token_batches import TokenAssembler
from sentire.encoders.tokenizer import load_tokenizer
from sentire.runtime.texts import prepare_texts

try:
    import torch
    from safetensors import SafetensorError, safe_open
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="a teacher in the format of transformers") from error

MOST_TOKENS = 512
"""Longer texts are cut."""

_BATCH_TOKENS = 8192

INDEPENDENT, EXCLUSIVE = "multi_label_classification", "single_label_classification"
"""The problem types of a config.json: a probability a label, or probabilities that sum to 1."""


@dataclass(frozen=True, kw_only=True)
class _HeadKind:
    """What stands between the first token's vector and the logits: a layer, its activation, and the last layer."""

    dense: str
    activation: nn.Module
    out: str


_HEADS: Mapping[str, _HeadKind] = MappingProxyType(
    {
        "bert": _HeadKind(dense="bert.pooler.dense", activation=nn.Tanh(), out="classifier"),
        "distilbert": _HeadKind(dense="pre_classifier", activation=nn.ReLU(), out="classifier"),
        "electra": _HeadKind(dense="classifier.dense", activation=nn.GELU(), out="classifier.out_proj"),
        "roberta": _HeadKind(dense="classifier.dense", activation=nn.Tanh(), out="classifier.out_proj"),
        "xlm-roberta": _HeadKind(dense="classifier.dense", activation=nn.Tanh(), out="classifier.out_proj"),
    }
)


class SequenceClassifier:
    """Answers texts in the labels of a space.

    Args:
        files: Of the classifier, as ``find_encoder`` returns them.
        space: The labels that are wanted; the classifier must have them, in any order.
        is_independent: Read the logits as independent labels, whatever the configuration says.

    Raises:
        ArtifactError: A file is damaged, of an unsupported type or brings code, a weight is missing or not finite, or
            the configuration does not say how logits become probabilities.
        LabelError: The classifier has other labels, or answers with exclusive ones where the space's are independent.
    """

    def __init__(self, files: EncoderFiles, space: LabelSpace, *, is_independent: bool = False) -> None:
        config = read_json_file(files.config)
        where = str(files.config)
        self._columns = _find_columns(config, space, where)
        self._problem = INDEPENDENT if is_independent else _read_problem_type(config, space, where)
        encoder, shape = build_encoder(files)
        self._device = find_device()
        self._encoder = encoder.to(self._device)
        self._head = _read_head(files.weights, shape.model_type, shape.hidden_size, len(space)).to(self._device)
        self._takes_types = shape.n_token_types > 0
        self._assembler = TokenAssembler(
            load_tokenizer(files.tokenizer, vocab_size=shape.vocab_size),
            max_tokens=min(MOST_TOKENS, shape.n_positions),
            max_context_tokens=1,
            pooling="cls",
            padding_id=shape.padding_id,
        )

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return probabilities, shape (N, C), in the order of the space's labels."""
        logits = self.predict_logits(texts).astype(np.float64)
        if self._problem == INDEPENDENT:
            return 1 / (1 + np.exp(-logits))
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        proba: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
        return proba

    @torch.no_grad()
    def predict_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return logits, shape (N, C), in the order of the space's labels."""
        tokens = self._assembler.tokenise(prepare_texts(texts))
        logits: NDArray[np.float32] = np.zeros((len(tokens), len(self._columns)), np.float32)
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        start = 0
        while start < len(order):
            end = start + 1  # ascending lengths: the batch is as wide as its last row
            while end < len(order) and (end + 1 - start) * (len(tokens[order[end]]) + 2) <= _BATCH_TOKENS:
                end += 1
            rows = order[start:end]
            logits[rows] = self._run([tokens[row] for row in rows])
            start = end
        return logits[:, self._columns]

    def _run(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        batch = self._assembler.assemble(tokens, [()] * len(tokens)).to(self._device)
        types = {"token_type_ids": batch.token_type_ids} if self._takes_types else {}
        hidden = self._encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **types)
        logits: NDArray[np.float32] = self._head(hidden.last_hidden_state[:, 0]).float().cpu().numpy()
        return logits


def _find_columns(config: Mapping[str, Any], space: LabelSpace, where: str) -> list[int]:
    """Return for each label of the space its column among the classifier's logits."""
    stated = config.get("id2label")
    if not isinstance(stated, Mapping) or set(stated) != {str(column) for column in range(len(stated))}:
        raise ArtifactError(expected="an id2label with a label for each column", got=quote(stated), where=where)
    labels = [stated[str(column)] for column in range(len(stated))]
    if sorted(map(str, labels)) != sorted(space.labels):
        missing = [label for label in space.labels if label not in labels]
        foreign = [str(label) for label in labels if label not in space.labels]
        got = [f"none of {list_names(missing)}"] if missing else []
        got += [f"the foreign {list_names(foreign)}"] if foreign else []
        raise LabelError(
            expected=f"the {len(space)} labels of {space.id}, in any order",
            got=" and ".join(got) or f"{len(labels)} labels, some twice",
            where=f"id2label in {where}",
        )
    return [labels.index(label) for label in space.labels]


def _read_problem_type(config: Mapping[str, Any], space: LabelSpace, where: str) -> str:
    problem = config.get("problem_type")
    if problem not in (INDEPENDENT, EXCLUSIVE):
        raise ArtifactError(
            expected=f"a problem_type ({INDEPENDENT} or {EXCLUSIVE})",
            got="none" if problem is None else quote(problem),
            where=where,
            hint="where the labels are independent, name the teacher transformers-sigmoid:…",
        )
    if problem == EXCLUSIVE and space.task == "multi-label":
        raise LabelError(
            expected=f"a teacher with a probability for each label, as {space.id} has",
            got=problem,
            where=f"problem_type in {where}",
            hint="where it was trained with independent labels after all, name the teacher transformers-sigmoid:…",
        )
    return str(problem)


def _read_head(path: Path, model_type: str, hidden_size: int, n_labels: int) -> nn.Module:
    kind = _HEADS[model_type]
    with torch.random.fork_rng(devices=[]):  # new layers draw numbers, which the file's replace at once
        dense, out = nn.Linear(hidden_size, hidden_size), nn.Linear(hidden_size, n_labels)
    for layer, name in ((dense, kind.dense), (out, kind.out)):
        layer.load_state_dict(
            {part: _read_tensor(path, f"{name}.{part}", value) for part, value in layer.state_dict().items()}
        )
    return nn.Sequential(dense, kind.activation, out).eval().requires_grad_(requires_grad=False)


def _read_tensor(path: Path, name: str, expected: Tensor) -> Tensor:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            if name not in file.keys():  # noqa: SIM118  no mapping
                raise ArtifactError(
                    expected="a sequence classifier with its head", got=f"weights without {name}", where=str(path)
                )
            found: Tensor = file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise ArtifactError(
            expected="a whole safetensors file", got=quote(" ".join(str(error).split())), where=str(path)
        ) from error
    if found.shape != expected.shape or not found.is_floating_point():
        raise ArtifactError(
            expected=f"{name} of shape {tuple(expected.shape)} in floating-point numbers",
            got=f"shape {tuple(found.shape)} of {found.dtype}",
            where=str(path),
        )
    if not torch.isfinite(found).all():
        raise ArtifactError(expected="weights that are finite numbers", got=f"others in {name}", where=str(path))
    return found.to(torch.float32)
