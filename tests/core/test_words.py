"""Words: as blanks part them, and sign by sign where a script has no blanks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.words import split_words


@given(st.text(st.characters(max_codepoint=0x24F) | st.sampled_from(" \u00a0\u2003\n\x1c😊’“”…")))
def test_texts_in_latin_script_are_split_at_blanks_and_nowhere_else(text):
    assert split_words(text) == text.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("终于下雨了。", ["终", "于", "下", "雨", "了。"]),
        ("「よかった！」", ["「よ", "か", "っ", "た！」"]),
        ("カメラ、もう", ["カ", "メ", "ラ、", "も", "う"]),
        ("ดีใจ ที่", ["ดี", "ใ", "จ", "ที่"]),
        ("ດີໃຈ", ["ດີ", "ໃ", "ຈ"]),
        ("ភ្លៀង", ["ភ្", "លៀ", "ង"]),
        ("မိုး။", ["မိုး။"]),
        ("비가 드디어 왔다!", ["비가", "드디어", "왔다!"]),
        ("बारिश आ गई।", ["बारिश", "आ", "गई।"]),
        ("她说 OK了 twice.", ["她", "说", "OK", "了", "twice."]),
        ("𠮷野", ["𠮷", "野"]),
        (" \t", []),
    ],
)
def test_a_sign_is_a_word_where_no_blanks_part_words(text, words):
    assert split_words(text) == words


def test_a_long_run_of_points_takes_no_time():
    assert len(split_words("." * 200_000 + "雨" + "." * 200_000)) == 1
