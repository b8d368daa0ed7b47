"""What a model is called in the ledger: whatever answers otherwise has another name."""

import re
from pathlib import Path

import pytest

from sentire.core.errors import GenerationError
from sentire.llm.load import load_provider
from sentire.llm.model_names import name_model
from sentire.llm.settings import OpenAIServer, Replay, TransformersModel, VllmModel

REPLAY = Replay(kind="replay", path="replies.jsonl", model="alma")


def test_a_server_calls_it_as_it_likes(tmp_path):
    server = OpenAIServer(kind="openai", base_url="http://127.0.0.1:1/v1", model="owner/name:7b")
    assert name_model(server, folder=tmp_path) == "owner/name:7b"


def name_server(**changes):
    settings = OpenAIServer(kind="openai", base_url="http://127.0.0.1:1/v1", model="m", **changes)
    return name_model(settings, folder=Path())


def test_what_changes_the_answers_of_a_server_is_part_of_its_name_and_what_does_not_is_not():
    assert name_server(timeout_seconds=9.0, token_limit="max_completion_tokens") == "m"  # noqa: S106  no password
    assert name_server(extra={}, schema_form="json_schema") == "m"  # ledgers of before know it by that
    others = [
        name_server(extra={"top_k": 1}),
        name_server(extra={"top_k": 2}),
        name_server(schema_form="none"),
        name_server(schema_form="json_object"),
        name_server(extra={"top_k": 1}, schema_form="none"),
        name_server(extra={"chat_template_kwargs": {"enable_thinking": True}}),
        name_server(extra={"seed": 2**70}),
    ]
    assert len(set(others)) == len(others)
    assert all(re.fullmatch(r"m\+[0-9a-f]{8}", name) for name in others)
    assert name_server(extra={"a": 1, "b": {"c": 2, "d": 3}}) == name_server(extra={"b": {"d": 3, "c": 2}, "a": 1})


@pytest.mark.parametrize(("cls", "kind"), [(TransformersModel, "transformers"), (VllmModel, "vllm")])
def test_a_pinned_revision_is_part_of_the_name(tmp_path, cls, kind):
    assert name_model(cls(kind=kind, model="owner/name"), folder=tmp_path) == "owner/name"
    assert name_model(cls(kind=kind, model="owner/name", revision="abc"), folder=tmp_path) == "owner/name@abc"


def test_a_changed_file_is_another_model_and_the_same_file_elsewhere_is_not(tmp_path):
    names = []
    for place, text in (("a", "{}"), ("b", "{}"), ("a", "{} ")):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / "replies.jsonl").write_text(text)
        names.append(name_model(REPLAY, folder=tmp_path / place))
    assert names[0] == names[1] != names[2]
    assert all(name.startswith("alma@") for name in names)


def test_it_is_the_name_that_the_provider_bears(tmp_path):
    (tmp_path / "replies.jsonl").write_text("")
    assert load_provider(REPLAY, folder=tmp_path).model == name_model(REPLAY, folder=tmp_path)
    pytest.importorskip("httpx2")
    server = OpenAIServer(kind="openai", base_url="http://127.0.0.1:1/v1", model="m", extra={"top_k": 1})
    assert load_provider(server, folder=tmp_path).model == name_model(server, folder=tmp_path) != "m"


@pytest.mark.parametrize("path", ["none.jsonl", "folder", "\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, path):
    (tmp_path / "folder").mkdir()
    settings = Replay(kind="replay", path=path)
    with pytest.raises(GenerationError, match=rf"a file of replies, got .* at {tmp_path / path}; see provider\.path"):
        name_model(settings, folder=tmp_path)
