"""Settings, stories and utterances of our own, and a model that says what its script says."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire.core.config import parse_config
from sentire.llm.caller import Call, Outcome, StoppedError, UnusableReplyError
from sentire.synthesis.config import SynthesisConfig
from sentire.synthesis.definitions import load_label_guide
from sentire.synthesis.desk import Desk
from sentire.synthesis.judging import judge
from sentire.synthesis.run import Collection
from sentire.synthesis.stories import Story
from sentire.synthesis.story_work import StoryWork, Utterance

FERRY = (
    "The last ferry left the pier before Mira had found her shoes. She sat down on the stones and counted the coins "
    "that were left. The ferryman, who had seen her running, turned the boat around and said nothing about it."
)


def make_settings(**changes: Any) -> SynthesisConfig:
    """Return settings; ``labels__passes=2`` changes ``labels.passes``."""
    table: dict[str, Any] = {
        "name": "test",
        "provider": {"kind": "replay", "path": "replies.jsonl"},
        "narratives": {"folder": "stories"},
    }
    for key, value in changes.items():
        *sections, leaf = key.split("__")
        place = table
        for section in sections:
            place = place.setdefault(section, {})
        place[leaf] = value
    return parse_config(SynthesisConfig, table)


def make_desk(**changes: Any) -> Desk:
    settings = make_settings(**changes)
    return Desk(settings, load_label_guide(settings))


def make_story(name: str = "ferry", text: str = FERRY, number: int = 0) -> Story:
    return Story(id=name, group=name, text=text, number=number)


def make_utterance(number: int, text: str, **changes: Any) -> Utterance:
    """Return an utterance that shows joy, of one character in the story ``ferry``."""
    told = {
        "subject": f"ferry/Mira/{number}",
        "story": "ferry",
        "group": "ferry",
        "actor": "Mira",
        "text": text,
        "intended": "joy",
        "levels": (("joy", 0.8),),
    }
    return Utterance(**(told | changes))


def make_work(name: str, actors: Iterable[str], utterances: Iterable[Utterance] = ()) -> StoryWork:
    return StoryWork(
        story=make_story(name),
        names={},
        actors=tuple(actors),
        utterances=tuple(utterances),
        dropped=Counter(),
        failures=Counter(),
        yields=Counter(),
    )


TEXTS = (
    "I never thought that the rope would hold.",
    "Four coins and a button, that is all we have.",
    "The gulls were louder than the bell this morning.",
    "Somebody has painted our boat the colour of a plum.",
    "There is no letter for you, and there was none yesterday.",
)
UTTERANCES = [
    make_utterance(
        1,
        TEXTS[0],
        levels=(("joy", 0.8), ("hope", 0.4)),
        context="The ferry has left, sad as it is.",
        clean_context="The ferry has left.",
        rewritten="I never thought that it would hold.",
        context_levels=(("relief", 0.6), ("joy", 0.3)),
    ),
    make_utterance(2, TEXTS[1], intended="neutral", levels=(("neutral", 0.9),)),
    make_utterance(3, TEXTS[2], intended="anger", levels=(("annoyance", 0.6), ("anger", 0.5), ("fear", 0.4))),
    make_utterance(4, TEXTS[3], intended="mauve", levels=(("surprise", 0.5),), actor="the ferryman"),
    make_utterance(5, TEXTS[4], intended="pride", levels=(("sadness", 0.5),), target="pride", actor="the ferryman"),
    make_utterance(6, "Not yet."),
    make_utterance(7, TEXTS[1].replace("button", "buttons")),
]


def collect(utterances: Sequence[Utterance], settings: SynthesisConfig, **changes: Any) -> Collection:
    """Return what a ledger could say of two stories, the utterances all in the first."""
    works = [
        replace(
            make_work("ferry", ["Mira", "the ferryman"], utterances),
            failures=Counter({("utterances", "timeout"): 2, ("context", "no text"): 1}),
            yields=Counter({"actors": 1, "utterances": 3}),
            dropped=Counter(
                {("characters", "name of more than 80 characters"): 2, ("utterances", "more than were asked for"): 1}
            ),
        ),
        replace(
            make_work("goat", ["the goat"]),
            failures=Counter({("utterances", "timeout"): 1}),
            yields=Counter({"actors": 1}),
            dropped=Counter({("characters", "more than steps.most_actors"): 2}),
        ),
    ]
    parts: dict[str, Any] = {
        "works": tuple(works),
        "judgement": judge(utterances, settings, load_label_guide(settings)),
        "left_out": Counter({"too short": 3, "empty": 1}),
        "rounds": (({"joy": 3}, 1), ({"joy": 1}, 1)),
        "shortages": {"joy": 1},
        "n_unknown": 4,
    }
    return Collection(**(parts | changes))


class Script:
    """Answers by the name of the question, or else by its task; what it has no answer for fails.

    Args:
        answers: The replies as text.
        stops: Names of questions at which the job ends.
    """

    def __init__(self, answers: Mapping[str, str], stops: Iterable[str] = ()) -> None:
        self.answers, self.stops = answers, set(stops)
        self.begun: list[Call[Any]] = []
        self.ended: list[str] = []

    async def __call__(self, call: Call[Any]) -> Outcome[Any]:
        self.begun.append(call)
        name = call.request.name
        if name in self.stops:
            raise StoppedError
        for _ in range(20):  # so that others have their turn in between
            await asyncio.sleep(0)
        self.ended.append(name)
        reply = self.answers.get(name, self.answers.get(call.task))
        if reply is None:
            return Outcome(key=f"key of {name}", failure="no answer")
        try:
            return Outcome(key=f"key of {name}", value=call.parse(reply))
        except UnusableReplyError as broken:
            return Outcome(key=f"key of {name}", failure=broken.reason)

    def names(self, task: str = "") -> list[str]:
        """Return what was asked, of one task or of all."""
        return [call.request.name for call in self.begun if task in ("", call.task)]

    def get(self, name: str) -> Call[Any]:
        """Return the one question of that name."""
        (call,) = [call for call in self.begun if call.request.name == name]
        return call


def count_words(texts: Sequence[str]) -> NDArray[np.float32]:
    """Stand in for an encoder: hashed words, counted in 16 places."""
    vectors = np.zeros((len(texts), 16), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split():
            vectors[row, hashlib.sha256(word.encode()).digest()[0] % 16] += 1
    return vectors
