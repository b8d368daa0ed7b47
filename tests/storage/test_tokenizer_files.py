import base64
import copy
import random
import struct
import time

import orjson
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from sentire.core.errors import ArtifactError
from sentire.storage import tokenizer_files
from sentire.storage.tokenizer_files import read_tokenizer

WORDS = [
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[PAD]",
    "the",
    "sun",
    "was",
    "up",
    "glad",
    "s",
    "##u",
    "##n",
    "n",
    "o",
    "!",
    "[",
    "]",
]
SENTENCES = ["The sun was up!", "glad, GLAD", "", "Übermut tut gut", "sun" * 40, "no  more   spaces", "a\nb 😀"]


def make_bert() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[CLS]", "[SEP]", "[PAD]"])
    return tokenizer


def make_roberta() -> Tokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *letters, "su", "sun", "Ġw", "as"]
    merges = [("s", "u"), ("su", "n"), ("Ġ", "w"), ("a", "s")]
    tokenizer = Tokenizer(models.BPE({piece: place for place, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def make_charsmap(n_units: int = 256) -> str:
    """A table of characters that changes none: a trie of units that match nothing, and no replacements."""
    return base64.b64encode(struct.pack("<I", 4 * n_units) + bytes(4 * n_units)).decode()


def make_xlm_roberta() -> Tokenizer:
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁sun", -3.0), ("s", -4.0)]
    tokenizer = Tokenizer(models.Unigram([*pieces, ("was", -4.5), ("u", -5.0), ("n", -5.0)], unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.decoder = decoders.Metaspace()
    parts = orjson.loads(tokenizer.to_str())
    parts["normalizer"]["normalizers"].insert(0, {"type": "Precompiled", "precompiled_charsmap": make_charsmap()})
    return Tokenizer.from_str(orjson.dumps(parts).decode())


MAKERS = {"bert": make_bert, "roberta": make_roberta, "xlm-roberta": make_xlm_roberta}


def change(part: str, **changes: object) -> bytes:
    """The tokenizer of a BERT with one part replaced, or with some of its entries changed."""
    parts = orjson.loads(make_bert().to_str())
    if "type" in changes or not isinstance(parts[part], dict):
        parts[part] = changes
    else:
        parts[part] |= changes
    return orjson.dumps(parts)


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_allowed_is_read_as_the_library_reads_it(tmp_path, kind):
    original = MAKERS[kind]()
    path = tmp_path / "tokenizer.json"
    original.save(str(path))
    for tokenizer in (read_tokenizer(path), read_tokenizer(path.read_bytes())):
        for sentence in SENTENCES:
            for given in ((sentence,), (sentence, "the sun")):
                found, expected = tokenizer.encode(*given), original.encode(*given)
                assert (found.ids, found.type_ids, found.offsets) == (expected.ids, expected.type_ids, expected.offsets)
        assert tokenizer.get_vocab() == original.get_vocab()


@pytest.mark.parametrize("kind", MAKERS)
def test_older_files_that_do_not_name_the_type_of_their_model(kind):
    original = MAKERS[kind]()
    parts = orjson.loads(original.to_str())
    del parts["model"]["type"]
    if kind == "roberta":  # they write merges as one string, too
        parts["model"]["merges"] = [" ".join(pair) for pair in parts["model"]["merges"]]
    tokenizer = read_tokenizer(orjson.dumps(parts))
    assert type(tokenizer.model) is type(original.model)
    assert tokenizer.encode("sun was", "up").ids == original.encode("sun was", "up").ids


def test_truncation_and_padding_are_off():
    original = make_bert()
    original.enable_truncation(4)
    original.enable_padding(length=30)
    tokenizer = read_tokenizer(original.to_str().encode())
    assert (tokenizer.truncation, tokenizer.padding) == (None, None)
    assert [len(tokenizer.encode(" ".join(["sun"] * n)).ids) for n in (1, 50)] == [3, 52]


def test_special_tokens_that_are_written_in_a_text_are_letters():
    tokenizer = read_tokenizer(make_bert().to_str().encode())
    inner = tokenizer.encode("sun [SEP] [CLS] sun", add_special_tokens=False).ids
    assert not {1, 2} & set(inner)
    assert tokenizer.encode("sun").ids == [1, 5, 2]


# --- what is refused --------------------------------------------------------------------------------------------

SLOW_PATTERN = {"Regex": "(x+x+)+y"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            change("pre_tokenizer", type="Split", pattern=SLOW_PATTERN, behavior="Removed", invert=False),
            r"a pre_tokenizer of a known, harmless type \(BertPreTokenizer, .*\), got 'Split' at here; patterns of",
        ),
        (
            change("normalizer", type="Replace", pattern=SLOW_PATTERN, content="x"),
            r"a replacement that is known to be harmless, got \{'Regex': '\(x\+x\+\)\+y'\} by 'x' at here",
        ),
        (
            change("normalizer", type="Replace", pattern={"Regex": " {2,}"}, content=" " * 9000),
            r"got \{'Regex': ' \{2,\}'\} by .*9002 characters",
        ),
        (change("normalizer", type="Prepend", prepend="x"), "a normalizer of a known, harmless type .*got 'Prepend'"),
        (change("post_processor", type="Novel"), "a post_processor of a known, harmless type .*got 'Novel'"),
        (change("decoder", type="Replace", pattern=SLOW_PATTERN, content=""), "a decoder of a known.*got 'Replace'"),
        (change("model", type="Novel"), r"a model of a known, harmless type \(BPE, Unigram, .*got 'Novel'"),
        (change("pre_tokenizer", type=["Split"]), r"a pre_tokenizer of a known.*got \['Split'\]"),
        (
            change(
                "normalizer", type="Sequence", normalizers=[{"type": "NFC"}, {"type": "Sequence", "normalizers": []}]
            ),
            "a normalizer of a known.*got 'Sequence'",
        ),
        (
            change("pre_tokenizer", type="Sequence", pretokenizers=[{"type": "Split", "pattern": SLOW_PATTERN}]),
            "a pre_tokenizer of a known.*got 'Split'",
        ),
        (
            change("normalizer", type="Sequence", normalizers=[{"type": "NFKD"}] * 17),
            "a sequence of at most 16 steps as the normalizer",
        ),
        (change("normalizer", type="Sequence"), "a sequence of at most 16 steps as the normalizer, got None"),
        (change("model", max_input_chars_per_word=10**9), "max_input_chars_per_word between 1 and 200, got 1000000000"),
        (change("model", max_input_chars_per_word=None), "max_input_chars_per_word between 1 and 200, got None"),
        (
            change("model", type="BPE", vocab={"a": 0}, merges=[], dropout=0.1),
            "without dropout, which gives a text two answers, got dropout 0.1",
        ),
        (
            change("normalizer", type="Precompiled", precompiled_charsmap="A" * (4 * 1024 * 1024 + 1)),
            "a table of characters of at most 4194304 characters, got 4194305",
        ),
        (change("added_tokens", type="x"), "a list of added tokens, got"),
    ],
)
def test_a_hostile_part_is_refused_before_the_library_sees_it(monkeypatch, content, message):
    def is_not_reached(_):
        raise AssertionError("the library was asked")

    monkeypatch.setattr(tokenizer_files, "Tokenizer", is_not_reached)
    with pytest.raises(ArtifactError, match=message):
        read_tokenizer(content, where="here")


def test_an_older_key_of_the_same_name_hides_nothing():
    # Two readers of JSON may disagree about which of two equal keys counts; the library gets what was checked.
    hostile = b'{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(x+x+)+y"},"behavior":"Removed","invert":false},'
    tokenizer = read_tokenizer(hostile + make_bert().to_str().encode()[1:])
    started = time.perf_counter()
    assert tokenizer.encode("x" * 60).ids == [1, 0, 2]
    assert time.perf_counter() - started < 5
    with pytest.raises(ArtifactError, match="got 'Split'"):
        read_tokenizer(make_bert().to_str().encode().rstrip()[:-1] + b"," + hostile[1:-1] + b"}")


def template(single: str, pair: str) -> bytes:
    tokenizer = make_bert()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer.to_str().encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (template("[CLS] [SEP]", "[CLS] $A [SEP] $B"), r"a template \(single\) with the texts A, each once, got none"),
        (template("$A $A", "$A $B"), r"a template \(single\) with the texts A, each once, got A, A"),
        (template("$A", "$A $B $B"), r"a template \(pair\) with the texts A, B, each once, got A, B, B"),
        (template("$A", "$B $A"), r"a template \(pair\) with the texts A, B, each once, got B, A"),
        (template("[CLS] " * 9 + "$A", "$A $B"), "at most 8 special tokens around a text, got 9"),
        (template("$A", "$A $B" + " [SEP]" * 2000), "at most 8 special tokens around a text, got 2000"),
        (
            change(
                "post_processor",
                type="Sequence",
                processors=[{"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}] * 2,
            ),
            "expected one template for a text, got several",
        ),
    ],
)
def test_a_template_that_loses_or_multiplies_a_text(content, message):
    with pytest.raises(ArtifactError, match=message):
        read_tokenizer(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a tokenizer in JSON"),
        (make_bert().to_str().encode()[:-40], "a tokenizer in JSON"),
        (b"[1, 2]", "with a model, got other JSON"),
        (b'{"model": null}', "with a model, got other JSON"),
        (change("model", vocab={"a": -1}), "that the tokenizers library can read, got"),
        (change("model", vocab={"a": 0.5}), "that the tokenizers library can read, got"),
        (change("model", unk_token="[NONE]"), "that the tokenizers library can read, got"),  # noqa: S106
        (change("normalizer", type="Precompiled", precompiled_charsmap="!"), "that the tokenizers library can read"),
        # A table that is too short for its letters makes the library panic when it is used.
        (
            change("normalizer", type="Precompiled", precompiled_charsmap=make_charsmap(4)),
            "that the tokenizers library can read, got 'index out of bounds",
        ),
    ],
)
def test_a_file_that_is_no_tokenizer(content, message):
    with pytest.raises(ArtifactError, match=message) as caught:
        read_tokenizer(content)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(ArtifactError, match=r"tokenizer\.json that can be read, got No such file .*at .*none\.json"):
        read_tokenizer(tmp_path / "none.json")
    with pytest.raises(ArtifactError, match="got Is a directory"):
        read_tokenizer(tmp_path)
    path = tmp_path / "tokenizer.json"
    make_bert().save(str(path))
    monkeypatch.setattr(tokenizer_files, "LARGEST_TOKENIZER_BYTES", 100)
    for given in (path, path.read_bytes()):
        with pytest.raises(ArtifactError, match=r"at most 100 bytes, got \d{4} bytes"):
            read_tokenizer(given)


def test_a_damaged_file_is_refused_or_works():
    # 300 random changes of a part: whatever comes out, it is our error or a tokenizer that answers.
    rng = random.Random(7)  # noqa: S311
    original = orjson.loads(make_bert().to_str())
    strange = [None, -1, 2**40, 0.5, "", "x", [], {}, [[]], True]
    n_refused = 0
    for _ in range(300):
        parts = copy.deepcopy(original)
        place = parts
        while True:
            key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.2:
                break
            place = place[key]
        place[key] = rng.choice(strange)
        try:
            tokenizer = read_tokenizer(orjson.dumps(parts))
        except ArtifactError:
            n_refused += 1
        else:
            assert tokenizer.encode("the sun").ids
    assert 50 < n_refused < 290
