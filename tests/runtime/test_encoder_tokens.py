"""Rows of tokens: windows cover a text, shares are fair, and special tokens stand where the tokenizer puts them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_encoder import WORDS, make_tokenizer

from sentire.core.errors import ArtifactError
from sentire.runtime import encoder_tokens
from sentire.runtime.encoder_settings import parse_encoder_settings
from sentire.runtime.encoder_tokens import TextTokens, cut_pieces, cut_windows, share_windows


def make_settings(**changes):
    return parse_encoder_settings(
        {
            "max_tokens": 12,
            "window_stride_tokens": 6,
            "max_context_tokens": 4,
            "uses_context": True,
            "pooling": "mean",
            "precision": "float32",
            **changes,
        }
    )


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 200))
def test_windows_are_full_and_leave_no_token_out(room, stride, n_more):
    n_tokens = room + n_more
    starts = cut_windows(n_tokens, room, stride).tolist()
    assert starts[0] == 0
    assert starts[-1] + room == n_tokens
    assert all(0 < b - a <= min(stride, room) for a, b in pairwise(starts))
    assert len(starts) <= n_tokens / min(stride, room) + 1
    counts = [sum(start <= place < start + room for start in starts) for place in range(n_tokens)]
    shares = [sum(1 / counts[place] for place in range(start, start + room)) / n_tokens for start in starts]
    np.testing.assert_allclose(share_windows(n_tokens, np.array(starts), room), shares, atol=1e-12)
    assert sum(shares) == pytest.approx(1)


def spell(batch):
    return [" ".join(WORDS[token] for token in row) for row in batch.input_ids.tolist()]


def test_rows_hold_what_the_tokenizers_own_template_gives():
    tokens = TextTokens(make_tokenizer(), make_settings(), where="tokenizer.json")
    rows = tokens.tokenise(
        ["so glad", "so glad", "", "so sad"], ["we waited", "", "we waited so", "never was so cold so"], n_threads=1
    )
    assert rows.lengths.tolist() == [7, 4, 6, 9]
    assert rows.owners.tolist() == [0, 1, 2, 3]
    assert rows.shares.tolist() == [1.0] * 4
    assert rows.spans == {}
    assert rows.is_context_cut.tolist() == [False, False, False, True]
    reference = make_tokenizer()
    reference.no_padding()
    reference.no_truncation()
    for row, given_texts in enumerate(
        [("we waited", "so glad"), ("so glad",), ("we waited so", ""), ("was so cold so", "so sad")]
    ):
        batch = tokens.make_batch(rows, np.array([row]))
        encoding = reference.encode(*given_texts)
        assert batch.input_ids.tolist() == [encoding.ids]
        assert batch.token_type_ids.tolist() == [encoding.type_ids]
        assert (batch.input_ids.dtype, batch.token_type_ids.dtype) == (np.int64, np.int64)
        assert batch.pooling_weights.dtype == np.float32
    assert spell(tokens.make_batch(rows, np.array([0]))) == ["[CLS] we waited [SEP] so glad [SEP]"]


def test_rows_with_and_without_context_may_share_a_batch():
    tokens = TextTokens(make_tokenizer(), make_settings(), where="tokenizer.json")
    rows = tokens.tokenise(["so glad", "so glad so glad ."], ["we waited", ""], n_threads=1)
    assert rows.lengths.tolist() == [7, 7]
    batch = tokens.make_batch(rows, np.array([1, 0]))
    assert spell(batch) == ["[CLS] so glad so glad . [SEP]", "[CLS] we waited [SEP] so glad [SEP]"]
    assert batch.token_type_ids.tolist() == [[0] * 7, [0, 0, 0, 0, 1, 1, 1]]
    np.testing.assert_allclose(batch.pooling_weights, [[1 / 7] * 7, [0.25, 0, 0, 0, 0.25, 0.25, 0.25]], atol=1e-7)


def make_roberta_tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {token: place for place, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "a", "b", "c", "Ġ"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))  # noqa: S106  no password
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def test_the_frame_of_another_family():
    """RoBERTa closes the context twice and gives both segments the same type; ours tells them apart."""
    tokens = TextTokens(make_roberta_tokenizer(), make_settings(), where="tokenizer.json")
    rows = tokens.tokenise(["ab", "ab", ""], ["c", "", "c"], n_threads=1)
    batch = tokens.make_batch(rows, np.array([0]))
    assert batch.input_ids.tolist() == [[0, 6, 2, 2, 4, 5, 2]] == [make_roberta_tokenizer().encode("c", "ab").ids]
    assert batch.token_type_ids.tolist() == [[0, 0, 0, 0, 1, 1, 1]]
    assert tokens.make_batch(rows, np.array([1])).input_ids.tolist() == [[0, 4, 5, 2]]
    assert tokens.make_batch(rows, np.array([2])).token_type_ids.tolist() == [[0, 0, 0, 0, 1]]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("make", [make_tokenizer, make_roberta_tokenizer])
def test_rows_are_those_that_training_makes(make, pooling):
    pytest.importorskip("torch")
    from sentire.encoders.token_batches import TokenAssembler

    reference = make()
    reference.no_padding()
    reference.no_truncation()
    assembler = TokenAssembler(reference, max_tokens=12, max_context_tokens=4, pooling=pooling)
    tokens = TextTokens(make(), make_settings(pooling=pooling), where="")
    texts = ["a b", "", "a a a b", "b", ""]
    contexts = ["b", "a", "", "a b b a b b a", ""]
    rows = tokens.tokenise(texts, contexts, n_threads=1)
    said = assembler.tokenise_contexts([[context] if context else [] for context in contexts])
    for row, (text, context) in enumerate(zip(assembler.tokenise(texts), said, strict=True)):
        ours, theirs = tokens.make_batch(rows, np.array([row])), assembler.assemble([text], [context])
        for name in ("input_ids", "token_type_ids", "pooling_weights"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name).numpy())


@pytest.mark.parametrize(
    ("single", "pair"),
    [
        ("$A", "[CLS] $A [SEP] $B:1 [SEP]:1"),
        ("$A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
        ("[CLS] $A [SEP]", "$A [SEP] $B:1"),
        ("[CLS] $A [SEP]", "[CLS] $B [SEP] $A:1 [SEP]:1"),
    ],
)
def test_a_template_that_no_row_can_follow(single, pair):
    from tokenizers import processors

    tokenizer = make_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    with pytest.raises(ArtifactError, match=r"special tokens before and between texts and keeps .* at tokenizer\.json"):
        TextTokens(tokenizer, make_settings(), where="tokenizer.json")


def test_room_for_text_beside_the_context():
    TextTokens(make_tokenizer(), make_settings(max_context_tokens=8), where="")
    with pytest.raises(ArtifactError, match=r"leaves room for text .* got 12, of which 12 are taken"):
        TextTokens(make_tokenizer(), make_settings(max_context_tokens=9), where="")
    TextTokens(make_tokenizer(), make_settings(max_context_tokens=12, uses_context=False), where="")


def test_many_texts_are_tokenised_as_each_one_alone(monkeypatch):
    texts = [f"so {'glad ' * (number % 17)}! {number}" for number in range(200)]
    tokens = TextTokens(make_tokenizer(), make_settings(), where="")
    alone = [tokens.tokenise([text], None, n_threads=1).text_ids[0].tolist() for text in texts]
    for n_threads, most_chars in ((1, 10**6), (2, 10**6), (2, 700), (2, 1)):
        monkeypatch.setattr(encoder_tokens, "MOST_CHARS_AT_ONCE", most_chars)
        assert [ids.tolist() for ids in tokens.tokenise(texts, None, n_threads=n_threads).text_ids] == alone


def test_the_probe_asks_all_of_a_graph():
    batch = TextTokens(make_tokenizer(), make_settings(), where="").make_probe()
    assert batch.input_ids.shape == (1, 12)
    assert batch.input_ids.max() == len(WORDS) - 1
    assert set(batch.token_type_ids[0].tolist()) == {0, 1}
    assert batch.pooling_weights.sum() == pytest.approx(1)
    without = TextTokens(make_tokenizer(), make_settings(uses_context=False), where="").make_probe()
    assert set(without.token_type_ids[0].tolist()) == {0}


@pytest.mark.parametrize(
    ("context", "read"),
    [
        ("", ""),
        ("so glad", "so glad"),
        (" so glad , thank", " so glad , thank"),
        ("we so glad , thank", "so glad , thank"),
        ("SO  glad,thänk you\n", "glad,thänk you\n"),
        ("we \U0001f600 thank you sö glad", "thank you sö glad"),
    ],
)
def test_where_the_part_of_a_context_that_is_read_begins(context, read):
    tokens = TextTokens(make_tokenizer(), make_settings(), where="")
    assert context[tokens.find_context_start(context) :] == read
    assert np.array_equal(*tokens.tokenise(["", ""], [context, read], n_threads=1).context_ids)


def test_the_part_of_a_context_that_is_read_may_begin_inside_a_word():
    tokens = TextTokens(make_tokenizer(), make_settings(max_context_tokens=2), where="")
    assert tokens.find_context_start("you waitedlyly") == len("you waited")


def test_of_a_context_that_is_not_used_nothing_is_read():
    for changes in ({"uses_context": False}, {"max_context_tokens": 0}):
        tokens = TextTokens(make_tokenizer(), make_settings(**changes), where="")
        assert tokens.find_context_start("we waited") == len("we waited")


@given(st.text(st.sampled_from("ab \né😀"), max_size=60), st.integers(1, 9))
def test_pieces_are_the_text_cut_before_blanks(text, longest):
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(encoder_tokens, "LONGEST_PIECE_CHARS", longest)
        pieces = cut_pieces(text)
    assert "".join(pieces) == text
    assert all(len(piece) <= longest for piece in pieces)
    for piece, following in pairwise(pieces):
        # Cut before a blank, or in the middle of a word that has none to be cut before.
        assert following[0] in " \n" or not {" ", "\n"} & set(piece[1:])


def test_piece_by_piece_the_tokens_and_their_places_are_those_of_the_whole(monkeypatch):
    text = "so very glad , the soup was never cold !\nwe waited in the queue , 😀 thé " * 20
    tokens = TextTokens(make_tokenizer(), make_settings(), where="")
    whole = tokens.tokenise([text, "so", text], None, n_threads=1)
    for longest in (7, 50, 333):
        monkeypatch.setattr(encoder_tokens, "LONGEST_PIECE_CHARS", longest)
        for n_threads in (1, 2):
            pieces = tokens.tokenise([text, "so", text], None, n_threads=n_threads)
            for name in ("text_ids", "owners", "starts", "ends", "shares"):
                for one, other in zip(getattr(pieces, name), getattr(whole, name), strict=True):
                    assert np.array_equal(one, other)
            assert all(np.array_equal(pieces.spans[place], whole.spans[place]) for place in (0, 2))
