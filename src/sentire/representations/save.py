"""Save an encoder as a folder that transformers, sentence-transformers and Sentire load alike."""

from pathlib import Path
from typing import Any

import orjson
from tokenizers import Tokenizer

from sentire.core.errors import ArtifactError, MissingExtraError
from sentire.encoders.sentence_layout import (
    MODULES_NAME,
    NORMALIZE_FOLDER,
    POOLING_CONFIG_NAME,
    POOLING_FOLDER,
    SENTENCE_CONFIG_NAME,
    TRANSFORMER_CONFIG_NAME,
)
from sentire.encoders.sources import CONFIG_NAME, TOKENIZER_CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME
from sentire.representations.sentence_encoder import SentenceEncoder
from sentire.storage.atomic import write_bytes, write_json
from sentire.storage.folders import open_folder

try:
    import torch
    from safetensors.torch import save
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="saving an encoder") from error

CARD_NAME = "README.md"
SPECIAL_TOKENS_NAME = "special_tokens_map.json"

_MASK_TOKENS = ("[MASK]", "<mask>")
_MODULE_TYPES = "sentence_transformers.models"  # the name that every version of the library knows


def save_encoder(folder: Path, encoder: SentenceEncoder, *, card: str) -> None:
    """Write an encoder as a folder that appears whole or not at all.

    The folder is at once an encoder for ``transformers.AutoModel`` and a model for
    ``sentence_transformers.SentenceTransformer``, with the same pooling, longest text and scaling; ``load_encoder``
    gives one with the same fingerprint. Weights are float32; heads and poolers are not part of an encoder. The
    tokenizer is told to take special tokens that are written in a text as letters, as ours does.

    It has no manifest: the folder is for other tools too, which may change it.

    Args:
        folder: Where; files of other names that are there stay.
        encoder: What.
        card: The model card, Markdown.

    Raises:
        ArtifactError: The tokenizer has no piece for the padding that the encoder expects, or no special tokens.
        OutputError: The place cannot be written.
    """
    config = orjson.loads(encoder.model.config.to_json_string(use_diff=False))
    config |= {"architectures": [type(encoder.model).__name__], "dtype": "float32"}
    special = name_special_tokens(encoder.tokenizer, padding_id=encoder.shape.padding_id, where=encoder.name)
    takes_types = encoder.shape.model_type in ("bert", "electra")  # the others have none, or give all tokens the same
    tokenizer_config: dict[str, Any] = {
        # By its general name: under that of a model, transformers would put the tokenizer together anew.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": encoder.max_tokens,
        "model_input_names": ["input_ids", *(["token_type_ids"] if takes_types else []), "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,
        **special,
    }
    with open_folder(folder) as staged:
        write_json(staged / CONFIG_NAME, config)
        write_bytes(staged / WEIGHTS_NAME, _render_weights(encoder.model))
        write_bytes(staged / TOKENIZER_NAME, encoder.tokenizer.to_str().encode())
        write_json(staged / TOKENIZER_CONFIG_NAME, tokenizer_config)
        write_json(staged / SPECIAL_TOKENS_NAME, special)
        _write_modules(staged, encoder)
        write_bytes(staged / CARD_NAME, card.encode())


def name_special_tokens(tokenizer: Tokenizer, *, padding_id: int, where: str) -> dict[str, str]:
    """Return the special tokens of an encoder's tokenizer by the names that transformers has for them.

    Args:
        tokenizer: As ``load_tokenizer`` returns it.
        padding_id: The encoder's.
        where: The encoder, for messages.

    Raises:
        ArtifactError: It has no piece for the padding, or no template with special tokens: such an encoder cannot be
            saved for other tools.
    """
    around = tokenizer.encode("").tokens
    padding = tokenizer.id_to_token(padding_id)
    if padding is None or len(around) < 2:
        raise ArtifactError(
            expected=f"the encoder's own tokenizer, with a piece {padding_id} for padding, and special tokens",
            got="no such piece" if padding is None else f"{around} around an empty text",
            where=where,
            hint="take tokenizer.json and model.safetensors from the same revision",
        )
    named = {"cls_token": around[0], "sep_token": around[-1], "pad_token": padding}
    if unknown := _find_unknown(tokenizer):
        named["unk_token"] = unknown
    if mask := next((one for one in _MASK_TOKENS if tokenizer.token_to_id(one) is not None), None):
        named["mask_token"] = mask
    return named


def _render_weights(model: Any) -> bytes:
    weights = {
        name: weight.detach().to("cpu", torch.float32).contiguous() for name, weight in model.state_dict().items()
    }
    return save(weights, metadata={"format": "pt"})


def _write_modules(staged: Path, encoder: SentenceEncoder) -> None:
    folders = {"Transformer": "", "Pooling": POOLING_FOLDER}
    if encoder.is_normalised:
        folders["Normalize"] = NORMALIZE_FOLDER
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"{_MODULE_TYPES}.{kind}"}
        for number, (kind, path) in enumerate(folders.items())
    ]
    write_json(staged / MODULES_NAME, modules)
    pooling = {
        "word_embedding_dimension": encoder.n_dimensions,
        "pooling_mode_cls_token": encoder.pooling == "cls",
        "pooling_mode_mean_tokens": encoder.pooling == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    (staged / POOLING_FOLDER).mkdir()
    write_json(staged / POOLING_FOLDER / POOLING_CONFIG_NAME, pooling)
    write_json(staged / TRANSFORMER_CONFIG_NAME, {"max_seq_length": encoder.max_tokens, "do_lower_case": False})
    write_json(
        staged / SENTENCE_CONFIG_NAME, {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    )


def _find_unknown(tokenizer: Tokenizer) -> str:
    model = orjson.loads(tokenizer.to_str())["model"]
    if isinstance(model.get("unk_id"), int):  # Unigram
        return tokenizer.id_to_token(model["unk_id"]) or ""
    return str(model.get("unk_token") or "")
