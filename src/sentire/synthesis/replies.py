"""How replies are read: JSON where there is some, lists where there is none, and a clear no where neither fits.

Servers that promise a schema do not always keep to it, and small models wrap JSON into prose or write a numbered list.
Nothing is guessed beyond that: what cannot be read is a failure with its reason, never an empty answer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from sentire.llm.caller import UnusableReplyError

LONGEST_TEXT_CHARS = 2_000
LONGEST_NAME_CHARS = 80

LONGEST_REPLY_CHARS = 100_000
"""Of a longer reply the rest is not looked at: models that repeat themselves write to no end."""

_FENCE = "```"
_ITEM = re.compile(r"^\s*(?:\(?\d{1,3}[.):]|[-*•–])\s*(?P<item>\S.*)$")
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'"}

_LABEL = r"(?P<label>[A-Za-z][A-Za-z _-]{0,30}?)"
_UTTERANCE_FORMS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rf"^[\[(*_]+{_LABEL}[\])*_:]+\s*[-–—:]?\s*(?P<rest>.+)$",  # [relief] Text
        rf"^(?P<rest>[\"“„«].+[\"”“»])\s*[-–—:]\s*{_LABEL}$",  # "Text" - relief
        rf"^(?P<rest>.+\S)\s?[\[(](?:emotion:\s?)?{_LABEL}[\])]\W{{0,3}}$",  # Text (relief)
        rf"^{_LABEL}\s?[:–—]\s*(?P<rest>.+)$",  # relief: Text
        rf"^{_LABEL} - (?P<rest>.+)$",  # relief - Text
    )
)
_LEVEL = re.compile(
    r"^\W{0,3}(?P<label>[^\W\d_][^\d:=(\[]{0,40}?)(?:\s*[:=]\s*|\s+[-–—]\s+|\s*[(\[]\s*|\s+)"
    r"(?P<number>-?(?:\d+(?:[.,]\d+)?|[.,]\d+)(?:[eE]-?\d+)?)\s*(?P<unit>%|/\s*\d+)?"
)

# Only of replies that are no JSON: characters may well begin like that.
_POLITE = re.compile(r"\W{0,5}(?:certainly|sure|of course|absolutely|i am sorry|i'm sorry|sorry)\b", re.IGNORECASE)
_CANNOT = r"i (?:can(?:no|')t|cannot|am unable to|won't|will not)"
_META = re.compile(
    r"\b(?:as an? ai\b|(?:large )?language model\b|system prompt\b|json\b|"
    rf"i(?:'m| am) sorry,? but {_CANNOT}\b|"
    rf"{_CANNOT} (?:assist|comply)\b|"
    rf"{_CANNOT} (?:help with|fulfil+|create|generate|write|provide|produce) (?:that|this|your|such|any) "
    r"(?:request|content|task|prompt|text|kind)|"
    r"here(?:'s| is| are) (?:the|your|some|\d+) (?:rewritten|rephrased|cleaned|revised|requested|edited|utterances?)\b|"
    r"(?:ignore|disregard) (?:all |any |the |your )+(?:previous|earlier|above|prior) instruct)",
    re.IGNORECASE,
)


def find_object(text: str) -> Mapping[str, Any] | None:
    """Return the JSON object in a reply; None where there is none."""
    text = text[:LONGEST_REPLY_CHARS]
    candidates = [text, *_find_fenced(text)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        candidates.append(text[start : end + 1])
    for candidate in candidates:
        try:
            found = orjson.loads(candidate.strip())
        except orjson.JSONDecodeError:
            continue
        if isinstance(found, dict):
            return found
    return None


def find_items(text: str) -> list[str]:
    """Return the lines of a numbered or marked list, without numbers and marks."""
    lines = text[:LONGEST_REPLY_CHARS].splitlines()
    return [match["item"].strip() for line in lines if (match := _ITEM.match(line))]


def speaks_of_the_task(text: str) -> bool:
    """Tell whether a text is talk about the task, or an order to a model, where an utterance should be."""
    return _META.search(text.replace("’", "'")) is not None


def read_names(text: str, key: str) -> tuple[str, ...]:
    """Read a list of different names; those longer than ``LONGEST_NAME_CHARS`` are for the caller to leave out.

    Raises:
        UnusableReplyError: There is none, or none but longer ones.
    """
    found = find_object(text)
    raw = found.get(key) if found is not None else find_items(text)
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise UnusableReplyError("no list", f'expected {{"{key}": [...]}}')
    cleaned = dict.fromkeys(name for one in raw if isinstance(one, str) and (name := _clean(one).strip("*_`")))
    if not any(len(name) <= LONGEST_NAME_CHARS for name in cleaned):
        raise UnusableReplyError("no name in the list")
    return tuple(cleaned)


def read_utterances(text: str) -> tuple[tuple[str, str], ...]:
    """Read utterances with the emotion that each is meant to express.

    Raises:
        UnusableReplyError: There is none, or one has no emotion.
    """
    found = find_object(text)
    pairs: list[tuple[str, str]] = []
    if found is not None:
        rows = found.get("utterances")
        if not isinstance(rows, list):
            raise UnusableReplyError("no list", 'expected {"utterances": [...]}')
        for row in rows:
            said = row.get("text") if isinstance(row, dict) else None
            emotion = row.get("emotion") if isinstance(row, dict) else None
            if not isinstance(said, str) or not isinstance(emotion, str):
                raise UnusableReplyError("utterance without text or emotion")
            pairs.append((said, emotion))
    else:
        for item in find_items(text):
            match = next((one for form in _UTTERANCE_FORMS if (one := form.match(item))), None)
            if match is None or len(item) > LONGEST_TEXT_CHARS:
                raise UnusableReplyError("utterance without text or emotion", item[:60])
            pairs.append((match["rest"], match["label"]))
    cleaned = [(_clean(said), _clean(emotion).strip("*_`.:")) for said, emotion in pairs]
    kept = tuple((said, emotion) for said, emotion in cleaned if said)
    if not kept:
        raise UnusableReplyError("no utterance")
    if not all(emotion for _, emotion in kept):
        raise UnusableReplyError("utterance without text or emotion")
    return kept


def read_levels(text: str) -> tuple[tuple[str, float], ...]:
    """Read emotions with their levels, in their order; words are not judged here.

    Raises:
        UnusableReplyError: There is none, or one has no level from 0 to 1.
    """
    found = find_object(text)
    pairs: list[tuple[str, float]] = []
    if found is not None:
        rows = found.get("emotions")
        if not isinstance(rows, list):
            raise UnusableReplyError("no list", 'expected {"emotions": [...]}')
        for row in rows:
            label = row.get("label") if isinstance(row, dict) else None
            if not isinstance(label, str):
                raise UnusableReplyError("emotion without a label")
            pairs.append((label, _read_level(row.get("level"))))
    else:
        for item in find_items(text):
            match = _LEVEL.match(item.replace("*", ""))
            if match is None:
                raise UnusableReplyError("emotion without a level", item[:60])
            pairs.append((match["label"], _read_level(_scale(match["number"], match["unit"] or ""))))
    kept = [(label, level) for raw, level in pairs if (label := _clean(raw).strip("\"'*_`.:-–— "))]
    if not kept:
        raise UnusableReplyError("no emotion")
    return tuple(kept[:5])


def read_text(text: str, key: str) -> str:
    """Read one text.

    Raises:
        UnusableReplyError: There is none, or it is talk about the task.
    """
    found = find_object(text)
    if found is not None:
        raw = found.get(key)
        if not isinstance(raw, str):
            raise UnusableReplyError("no text", f'expected {{"{key}": "..."}}')
    else:
        text = text[:LONGEST_REPLY_CHARS]
        if "{" in text or text.lstrip().startswith("["):
            raise UnusableReplyError("broken JSON in the reply")
        if _POLITE.match(text):
            raise UnusableReplyError("talk about the task", text[:60])
        raw = text
    cleaned = _clean(raw)
    if not cleaned:
        raise UnusableReplyError("empty text in the reply")
    if len(cleaned) > LONGEST_TEXT_CHARS:
        raise UnusableReplyError("text that is too long", f"{len(cleaned)} characters")
    if speaks_of_the_task(cleaned):
        raise UnusableReplyError("talk about the task", cleaned[:60])
    return cleaned


def _read_level(value: object) -> float:
    try:
        level = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else float("nan")
    except ValueError:
        level = float("nan")
    if not 0.0 <= level <= 1.0:
        raise UnusableReplyError("level that is not from 0 to 1", str(value)[:40])
    return round(level, 2)


def _scale(number: str, unit: str) -> float:
    value = float(number.replace(",", "."))
    if unit == "%":
        return value / 100
    return value / float(unit[1:]) if unit and float(unit[1:]) else value


def _find_fenced(text: str) -> list[str]:
    """Return what stands between marks of code, without the word after the first of a pair."""
    parts = text.split(_FENCE)
    fenced = parts[1::2]
    return [part.split("\n", 1)[1] if "\n" in part else part.removeprefix("json") for part in fenced]


def _clean(text: str) -> str:
    """Return a text in one line, without the quotes around it."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    plain = " ".join(plain.split()).strip("`* ")
    closing = _QUOTES.get(plain[:1])
    if closing is not None and len(plain) > 1 and plain.endswith(closing):
        inner = plain[1:-1]
        if plain[0] not in inner and closing not in inner:
            return inner.strip()
    return plain
