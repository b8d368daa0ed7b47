"""Every configuration in configs/ can be read and names what there is."""

from pathlib import Path

import pytest

from sentire.classifiers.recipe import TfidfRecipe, classifier_grid
from sentire.core.config import dump_config, fingerprint, parse_config, read_config
from sentire.core.label_maps import load_label_map
from sentire.core.labels import load_label_space
from sentire.data.registry import DATASETS, parse_split_name

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("**/*.toml"))


def test_there_are_configs():
    assert {path.name for path in CONFIGS} >= {"goemotions-lr.toml", "goemotions-nb.toml", "linear.toml"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_loads_and_names_what_there_is(path):
    recipe = read_config(TfidfRecipe, path)
    assert recipe.name == path.stem  # so that the folder of a run is found by its config
    for name in (recipe.data.train, recipe.data.dev):
        dataset, split = parse_split_name(name)
        assert DATASETS[dataset.name] is dataset
        assert split != "test"
        assert dataset.card.label_space is not None
        if recipe.data.label_space and load_label_space(recipe.data.label_space) != dataset.card.label_space:
            load_label_map(dataset.card.label_space.name, recipe.data.label_space)
    assert recipe.data.train != recipe.data.dev
    kind, settled, grid = classifier_grid(recipe)
    assert kind in ("logistic-regression", "naive-bayes")
    assert settled.keys().isdisjoint(grid)
    assert fingerprint(parse_config(TfidfRecipe, dump_config(recipe))) == fingerprint(recipe)
