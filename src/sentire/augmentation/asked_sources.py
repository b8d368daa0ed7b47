"""Texts from a language model: rephrasings of examples, and examples translated there and back."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from sentire.augmentation.candidates import Candidate, Seed
from sentire.augmentation.config import AugmentationConfig
from sentire.core.seeding import make_generator
from sentire.llm.caller import Call, Caller
from sentire.llm.exchange import Message, Request
from sentire.synthesis.desk import make_object_schema
from sentire.synthesis.prompts import identify_prompt, render_prompt
from sentire.synthesis.replies import read_text

HOME = "sentire.augmentation"
REPHRASE, TRANSLATE = "rephrase.v1", "translate.v1"
MAX_TOKENS = 300

_SCHEMA = make_object_schema("text", {"type": "string"})


class RephraseSource:
    """Asks for rephrasings that strongly express the label; the row keeps all labels of its example.

    **Source** the course project: an original is rephrased so that it strongly expresses the emotion, with its labels.

    Args:
        settings: Of the augmentation.
        caller: Asks.
        definitions: Of the labels, for the prompt.
    """

    name = "rephrase"

    def __init__(self, settings: AugmentationConfig, caller: Caller, definitions: Mapping[str, str]) -> None:
        self._settings, self._caller, self._definitions = settings, caller, definitions

    async def make(
        self, label: str, seeds: Sequence[Seed], n: int, round_number: int, failed: Counter[str]
    ) -> list[Candidate]:
        """Ask for one rephrasing of each of ``n`` examples, of some of them several where there are too few."""
        chosen = _choose(seeds, n, self._settings.seed, f"rephrase, {label}, round {round_number}")
        asked = [self._ask(label, seed, turn, round_number, failed) for seed, turn in chosen]
        made = await asyncio.gather(*asked, return_exceptions=True)
        return _keep(made)

    async def _ask(
        self, label: str, seed: Seed, turn: int, round_number: int, failed: Counter[str]
    ) -> Candidate | None:
        identity = f"{label}/rephrase/{round_number}/{seed.id}/{turn}"
        messages = render_prompt(
            REPHRASE,
            HOME,
            text=seed.text,
            emotion=label,
            definition=self._definitions.get(label, ""),
            language=self._settings.language,
            number=1000 * round_number + turn,
        )
        outcome = await self._caller.ask(_make_call("rephrase", REPHRASE, identity, messages, self._settings))
        if not outcome.value:
            failed[outcome.failure] += 1
            return None
        return Candidate(
            id=identity,
            text=outcome.value,
            labels=seed.labels,
            label=label,
            source=self.name,
            source_id=seed.id,
            key=outcome.key,
        )


class BackTranslationSource:
    """Has examples translated into another language and back; the row keeps all labels of its example.

    **Source** Sennrich, Haddow and Birch 2016, Improving Neural Machine Translation Models with Monolingual Data, for
    the idea; here both directions are asked of the language model.

    Args:
        settings: Of the augmentation.
        caller: Asks.
    """

    name = "back-translation"

    def __init__(self, settings: AugmentationConfig, caller: Caller) -> None:
        self._settings, self._caller = settings, caller

    async def make(
        self, label: str, seeds: Sequence[Seed], n: int, round_number: int, failed: Counter[str]
    ) -> list[Candidate]:
        """Translate ``n`` examples, each through the pivot whose turn it is; at most one of each pivot and example."""
        pivots = self._settings.pivots
        if round_number > len(pivots):
            return []
        pivot = pivots[round_number - 1]
        chosen = _choose(seeds, n, self._settings.seed, f"back-translation, {label}, round {round_number}")
        asked = [self._ask(label, seed, pivot, failed) for seed, turn in chosen if turn == 1]
        return _keep(await asyncio.gather(*asked, return_exceptions=True))

    async def _ask(self, label: str, seed: Seed, pivot: str, failed: Counter[str]) -> Candidate | None:
        identity = f"{label}/back-translation/{pivot}/{seed.id}"
        there = await self._translate(f"{identity}/there", seed.text, pivot, failed)
        if there is None:
            return None
        back = await self._translate(f"{identity}/back", there[1], self._settings.language, failed)
        if back is None:
            return None
        return Candidate(
            id=identity,
            text=back[1],
            labels=seed.labels,
            label=label,
            source=self.name,
            source_id=seed.id,
            key=back[0],
        )

    async def _translate(self, identity: str, text: str, language: str, failed: Counter[str]) -> tuple[str, str] | None:
        messages = render_prompt(TRANSLATE, HOME, text=text, language=language)
        outcome = await self._caller.ask(_make_call("translate", TRANSLATE, identity, messages, self._settings))
        if not outcome.value:
            failed[outcome.failure] += 1
            return None
        return outcome.key, outcome.value


def _make_call(
    task: str, prompt: str, identity: str, messages: tuple[Message, ...], settings: AugmentationConfig
) -> Call[str]:
    request = Request(
        name=f"{task}/{identity}", messages=messages, max_tokens=MAX_TOKENS, schema=_SCHEMA, sampling=settings.sampling
    )
    return Call(task=task, prompt=identify_prompt(prompt, HOME), request=request, parse=_parse)


def _parse(text: str) -> str:
    return read_text(text, "text")


def _choose(seeds: Sequence[Seed], n: int, seed: int, purpose: str) -> list[tuple[Seed, int]]:
    """Return ``n`` examples in a drawn order with the turn of each, from 1; all of them once before one comes twice."""
    if not seeds:
        return []
    order = make_generator(seed, purpose).permutation(len(seeds))
    return [(seeds[order[place % len(order)]], place // len(order) + 1) for place in range(n)]


def _keep(made: Sequence[Candidate | BaseException | None]) -> list[Candidate]:
    kept = []
    for one in made:
        if isinstance(one, BaseException):
            raise one
        if one is not None:
            kept.append(one)
    return kept
