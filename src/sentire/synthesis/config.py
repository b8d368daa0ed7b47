"""The configuration of a synthesis: a TOML file that is the whole experiment."""

import hashlib
from dataclasses import field
from typing import Annotated, Literal

import orjson
from pydantic import Field

from sentire.core.config import config, dump_config
from sentire.core.errors import ConfigError
from sentire.core.labels import LABEL_SPACES, LabelSpace, load_label_space, make_label_space
from sentire.llm.budget import Budget
from sentire.llm.exchange import Sampling
from sentire.llm.retries import Retries
from sentire.llm.settings import ProviderSettings

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


@config
class NarrativesSection:
    """``[narratives]``: the stories.

    Attributes:
        folder: Of .txt and .md files, one story each, relative to the configuration; or else give ``data``.
        data: A registered data set of stories with its split, such as ``fairytaleqa:train``.
        n: Most stories; 0 for all.
        shortest_chars: Shorter ones are left out and counted.
        longest_chars: Of a story that is given to the model at once.
        too_long: ``chunk``: longer ones are cut between paragraphs, and each piece is a story of its own in the same
            group; ``refuse``: they are left out and counted.
        other_language: ``use`` or ``refuse`` stories that do not look like the language; only English can be told.
    """

    folder: str = ""
    data: str = ""
    n: Count = 0
    shortest_chars: Count = 200
    longest_chars: Positive = 24_000
    too_long: Literal["chunk", "refuse"] = "chunk"
    other_language: Literal["use", "refuse"] = "refuse"


@config
class LabelsSection:
    """``[labels]``: the emotions.

    Attributes:
        space: A registered label space; or else give ``labels``.
        labels: Your own, in column order.
        neutral: The one of your own that stands for the absence of the others.
        definitions: A short definition of each label, for the prompts; those of registered spaces that we have written
            are there, and yours win.
        strays: Labels outside the space, and the label that each stands for; they win over the registered map.
        least_level: Of an emotion that counts as expressed (paper: .3).
        passes: 2 has every utterance labelled a second time, with the labels in reverse order and without the
            intended emotion, by ``second`` where that is given.
    """

    space: str = "goemotions"
    labels: tuple[str, ...] = ()
    neutral: str = ""
    definitions: dict[str, str] = field(default_factory=dict)
    strays: dict[str, str] = field(default_factory=dict)
    least_level: Annotated[float, Field(gt=0, le=1)] = 0.3
    passes: Annotated[int, Field(ge=1, le=2)] = 1


@config
class StepsSection:
    """``[steps]``: what is asked.

    Attributes:
        emotional: Utterances of each character, each of another emotion than neutral.
        neutral: Neutral utterances of each character; 0 where the labels have no neutral one.
        context_share: Share of the utterances that get a context and are rewritten (paper: about a third).
        relabel: Whether rewritten utterances are labelled again, with their context.
        most_actors: Characters of one story.
    """

    emotional: Positive = 8
    neutral: Count = 2
    context_share: Share = 1 / 3
    relabel: bool = True
    most_actors: Positive = 30


@config
class MaxTokensSection:
    """``[max_tokens]``: longest replies (paper's values, and our own for what it does not have).

    Attributes:
        actors: With the characters of a story.
        utterances: With what a character says.
        soft_labels: With the degrees of an utterance's emotions.
        context: With the context of an utterance.
        cleaning: With a context that gives away less.
        rewriting: With an utterance in other words.
    """

    actors: Positive = 300
    utterances: Positive = 500
    soft_labels: Positive = 100
    context: Positive = 300
    cleaning: Positive = 300
    rewriting: Positive = 300


@config
class LimitsSection:
    """``[limits]``: how much at a time.

    Attributes:
        in_flight: Requests under way, when the server takes them.
        stories: Stories that are worked on; 0 for a quarter of the requests, and at least four.
    """

    in_flight: Positive = 128
    stories: Count = 0


@config
class QuotaSection:
    """``[quota]``: labels that are made on purpose until there are enough of them.

    Attributes:
        per_label: Rows that express the label, after all filters; 0 for none on purpose.
        labels: That are meant; all but neutral where none are named.
        per_call: Utterances asked for at a time.
        rounds: How often what is missing is counted and asked for.
    """

    per_label: Count = 0
    labels: tuple[str, ...] = ()
    per_call: Positive = 4
    rounds: Positive = 3


@config
class QualitySection:
    """``[quality]``: rows that are left out, each rule with its own count.

    Attributes:
        shortest_words: Of an utterance.
        longest_words: Of an utterance.
        near_duplicate: Similarity from which a later utterance is left out as a near-duplicate; 0 for off. Exact
            duplicates always are.
        least_agreement: Of two passes: weighted Jaccard similarity of their levels; needs ``labels.passes = 2``.
        least_quality: Score of a row, the mean of what was measured of it; 0 for off.
        cleaning_overlap: Window for the overlap in words of the clean context with the uncleaned one.
        rewriting_overlap: Window for the overlap in words of the rewritten utterance with the original.
        leaking_context: ``drop`` or ``keep`` contexts that still name an emotion of their utterance.
    """

    shortest_words: Count = 3
    longest_words: Positive = 100
    near_duplicate: Annotated[float, Field(ge=0, lt=1)] = 0.9
    least_agreement: Share = 0.0
    least_quality: Share = 0.0
    cleaning_overlap: tuple[float, float] = (0.5, 1.0)
    rewriting_overlap: tuple[float, float] = (0.35, 0.99)
    leaking_context: Literal["drop", "keep"] = "drop"


