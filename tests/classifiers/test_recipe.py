import pytest

from sentire.classifiers.recipe import TfidfRecipe, classifier_grid
from sentire.core.config import dump_config, fingerprint, parse_config, read_config
from sentire.core.errors import ConfigError

BASE = {"recipe": "tfidf", "name": "x", "data": {"train": "goemotions:train", "dev": "goemotions:dev"}}


def parse(**sections):
    return parse_config(TfidfRecipe, {**BASE, **sections}, where="x.toml")


def test_what_is_not_given_has_its_default():
    recipe = parse(naive_bayes={})
    assert (recipe.seed, recipe.features.tokeniser, recipe.features.max_features) == (42, "word", 10_000)
    assert (recipe.search.n_folds, recipe.search.cutoffs, recipe.calibration.method) == (3, "per-label", "best")
    assert (recipe.thresholds.method, recipe.output.precision, recipe.data.label_space) == ("per-label", "float32", "")
    assert classifier_grid(recipe) == ("naive-bayes", {"alpha": 1.0, "fit_prior": True}, {})


def test_single_values_are_settled_and_lists_are_searched():
    recipe = parse(logistic_regression={"C": [0.1, 1.0], "penalty": "l1", "class_weight": "none"})
    assert classifier_grid(recipe) == (
        "logistic-regression",
        {"penalty": "l1", "class_weight": None},
        {"C": (0.1, 1.0)},
    )
    recipe = parse(naive_bayes={"alpha": [0.5], "fit_prior": [True, False]})
    assert classifier_grid(recipe) == ("naive-bayes", {}, {"alpha": (0.5,), "fit_prior": (True, False)})


def test_a_search_is_put_off_by_overrides(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(
        'recipe = "tfidf"\nname = "x"\n[data]\ntrain = "a:b"\ndev = "a:c"\n'
        '[logistic_regression]\nC = [0.1, 1.0]\npenalty = ["l1", "l2"]\n'
    )
    recipe = read_config(TfidfRecipe, path, ["logistic_regression.C=1.0", 'logistic_regression.penalty="l1"'])
    kind, settled, grid = classifier_grid(recipe)
    assert (kind, settled, grid) == (
        "logistic-regression",
        {"C": 1.0, "penalty": "l1", "class_weight": "balanced"},
        {},
    )


def test_exactly_one_classifier():
    with pytest.raises(ConfigError, match=r"exactly one of .*\[naive_bayes\], got none at x"):
        classifier_grid(parse())
    with pytest.raises(ConfigError, match="got logistic-regression and naive-bayes at x"):
        classifier_grid(parse(logistic_regression={}, naive_bayes={}))


@pytest.mark.parametrize(
    ("sections", "where"),
    [
        ({"logistic_regression": {"C": []}}, "logistic-regression.C"),
        ({"logistic_regression": {"penalty": []}}, "logistic-regression.penalty"),
        ({"naive_bayes": {"fit_prior": []}}, "naive-bayes.fit_prior"),
    ],
)
def test_an_empty_list_is_no_grid(sections, where):
    with pytest.raises(ConfigError, match=f"at least one value, got an empty list at {where}"):
        classifier_grid(parse(**sections))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"logistic_regresion": {}}, r"unknown key 'logistic_regresion'.*did you mean .logistic_regression."),
        ({"naive_bayes": {"alfa": 1.0}}, r"naive_bayes\.alfa in x\.toml; did you mean .alpha."),
        ({"features": {"max_feature": 10}}, r"features\.max_feature in x\.toml; did you mean .max_features."),
        ({"features": {"max_features": 0}}, r"greater than or equal to 1, got 0 at features\.max_features"),
        ({"features": {"max_ngram": 3}}, r"1 or 2, got 3 at features\.max_ngram"),
        ({"features": {"tokeniser": "bpe"}}, r"'word' or 'social', got 'bpe' at features\.tokeniser"),
        ({"features": {"is_sublinear": 1}}, r"valid boolean, got 1 at features\.is_sublinear"),
        ({"logistic_regression": {"C": 0.0}}, r"got 0\.0 at logistic_regression\.C"),
        ({"logistic_regression": {"C": [1.0, -1.0]}}, r"greater than 0, got -1\.0 at logistic_regression\.C"),
        ({"logistic_regression": {"C": float("inf")}}, r"logistic_regression\.C"),
        ({"logistic_regression": {"penalty": "l3"}}, r"logistic_regression\.penalty"),
        ({"logistic_regression": {"class_weight": "heavy"}}, r"'balanced' or 'none', got 'heavy'"),
        ({"search": {"n_folds": 1}}, r"greater than or equal to 2, got 1 at search\.n_folds"),
        ({"search": {"cutoffs": "own"}}, r"'fixed' or 'per-label', got 'own'"),
        ({"calibration": {"method": "beta"}}, r"got 'beta' at calibration\.method"),
        ({"thresholds": {"value": 1.5}}, r"less than or equal to 1, got 1\.5 at thresholds\.value"),
        ({"thresholds": {"shrinkages": []}}, r"thresholds\.shrinkages"),
        (
            {"thresholds": {"shrinkages": [3.0, -1.0]}},
            r"greater than or equal to 0, got -1\.0 at thresholds\.shrinkages",
        ),
        ({"output": {"precision": "int8"}}, r"'float32' or 'float16', got 'int8'"),
        ({"seed": -1}, "greater than or equal to 0, got -1 at seed"),
        ({"recipe": "encoder"}, "'tfidf', got 'encoder' at recipe"),
        ({"data": {"train": "goemotions:train"}}, r"expected a value, got none at data\.dev in x\.toml; add the key"),
    ],
)
def test_recipes_that_make_no_sense(sections, message):
    with pytest.raises(ConfigError, match=message):
        parse(**sections)


def test_a_recipe_without_further_rows_is_the_one_that_it_was_before_there_were_any():
    plain, further = parse(), parse(data={**BASE["data"], "further_train": ["more.toml:train"]})
    assert "further_train" not in dump_config(plain)["data"]
    assert fingerprint(plain) == fingerprint(parse(data={**BASE["data"], "further_train": []})) != fingerprint(further)
    for recipe in (plain, further):
        assert parse_config(TfidfRecipe, dump_config(recipe)) == recipe
