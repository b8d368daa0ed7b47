"""``[provider]``: each kind has its own keys, and no other's are taken for its own."""

from dataclasses import field

import pytest

from sentire.core.config import config, fingerprint, parse_config
from sentire.core.errors import ConfigError
from sentire.llm.settings import OpenAIServer, ProviderSettings, Replay, TransformersModel, VllmModel


@config
class Job:
    provider: ProviderSettings
    name: str = field(default="winter")


def parse(**provider):
    return parse_config(Job, {"provider": provider}).provider


def test_every_kind_is_read_into_its_own_settings():
    server = parse(
        kind="openai", base_url="http://127.0.0.1:8000/v1", model="m", extra={"chat_template_kwargs": {"a": 1}}
    )
    assert isinstance(server, OpenAIServer)
    assert server.extra == {"chat_template_kwargs": {"a": 1}}
    assert (server.key_variable, server.schema_form, server.token_limit, server.timeout_seconds) == (
        "OPENAI_API_KEY",
        "json_schema",
        "max_tokens",
        120.0,
    )
    assert parse(kind="replay", path="replies.jsonl") == Replay(kind="replay", path="replies.jsonl", model="replay")
    assert parse(kind="transformers", model="a/b") == TransformersModel(kind="transformers", model="a/b", batch_size=8)
    assert parse(kind="vllm", model="a/b", engine={"max_model_len": 4096}) == VllmModel(
        kind="vllm", model="a/b", batch_size=256, engine={"max_model_len": 4096}
    )


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        ({"kind": "openai", "model": "m"}, r"a value, got none at provider\.base_url"),
        ({"kind": "replay", "path": "x", "pth": "y"}, r"the unknown key 'pth' at provider\.pth; did you mean \"path\""),
        (
            {"kind": "transformers", "model": "m", "batch_size": 0},
            r"greater than or equal to 1, got 0 at provider\.batch",
        ),
        ({"kind": "vllm", "model": 3}, r"a valid string, got 3 at provider\.model"),
        (
            {"kind": "openai", "base_url": "u", "model": "m", "timeout_seconds": 0},
            r"greater than 0, got 0 at provider\.timeout_seconds",
        ),
        (
            {"kind": "openai", "base_url": "u", "model": "m", "schema_form": "xml"},
            r"'json_object' or 'none', got 'xml'",
        ),
        ({"kind": "magic", "model": "m"}, r"got .*magic.* at provider"),
        ({"model": "m"}, r"provider"),
    ],
)
def test_keys_and_values_that_do_not_belong_are_refused(provider, message):
    with pytest.raises(ConfigError, match=message):
        parse(**provider)


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("max_tokens", "max_tokens"),
        ("max_completion_tokens", "max_tokens"),
        ("n", "one reply a call"),
        ("best_of", "one reply a call"),
        ("messages", "versioned"),
        ("model", "provider.model"),
        ("stream", "whole"),
    ],
)
def test_fields_that_are_set_or_priced_by_us_are_refused_among_the_further_ones(key, instead):
    with pytest.raises(ConfigError, match=rf"at provider\.extra\.{key}; .*{instead}"):
        parse(kind="openai", base_url="http://127.0.0.1/v1", model="m", extra={"top_k": 5, key: 4})
    parse(kind="openai", base_url="http://127.0.0.1/v1", model="m", extra={"chat_template_kwargs": {key: 4}})


@pytest.mark.parametrize(
    "url", ["http://alma:hidden-4711@127.0.0.1/v1", "alma:hidden-4711@host/v1", "http://hidden-4711@h/v1"]
)
def test_an_address_with_a_password_is_refused_and_not_shown(url):
    with pytest.raises(ConfigError, match=r"provider\.base_url; .*the environment variable") as refused:
        parse(kind="openai", base_url=url, model="m", key_variable="ALMAS_KEY")
    assert "hidden" not in f"{refused.value}{refused.value.__cause__}"
    assert "ALMAS_KEY" in str(refused.value)


def test_a_key_of_another_kind_is_refused():
    """And the keys that are named are those of the kind that was chosen."""
    with pytest.raises(ConfigError, match=r"one of the keys kind, path, model, got the unknown key 'base_url'"):
        parse(kind="replay", path="x", base_url="http://127.0.0.1/v1")


def test_other_fields_make_other_settings():
    one = parse(kind="openai", base_url="u", model="m")
    other = parse(kind="openai", base_url="u", model="m", extra={"top_k": 20})
    assert fingerprint(one) != fingerprint(other)
