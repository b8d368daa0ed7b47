"""Texts from templates of ours: sentences for one label with slots, filled at random."""

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import numpy as np

from sentire.augmentation.candidates import Candidate, Seed
from sentire.core.seeding import make_generator

_SLOT = re.compile(r"\{(\w+)\}")

TRIES = 4
"""Fillings drawn for each text that is wanted; equal ones count once."""


class TemplateSource:
    """Fills templates.

    Args:
        seed: Of what is drawn.
    """

    name = "templates"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    async def make(
        self,
        label: str,
        seeds: Sequence[Seed],  # noqa: ARG002
        n: int,
        round_number: int,
        failed: Counter[str],  # noqa: ARG002
    ) -> list[Candidate]:
        """Fill templates of the label; none where there is no template for it."""
        templates, slots = _read_templates()
        own = templates.get(label, ())
        if not own:
            return []
        generator = make_generator(self._seed, f"templates, {label}, round {round_number}")
        texts: dict[str, None] = {}
        for _ in range(TRIES * n):
            template = own[int(generator.integers(len(own)))]
            texts.setdefault(fill(template, slots, generator))
            if len(texts) == n:
                break
        return [
            Candidate(
                id=f"{label}/templates/{round_number}/{number}",
                text=text,
                labels=(label,),
                label=label,
                source=self.name,
            )
            for number, text in enumerate(texts, start=1)
        ]


def fill(template: str, slots: Mapping[str, Sequence[str]], generator: np.random.Generator) -> str:
    """Return a template with every slot filled.

    Example:
        >>> fill("{a} is {b}.", {"a": ["Tea"], "b": ["ready"]}, np.random.default_rng(0))
        'Tea is ready.'
    """

    def choose(match: re.Match[str]) -> str:
        choices = slots[match[1]]
        return choices[int(generator.integers(len(choices)))]

    return _SLOT.sub(choose, template)


@cache
def identify_templates() -> str:
    """Return the version and hash of the templates, such as ``templates.v1-3fa9c1d2``."""
    content = _read_file()
    return f"templates.v{tomllib.loads(content)['version']}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


@cache
def _read_templates() -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    content = tomllib.loads(_read_file())
    return (
        {label: tuple(texts) for label, texts in content["templates"].items()},
        {name: tuple(choices) for name, choices in content["slots"].items()},
    )


def _read_file() -> str:
    return files("sentire.augmentation").joinpath("templates.toml").read_text(encoding="utf-8")
