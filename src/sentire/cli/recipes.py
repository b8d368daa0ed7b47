"""The recipe that a command names, of whichever kind it is."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentire.classifiers.recipe import TfidfRecipe
    from sentire.training.recipe import EncoderRecipe
    from sentire.training.representation_recipe import RepresentationRecipe

    Recipe = TfidfRecipe | EncoderRecipe | RepresentationRecipe


def read_recipe(path: Path, overrides: Iterable[str] = ()) -> "Recipe":
    """Read a TOML file as the kind of recipe that its key ``recipe`` names.

    Raises:
        ConfigError: The file cannot be read, names no kind that there is, or holds a wrong key or value.
    """
    from sentire.classifiers.recipe import TfidfRecipe
    from sentire.core.config import read_config, read_table
    from sentire.core.errors import ConfigError, did_you_mean, quote
    from sentire.training.recipe import EncoderRecipe
    from sentire.training.representation_recipe import RepresentationRecipe

    kinds: dict[str, type[Recipe]] = {
        "tfidf": TfidfRecipe,
        "encoder": EncoderRecipe,
        "representation": RepresentationRecipe,
    }
    kind = read_table(path, overrides).get("recipe")
    if not isinstance(kind, str) or kind not in kinds:
        raise ConfigError(
            expected=f"a kind of recipe ({', '.join(kinds)})",
            got="none" if kind is None else quote(kind),
            where=f"recipe in {path}",
            hint=did_you_mean(kind, kinds) if isinstance(kind, str) else 'begin the file with: recipe = "encoder"',
        )
    return read_config(kinds[kind], path, overrides)


def read_encoder_recipe(path: Path, overrides: Iterable[str] = ()) -> "EncoderRecipe":
    """Read a TOML file as the recipe of an encoder.

    Raises:
        ConfigError: It is of another kind, cannot be read, or holds a wrong key or value.
    """
    from sentire.core.errors import ConfigError
    from sentire.training.recipe import EncoderRecipe

    recipe = read_recipe(path, overrides)
    if not isinstance(recipe, EncoderRecipe):
        raise ConfigError(expected='recipe = "encoder"', got=repr(recipe.recipe), where=f"recipe in {path}")
    return recipe
