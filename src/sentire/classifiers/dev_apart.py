"""Dev is where things are chosen: apart from what is learned from, and never the test split."""

from collections.abc import Iterable, Mapping

from sentire.core.errors import ConfigError


def check_dev_apart(recipe_name: str, *, chosen_on: Mapping[str, str], learned_from: Iterable[str]) -> None:
    """Make sure that nothing is chosen on texts that are learned from, nor on a test split.

    Args:
        recipe_name: For the messages.
        chosen_on: Data set and split, or nothing, by the keys of the recipe.
        learned_from: Data sets and splits; empty names are passed over.

    Raises:
        ConfigError: A split is both, or a test split.
    """
    learned = frozenset(learned_from)
    for key, name in chosen_on.items():
        if name and name in learned:
            raise ConfigError(
                expected="a dev split apart from all that is learned from",
                got=f"{name}, which is learned from",
                where=f"{key} of {recipe_name}",
                hint="what is chosen on texts that the model knows by heart is chosen badly",
            )
        if name.rpartition(":")[2] == "test":
            raise ConfigError(
                expected="a dev split, since figures on test are flattered by what was chosen there",
                got=name,
                where=f"{key} of {recipe_name}",
            )
