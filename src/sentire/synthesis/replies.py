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

_FENCED = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)```", re.DOTALL)
_ITEM = re.compile(r"^\s*(?:\(?\d{1,3}[.):]|[-*•–])\s*(?P<item>\S.*)$")
_MARKS = " \t\r\n\"'“”„«»`*"
_LABEL_FIRST = re.compile(
    r"^\W*(?P<label>[A-Za-z][A-Za-z _-]{1,30}?)\W{0,2}\s*(?:[:\])–—]|\s-)\s*(?P<rest>.+)$", re.DOTALL
)
_LABEL_LAST = re.compile(
    r"^(?P<rest>.+?)\s*[\[(]\s*(?:emotion:\s*)?(?P<label>[A-Za-z][A-Za-z _-]{1,30})\s*[\])]\W*$", re.DOTALL
)
_NUMBER = re.compile(r"(?<![\d.])(?:0?\.\d+|[01](?:\.\d+)?)(?![\d.])")

# Only of replies that are no JSON: characters may well begin like that.
_POLITE = re.compile(r"\W*(?:certainly|sure|of course|absolutely|i am sorry|i'm sorry|sorry)\b", re.IGNORECASE)
_META = re.compile(
    r"\b(as an ai|(?:large )?language model|"
    r"i (?:can(?:no|')t|cannot|am unable to) (?:assist with|help with|fulfil|comply|create|generate|write)|"
    r"here (?:is|are) (?:the|your|some|\d+) (?:\w+ )?(?:utterance|rewritten|context|emotion|list|situation)\w*|"
    r"system prompt|(?:ignore|disregard) (?:all |any |the |your )+(?:previous|earlier|above|prior) instruct|json)",
    re.IGNORECASE,
)


def find_object(text: str) -> Mapping[str, Any] | None:
    """Return the JSON object in a reply; None where there is none."""
    candidates = [text, *_FENCED.findall(text)]
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
    """Return the lines of a numbered or marked list, without numbers, marks and quotes."""
    return [match["item"].strip(_MARKS) for line in text.splitlines() if (match := _ITEM.match(line))]


def speaks_of_the_task(text: str) -> bool:
    """Tell whether a text is talk about the task, or an order to a model, where an utterance should be."""
    return _META.search(text) is not None


def read_names(text: str, key: str) -> tuple[str, ...]:
    """Read a list of different names.

    Raises:
        UnusableReplyError: There is none.
    """
    found = find_object(text)
    raw = found.get(key) if found is not None else find_items(text)
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise UnusableReplyError("no list", f'expected {{"{key}": [...]}}')
    names = [one for one in raw if isinstance(one, str)]
    cleaned = dict.fromkeys(name for one in names if (name := " ".join(one.strip(_MARKS).split())))
    kept = tuple(name for name in cleaned if len(name) <= LONGEST_NAME_CHARS)
    if not kept:
        raise UnusableReplyError("no name in the list")
    return kept


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
            match = _LABEL_FIRST.match(item) or _LABEL_LAST.match(item)
            if match is None:
                raise UnusableReplyError("utterance without text or emotion", item[:60])
            pairs.append((match["rest"], match["label"]))
    cleaned = [(_clean(said), emotion.strip(_MARKS)) for said, emotion in pairs]
    kept = tuple((said, emotion) for said, emotion in cleaned if said and emotion)
    if not kept:
        raise UnusableReplyError("no utterance")
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
            numbers = _NUMBER.findall(item)
            word = re.match(r"\W*([^\W\d_][^\d:=(\[]*)", item)
            if not numbers or word is None:
                raise UnusableReplyError("emotion without a level", item[:60])
            pairs.append((word[1].strip(_MARKS + "-–—,"), _read_level(float(numbers[-1]))))
    kept = [(label.strip(_MARKS), level) for label, level in pairs if label.strip(_MARKS)]
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
        if text.lstrip().startswith(("{", "[")):
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


def _clean(text: str) -> str:
    plain = "".join(char if char.isprintable() else " " for char in text)
    plain = " ".join(plain.split()).strip(" `*")
    for opening, closing in (('"', '"'), ("“", "”"), ("«", "»"), ("'", "'")):
        if len(plain) > 1 and plain.startswith(opening) and plain.endswith(closing) and opening not in plain[1:-1]:
            plain = plain[1:-1].strip()
    return plain
