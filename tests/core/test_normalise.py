"""The normal form of a text: what counts as the same, and what must not."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.normalise import normalise_text

SAME = [
    ("  Well… THANK you!! ", "well thank you"),
    ("it's", "it s"),
    ("snake_case", "snake case"),
    ("ﬁne ①", "fine 1"),  # compatibility forms
    ("Caf\u0065\u0301", "caf\u00e9"),  # composed and decomposed
    ("so 😀 good ❤️", "so good"),
    ("tab\tand\nline\x00end", "tab and line end"),
    ("", ""),
    ("   ", ""),
]


@pytest.mark.parametrize(("text", "normal"), SAME)
def test_by_hand(text, normal):
    assert normalise_text(text) == normal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("की", "का"),  # Hindi: the vowel is a mark on the letter
        ("ที่", "ทำ"),  # Thai
        (":(", ":)"),
        ("😀", "😡"),
        ("???", "!!!"),
        ("no", "not"),
    ],
)
def test_different_texts_stay_different(one, other):
    assert normalise_text(one) != normalise_text(other)
    assert normalise_text(one)
    assert normalise_text(other)


def test_an_emoji_is_the_same_in_colour_and_in_black():
    assert normalise_text("❤\ufe0f") == normalise_text("❤")


@given(st.text())
def test_the_normal_form_of_a_normal_form_is_itself(text):
    assert normalise_text(normalise_text(text)) == normalise_text(text)


@given(st.text())
def test_case_and_surrounding_signs_do_not_matter(text):
    normal = normalise_text(text)
    if any(char.isalnum() for char in normal):
        assert normalise_text(f" *{text}... ") == normal
    assert normalise_text(unicodedata.normalize("NFD", text)) == normal


@given(st.text(st.characters(codec="ascii")))
def test_on_ascii_it_is_the_documented_rule(text):
    by_rule = re.sub(r"[\W_]+", " ", text.lower()).strip()
    if by_rule:
        assert normalise_text(text) == by_rule


def test_long_texts_take_linear_time():
    assert normalise_text("é!" * 500_000).count("é") == 500_000
    # A million marks on one letter: sorted by insertion, as NFKC has it, they would take a quarter of an hour.
    assert normalise_text("a" + "\u0301\u0323" * 500_000) == unicodedata.normalize("NFKC", "a" + "\u0301\u0323" * 15)
