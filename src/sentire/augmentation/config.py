"""The configuration of an augmentation: a TOML file that is the whole experiment."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from sentire.core.config import config
from sentire.core.errors import ConfigError
from sentire.llm.budget import Budget
from sentire.llm.exchange import Sampling
from sentire.llm.retries import Retries
from sentire.llm.settings import ProviderSettings
from sentire.synthesis.config import LimitsSection

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]

SourceName = Literal["templates", "rephrase", "back-translation"]


@config
class DataSection:
    """``[data]``: what is made richer, and what must stay apart from it.

    Attributes:
        train: Name and split; labels are of its label space.
        apart: Splits whose texts nothing that is made may resemble: dev and test.
    """

    train: str
    apart: tuple[str, ...]


@config
class LabelsSection:
    """``[labels]``: which labels are rare, and how rich they are to be.

    Attributes:
        names: Labels; or else ``rarer_than`` decides.
        rarer_than: Share of the train rows below which a label is rare (course project: .015).
        until: Rows of the label, those there are and those that are made.
    """

    names: tuple[str, ...] = ()
    rarer_than: Share = 0.015
    until: Positive = 500


@config
class RoundsSection:
    """``[rounds]``: how it goes on, and when it ends.

    Attributes:
        most: Rounds (course project: 50).
        growth: What a round aims at, as a multiple of the rows that the label has (course project: 1.5).
        patience: A label that won no row in so many rounds one after another is given up.
    """

    most: Positive = 50
    growth: Annotated[float, Field(gt=1)] = 1.5
    patience: Positive = 3


@config
class QualitySection:
    """``[quality]``: what a row must be.

    Attributes:
        shortest_words: Course project: 3.
        longest_words: Course project: 100.
        whole_sentence: It ends as a sentence does.
        near_duplicate: Similarity from which a text is one that is there: in train, apart, or made before.
        check_model: Judges whether the label is expressed; empty for no check.
        least_proba: Of the label, by that model.
    """

    shortest_words: Positive = 3
    longest_words: Positive = 100
    whole_sentence: bool = True
    near_duplicate: Annotated[float, Field(ge=0.9, lt=1)] = 0.9
    check_model: str = ""
    least_proba: Share = 0.1


@config
class ExperimentSection:
    """``[experiment]``: does it help?

    Attributes:
        recipe: Of the models, a TOML file beside this one; trained without and with what was made.
        test: Where both are measured; one of ``data.apart``.
        seeds: Of the augmentation and of the training, all different.
    """

    recipe: str
    test: str
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (1, 2, 3, 4, 5)


@config
class AugmentationConfig:
    """An augmentation.

    Attributes:
        name: Of the job and of the data set.
        sources: Where new texts come from, an equal share each.
        provider: For ``rephrase`` and ``back-translation``.
        pivots: Languages of back-translation.
        seed: Of all that is drawn.
        language: Of the texts.
        licence: Of what is made.
    """

    name: str
    data: DataSection
    sources: Annotated[tuple[SourceName, ...], Field(min_length=1)]
    provider: ProviderSettings | None = None
    pivots: tuple[str, ...] = ("German", "French", "Czech")
    seed: Annotated[int, Field(ge=0)] = 0
    language: str = "English"
    licence: str = "not stated"
    labels: LabelsSection = field(default_factory=LabelsSection)
    rounds: RoundsSection = field(default_factory=RoundsSection)
    quality: QualitySection = field(default_factory=QualitySection)
    sampling: Sampling = field(default_factory=Sampling)
    limits: LimitsSection = field(default_factory=LimitsSection)
    retries: Retries = field(default_factory=Retries)
    budget: Budget = field(default_factory=Budget)
    experiment: ExperimentSection | None = None


def check_augmentation(settings: AugmentationConfig) -> None:
    """Make sure that the parts of a configuration fit together.

    Raises:
        ConfigError: They do not.
    """
    asking = [source for source in settings.sources if source != "templates"]
    if asking and settings.provider is None:
        raise ConfigError(expected=f"a provider for {', '.join(asking)}", got="none", where="provider")
    if len(set(settings.sources)) < len(settings.sources):
        raise ConfigError(expected="different sources", got=", ".join(settings.sources), where="sources")
    if "back-translation" in settings.sources and not settings.pivots:
        raise ConfigError(expected="languages for back-translation", got="none", where="pivots")
    if settings.data.train in settings.data.apart:
        raise ConfigError(expected="splits other than train", got=settings.data.train, where="data.apart")
    if settings.quality.shortest_words > settings.quality.longest_words:
        raise ConfigError(
            expected=f"at most {settings.quality.longest_words}",
            got=str(settings.quality.shortest_words),
            where="quality.shortest_words",
        )
    if settings.experiment is not None:
        _check_experiment(settings.experiment, settings.data)


def check_apart(data: DataSection, name: str, *, what: str) -> None:
    """Make sure that nothing that is made may resemble the texts of a split.

    Args:
        data: With the splits that are kept apart.
        name: Of the split.
        what: It is for.

    Raises:
        ConfigError: It is not kept apart.
    """
    if name not in data.apart:
        raise ConfigError(
            expected=f"{name}, {what}, among the splits that are kept apart",
            got=", ".join(data.apart) or "none",
            where="data.apart",
            hint="add it: figures would rest on texts that rows may have been made to resemble",
        )


def _check_experiment(experiment: ExperimentSection, data: DataSection) -> None:
    if len(set(experiment.seeds)) < len(experiment.seeds):
        raise ConfigError(
            expected="different seeds",
            got=", ".join(map(str, experiment.seeds)),
            where="experiment.seeds",
            hint="the same run twice would make the interval narrower than it is",
        )
    check_apart(data, experiment.test, what="on which the experiment measures")