@config
class SplitsSection:
    """``[splits]``: shares of the stories in train, dev and test.

    Attributes:
        orig: Of the utterances alone.
        context: Of the two sets with context.
    """

    orig: tuple[float, float, float] = (0.8, 0.1, 0.1)
    context: tuple[float, float, float] = (0.9, 0.05, 0.05)


@config
class ExpectSection:
    """``[expect]``: what estimates go by before anything was measured.

    Attributes:
        actors: Characters of a story (paper: about 15).
        chars_per_token: Of prompts.
        reply_fill: Share of the longest reply that is used.
    """

    actors: Annotated[float, Field(gt=0)] = 15.0
    chars_per_token: Annotated[float, Field(gt=0)] = 4.0
    reply_fill: Annotated[float, Field(gt=0, le=1)] = 0.5


@config
class SynthesisConfig:
    """A synthesis.

    Attributes:
        name: Of the job and of the data set.
        provider: Who is asked.
        second: Who labels the second time; the same where none is given.
        seed: Of all that is drawn.
        language: In which the utterances are to be.
        licence: Of the data set, for its card.
    """

    name: str
    provider: ProviderSettings
    second: ProviderSettings | None = None
    seed: Count = 0
    language: str = "English"
    licence: str = "not stated"
    narratives: NarrativesSection
    labels: LabelsSection = field(default_factory=LabelsSection)
    steps: StepsSection = field(default_factory=StepsSection)
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: MaxTokensSection = field(default_factory=MaxTokensSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    retries: Retries = field(default_factory=Retries)
    budget: Budget = field(default_factory=Budget)
    quota: QuotaSection = field(default_factory=QuotaSection)
    quality: QualitySection = field(default_factory=QualitySection)
    splits: SplitsSection = field(default_factory=SplitsSection)
    expect: ExpectSection = field(default_factory=ExpectSection)


def fingerprint_outcome(settings: SynthesisConfig) -> str:
    """Hash what determines the rows: not where the model runs, how fast it is asked, nor what may be spent."""
    dumped = dump_config(settings)
    for key in ("limits", "retries", "budget", "expect"):
        del dumped[key]
    for key in ("provider", "second"):
        who = dumped[key] or {}
        dumped[key] = {name: who[name] for name in ("model", "revision", "extra", "schema_form") if name in who}
    return hashlib.sha256(orjson.dumps(dumped, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def get_label_space(settings: SynthesisConfig) -> LabelSpace:
    """Return the label space of a synthesis."""
    section = settings.labels
    if section.labels:
        return make_label_space(settings.name, section.labels, neutral=section.neutral or None)
    return load_label_space(section.space)


def check_synthesis(settings: SynthesisConfig) -> None:
    """Make sure that the parts of a configuration fit together.

    Raises:
        ConfigError, UnknownNameError, LabelError: They do not.
    """
    _check_own_labels(settings)
    space = get_label_space(settings)
    narratives = settings.narratives
    if bool(narratives.folder) == bool(narratives.data):
        raise ConfigError(
            expected="a folder of stories or a data set of stories",
            got="both" if narratives.folder else "none",
            where="narratives.folder and narratives.data",
        )
    for key, labels in (
        ("labels.definitions", settings.labels.definitions),
        ("labels.strays", settings.labels.strays.values()),
        ("quota.labels", settings.quota.labels),
    ):
        for label in labels:
            space.index(label, where=key)
    if settings.steps.neutral and space.neutral is None:
        raise ConfigError(
            expected="0, since no label stands for no emotion", got=str(settings.steps.neutral), where="steps.neutral"
        )
    n_emotions = len(space) - (space.neutral is not None)
    if settings.steps.emotional > n_emotions:
        raise ConfigError(
            expected=f"at most {n_emotions} different emotions",
            got=str(settings.steps.emotional),
            where="steps.emotional",
        )
    if settings.labels.passes < 2 and (settings.quality.least_agreement or settings.second):
        raise ConfigError(
            expected="labels.passes = 2", got="1", where="quality.least_agreement" if not settings.second else "second"
        )
    if settings.quota.per_label and settings.quota.labels and space.neutral in settings.quota.labels:
        raise ConfigError(expected="labels other than neutral", got=str(space.neutral), where="quota.labels")
    if 0 < settings.quality.near_duplicate < 0.9:
        raise ConfigError(
            expected="0, or a similarity from .9 on",
            got=str(settings.quality.near_duplicate),
            where="quality.near_duplicate",
        )
    for key, (low, high) in (
        ("quality.cleaning_overlap", settings.quality.cleaning_overlap),
        ("quality.rewriting_overlap", settings.quality.rewriting_overlap),
    ):
        if not low <= high:
            raise ConfigError(expected="a window from low to high", got=f"{low} to {high}", where=key)
    for key, shares in (("splits.orig", settings.splits.orig), ("splits.context", settings.splits.context)):
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
            raise ConfigError(expected="shares of at least 0 that add up to 1", got=str(shares), where=key)


def _check_own_labels(settings: SynthesisConfig) -> None:
    labels = settings.labels.labels
    if labels and settings.name in LABEL_SPACES:
        raise ConfigError(
            expected="another name, since your own labels are a label space of that name",
            got=f"{settings.name!r}, which is a registered label space",
            where="name",
        )
    for label in labels:
        if "," in label or not label.strip():
            raise ConfigError(expected="labels without commas", got=repr(label), where="labels.labels")
