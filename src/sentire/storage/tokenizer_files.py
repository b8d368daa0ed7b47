"""Tokenizer files, checked before the library that reads them sees them.

A ``tokenizer.json`` is a small program: it may hold regular expressions that run for hours, replacements that make a
short text endless, and chance (BPE dropout) that gives the same text two answers. What the supported encoders need is
a short list of steps without any pattern of their own, so that list is what may be in the file.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
from tokenizers import Tokenizer

from sentire.core.errors import ArtifactError, describe, list_names, quote

LARGEST_TOKENIZER_BYTES = 64 * 1024 * 1024
"""The tokenizer of XLM-RoBERTa, with a quarter of a million pieces, takes 17 MB at most."""

LARGEST_CHARSMAP_CHARS = 4 * 1024 * 1024
"""The table of characters of XLM-RoBERTa's normalizer takes 316,720 characters."""

LONGEST_WORD_CHARS = 200
"""WordPiece takes time with the square of this; all known files say 100."""

MOST_SPECIAL_TOKENS = 8
"""That a tokenizer puts around a text or a pair of texts; RoBERTa's pair has four."""

ALLOWED_STEPS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "normalizer": frozenset(
            {
                "BertNormalizer",
                "Lowercase",
                "NFC",
                "NFD",
                "NFKC",
                "NFKD",
                "Nmt",
                "Precompiled",
                "Replace",
                "Strip",
                "StripAccents",
            }
        ),
        "pre_tokenizer": frozenset(
            {"BertPreTokenizer", "ByteLevel", "Metaspace", "Punctuation", "Whitespace", "WhitespaceSplit"}
        ),
        "model": frozenset({"BPE", "Unigram", "WordLevel", "WordPiece"}),
        "post_processor": frozenset({"BertProcessing", "ByteLevel", "RobertaProcessing", "TemplateProcessing"}),
        "decoder": frozenset({"BPEDecoder", "ByteLevel", "Metaspace", "WordPiece"}),
    }
)
"""The types of step that each part of a tokenizer may have; a part other than the model may be a sequence of them."""

KNOWN_REPLACEMENTS = (
    ({"Regex": " {2,}"}, " "),
    ({"Regex": " {2,}"}, "▁"),
    ({"String": "``"}, '"'),
    ({"String": "''"}, '"'),
)
"""The replacements of SentencePiece's normalizers (runs of spaces, ALBERT's quotation marks): none is ever slow."""

_PARTS_IN_SEQUENCE = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}
_MOST_STEPS = 16
_PROBE = "a"


def read_tokenizer(path_or_bytes: Path | bytes, *, where: str = "") -> Tokenizer:
    """Read a tokenizer that is known to be harmless, without truncation and padding.

    Special tokens that are written in a text are letters like any other; only the template puts them in.

    The library is given what was checked and nothing else: the JSON is written anew from the parts that are known, so
    that no repeated or unknown key reaches it.

    Args:
        path_or_bytes: The file ``tokenizer.json``, or its content.
        where: What messages call the place; the path if it is empty.

    Raises:
        ArtifactError: The file cannot be read, is too large, is no tokenizer, or holds a step that is not allowed.

    Cost: about 50 ms for 30,000 pieces, one second for 250,000.
    """
    where = where or (str(path_or_bytes) if isinstance(path_or_bytes, Path) else "tokenizer")
    parts = _check_parts(_read_json(path_or_bytes, where), where)
    try:
        tokenizer = Tokenizer.from_str(orjson.dumps(parts).decode())
        _try_out(tokenizer, where)
    except ArtifactError:
        raise
    except BaseException as error:
        # A fault inside the library arrives as a PanicException, which is no Exception.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise ArtifactError(
                expected="a tokenizer that the tokenizers library can read",
                got=quote(" ".join(str(error).split())),
                where=where,
            ) from error
        raise
    # Else a text that says "[SEP]" would be taken for two, and one that says "<pad>" would have no position for it.
    tokenizer.encode_special_tokens = True
    return tokenizer


def _read_json(path_or_bytes: Path | bytes, where: str) -> Mapping[str, Any]:
    try:
        if isinstance(path_or_bytes, Path):
            n_bytes = path_or_bytes.stat().st_size
            content = path_or_bytes.read_bytes() if n_bytes <= LARGEST_TOKENIZER_BYTES else b""
        else:
            n_bytes, content = len(path_or_bytes), path_or_bytes
    except (OSError, ValueError) as error:
        got = describe(error) if isinstance(error, OSError) else str(error)
        raise ArtifactError(expected="a tokenizer.json that can be read", got=got, where=where) from error
    if n_bytes > LARGEST_TOKENIZER_BYTES:
        raise ArtifactError(
            expected=f"a tokenizer of at most {LARGEST_TOKENIZER_BYTES} bytes", got=f"{n_bytes} bytes", where=where
        )
    try:
        parts = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ArtifactError(expected="a tokenizer in JSON", got=error.msg, where=where) from error
    if not isinstance(parts, dict) or not isinstance(parts.get("model"), dict):
        raise ArtifactError(expected="a tokenizer.json with a model", got="other JSON", where=where)
    if "type" not in parts["model"] and (kind := _name_old_model(parts["model"])):
        parts["model"]["type"] = kind
    return parts


