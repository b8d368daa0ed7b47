"""Emoji as tokens of their own, for encoders whose vocabulary knows none of them.

Much of what people feel in chats stands in emoji, and to a WordPiece vocabulary of books and encyclopaedias they are
all the same unknown token. Such a vocabulary has unused entries: each emoji takes the place of one, so that the model
does not grow, and its embedding begins as the mean of those of the words of its name ("face with tears of joy").
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import orjson
from tokenizers import Tokenizer

from sentire.core.errors import ArtifactError, UsageError
from sentire.storage.tokenizer_files import read_tokenizer

_RANGES = (
    (0x1F600, 0x1F64F),  # faces, and people's gestures
    (0x1F910, 0x1F92F),  # more faces and hands
    (0x1F970, 0x1F97A),
    (0x1F493, 0x1F49F),  # hearts
    (0x1F440, 0x1F450),  # eyes, hands
    (0x1F47B, 0x1F480),  # ghost to skull
    (0x1F4A2, 0x1F4AF),  # anger, explosion, sweat, sleep, hundred points
    (0x1F380, 0x1F38A),  # gifts and parties
    (0x1F31A, 0x1F31F),  # moons with faces, stars
    (0x1F970, 0x1F97A),
)
_SINGLE = (
    "\u2600\u2614\u2620\u2639\u263a\u2640\u2642\u2665\u26a0\u26a1\u2705\u270a\u270b\u270c\u2728\u274c\u2753\u2757\u2763"
    "\u2764\u2b50\U0001f308\U0001f339\U0001f351\U0001f37b\U0001f382\U0001f389\U0001f38a\U0001f3b5\U0001f3b6\U0001f3c6"
    "\U0001f408\U0001f415\U0001f436\U0001f431\U0001f440\U0001f44f\U0001f48b\U0001f490\U0001f494\U0001f525\U0001f595"
    "\U0001f5a4\U0001f680\U0001f6a9\U0001f90d\U0001f90e\U0001f980\U0001f98b\U0001f9d0\U0001f9e0\U0001f9e1"
)

UNUSED_PREFIX = "[unused"


def list_emoji() -> tuple[str, ...]:
    """Return the emoji that get tokens, in a fixed order.

    Example:
        >>> "😂" in list_emoji(), len(set(list_emoji())) == len(list_emoji())
        (True, True)
    """
    ranged = [chr(code) for first, last in _RANGES for code in range(first, last + 1)]
    return tuple(dict.fromkeys(one for one in (*ranged, *_SINGLE) if unicodedata.name(one, "")))


def add_emoji_tokens(content: bytes, *, where: str) -> bytes:
    """Return a ``tokenizer.json`` in which emoji stand in the place of unused entries.

    An emoji that the vocabulary knows already keeps its entry. The added tokens are found in the raw text, before any
    word is cut, so that "great😂😂" is one word and two emoji.

    Args:
        content: Of the tokenizer's file.
        where: The file, for messages.

    Raises:
        ArtifactError: The content is no tokenizer.
        UsageError: Its vocabulary has no unused entries, as those of byte-level tokenizers, which need none.
    """
    read_tokenizer(content, where=where)  # whatever is wrong with it is said there
    parts = orjson.loads(content)
    vocabulary = parts["model"].get("vocab")
    if not isinstance(vocabulary, dict):
        vocabulary = {}
    unused = sorted((entry for entry in vocabulary if entry.startswith(UNUSED_PREFIX)), key=vocabulary.__getitem__)
    wanted = [emoji for emoji in list_emoji() if emoji not in vocabulary]
    if len(unused) < len(wanted):
        raise UsageError(
            expected=f"a vocabulary with {len(wanted)} unused entries for emoji",
            got=f"{len(unused)}",
            where=where,
            hint="set encoder.emoji = false",
        )
    for emoji, entry in zip(wanted, unused, strict=False):
        vocabulary[emoji] = vocabulary.pop(entry)
    added = parts.setdefault("added_tokens", [])
    named = {one["content"] for one in added}
    added += [
        {
            "id": vocabulary[emoji],
            "content": emoji,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": False,
        }
        for emoji in list_emoji()
        if emoji not in named
    ]
    added.sort(key=lambda one: one["id"])
    return orjson.dumps(parts)


def name_tokens(before: Tokenizer, after: Tokenizer) -> Mapping[int, Sequence[int]]:
    """Return, for each emoji that is new, its id and the ids of the words of its name.

    Args:
        before: The tokenizer as it was.
        after: The same with emoji.
    """
    known = before.get_vocab()
    return dict(_iterate_names(before, {one: entry for one, entry in after.get_vocab().items() if one not in known}))


def _iterate_names(tokenizer: Tokenizer, new: Mapping[str, int]) -> Iterator[tuple[int, list[int]]]:
    for emoji, entry in new.items():
        name = unicodedata.name(emoji).lower()
        ids = tokenizer.encode(name, add_special_tokens=False).ids
        if not ids:
            raise ArtifactError(expected=f"a tokenizer that knows the words {name!r}", got="no token")
        yield entry, ids
