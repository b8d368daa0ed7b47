"""The trainings of a suite: each row differs from the main one in what its name says, and none reads a test split."""

from dataclasses import replace

import pytest

from sentire.core.config import dump_config
from sentire.core.errors import ConfigError
from sentire.reproduce import carl, retrofit
from sentire.reproduce.suites import SUITES, get_suite, make_settings

SEEDS = (4, 9)


def make_recipes(name):
    settings = make_settings(SUITES[name], is_quick=False, overrides={"seeds": list(SEEDS)})
    return settings, {"retrofit": retrofit, "carl": carl}[name].make_recipes(settings)


def find_differences(one, other):
    """Return the dotted keys in which two recipes differ, with the second one's values."""
    first, second = dump_config(one), dump_config(other)
    found = {key: second[key] for key in second if not isinstance(second[key], dict) and second[key] != first[key]}
    for section, values in second.items():
        if isinstance(values, dict):
            found |= {f"{section}.{key}": value for key, value in values.items() if value != first[section][key]}
    return found


@pytest.mark.parametrize(
    ("name", "main", "expected"),
    [
        (
            "retrofit",
            "retrofit",
            {
                "contrast": {"preservation.weight": 0.0},
                "retrofit-linear": {"projection.kind": "linear"},
                "retrofit-stratified": {"contrast.sampler": "stratified"},
                "retrofit-stratified-linear": {"projection.kind": "linear", "contrast.sampler": "stratified"},
                "retrofit-plain": {"contrast.sampler": "plain"},
                "tlearn": {
                    "contrast.weight": 0.0,
                    "preservation.weight": 0.0,
                    "classification.weight": 1.0,
                    "optimisation.metric": "macro_f1",
                },
                "multitask": {
                    "contrast.weight": 0.0,
                    "preservation.weight": 0.0,
                    "classification.weight": 1.0,
                    "classification.further_weight": 1.0,
                    "data.further_train": "sst-2:train",
                    "data.n_train": 6666,
                    "optimisation.metric": "macro_f1",
                },
            },
        ),
        (
            "carl",
            "carl",
            {
                "mccl": {"token_detection.weight": 0.0},
                "ptd": {"momentum.weight": 0.0},
                "discrete": {"momentum.targets": "quadrants"},
                "no-momentum": {"momentum.momentum": 0.0},
                "no-queue": {"momentum.queue_size": 0},
            },
        ),
    ],
)
def test_a_row_differs_from_the_main_one_in_what_its_name_says(name, main, expected):
    _, recipes = make_recipes(name)
    for row, differences in expected.items():
        for seed in SEEDS:
            found = find_differences(recipes[f"{main}-{seed}"], recipes[f"{row}-{seed}"])
            # Settings of a term without a weight say nothing.
            silent = ("contrast.temperature", "contrast.per_class", "token_detection.share", "token_detection.step")
            found = {key: value for key, value in found.items() if key not in silent}
            assert found == {"name": f"{row}-{seed}"} | differences


@pytest.mark.parametrize("name", SUITES)
def test_every_seed_is_that_of_its_name_and_nothing_else_changes_with_it(name):
    _, recipes = make_recipes(name)
    for key, recipe in recipes.items():
        if not key.startswith("map-"):
            row, seed = key.rsplit("-", 1)
            assert (recipe.name, recipe.seed) == (key, int(seed))
            assert replace(recipe, name="", seed=0) == replace(recipes[f"{row}-{SEEDS[0]}"], name="", seed=0)


def test_the_map_varies_the_weight_and_the_temperature_alone():
    settings, recipes = make_recipes("retrofit")
    for weight in settings.map_weights:
        for temperature in settings.map_temperatures:
            recipe = recipes[retrofit.name_map_point(weight, temperature)]
            assert (recipe.preservation.weight, recipe.contrast.temperature, recipe.seed) == (weight, temperature, 4)
            main = recipes["retrofit-4"]
            changed = find_differences(main, recipe)
            assert changed.keys() <= {"name", "preservation.weight", "contrast.temperature", "data.n_train"}
    assert len(settings.map_weights) >= 3
    assert len(settings.map_temperatures) >= 3


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("is_quick", [True, False])
def test_no_training_reads_a_test_split_and_every_part_says_what_determines_it(tmp_path, name, is_quick):
    suite = get_suite(name)
    settings = make_settings(suite, is_quick=is_quick, overrides={})
    for part in suite.make_parts(settings, tmp_path):
        assert part.key["method"] >= 1
        encoder = part.key["encoder"]
        assert encoder["base"].keys() == {"weights_sha256", "pooling", "max_tokens"}
        if part.name.startswith(("train.", "map-")):
            data = encoder["recipe"]["data"]
            names = [data["train"], data["further_train"], *(one["data"] for one in data["affect_train"])]
            assert {one.split(":")[1] for one in names if one} == {"train"}
            assert {one.split(":")[1] for one in (data["dev"], data["affect_dev"]) if one} == {"dev"}
        else:
            assert part.key["data"]
        seed = part.name.rsplit("-", 1)[-1]
        if "seed" in part.key:
            assert part.key["seed"] == int(seed)
        if "recipe" in encoder and not part.name.startswith("map-"):
            assert encoder["recipe"]["seed"] == int(seed)


