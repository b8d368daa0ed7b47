"""The recipe of a classical model: what to learn from, with which features and settings, and how to cut off."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from sentire.classifiers.thresholds import SHRINKAGES
from sentire.core.config import config
from sentire.core.errors import ConfigError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Folds = Annotated[int, Field(ge=2, le=50)]


@config
class DataSection:
    """What is learned from.

    Attributes:
        train: Name and split, such as ``goemotions:train``, or ``FILE.toml:SPLIT`` for data of your own.
        dev: Where calibration and cut-offs are chosen; never the test split.
        label_space: Learn the labels of this space, mapped from the data's own; empty for the data's own.
        further_train: More texts with labels of the same space, such as rows that were made for rare labels. A grid
            search learns from them and is not judged by them.
    """

    train: str
    dev: str
    label_space: str = ""
    further_train: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _dump(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A recipe that names none keeps the fingerprint that it had before there was this key.
        dumped: dict[str, Any] = dump(self)
        return dumped if self.further_train else {key: dumped[key] for key in dumped if key != "further_train"}


@config
class FeatureSection:
    """TF-IDF features.

    Attributes:
        tokeniser: ``word`` or ``social``.
        max_features: Number of terms kept, the most frequent first.
        max_ngram: Longest run of words that is a term.
        is_sublinear: Count repeated terms by their logarithm.
    """

    tokeniser: Literal["word", "social"] = "word"
    max_features: Annotated[int, Field(ge=1)] = 10_000
    max_ngram: Literal[1, 2] = 2
    is_sublinear: bool = False


@config
class LogisticRegressionSection:
    """One-vs-rest logistic regression; where several values are given, a grid search chooses.

    Attributes:
        C: Inverse strength of the penalty.
        penalty: Of the weights.
        class_weight: ``balanced`` weighs a label's positives and negatives alike, ``none`` every text alike.
    """

    C: tuple[Positive, ...] | Positive = 1.0
    penalty: tuple[Literal["l1", "l2"], ...] | Literal["l1", "l2"] = "l2"
    class_weight: Literal["balanced", "none"] = "balanced"


@config
class NaiveBayesSection:
    """One-vs-rest multinomial naive Bayes; where several values are given, a grid search chooses.

    Attributes:
        alpha: Additive smoothing.
        fit_prior: Learn how frequent each label is.
    """

    alpha: tuple[Positive, ...] | Positive = 1.0
    fit_prior: tuple[bool, ...] | bool = True


@config
class SearchSection:
    """Cross-validation of the grid, by micro-F1.

    Attributes:
        n_folds: Parts of the training split.
        cutoffs: ``fixed`` compares the cells at .5, as the course project did; ``per-label`` at each cell's own
            cut-offs, as it will be used.
    """

    n_folds: Folds = 3
    cutoffs: Literal["fixed", "per-label"] = "per-label"


@config
class CalibrationSection:
    """From scores to probabilities, on dev.

    Attributes:
        method: ``best`` takes the one with the lowest log loss in cross-fitting on dev.
        n_folds: Of the cross-fitting on dev, of the calibration and of the cut-offs alike.
    """

    method: Literal["best", "none", "temperature", "platt", "isotonic"] = "best"
    n_folds: Folds = 5


@config
class ThresholdSection:
    """From probabilities to labels, on dev.

    Attributes:
        method: One cut-off a label with shrinkage, one for all, or a fixed one.
        value: The fixed cut-off; read only by ``fixed``.
        shrinkages: Candidates of the shrinkage, in positives; read only by ``per-label``. ``[0]`` is none.
    """

    method: Literal["per-label", "global", "fixed"] = "per-label"
    value: Fraction = 0.5
    shrinkages: Annotated[tuple[NonNegative, ...], Field(min_length=1)] = SHRINKAGES


@config
class OutputSection:
    """What is written.

    Attributes:
        precision: Of the stored weights; ``float16`` halves the file. Calibration and cut-offs are chosen for the
            rounded weights.
    """

    precision: Literal["float32", "float16"] = "float32"


@config
class TfidfRecipe:
    """A whole experiment; exactly one of the two classifiers is given.

    Attributes:
        recipe: The kind of this file.
        name: Of the model.
        seed: Of folds and solvers.
    """

    recipe: Literal["tfidf"]
    name: str
    seed: Annotated[int, Field(ge=0)] = 42
    data: DataSection
    features: FeatureSection = Field(default_factory=FeatureSection)
    logistic_regression: LogisticRegressionSection | None = None
    naive_bayes: NaiveBayesSection | None = None
    search: SearchSection = Field(default_factory=SearchSection)
    calibration: CalibrationSection = Field(default_factory=CalibrationSection)
    thresholds: ThresholdSection = Field(default_factory=ThresholdSection)
    output: OutputSection = Field(default_factory=OutputSection)


def classifier_grid(recipe: TfidfRecipe) -> tuple[str, dict[str, Any], dict[str, tuple[Any, ...]]]:
    """Return the classifier's name, its settled settings, and the settings that a search has to choose.

    Raises:
        ConfigError: None or both of the classifiers are given, or a list is empty.
    """
    sections = {
        "logistic-regression": recipe.logistic_regression,
        "naive-bayes": recipe.naive_bayes,
    }
    given = [name for name, section in sections.items() if section is not None]
    if len(given) != 1:
        raise ConfigError(
            expected="exactly one of the sections [logistic_regression] and [naive_bayes]",
            got=" and ".join(given) or "none",
            where=recipe.name,
        )
    settings: dict[str, Any] = dict(vars(sections[given[0]]))
    if settings.get("class_weight") == "none":
        settings["class_weight"] = None
    grid = {name: value for name, value in settings.items() if isinstance(value, tuple)}
    for name, values in grid.items():
        if not values:
            raise ConfigError(expected="at least one value", got="an empty list", where=f"{given[0]}.{name}")
    settled = {name: value for name, value in settings.items() if name not in grid}
    return given[0], settled, grid
