"""Errors: four parts in every message, one exit code each, and they survive a worker process."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from sentire.core import errors
from sentire.core.errors import (
    DataError,
    LabelError,
    MissingExtraError,
    NotFittedError,
    SentireError,
    UnknownNameError,
    describe,
    did_you_mean,
    list_names,
    quote,
)

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SentireError)]

EXIT_CODES = {
    "SentireError": 1,
    "UsageError": 2,
    "UnknownNameError": 2,
    "ConfigError": 2,
    "DataError": 3,
    "LabelError": 3,
    "ShapeError": 3,
    "NotFittedError": 3,
    "ArtifactError": 4,
    "OutputError": 5,
    "HeldError": 5,
    "MissingExtraError": 6,
    "FetchError": 7,
    "TrainingError": 8,
    "GenerationError": 9,
    "BudgetError": 10,
}


def make(kind: type[SentireError]) -> SentireError:
    if kind is MissingExtraError:
        return MissingExtraError(extra="data", needed_for="Parquet files")
    return kind(expected="a cat", got="a dog", where="house:3", hint="open the door")


def raise_in_worker(_: int) -> None:
    raise DataError(expected="a cat", got="a dog", where="house:3", hint="open the door")


def test_every_kind_has_its_exit_code_and_is_drawn_in_the_tree():
    assert {kind.__name__: kind.exit_code for kind in KINDS} == EXIT_CODES
    for name in EXIT_CODES:
        assert errors.__doc__ is not None
        assert name in errors.__doc__, f"{name} is missing from the tree in the module's docstring"


def test_the_four_parts():
    assert str(make(DataError)) == "expected a cat, got a dog at house:3; open the door"
    assert str(DataError(expected="a cat", got="a dog")) == "expected a cat, got a dog"


def test_a_missing_extra_says_what_to_install():
    error = MissingExtraError(extra="data", needed_for="Parquet files")
    assert str(error) == (
        "expected the extra 'data' for Parquet files, got an installation without it; run: pip install 'sentire[data]'"
    )


def test_a_missing_extra_may_say_how_to_go_without():
    error = MissingExtraError(extra="data", needed_for="a search", otherwise="leave it out")
    assert str(error).endswith("; run: pip install 'sentire[data]', or leave it out")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])  # noqa: S301
def test_errors_survive_pickling_and_copying(kind, again):
    error = make(kind)
    error.add_note("seen twice")
    other = again(error)
    assert type(other) is kind
    assert str(other) == str(error)
    assert vars(other) == vars(error)
    assert isinstance(other, SentireError)


def test_an_error_comes_back_whole_from_a_worker_process():
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(DataError, match="expected a cat, got a dog at house:3; open the door"),
    ):
        pool.submit(raise_in_worker, 1).result(timeout=60)


def test_a_model_that_is_not_fitted_is_what_scikit_learn_expects():
    assert issubclass(NotFittedError, (ValueError, AttributeError))
    assert issubclass(LabelError, DataError)


def test_unknown_names_are_listed_in_order_with_near_matches():
    error = UnknownNameError.among("model", "linaer", ["nb", "linear"], where="--model")
    assert str(error) == (
        "expected the name of a model (linear, nb), got 'linaer' at --model; did you mean \"linear\"?"
    )


@pytest.mark.parametrize("name", [5, None, b"linear"])
def test_a_name_that_is_no_text_is_unknown(name):
    error = UnknownNameError.among("model", name, ["nb", "linear"])
    assert str(error) == f"expected the name of a model (linear, nb), got {name!r}"


def test_did_you_mean():
    assert did_you_mean("joyfull", ["joy", "joyful", "anger"]) == 'did you mean "joyful" or "joy"?'
    assert did_you_mean("xyz", ["joy"]) == ""
    assert did_you_mean("ID", ["id", "text"]) == 'did you mean "id"?'
    assert did_you_mean("texts", ["TEXT", "Text"]) == 'did you mean "TEXT" or "Text"?'
    assert did_you_mean("", ["joy"]) == ""
    assert did_you_mean("joy" * 10**6, ["joy"]) == ""


def test_near_matches_and_known_names_are_printable():
    assert did_you_mean("joyful", ["joyful\x1b[2J"]) == r"did you mean 'joyful\x1b[2J'?"
    error = UnknownNameError.among("split", "tset", ["te\x1b[2Jst", "dev"])
    assert str(error).startswith(r"expected the name of a split (dev, 'te\x1b[2Jst'), got 'tset'")


def test_quotes_are_short_and_show_what_cannot_be_seen():
    assert quote("a\nb\x1b[31m\ud800") == "'a\\nb\\x1b[31m\\ud800'"
    shown = quote("x" * 1000)
    assert shown.endswith("… (1002 characters)")
    assert len(shown) < 150


def test_lists_of_names_are_short_and_printable():
    assert list_names(["id", "text"]) == "id, text"
    assert list_names(["a\nb", "", "\x1b[2J"]) == "'a\\nb', '', '\\x1b[2J'"
    assert len(list_names(f"column{number}" for number in range(10_000))) == errors.LONGEST_LIST_CHARS + 1


def test_what_the_system_refused(tmp_path):
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "none").open()
    assert describe(missing.value) == "No such file or directory"
    with pytest.raises(UnicodeDecodeError) as undecodable:
        b"abc\xff".decode()
    assert describe(undecodable.value) == "bytes that are not UTF-8 (byte 3)"
    assert describe(OSError()) == "OSError"
