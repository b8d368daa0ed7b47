import pytest

from sentire.core.config import parse_config
from sentire.core.errors import ConfigError
from sentire.training.recipe import EncoderRecipe, check_recipe

DATA = {"train": "goemotions:train", "dev": "goemotions:dev"}


def make(**sections):
    return parse_config(EncoderRecipe, {"recipe": "encoder", "name": "r", "data": DATA, **sections})


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"data": {"train": "isear:all"}, "folds": {"n_folds": 5}},
        {"data": {**DATA, "unlabelled": ["emobank:train"]}, "distillation": {"teachers": ["linear"]}},
        {"distillation": {"teachers": ["linear", "x"], "weights": [0.0, 2.0]}},
        {"context": {"is_used": True, "max_tokens": 56}},
        {"optimisation": {"batch_size": 64, "n_accumulated": 8}},
        {"export": {"window_tokens": 0}},
    ],
)
def test_recipes_that_fit_together(sections):
    check_recipe(make(**sections))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"train": "a:b"}}, r"either data\.dev or folds\.n_folds, got neither at data\.dev of r"),
        ({"folds": {"n_folds": 5}}, r"either data\.dev or folds\.n_folds, got both"),
        ({"data": {"train": "a:b"}, "folds": {"n_folds": 1}}, r"at least 2 folds, got 1 at folds\.n_folds of r"),
        ({"data": {**DATA, "unlabelled": ["a:b"]}}, r"teachers for the unlabelled texts, got none"),
        (
            {"data": {**DATA, "unlabelled": ["goemotions:train"]}, "distillation": {"teachers": ["linear"]}},
            r"other than the train split.* got goemotions:train at data\.unlabelled of r",
        ),
        (
            {"distillation": {"teachers": ["linear"], "weights": [1.0, 2.0]}},
            r"one weight a teacher \(1\), got 2 at distillation\.weights of r",
        ),
        ({"distillation": {"teachers": ["linear"], "weights": [0.0]}}, r"a weight above 0, got none"),
        (
            {"data": {**DATA, "dev": "goemotions:train"}},
            r"apart from all that is learned from, got goemotions:train, which is learned from at data\.dev of r",
        ),
        ({"data": {**DATA, "further_train": ["goemotions:dev"]}}, r"got goemotions:dev, .* at data\.dev of r"),
        (
            {"data": {**DATA, "unlabelled": ["goemotions:dev"]}, "distillation": {"teachers": ["linear"]}},
            r"got goemotions:dev, .* at data\.dev of r",
        ),
        (
            {"data": {**DATA, "affect_train": "emobank:train", "affect_dev": "emobank:train"}},
            r"got emobank:train, .* at data\.affect_dev of r",
        ),
        ({"data": {**DATA, "dev": "goemotions:test"}}, r"a dev split, since .* got goemotions:test at data\.dev of r"),
        ({"data": {**DATA, "affect_train": "emobank:train"}}, r"affect_train and affect_dev together, got one"),
        ({"context": {"is_used": True, "max_tokens": 57}}, r"at most 56 tokens.* got 57 at context\.max_tokens of r"),
        ({"optimisation": {"batch_size": 10, "n_accumulated": 4}}, r"that n_accumulated divides, got 10 and 4"),
        (
            {"export": {"window_tokens": 7}},
            r"windows of at least 8 .*, got 7 at export\.window_tokens of r",
        ),
    ],
)
def test_recipes_that_do_not(sections, message):
    with pytest.raises(ConfigError, match=message):
        check_recipe(make(**sections))
