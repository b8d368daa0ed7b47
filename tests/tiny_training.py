"""A tiny pre-trained encoder, invented texts, and recipes that train one on the other in a second or two."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson

LABELS = ("glad", "cross", "tense")
PHRASES = {
    "glad": ["so glad", "what a day", "good soup", "thank you"],
    "cross": ["how late", "no soup again", "bad queue", "never again"],
    "tense": ["what if", "my exam", "so late", "I dread it"],
}
FILLERS = ["at the station", "on monday", "said the man", "with the tea", "in the queue", "about the bike"]
WORDS = sorted({word for phrases in (*PHRASES.values(), FILLERS) for phrase in phrases for word in phrase.split()})

N_POSITIONS = 40
FEELINGS = {"glad": (1.0, 0.2, 0.4), "cross": (-0.8, 0.7, 0.5), "tense": (-0.6, 0.8, -0.7)}


def write_tiny_encoder(folder: Path, model_type: str = "bert", *, n_positions: int = N_POSITIONS) -> Path:
    """Write a random encoder of 8 dimensions with a tokenizer that knows the words of ``write_rows``."""
    import safetensors.torch
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    is_roberta = model_type == "roberta"
    special = ["<s>", "<pad>", "</s>", "<unk>"] if is_roberta else ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    first, last, unknown = ("<s>", "</s>", "<unk>") if is_roberta else ("[CLS]", "[SEP]", "[UNK]")
    pieces = [*special, *WORDS, *"abcdefghijklmnopqrstuvwxyz.,!?<>/[]", *(f"##{letter}" for letter in "aeioubdlnrst")]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if is_roberta:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    else:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}",
            pair=f"{first} $A {last} $B:1 {last}:1",
            special_tokens=[(first, vocabulary[first]), (last, vocabulary[last])],
        )
    tokenizer.add_special_tokens(special)
    config: dict[str, Any] = {"model_type": model_type, "vocab_size": len(vocabulary)}
    if model_type == "distilbert":
        config |= {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 12, "activation": "gelu", "pad_token_id": 0}
    else:
        config |= {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}
        config |= {"hidden_act": "gelu", "type_vocab_size": 1 if is_roberta else 2, "pad_token_id": int(is_roberta)}
    if model_type == "electra":
        config |= {"embedding_size": 8}
    config["max_position_embeddings"] = n_positions + (2 if is_roberta else 0)
    classes = {
        "bert": ("BertConfig", "BertModel"),
        "roberta": ("RobertaConfig", "RobertaModel"),
        "distilbert": ("DistilBertConfig", "DistilBertModel"),
        "electra": ("ElectraConfig", "ElectraModel"),
    }[model_type]
    config_class, model_class = (getattr(transformers, name) for name in classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = model_class(config_class(**{key: value for key, value in config.items() if key != "model_type"}))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(
        {name: value.clone() for name, value in model.state_dict().items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_bytes(orjson.dumps(config))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def invent_rows(n_rows: int, *, seed: int = 0, is_single: bool = False) -> list[dict[str, Any]]:
    """Return rows with ``text``, ``labels``, ``context``, ``who`` and affect scores from 1 to 5."""
    rng = np.random.default_rng(seed)

    def pick(choices: tuple[str, ...] | list[str]) -> str:
        return choices[int(rng.integers(len(choices)))]

    rows = []
    for number in range(n_rows):
        labels = [pick(LABELS)] if is_single else [label for label in LABELS if rng.random() < 0.4]
        parts = [pick(PHRASES[label]) for label in labels] + [pick(FILLERS) for _ in range(int(rng.integers(1, 4)))]
        rng.shuffle(parts)
        feelings = [FEELINGS[label] for label in labels] or [(0.0, 0.0, 0.0)]
        score = [3 + 2 * sum(column) / len(feelings) * 0.9 for column in zip(*feelings, strict=True)]
        context = [pick(FILLERS) for _ in range(int(rng.integers(4)))]
        rows.append(
            {
                "nr": f"r{number}",
                "text": " ".join(parts),
                "labels": labels,
                "context": context,
                "who": f"p{int(rng.integers(max(3, n_rows // 6)))}",
                "v": round(score[0], 3),
                "a": round(score[1], 3),
                "d": round(score[2], 3),
                **{label: round(0.9 if label in labels else 0.15, 3) for label in LABELS},
            }
        )
    return rows


DESCRIPTION = """
[dataset]
name = "{name}"
labels = ["glad", "cross", "tense"]
task = "{task}"
affect_scale = "vad-1-5"
[columns]
id = "nr"
context = "context"
group = "who"
labels = "labels"
scores = {{ {scores} }}
[splits]
train = "train.jsonl"
dev = "dev.jsonl"
more = "more.jsonl"
"""
AFFECT_SCORES = 'valence = "v", arousal = "a", dominance = "d"'
SOFT_SCORES = 'glad = "glad", cross = "cross", tense = "tense"'


def write_data(
    folder: Path, *, n_train: int = 96, n_dev: int = 40, is_single: bool = False, scores: str = AFFECT_SCORES
) -> Path:
    """Write three splits and their description; return the latter's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (split, n_rows) in enumerate({"train": n_train, "dev": n_dev, "more": 12}.items()):
        rows = invent_rows(n_rows, seed=seed, is_single=is_single)
        (folder / f"{split}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)) + b"\n")
    path = folder / "toy.toml"
    task = "single-label" if is_single else "multi-label"
    path.write_text(DESCRIPTION.format(name="toy", task=task, scores=scores))
    return path


def make_table(data: Path, encoder: Path, /, **sections: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe as plain values; ``sections`` are laid over it, key by key."""
    table: dict[str, Any] = {
        "recipe": "encoder",
        "name": "tiny",
        "seed": 7,
        "data": {"train": f"{data}:train", "dev": f"{data}:dev"},
        "encoder": {"name": str(encoder), "max_tokens": 24},
        "context": {"max_tokens": 8},
        "optimisation": {"n_epochs": 2, "batch_size": 16, "learning_rate": 0.01},
        "export": {"precision": "float32", "window_tokens": 32},
        "calibration": {"n_folds": 2},
    }
    for name, section in sections.items():
        table[name] = {**table.get(name, {}), **section}
    return table


def make_recipe(data: Path, encoder: Path, /, **sections: dict[str, Any]):
    """Return the recipe of ``make_table``."""
    from sentire.core.config import parse_config
    from sentire.training.recipe import EncoderRecipe

    return parse_config(EncoderRecipe, make_table(data, encoder, **sections))


def write_recipe(path: Path, table: dict[str, Any]) -> Path:
    """Write a recipe as TOML."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict)]
    for name, section in table.items():
        if isinstance(section, dict):
            lines.append(f"[{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in section.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def check_same_checkpoint(one: Path, other: Path) -> None:
    """Two checkpoints hold the same numbers, bit by bit; the order of their headers' entries is the library's whim."""
    import torch

    from sentire.training.checkpoints import read_checkpoint

    (found, progress), (expected, expected_progress) = read_checkpoint(one), read_checkpoint(other)
    assert progress == expected_progress
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), f"{one}: {name}"
