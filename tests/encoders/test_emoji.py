"""Emoji take the place of unused entries, and nothing else of a tokenizer changes."""

from importlib.metadata import PackageNotFoundError

import orjson
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from sentire.core.errors import UsageError
from sentire.encoders.emoji import add_emoji_tokens, list_emoji, name_tokens
from sentire.encoders.sources import find_encoder
from sentire.storage.tokenizer_files import read_tokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "great", "face", "with", "tears", "of", "joy", "heart", "♥", "[NAME]", "!"]


def build_file(n_unused: int) -> bytes:
    entries = [*WORDS, *(f"[unused{number}]" for number in range(n_unused))]
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(entries)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer.to_str().encode()


@pytest.fixture(scope="module")
def pair() -> tuple[Tokenizer, Tokenizer]:
    before = build_file(len(list_emoji()))
    return read_tokenizer(before), read_tokenizer(add_emoji_tokens(before, where="here"))


def test_each_emoji_is_a_token_of_its_own_wherever_it_stands(pair):
    _, after = pair
    assert after.encode("great😂😂 great").tokens == ["[CLS]", "great", "😂", "😂", "great", "[SEP]"]
    for emoji in list_emoji():
        assert after.encode(emoji, add_special_tokens=False).tokens == [emoji]


def test_a_variation_selector_after_an_emoji_leaves_no_unknown_token(pair):
    _, after = pair
    assert after.encode("\u2764\ufe0f great").tokens == ["[CLS]", "\u2764", "great", "[SEP]"]


def test_the_ids_are_those_of_unused_entries_and_the_vocabulary_does_not_grow(pair):
    before, after = pair
    assert after.get_vocab_size() == before.get_vocab_size()
    known = before.get_vocab()
    for emoji in list_emoji():
        if emoji not in known:
            assert before.id_to_token(after.token_to_id(emoji)).startswith("[unused")


def test_an_emoji_that_was_known_keeps_its_id(pair):
    before, after = pair
    assert after.token_to_id("♥") == before.token_to_id("♥") == WORDS.index("♥")


def test_texts_without_emoji_are_read_as_before(pair):
    before, after = pair
    for text in ("great joy!", "[SEP] face", "", "Heart of GREAT", "x ♥"):
        assert after.encode(text).ids == before.encode(text).ids


def test_a_new_token_is_named_by_the_words_of_its_name(pair):
    before, after = pair
    named = name_tokens(before, after)
    joy = [WORDS.index(word) for word in ("face", "with", "tears", "of", "joy")]
    assert named[after.token_to_id("😂")] == joy
    assert after.token_to_id("♥") not in named


def test_a_vocabulary_without_room_is_refused():
    with pytest.raises(UsageError, match=r"unused entries for emoji, got 3 at vocab\.json; set encoder\.emoji = false"):
        add_emoji_tokens(build_file(3), where="vocab.json")


def test_the_result_may_be_given_again_and_stays_the_same():
    once = add_emoji_tokens(build_file(len(list_emoji())), where="here")
    assert orjson.loads(add_emoji_tokens(once, where="here")) == orjson.loads(once)


def test_minilm_has_room_and_knows_the_words():
    try:
        files = find_encoder("minilm")
    except PackageNotFoundError:
        pytest.skip("the package with MiniLM's files is not installed")
    content = files.tokenizer.read_bytes()
    before, after = read_tokenizer(content), read_tokenizer(add_emoji_tokens(content, where="minilm"))
    named = name_tokens(before, after)
    tokens = [before.id_to_token(entry) for entry in named[after.token_to_id("😭")]]
    assert tokens == ["loudly", "crying", "face"]
    assert after.encode("lol😭").tokens == [
        "[CLS]",
        *before.encode("lol", add_special_tokens=False).tokens,
        "😭",
        "[SEP]",
    ]
