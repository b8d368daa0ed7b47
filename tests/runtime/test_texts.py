from collections.abc import KeysView

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import DataError, UsageError
from sentire.runtime.texts import (
    LONGEST_CONTEXT_CHARS,
    LONGEST_TEXT_CHARS,
    check_context,
    is_beginning_left_out,
    prepare_contexts,
    prepare_text,
    prepare_texts,
)

anything = st.text(st.characters())


@given(anything)
def test_prepared_texts_can_be_written_and_joined(text):
    prepared = prepare_text(text)
    assert "\x00" not in prepared
    prepared.encode()  # no lone surrogate is left
    assert len(prepared) == len(text)
    assert prepare_text(prepared) == prepared
    for before, after in zip(text, prepared, strict=True):
        is_unwritable = before == "\x00" or "\ud800" <= before <= "\udfff"
        assert after == ("\ufffd" if is_unwritable else before)


def test_nul_and_every_lone_surrogate_is_replaced_and_nothing_beside_them():
    unwritable = "\x00" + "".join(map(chr, range(0xD800, 0xE000)))
    assert prepare_text(unwritable) == "\ufffd" * 2049
    beside = "\x01\t\n\x7f\u2028\ud7ff\ue000\ufeff\uffff\U0010ffff"
    assert prepare_text(beside) == beside
    assert prepare_text("plain\x00ascii") == "plain\ufffdascii"


@pytest.mark.parametrize("char", ["a", "é", "\x00", "😀"])
def test_long_texts_are_cut(char):
    assert LONGEST_TEXT_CHARS == 100_000
    assert len(prepare_text(char * LONGEST_TEXT_CHARS)) == LONGEST_TEXT_CHARS
    cut = prepare_text(char * LONGEST_TEXT_CHARS + "tail")
    assert len(cut) == LONGEST_TEXT_CHARS
    assert "tail" not in cut


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (None, r"expected a text \(str\), got NoneType None at texts\[1\]"),
        (3.5, r"got float 3\.5 at texts\[1\]"),
        (b"abc", r"got bytes b'abc' at texts\[1\]"),
        (["abc"], r"got list \['abc'\] at texts\[1\]"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(wrong, message):
    with pytest.raises(DataError, match=message):
        prepare_texts(["fine", wrong])


def test_one_string_is_no_sequence_of_texts():
    with pytest.raises(DataError, match=r"got one string at texts; put it in a list: \[text\]"):
        prepare_texts("Hello")


def test_any_iterable_that_has_an_order_is_taken():
    texts = ["b", "a", "b"]
    for one in (texts, tuple(texts), iter(texts), (text for text in texts), np.array(texts), {"b": 1, "a": 2}.keys()):
        assert prepare_texts(one) == texts[: 2 if isinstance(one, KeysView) else 3]
    assert check_context((text for text in texts), 3) == texts
    assert check_context(iter([None, ["turn"]]), 2) == [None, ["turn"]]


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        (None, "NoneType None"),
        (5, "int 5"),
        (b"Hi", "bytes b'Hi'"),
        (bytearray(b"Hi"), "bytearray"),
        ({"Hi"}, "set {'Hi'}"),
        (frozenset(["Hi"]), "frozenset"),
        ({"Hi": 1}, "dict {'Hi': 1}"),
        (np.array("Hi"), "an array without a dimension"),
    ],
)
def test_what_has_no_order_or_no_texts_is_refused(wrong, got):
    with pytest.raises(DataError, match=f"expected a sequence of texts, got {got}.* at texts"):
        prepare_texts(wrong)
    if wrong is not None:
        with pytest.raises(UsageError, match=f"expected 1 contexts, one a text, got {got}.* at context"):
            check_context(wrong, 1)


def test_one_context_a_text():
    check_context(None, 3)
    check_context([None, "before", ["turn one", "turn two"]], 3)
    check_context([], 0)
    with pytest.raises(UsageError, match="expected 3 contexts, one a text, got 2 contexts at context"):
        check_context(["a", "b"], 3)
    with pytest.raises(UsageError, match="expected 3 contexts, one a text, got one string"):
        check_context("abc", 3)


def test_contexts_as_models_read_them():
    given = ["one", None, ["a", "b"], ("c",), "", [], "nul\x00 \ud800"]
    assert prepare_contexts(given, 7) == ["one", "", "a\nb", "c", "", "", "nul\ufffd \ufffd"]
    assert prepare_contexts(None, 3) is None


def test_of_a_long_context_the_end_is_kept():
    long = "x" * 1_000_000 + "the end"
    (kept,) = prepare_contexts([long], 1)
    assert kept == long[-LONGEST_CONTEXT_CHARS:]
    (kept,) = prepare_contexts([["first " * 10_000, long, "last"]], 1)
    assert len(kept) == LONGEST_CONTEXT_CHARS
    assert kept.endswith("xthe end\nlast")


def test_white_space_is_no_beginning_of_a_context_that_is_left_out():
    full, blank = "x" * LONGEST_CONTEXT_CHARS, " \n" * LONGEST_CONTEXT_CHARS
    given = [
        None,
        "",
        full,
        "y" + full,
        ["y", full],
        ["y", full[1:]],
        ["y", full[2:]],
        blank + full,
        ["y", blank],
        [blank],
    ]
    expected = [False, False, False, True, True, True, False, False, True, False]
    assert [is_beginning_left_out(one) for one in given] == expected


@pytest.mark.parametrize(
    ("context", "error", "message"),
    [
        (["a"], UsageError, "expected 2 contexts, one a text, got 1 contexts"),
        ([5, "a"], DataError, r"a text \(str\), got int 5 at context\[0\]"),
        (["a", ["b", None]], DataError, r"got NoneType None at context\[1\]"),
        (["a", b"b"], DataError, r"got bytes b'b' at context\[1\]"),
    ],
)
def test_what_is_no_context_is_refused(context, error, message):
    with pytest.raises(error, match=message):
        prepare_contexts(context, 2)
