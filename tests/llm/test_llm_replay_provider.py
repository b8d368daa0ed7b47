"""Replies from a file: the right one for each question, or none at all."""

import json

import pytest
from questions import make_request, run

from sentire.core.errors import DataError, GenerationError, SentireError
from sentire.llm.exchange import FaultError
from sentire.llm.replay_provider import ReplayProvider


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def ask(provider, name, **changes):
    return run(provider.complete(make_request(name, **changes))).text


def test_several_replies_of_a_name_come_in_order_and_the_last_one_stays(tmp_path):
    rows = [("a", "first"), ("b", "only"), ("a", "second"), ("a", "third")]
    path = write(tmp_path / "replies.jsonl", *({"name": name, "reply": reply} for name, reply in rows))
    provider = ReplayProvider(path, model="alma@1")
    assert provider.model == "alma@1"
    run(provider.check())
    asked = [ask(provider, name) for name in "abaabaa"]
    assert asked == ["first", "only", "second", "third", "only", "third", "third"]
    run(provider.close())


def test_a_name_that_is_not_in_the_file_gives_up(tmp_path):
    provider = ReplayProvider(write(tmp_path / "replies.jsonl", {"name": "a", "reply": "x"}), model="replay")
    with pytest.raises(FaultError, match="no reply in the file: b") as caught:
        ask(provider, "b")
    assert (caught.value.verdict, caught.value.may_be_billed) == ("give up", False)


@pytest.mark.parametrize(
    "row",
    [
        {"reply": "x"},
        {"name": "a"},
        {"name": 3, "reply": "x"},
        {"name": "a", "reply": None},
        {"name": "a", "reply": {"label": "joy"}},
    ],
    ids=str,
)
def test_a_row_without_name_or_reply_is_refused_with_its_line(tmp_path, row):
    path = write(tmp_path / "replies.jsonl", {"name": "a", "reply": "x"}, row)
    with pytest.raises(GenerationError, match=rf"rows with a name and a reply, both texts, got .* at {path}:2"):
        ReplayProvider(path, model="replay")


@pytest.mark.parametrize("line", ['{"name": "a", "rep', "[1]", '"text"', "\ufeffx"])
def test_a_line_that_is_no_row_is_refused_with_its_number(tmp_path, line):
    path = tmp_path / "replies.jsonl"
    path.write_text(f'{{"name": "a", "reply": "x"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(SentireError, match=rf"{path}:2"):
        ReplayProvider(path, model="replay")


@pytest.mark.parametrize("name", ["none.jsonl", "folder", "\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=rf"a file that can be read, got .* at {tmp_path / name}"):
        ReplayProvider(tmp_path / name, model="replay")


def test_an_empty_file_answers_nothing(tmp_path):
    with pytest.raises(FaultError, match="no reply in the file"):
        ask(ReplayProvider(write(tmp_path / "replies.jsonl"), model="replay"), "a")


def test_texts_come_as_they_were_and_have_tokens_that_follow_from_them(tmp_path):
    text = "שלום\u2028a\x00b 😀\r\n"
    provider = ReplayProvider(write(tmp_path / "replies.jsonl", {"name": "a", "reply": text}), model="replay")
    first, again = (run(provider.complete(make_request("a", text="x" * 400))) for _ in range(2))
    assert first == again
    assert first.text == text
    assert first.input_tokens > 100
    assert first.output_tokens >= 1
