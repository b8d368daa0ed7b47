"""What the labels mean, in our words, for the prompts; and which labels outside a space stand for which inside."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from sentire.core.errors import LabelError, quote
from sentire.core.labels import LabelSpace, load_label_space
from sentire.synthesis.config import SynthesisConfig, get_label_space


@dataclass(frozen=True, kw_only=True)
class LabelGuide:
    """A label space as prompts show it and replies are read.

    Attributes:
        space: The labels.
        definitions: Of those that have one.
        strays: Labels outside the space, in lower case, and what they stand for.
        word_stems: By label, beginnings of words that name it.
    """

    space: LabelSpace
    definitions: Mapping[str, str]
    strays: Mapping[str, str]
    word_stems: Mapping[str, tuple[str, ...]]

    def list_lines(self, *, is_reversed: bool = False) -> str:
        """Return the labels for a prompt, one a line, with their definitions."""
        labels = reversed(self.space.labels) if is_reversed else self.space.labels
        return "\n".join(
            f"- {label}: {self.definitions[label]}" if label in self.definitions else f"- {label}" for label in labels
        )

    def read(self, word: str) -> str | None:
        """Return the label that a model's word stands for; None where it stands for none.

        Example:
            >>> guide = load_label_guide_of("goemotions")
            >>> guide.read("Joy"), guide.read("anxiety"), guide.read("purple")
            ('joy', 'nervousness', None)
        """
        plain = clean_word(word)
        for label in self.space.labels:
            if clean_word(label) == plain:
                return label
        return self.strays.get(plain)

    def find_named(self, text: str, labels: Iterable[str]) -> tuple[str, ...]:
        """Return those of some labels whose words stand in a text.

        Example:
            >>> load_label_guide_of("goemotions").find_named("How proud she looked!", ["joy", "pride"])
            ('pride',)
        """
        lowered = text.lower()
        return tuple(
            label
            for label in labels
            if any(re.search(rf"\b{re.escape(stem)}", lowered) for stem in self.word_stems.get(label, ()))
        )


def clean_word(word: str) -> str:
    """Return a label as a model wrote it, without capitals, quotes and points."""
    return " ".join(word.strip(" \t\n\"'`*.,:;()[]").replace("_", " ").lower().split())


def load_label_guide(settings: SynthesisConfig) -> LabelGuide:
    """Return the labels of a synthesis with definitions and strays, ours and the configuration's own."""
    section = settings.labels
    return _make_guide(get_label_space(settings), section.definitions, section.strays)


def load_label_guide_of(space_name: str) -> LabelGuide:
    """Return a registered label space with our definitions and strays."""
    return _make_guide(load_label_space(space_name), {}, {})


def read_definitions(space: LabelSpace) -> dict[str, str]:
    """Return our definitions of a label space; empty where we have none."""
    return dict(_read_ours(space)["definitions"])


def _make_guide(space: LabelSpace, definitions: Mapping[str, str], strays: Mapping[str, str]) -> LabelGuide:
    ours = _read_ours(space)
    known = {clean_word(word): label for word, label in {**ours["strays"], **strays}.items()}
    for word, label in known.items():
        if label not in space:
            raise LabelError(expected=f"a label of {space.id}", got=quote(label), where=f"what {word} stands for")
    stems = {label: (label.lower(),) for label in space.labels if label != space.neutral}
    return LabelGuide(
        space=space,
        definitions={**ours["definitions"], **definitions},
        strays=known,
        word_stems=stems | {label: tuple(words) for label, words in ours["word_stems"].items()},
    )


def _read_ours(space: LabelSpace) -> dict[str, dict[str, Any]]:
    file = files("sentire.synthesis").joinpath("label_guides", f"{space.id}.toml")
    content = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {part: content.get(part, {}) for part in ("definitions", "strays", "word_stems")}
