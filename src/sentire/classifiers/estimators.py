"""TF-IDF with one-vs-rest logistic regression or naive Bayes, as scikit-learn estimators over texts."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sentire.core.errors import (
    DataError,
    MissingExtraError,
    NotFittedError,
    ShapeError,
    UnknownNameError,
    UsageError,
    quote,
)
from sentire.runtime.calibration import sigmoid
from sentire.runtime.linear import LinearScorer
from sentire.runtime.texts import prepare_texts
from sentire.runtime.tfidf import SparseRows, TfidfFeatures
from sentire.runtime.tokenisers import token_pattern

try:
    from scipy.sparse import csr_matrix
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import MultinomialNB
except ImportError as error:
    raise MissingExtraError(extra="classical", needed_for="training classical models") from error

Penalty = Literal["l1", "l2"]
_L1_RATIOS = {"l1": 1.0, "l2": 0.0}

LARGEST_LOGIT = 15.0
"""The score of a label that is on, or off, in every training example: it cannot be learned, only stated."""


class TfidfClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What the two classifiers share: features, the one-vs-rest scheme, and answers through the runtime.

    The answers come from the same ``LinearScorer`` that a saved model uses, so that what is measured here is what
    is shipped. Subclasses give the binary estimator of one label and read its weights.

    Attributes:
        features_: The fitted TF-IDF features.
        scorer_: The fitted linear scores.
        classes_: The columns, ``0 .. C - 1``.
        n_features_in_: Always 1: one text.
    """

    tokeniser: str
    max_features: int
    max_ngram: int
    is_sublinear: bool
    n_jobs: int | None

    _estimator_type: ClassVar[str] = "classifier"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        tags.classifier_tags.multi_label = True
        return tags

    @abstractmethod
    def _make_binary_estimator(self) -> Any:
        """Make the untrained estimator of one label."""

    @abstractmethod
    def _read_weights(self, fitted: Any) -> tuple[NDArray[np.float64], float]:
        """Return a fitted estimator's weights, shape (F,), and bias."""

    def fit(self, X: Sequence[str], y: ArrayLike) -> Self:
        """Learn from texts and their labels.

        Args:
            X: N texts.
            y: Indicator matrix, shape (N, C), of 0 and 1.

        Raises:
            DataError: A text is not a string, the indicator holds something else than 0 and 1, or no term is left.
            ShapeError: The texts and the indicator do not fit together.
        """
        texts = prepare_texts(X)
        return self.fit_features(texts).fit_labels(self.features_.transform(texts), y)

    def fit_features(self, texts: Sequence[str]) -> Self:
        """Learn the vocabulary and its idf from prepared texts; the first half of ``fit``."""
        if self.max_ngram not in (1, 2):
            raise UsageError(expected="1 or 2", got=quote(self.max_ngram), where="max_ngram")
        vectoriser = TfidfVectorizer(
            token_pattern=token_pattern(self.tokeniser),
            max_features=self.max_features,
            ngram_range=(1, self.max_ngram),
        )
        try:
            vectoriser.fit(texts)
        except ValueError as error:
            raise DataError(expected="texts with words", got=str(error), where="the training texts") from error
        self.features_ = TfidfFeatures(
            tokeniser=self.tokeniser,
            terms=vectoriser.get_feature_names_out().tolist(),
            idf=vectoriser.idf_.astype(np.float32),
            is_sublinear=self.is_sublinear,
        )
        return self

    def fit_labels(self, rows: SparseRows, y: ArrayLike) -> Self:
        """Learn the labels from the rows of ``features_``; the second half of ``fit``."""
        indicator = _check_indicator(y, len(rows))
        matrix = csr_matrix(
            (rows.values.astype(np.float64), rows.columns, rows.starts), shape=(len(rows), len(self.features_))
        )
        # Workers that get a matrix with unsorted indices fail to sort it in shared, read-only memory.
        matrix.sort_indices()
        n_positive = indicator.sum(axis=0)
        is_learnable = (n_positive > 0) & (n_positive < len(indicator))
        weights = np.zeros((len(self.features_), indicator.shape[1]), dtype=np.float32)
        bias = np.where(n_positive > 0, LARGEST_LOGIT, -LARGEST_LOGIT).astype(np.float32)
        columns = np.flatnonzero(is_learnable)
        if len(columns):
            fitted = OneVsRestClassifier(self._make_binary_estimator(), n_jobs=self.n_jobs)
            fitted.fit(matrix, _at_least_two_columns(indicator[:, columns]))
            for column, estimator in zip(columns, fitted.estimators_, strict=False):
                weights[:, column], bias[column] = self._read_weights(estimator)
        self.scorer_ = LinearScorer(weights=weights, bias=bias)
        self.classes_ = np.arange(indicator.shape[1])
        self.n_features_in_ = 1
        return self

    def decision_function(self, X: Sequence[str]) -> NDArray[np.float32]:
        """Return the logits, shape (N, C)."""
        if not hasattr(self, "scorer_"):
            raise NotFittedError(expected="a fitted classifier", got="an unfitted one", hint="call fit first")
        return self.scorer_.score(self.features_.transform(prepare_texts(X)))

    def predict_proba(self, X: Sequence[str]) -> NDArray[np.float32]:
        """Return uncalibrated probabilities, shape (N, C): the logistic function of each logit."""
        return sigmoid(self.decision_function(X))

    def predict(self, X: Sequence[str]) -> NDArray[np.int64]:
        """Return the labels whose probability is above .5, as an indicator of shape (N, C)."""
        return (self.decision_function(X) > 0).astype(np.int64)