def _name_old_model(model: Mapping[str, Any]) -> str:
    """Name the type of a model in a file that is older than the naming of types, as roberta-base's is."""
    if "merges" in model:
        return "BPE"
    if "max_input_chars_per_word" in model:
        return "WordPiece"
    return "Unigram" if isinstance(model.get("vocab"), list) else ""


def _check_parts(parts: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check every part against the lists, and return those that are known."""
    added = parts.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
        raise ArtifactError(expected="a list of added tokens", got=quote(added), where=where)
    for name in ALLOWED_STEPS:
        steps = _list_steps(name, parts.get(name), where)
        for step in steps:
            _check_step(name, step, where)
        # Of the post-processors, ByteLevel alone adds nothing: it trims where tokens begin and end.
        if name == "post_processor" and len([step for step in steps if step["type"] != "ByteLevel"]) > 1:
            raise ArtifactError(expected="one template for a text", got="several", where=where)
    known = {name: parts.get(name) for name in ALLOWED_STEPS}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, **known}


def _list_steps(name: str, part: Any, where: str) -> list[Any]:
    if part is None:
        return []
    inner = _PARTS_IN_SEQUENCE.get(name)
    if inner is None or not isinstance(part, dict) or part.get("type") != "Sequence":
        return [part]
    steps = part.get(inner)
    if not isinstance(steps, list) or len(steps) > _MOST_STEPS:
        raise ArtifactError(
            expected=f"a sequence of at most {_MOST_STEPS} steps as the {name}", got=quote(steps), where=where
        )
    return steps


def _check_step(name: str, step: Any, where: str) -> None:
    kind = step.get("type") if isinstance(step, dict) else None
    if not isinstance(kind, str) or kind not in ALLOWED_STEPS[name]:
        raise ArtifactError(
            expected=f"a {name} of a known, harmless type ({list_names(sorted(ALLOWED_STEPS[name]))})",
            got=quote(kind),
            where=where,
            hint="patterns of a file's own are never run",
        )
    if kind == "Replace" and (step.get("pattern"), step.get("content")) not in KNOWN_REPLACEMENTS:
        raise ArtifactError(
            expected="a replacement that is known to be harmless",
            got=f"{quote(step.get('pattern'))} by {quote(step.get('content'))}",
            where=where,
            hint="patterns of a file's own are never run",
        )
    if kind == "Precompiled" and len(str(step.get("precompiled_charsmap"))) > LARGEST_CHARSMAP_CHARS:
        raise ArtifactError(
            expected=f"a table of characters of at most {LARGEST_CHARSMAP_CHARS} characters",
            got=f"{len(str(step.get('precompiled_charsmap')))}",
            where=where,
        )
    if kind == "BPE" and step.get("dropout"):
        raise ArtifactError(
            expected="a BPE model without dropout, which gives a text two answers",
            got=f"dropout {quote(step['dropout'])}",
            where=where,
        )
    if kind == "TemplateProcessing":
        _check_template(step, where)
    longest = step.get("max_input_chars_per_word", 100)
    if kind == "WordPiece" and not (isinstance(longest, int) and 0 < longest <= LONGEST_WORD_CHARS):
        raise ArtifactError(
            expected=f"max_input_chars_per_word between 1 and {LONGEST_WORD_CHARS}", got=quote(longest), where=where
        )


def _check_template(step: Mapping[str, Any], where: str) -> None:
    """A template holds each text once, in the order in which they are given."""
    for name, texts in (("single", ["A"]), ("pair", ["A", "B"])):
        pieces = step.get(name)
        parts = [piece for piece in pieces if isinstance(piece, dict)] if isinstance(pieces, list) else []
        found = [part["Sequence"].get("id") for part in parts if isinstance(part.get("Sequence"), dict)]
        if found != texts:
            raise ArtifactError(
                expected=f"a template ({name}) with the texts {', '.join(texts)}, each once",
                got=list_names(map(str, found)) or "none",
                where=where,
            )


def _try_out(tokenizer: Tokenizer, where: str) -> None:
    """Find faults that show only in use, and templates that make a long row of a short text."""
    n_special = max(tokenizer.num_special_tokens_to_add(is_pair) for is_pair in (False, True))
    if n_special > MOST_SPECIAL_TOKENS:
        raise ArtifactError(
            expected=f"at most {MOST_SPECIAL_TOKENS} special tokens around a text", got=str(n_special), where=where
        )
    for given in ((_PROBE,), (_PROBE, _PROBE)):
        tokenizer.encode(*given)
