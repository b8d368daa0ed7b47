"""Every configuration in configs/ can be read and names what there is."""

from pathlib import Path

import pytest

from sentire.augmentation.config import AugmentationConfig, check_augmentation
from sentire.classifiers.recipe import TfidfRecipe, classifier_grid
from sentire.cli.recipes import read_recipe
from sentire.core.config import dump_config, fingerprint, parse_config, read_config
from sentire.core.label_maps import load_label_map
from sentire.core.labels import load_label_space
from sentire.data.registry import DATASETS, parse_split_name
from sentire.runtime.load import EMBEDDED_MODELS
from sentire.synthesis.config import SynthesisConfig, check_synthesis
from sentire.training.recipe import EncoderRecipe, check_recipe
from sentire.training.representation_recipe import RepresentationRecipe, check_representation_recipe

FOLDER = Path(__file__).parents[1] / "configs"
SYNTHESES = sorted(FOLDER.glob("**/synthesis-*.toml"))
AUGMENTATIONS = sorted(FOLDER.glob("**/augment-*.toml"))
CONFIGS = sorted({*FOLDER.glob("**/*.toml")} - {*SYNTHESES, *AUGMENTATIONS})


def test_there_are_configs():
    assert {path.name for path in CONFIGS} >= {
        "goemotions-lr.toml",
        "goemotions-nb.toml",
        "linear.toml",
        "default.toml",
    }


@pytest.mark.parametrize("path", SYNTHESES, ids=lambda path: path.name)
def test_a_synthesis_loads_and_fits_together(path):
    settings = read_config(SynthesisConfig, path)
    check_synthesis(settings)
    assert settings.name == path.stem


@pytest.mark.parametrize("path", AUGMENTATIONS, ids=lambda path: path.name)
def test_an_augmentation_loads_and_stays_apart_from_dev_and_test(path):
    settings = read_config(AugmentationConfig, path)
    check_augmentation(settings)
    assert settings.name == path.stem
    for name in (settings.data.train, *settings.data.apart):
        parse_split_name(name)
    assert settings.experiment is None or settings.experiment.test in settings.data.apart
    assert settings.experiment is None or (path.parent / settings.experiment.recipe).is_file()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_loads_and_names_what_there_is(path):
    recipe = read_recipe(path)
    assert recipe.name == path.stem  # so that the folder of a run is found by its config
    names = [name for name in (recipe.data.train, recipe.data.dev) if name]
    if isinstance(recipe, RepresentationRecipe):
        check_representation_recipe(recipe)
        names += [recipe.data.further_train] if recipe.data.further_train else []
        rated = [source.data for source in recipe.data.affect_train if source.ratings == "people"]
        names += [source.data for source in recipe.data.affect_train if source.data not in rated]
        for name in (*rated, *([recipe.data.affect_dev] if recipe.data.affect_dev else [])):
            dataset, split = parse_split_name(name)
            assert split != "test"
            assert dataset.card.affect_scale is not None
    elif isinstance(recipe, EncoderRecipe):
        check_recipe(recipe)
        names += recipe.data.further_train
        for name in (recipe.data.affect_train, recipe.data.affect_dev, *recipe.data.unlabelled):
            if name:
                dataset, split = parse_split_name(name)
                assert split != "test"
                assert dataset.card.affect_scale is not None or name in recipe.data.unlabelled
        for teacher in recipe.distillation.teachers:
            assert teacher in EMBEDDED_MODELS or f"{Path(teacher).name}.toml" in {one.name for one in CONFIGS}
    else:
        kind, settled, grid = classifier_grid(recipe)
        assert kind in ("logistic-regression", "naive-bayes")
        assert settled.keys().isdisjoint(grid)
    for name in names:
        dataset, split = parse_split_name(name)
        assert DATASETS[dataset.name] is dataset
        assert split != "test"
        assert dataset.card.label_space is not None
        if recipe.data.label_space and load_label_space(recipe.data.label_space) != dataset.card.label_space:
            load_label_map(dataset.card.label_space.name, recipe.data.label_space)
    assert len(set(names)) == len(names)  # what is chosen on dev was not learned from
    kind = next(one for one in (TfidfRecipe, EncoderRecipe, RepresentationRecipe) if isinstance(recipe, one))
    assert fingerprint(parse_config(kind, dump_config(recipe))) == fingerprint(recipe)
