import re

import pytest

from sentire.core.errors import UnknownNameError
from sentire.runtime.tokenisers import SEPARATOR, TOKENISERS, batch_pattern, token_pattern


@pytest.mark.parametrize(
    ("name", "text", "tokens"),
    [
        ("word", "i don't know, it's 42!", ["don", "know", "it", "42"]),
        ("word", "a_b c naïve 第一", ["a_b", "naïve", "第一"]),
        ("word", "", []),
        ("social", "i don't know", ["i", "don't", "know"]),
        ("social", "it’s o'clock 'quoted'", ["it’s", "o'clock", "quoted"]),
        ("social", "what?! no!!! why...", ["what", "?!", "no", "!!!", "why"]),
        ("social", "fine :) :-( ;p =/ :o", ["fine", ":)", ":-(", ";p", "=/", ":o"]),
        ("social", "i <3 it", ["i", "<3", "it"]),
        ("social", "😀😀 ☀ great🎉", ["😀", "😀", "☀", "great", "🎉"]),
        ("social", "snake_case __ -", ["snake", "case"]),
    ],
)
def test_tokens(name, text, tokens):
    assert re.findall(token_pattern(name), text) == tokens


@pytest.mark.parametrize("name", TOKENISERS)
def test_tokens_of_joined_texts_are_those_of_each(name):
    texts = ["so :", ") what", "", "!", "?!", "it's", "'s not", "<", "3", "end:)"]
    found = batch_pattern(name).findall(SEPARATOR.join(texts))
    expected = []
    for number, text in enumerate(texts):
        expected += [SEPARATOR] * (number > 0) + re.findall(token_pattern(name), text)
    assert found == expected


@pytest.mark.parametrize("name", TOKENISERS)
def test_no_token_holds_a_blank_or_a_separator(name):
    every_char = "".join(map(chr, range(1, 0x3000)))
    for token in re.findall(token_pattern(name), every_char + " ".join(every_char)):
        assert " " not in token
        assert SEPARATOR not in token


def test_an_unknown_tokeniser_is_refused():
    with pytest.raises(UnknownNameError, match=r"a tokeniser .*social, word.*got 'words'.*did you mean .word."):
        token_pattern("words")