def test_the_sizes_of_the_paper_are_there(tmp_path):
    settings, recipes = make_recipes("retrofit")
    parts = {part.name for part in get_suite("retrofit").make_parts(settings, tmp_path)}
    assert set(settings.shots) >= {16, 64, 256}
    for row in ("pretrained", "tlearn", "contrast", "retrofit"):
        for task in ("sst-2", "sst-5", "sarcasm"):
            assert {f"few-shot.{task}.{n}.{row}-{seed}" for n in settings.shots for seed in SEEDS} <= parts
            assert {f"fine-tuned.{task}.{row}-{seed}" for seed in SEEDS} <= parts
    assert {f"neighbours.{task}.retrofit-4" for task in ("sst-2", "sst-5", "sarcasm", "isear", "meld")} <= parts
    assert recipes.keys() >= {f"{row}-4" for row in retrofit.TITLES if row != "pretrained"}
    assert len(make_settings(SUITES["retrofit"], is_quick=False, overrides={}).seeds) >= 3


@pytest.mark.parametrize(
    ("is_quick", "queue_size", "said"),
    [(True, 321, "320 keys.*got 321 at .* of carl-1"), (False, 8063, "8062 keys.*got 8063 at .* of carl-1")],
)
def test_a_queue_that_is_longer_than_the_data_is_refused_at_once(tmp_path, is_quick, queue_size, said):
    suite = get_suite("carl")
    settings = make_settings(suite, is_quick=is_quick, overrides={"queue_size": queue_size})
    with pytest.raises(ConfigError, match=f"a queue of at most {said}"):
        suite.make_parts(settings, tmp_path)
    settings = make_settings(suite, is_quick=is_quick, overrides={"queue_size": queue_size - 1})
    assert suite.make_parts(settings, tmp_path)


@pytest.mark.parametrize(
    ("name", "least", "change", "said"),
    [
        ("retrofit", {"n_train": 64}, -1, r"a batch of at most 63 texts, .* got 64 at .*batch_size of contrast-1"),
        (
            "retrofit",
            {"n_map_train": 64},
            -1,
            r"a batch of at most 63 texts, .* got 64 at .*batch_size of map-1\.0-0\.05",
        ),
        ("retrofit", {"batch_size": 112}, 4, r"at most 28 classes in a batch, .* got 116 / 4 = 29 at .* of contrast-1"),
        ("retrofit", {"n_dev": 11}, -1, r"more than 10 texts of goemotions:dev, got 10 at data.n_dev of contrast-1"),
        ("carl", {"n_dev": 22}, -1, r"more than 21 texts of emobank:dev, got 21 at data.n_dev of carl-1"),
    ],
)
def test_sizes_that_a_training_would_refuse_hours_later_are_refused_at_once(tmp_path, name, least, change, said):
    suite = get_suite(name)
    assert suite.make_parts(make_settings(suite, is_quick=False, overrides=least), tmp_path)
    settings = make_settings(suite, is_quick=False, overrides={key: size + change for key, size in least.items()})
    with pytest.raises(ConfigError, match=said):
        suite.make_parts(settings, tmp_path)


@pytest.mark.parametrize("n_texts", [1, 20])
def test_a_map_of_too_few_texts_is_refused_whatever_their_classes(tmp_path, n_texts):
    suite = get_suite("retrofit")
    with pytest.raises(ConfigError, match=rf"a batch of at most {n_texts} texts.* of map-.*more texts to train on"):
        suite.make_parts(make_settings(suite, is_quick=True, overrides={"n_map_train": n_texts}), tmp_path)


@pytest.mark.parametrize("overrides", [{"temperature": 1e-7}, {"map_temperatures": [0.1, 1e-7]}])
def test_a_temperature_that_the_loss_would_refuse_is_refused_at_once(tmp_path, overrides):
    suite = get_suite("retrofit")
    with pytest.raises(ConfigError, match=r"0\.000001, got 1e-07 at contrast\.temperature"):
        suite.make_parts(make_settings(suite, is_quick=True, overrides=overrides), tmp_path)