class TfidfLogisticRegression(TfidfClassifier):
    """TF-IDF with one L1- or L2-penalised logistic regression a label.

    Source: course project "Multi-label emotion classification" (TF-IDF of 10,000 words and pairs, liblinear,
        balanced class weights, C in {.1, 1, 10} and both penalties by grid search).
    Departures: features in float32; a label that every or no training example carries gets a constant score.

    Args:
        tokeniser: ``word`` or ``social``.
        max_features: Keep this many of the most frequent terms.
        max_ngram: 1 for words, 2 for words and pairs of neighbours.
        is_sublinear: Count repeated terms by their logarithm.
        C: Inverse strength of the penalty, above 0.
        penalty: ``l1`` or ``l2``.
        class_weight: ``balanced`` or None.
        n_jobs: Labels fitted at the same time; None for one.
        random_state: Seed of liblinear's coordinate order.
    """

    def __init__(
        self,
        *,
        tokeniser: str = "word",
        max_features: int = 10_000,
        max_ngram: int = 2,
        is_sublinear: bool = False,
        C: float = 1.0,
        penalty: Penalty = "l2",
        class_weight: Literal["balanced"] | None = "balanced",
        n_jobs: int | None = None,
        random_state: int = 42,
    ) -> None:
        self.tokeniser = tokeniser
        self.max_features = max_features
        self.max_ngram = max_ngram
        self.is_sublinear = is_sublinear
        self.C = C
        self.penalty = penalty
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _make_binary_estimator(self) -> Any:
        if self.penalty not in _L1_RATIOS:
            raise UnknownNameError.among("penalty", str(self.penalty), _L1_RATIOS)
        return LogisticRegression(
            solver="liblinear",
            l1_ratio=_L1_RATIOS[self.penalty],
            C=self.C,
            class_weight=self.class_weight,
            max_iter=2000,
            random_state=self.random_state,
        )

    def _read_weights(self, fitted: Any) -> tuple[NDArray[np.float64], float]:
        return fitted.coef_[0], float(fitted.intercept_[0])


class TfidfNaiveBayes(TfidfClassifier):
    """TF-IDF with one multinomial naive Bayes a label, present against absent.

    The log odds of a label are linear in the features: ``x (log p(t | 1) - log p(t | 0)) + log p(1) - log p(0)``.

    Source: course project "Multi-label emotion classification" (alpha in {.1, .5, 1} and fit_prior by grid search).

    Args:
        tokeniser: ``word`` or ``social``.
        max_features: Keep this many of the most frequent terms.
        max_ngram: 1 for words, 2 for words and pairs of neighbours.
        is_sublinear: Count repeated terms by their logarithm.
        alpha: Additive smoothing, above 0.
        fit_prior: Learn how frequent the label is; otherwise both sides are taken as equally likely.
        n_jobs: Labels fitted at the same time; None for one.
    """

    def __init__(
        self,
        *,
        tokeniser: str = "word",
        max_features: int = 10_000,
        max_ngram: int = 2,
        is_sublinear: bool = False,
        alpha: float = 1.0,
        fit_prior: bool = True,
        n_jobs: int | None = None,
    ) -> None:
        self.tokeniser = tokeniser
        self.max_features = max_features
        self.max_ngram = max_ngram
        self.is_sublinear = is_sublinear
        self.alpha = alpha
        self.fit_prior = fit_prior
        self.n_jobs = n_jobs

    def _make_binary_estimator(self) -> Any:
        return MultinomialNB(alpha=self.alpha, fit_prior=self.fit_prior)

    def _read_weights(self, fitted: Any) -> tuple[NDArray[np.float64], float]:
        absent, present = fitted.feature_log_prob_
        prior_absent, prior_present = fitted.class_log_prior_
        return present - absent, float(prior_present - prior_absent)


def _check_indicator(y: ArrayLike, n_texts: int) -> NDArray[np.bool_]:
    indicator = np.asarray(y)
    if indicator.ndim != 2 or len(indicator) != n_texts:
        raise ShapeError(
            expected=f"an indicator of shape ({n_texts}, C)",
            got=f"shape {indicator.shape}",
            hint="encode label names with LabelSpace.encode",
        )
    if indicator.dtype != np.bool_ and not np.isin(indicator, (0, 1)).all():
        raise DataError(expected="an indicator of 0 and 1", got=f"{np.unique(indicator)[:5]}", where="y")
    return indicator.astype(np.bool_)


def _at_least_two_columns(indicator: NDArray[np.bool_]) -> NDArray[np.int64]:
    # A single column would be taken for a binary problem of another shape; its copy is fitted and ignored.
    columns = indicator if indicator.shape[1] > 1 else np.repeat(indicator, 2, axis=1)
    return columns.astype(np.int64)
