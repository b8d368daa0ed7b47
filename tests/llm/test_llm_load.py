"""Settings name a provider, and no other library than its own is loaded."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from questions import make_request, run

from sentire.core.errors import GenerationError, MissingExtraError
from sentire.llm.batch_provider import BatchProvider
from sentire.llm.load import load_provider
from sentire.llm.replay_provider import ReplayProvider
from sentire.llm.settings import OpenAIServer, Replay, TransformersModel, VllmModel


def test_a_server(tmp_path):
    pytest.importorskip("httpx2")
    from sentire.llm.openai_provider import OpenAIProvider

    async def work():
        settings = OpenAIServer(kind="openai", base_url="http://127.0.0.1:1/v1", model="m")
        provider = load_provider(settings, folder=tmp_path)
        assert isinstance(provider, OpenAIProvider)
        assert provider.model == "m"
        await provider.close()

    run(work())


def test_a_file_is_found_from_the_folder_of_the_configuration(tmp_path):
    (tmp_path / "replies.jsonl").write_text(json.dumps({"name": "story 1", "reply": "glad"}) + "\n")
    for path in ("replies.jsonl", str(tmp_path / "replies.jsonl")):
        provider = load_provider(Replay(kind="replay", path=path, model="alma"), folder=tmp_path)
        assert isinstance(provider, ReplayProvider)
        assert provider.model.startswith("alma@")
        assert run(provider.complete(make_request("story 1"))).text == "glad"
    with pytest.raises(GenerationError, match=r"a file of replies, got .*No such file"):
        load_provider(Replay(kind="replay", path="replies.jsonl"), folder=tmp_path / "elsewhere")


def test_a_model_in_this_process(tmp_path):
    pytest.importorskip("transformers")
    provider = load_provider(TransformersModel(kind="transformers", model="owner/name"), folder=tmp_path)
    assert isinstance(provider, BatchProvider)
    assert provider.model == "owner/name"


def test_vllm_where_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.delitem(sys.modules, "sentire.llm.vllm_provider", raising=False)
    with pytest.raises(MissingExtraError, match="the extra 'vllm'"):
        load_provider(VllmModel(kind="vllm", model="owner/name"), folder=tmp_path)


def test_no_library_is_loaded_that_is_not_asked_for(tmp_path):
    (tmp_path / "replies.jsonl").write_text(json.dumps({"name": "a", "reply": "b"}) + "\n")
    code = """
        import sys
        from pathlib import Path
        from sentire.llm.load import load_provider
        from sentire.llm.settings import Replay
        load_provider(Replay(kind="replay", path="replies.jsonl"), folder=Path(sys.argv[1]))
        print(sorted({"httpx2", "torch", "transformers", "vllm", "jinja2"} & set(sys.modules)))
    """
    lines = "\n".join(line.strip() for line in code.splitlines())
    done = subprocess.run(
        [sys.executable, "-c", lines, Path(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_every_provider_of_the_tree_has_what_a_caller_needs(tmp_path):
    (tmp_path / "replies.jsonl").write_text("")
    for settings in (
        Replay(kind="replay", path="replies.jsonl"),
        TransformersModel(kind="transformers", model="owner/name"),
    ):
        provider = load_provider(settings, folder=tmp_path)
        assert all(asyncio.iscoroutinefunction(getattr(provider, name)) for name in ("check", "complete", "close"))
