"""What a model is called in the ledger: whatever answers otherwise has another name."""

import pytest

from sentire.core.errors import GenerationError
from sentire.llm.load import load_provider
from sentire.llm.model_names import name_model
from sentire.llm.settings import OpenAIServer, Replay, TransformersModel, VllmModel

REPLAY = Replay(kind="replay", path="replies.jsonl", model="alma")


def test_a_server_calls_it_as_it_likes(tmp_path):
    server = OpenAIServer(kind="openai", base_url="http://127.0.0.1:1/v1", model="owner/name:7b")
    assert name_model(server, folder=tmp_path) == "owner/name:7b"


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


@pytest.mark.parametrize("path", ["none.jsonl", "folder", "\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, path):
    (tmp_path / "folder").mkdir()
    settings = Replay(kind="replay", path=path)
    with pytest.raises(GenerationError, match=rf"a file of replies, got .* at {tmp_path / path}; see provider\.path"):
        name_model(settings, folder=tmp_path)
