import warnings

import numpy as np
import pytest

from sentire.core.errors import DataError, NotFittedError, ShapeError, UnknownNameError, UsageError
from sentire.runtime.tokenisers import token_pattern

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.validation import check_is_fitted

from sentire.classifiers.estimators import LARGEST_LOGIT, TfidfLogisticRegression, TfidfNaiveBayes

ESTIMATORS = [TfidfLogisticRegression, TfidfNaiveBayes]
UNSEEN = ["so glad about the cold soup", "", "zzz qqq", "I dread the exam on Monday, late again"]

CHECKS = [
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_do_not_raise_errors_in_init_or_set_params",
]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("check", CHECKS)
def test_scikit_learns_own_checks(estimator, check):
    getattr(estimator_checks, check)(estimator.__name__, estimator())


def vectorise(texts, tokeniser, is_sublinear):
    vectoriser = TfidfVectorizer(
        token_pattern=token_pattern(tokeniser), ngram_range=(1, 2), max_features=60, sublinear_tf=is_sublinear
    )
    return vectoriser.fit(texts), vectoriser.transform(texts)


@pytest.mark.parametrize(("tokeniser", "is_sublinear"), [("word", False), ("social", True)])
@pytest.mark.parametrize("penalty", ["l1", "l2"])
@pytest.mark.parametrize("class_weight", ["balanced", None])
def test_logistic_regression_equals_one_vs_rest_over_a_vectoriser(toy, tokeniser, is_sublinear, penalty, class_weight):
    texts, targets = toy
    vectoriser, matrix = vectorise(texts, tokeniser, is_sublinear)
    theirs = OneVsRestClassifier(
        LogisticRegression(
            solver="liblinear",
            C=1.5,
            l1_ratio=1.0 if penalty == "l1" else 0.0,
            class_weight=class_weight,
            max_iter=2000,
            random_state=42,
        )
    ).fit(matrix, targets.astype(int))
    ours = TfidfLogisticRegression(
        tokeniser=tokeniser,
        max_features=60,
        is_sublinear=is_sublinear,
        C=1.5,
        penalty=penalty,
        class_weight=class_weight,
    ).fit(texts, targets)
    asked = vectoriser.transform([*texts, *UNSEEN])
    logits = ours.decision_function([*texts, *UNSEEN])
    assert np.abs(logits).max() > 1
    np.testing.assert_allclose(logits, theirs.decision_function(asked), rtol=0, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba([*texts, *UNSEEN]), theirs.predict_proba(asked), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(ours.predict([*texts, *UNSEEN]), theirs.predict(asked))


@pytest.mark.parametrize("fit_prior", [True, False])
@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_naive_bayes_equals_one_vs_rest_over_a_vectoriser(toy, alpha, fit_prior):
    texts, targets = toy
    vectoriser, matrix = vectorise(texts, "word", True)
    theirs = OneVsRestClassifier(MultinomialNB(alpha=alpha, fit_prior=fit_prior)).fit(matrix, targets.astype(int))
    ours = TfidfNaiveBayes(max_features=60, is_sublinear=True, alpha=alpha, fit_prior=fit_prior).fit(texts, targets)
    asked = [*texts, *UNSEEN]
    expected = theirs.predict_proba(vectoriser.transform(asked))
    np.testing.assert_allclose(ours.predict_proba(asked), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(ours.decision_function(asked), np.log(expected) - np.log1p(-expected), rtol=0, atol=1e-4)
    assert expected.std() > 0.05


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_fit_returns_itself_and_leaves_parameters_and_data_alone(toy, estimator):
    texts, targets = toy
    texts_before, targets_before = list(texts), targets.copy()
    unfitted = estimator(max_features=30)
    parameters = unfitted.get_params()
    assert unfitted.fit(texts, targets) is unfitted
    assert unfitted.get_params() == parameters
    assert texts == texts_before
    np.testing.assert_array_equal(targets, targets_before)
    check_is_fitted(unfitted)
    assert unfitted.classes_.tolist() == [0, 1, 2]
    assert unfitted.n_features_in_ == 1
    assert len(unfitted.features_) == 30


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_fitting_again_gives_the_same_bits_and_forgets_the_data_before(toy, write_toy, estimator):
    texts, targets = toy
    once = estimator().fit(texts, targets)
    other = estimator().fit(*write_toy(40, seed=9)).fit(texts, targets)
    for fitted in (other, clone(once).fit(texts, targets)):
        assert np.array_equal(fitted.decision_function(UNSEEN), once.decision_function(UNSEEN))
        assert fitted.features_.terms == once.features_.terms


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_two_halves_of_fit_are_fit(toy, estimator):
    texts, targets = toy
    halves = estimator(max_features=50).fit_features(texts)
    halves.fit_labels(halves.features_.transform(texts), targets)
    whole = estimator(max_features=50).fit(texts, targets)
    assert np.array_equal(halves.decision_function(UNSEEN), whole.decision_function(UNSEEN))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_an_unfitted_classifier_says_so(estimator, method):
    with pytest.raises(NotFittedError, match="expected a fitted classifier, got an unfitted one; call fit first"):
        getattr(estimator(), method)(["glad"])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_it_clones_and_takes_parameters(estimator):
    changed = estimator(tokeniser="social", max_ngram=1).set_params(max_features=12)
    copy = clone(changed)
    assert copy is not changed
    assert copy.get_params() == changed.get_params()
    assert (copy.tokeniser, copy.max_ngram, copy.max_features) == ("social", 1, 12)
    assert not hasattr(clone(estimator().fit(["glad day", "late"], [[1], [0]])), "scorer_")
    with pytest.raises(ValueError, match="Invalid parameter 'max_feature'"):
        changed.set_params(max_feature=3)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_tags_say_texts_and_several_labels(estimator):
    tags = get_tags(estimator())
    assert tags.estimator_type == "classifier"
    assert (tags.input_tags.string, tags.input_tags.two_d_array) == (True, False)
    assert tags.classifier_tags.multi_label


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_it_works_in_scikit_learns_tools(toy, estimator):
    texts, targets = toy
    micro = make_scorer(f1_score, average="micro")
    scores = cross_val_score(estimator(max_features=60), texts, targets.astype(int), cv=3, scoring=micro)
    assert scores.shape == (3,)
    assert scores.min() > 0.45  # one label for every text would get .35
    pipeline = make_pipeline(FunctionTransformer(lambda asked: [text.upper() for text in asked]), estimator())
    pipeline.fit(texts, targets)
    np.testing.assert_array_equal(pipeline.predict(UNSEEN), estimator().fit(texts, targets).predict(UNSEEN))
    found = GridSearchCV(estimator(), {"max_features": [1, 80]}, cv=3, scoring=micro).fit(texts, targets.astype(int))
    assert found.best_params_ == {"max_features": 80}
    exact = np.mean((found.predict(texts) == targets).all(axis=1))
    assert found.best_estimator_.score(texts, targets.astype(int)) == pytest.approx(exact)


@pytest.mark.parametrize("container", [tuple, np.array, lambda texts: np.array(texts, dtype=object)])
def test_texts_may_come_in_any_sequence(toy, container):
    texts, targets = toy
    expected = TfidfNaiveBayes().fit(texts, targets).predict_proba(UNSEEN)
    found = TfidfNaiveBayes().fit(container(texts), targets.tolist()).predict_proba(container(UNSEEN))
    assert np.array_equal(found, expected)


def test_labels_that_are_always_or_never_there_get_a_constant_score(toy):
    texts, targets = toy
    always, never = np.ones((len(texts), 1), bool), np.zeros((len(texts), 1), bool)
    widened = np.hstack([never, targets, always])
    for estimator in ESTIMATORS:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted = estimator().fit(texts, widened)
        logits = fitted.decision_function(UNSEEN)
        assert (logits[:, 0] == -LARGEST_LOGIT).all()
        assert (logits[:, -1] == LARGEST_LOGIT).all()
        assert np.array_equal(logits[:, 1:-1], estimator().fit(texts, targets).decision_function(UNSEEN))
        assert estimator().fit(texts, np.hstack([never, always])).predict(UNSEEN).tolist() == [[0, 1]] * 4


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_one_label_alone_is_learned_as_it_is_among_others(toy, estimator):
    texts, targets = toy
    together = estimator().fit(texts, targets).decision_function(UNSEEN)
    for column in range(3):
        alone = estimator().fit(texts, targets[:, [column]]).decision_function(UNSEEN)
        assert np.array_equal(alone[:, 0], together[:, column])


def test_labels_fitted_at_the_same_time_are_the_same(toy):
    texts, targets = toy
    # A matrix above joblib's limit would travel through read-only shared memory; sorted indices keep that harmless.
    at_once = TfidfLogisticRegression(n_jobs=2).fit(texts, targets)
    assert np.array_equal(
        at_once.decision_function(UNSEEN), TfidfLogisticRegression().fit(texts, targets).decision_function(UNSEEN)
    )


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        ([0, 1], ShapeError, r"an indicator of shape \(2, C\), got shape \(2,\); encode label names with LabelSpace"),
        ([[0, 1]], ShapeError, r"an indicator of shape \(2, C\), got shape \(1, 2\)"),
        ([[0, 2], [1, 1]], DataError, r"an indicator of 0 and 1, got \[0 1 2\] at y"),
        ([[0.5, 1], [1, 1]], DataError, r"an indicator of 0 and 1, got \[0\.5 1\."),
        ([[np.nan, 1], [1, 1]], DataError, "an indicator of 0 and 1, got .*nan"),
        ([["joy"], ["anger"]], DataError, "an indicator of 0 and 1, got .*anger"),
    ],
)
def test_a_bad_indicator_is_refused(estimator, targets, error, message):
    with pytest.raises(error, match=message):
        estimator().fit(["glad day", "late again"], targets)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("glad", "a sequence of texts, got one string"),
        (["glad", 3], r"a text \(str\), got int 3 at texts\[1\]"),
        (["", "?!"], "texts with words, got empty vocabulary.*at the training texts"),
        ([], "texts with words, got empty vocabulary"),
    ],
)
def test_bad_texts_are_refused(estimator, texts, message):
    with pytest.raises(DataError, match=message):
        estimator().fit(texts, [[0], [1]])


def test_bad_settings_are_refused(toy):
    with pytest.raises(UnknownNameError, match=r"a penalty \(l1, l2\), got 'l3'"):
        TfidfLogisticRegression(penalty="l3").fit(*toy)
    with pytest.raises(UnknownNameError, match=r"a tokeniser \(social, word\), got 'bpe'"):
        TfidfNaiveBayes(tokeniser="bpe").fit(*toy)


@pytest.mark.parametrize("max_ngram", [0, 3])
def test_runs_of_words_that_the_runtime_cannot_find_are_refused(max_ngram):
    with pytest.raises(UsageError, match=f"expected 1 or 2, got {max_ngram} at max_ngram"):
        TfidfNaiveBayes(max_ngram=max_ngram).fit(["good day sir", "bad day sir"], [[1, 0], [0, 1]])
