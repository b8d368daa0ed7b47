"""What a search for settings may choose from."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from sentire.classifiers.recipe import NonNegative, Positive
from sentire.core.config import config, dump_config, parse_config
from sentire.core.errors import ConfigError
from sentire.training.recipe import Count, EncoderRecipe, check_recipe

Setting = str | int | float

LEARNING_RATE = "optimisation.learning_rate"
BATCH_SIZE = "optimisation.batch_size"
N_EPOCHS = "optimisation.n_epochs"
LOSS = "loss.name"


@config
class LogRange:
    """A range of which every order of magnitude is tried equally often.

    Attributes:
        low: Lowest.
        high: Highest; may equal the lowest.
    """

    low: Positive
    high: Positive


@config
class Range:
    """A range.

    Attributes:
        low: Lowest.
        high: Highest; may equal the lowest.
    """

    low: NonNegative
    high: NonNegative


@config
class SearchSpace:
    """All that a search may change of a recipe; what stands here wins over the recipe.

    Attributes:
        batch_size: Texts a step.
        n_epochs: Passes over the training data.
        loss: What is minimised.
        learning_rate: Of the optimiser.
        focal_gamma: Where the loss is ``focal``.
        gamma_negative: Where the loss is ``asymmetric``.
        gamma_positive: Where the loss is ``asymmetric``.
    """

    batch_size: Annotated[tuple[Count, ...], Field(min_length=1)] = (32, 64, 128)
    n_epochs: Annotated[tuple[Count, ...], Field(min_length=1)] = (2, 3, 4)
    loss: Annotated[tuple[Literal["bce", "focal", "asymmetric"], ...], Field(min_length=1)] = (
        "bce",
        "focal",
        "asymmetric",
    )
    learning_rate: LogRange = LogRange(low=5e-5, high=5e-4)
    focal_gamma: Range = Range(low=0.5, high=3.0)
    gamma_negative: Range = Range(low=1.0, high=4.0)
    gamma_positive: Range = Range(low=0.0, high=1.0)


class Chooser(Protocol):
    """What names one value of each setting: a trial of the search, or whoever else knows."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Name a value of a range."""

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        """Name one of several values."""


def choose_settings(space: SearchSpace, chooser: Chooser) -> dict[str, Setting]:
    """Return a value for every setting that counts, by its dotted key in the recipe."""
    rates = space.learning_rate
    settings: dict[str, Setting] = {
        LEARNING_RATE: chooser.suggest_float(LEARNING_RATE, rates.low, rates.high, log=True),
        BATCH_SIZE: chooser.suggest_categorical(BATCH_SIZE, space.batch_size),
        N_EPOCHS: chooser.suggest_categorical(N_EPOCHS, space.n_epochs),
        LOSS: chooser.suggest_categorical(LOSS, space.loss),
    }
    for name in _GAMMAS[str(settings[LOSS])]:
        section = getattr(space, name)
        settings[f"loss.{name}"] = chooser.suggest_float(f"loss.{name}", section.low, section.high)
    return settings


def get_own_settings(space: SearchSpace, recipe: EncoderRecipe) -> dict[str, Setting] | None:
    """Return the recipe's own values of the settings that are searched, or None where one lies outside the space."""
    own = _OwnValues(recipe)
    settings = choose_settings(space, own)
    return settings if own.is_inside else None


def apply_settings(recipe: EncoderRecipe, settings: Mapping[str, Setting]) -> EncoderRecipe:
    """Return a recipe with other values at some dotted keys.

    Raises:
        ConfigError: The recipe with these values makes no sense.
    """
    table = dump_config(recipe)
    for key, value in settings.items():
        section, name = key.split(".")
        table[section][name] = value
    return parse_config(EncoderRecipe, table, where=f"{recipe.name} with {settings}")


def check_search_space(space: SearchSpace, recipe: EncoderRecipe) -> None:
    """Make sure that every choice makes sense and fits the recipe, before anything is trained.

    Raises:
        ConfigError: A range ends before it begins, a choice stands twice, or the recipe cannot take one.
    """
    for name in ("learning_rate", "focal_gamma", "gamma_negative", "gamma_positive"):
        section = getattr(space, name)
        if section.low > section.high:
            raise ConfigError(
                expected="a low that is not above high", got=f"{section.low:g} and {section.high:g}", where=name
            )
    for name in ("batch_size", "n_epochs", "loss"):
        choices = getattr(space, name)
        if len(set(choices)) < len(choices):
            raise ConfigError(expected="different choices", got=repr(list(choices)), where=name)
    for size in space.batch_size:
        check_recipe(apply_settings(recipe, {BATCH_SIZE: size}))


_GAMMAS: Mapping[str, tuple[str, ...]] = {
    "bce": (),
    "focal": ("focal_gamma",),
    "asymmetric": ("gamma_negative", "gamma_positive"),
}


class _OwnValues:
    """Answers with the recipe's own values, and remembers whether all of them were among the choices."""

    def __init__(self, recipe: EncoderRecipe) -> None:
        self.is_inside = True
        self._recipe = recipe

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        del log
        value = float(self._get(name))
        self.is_inside &= low <= value <= high
        return value

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        value = self._get(name)
        self.is_inside &= value in choices
        return value

    def _get(self, name: str) -> Any:
        section, key = name.split(".")
        return getattr(getattr(self._recipe, section), key)
