"""``[provider]``: who is asked. No library is loaded before it is."""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field

from sentire.core.config import config
from sentire.core.errors import ConfigError

_OURS = {
    "max_tokens": "take max_tokens of the configuration, which the budget counts with",
    "max_completion_tokens": 'take max_tokens of the configuration and provider.token_limit = "max_completion_tokens"',
    "n": "leave it out: the budget counts one reply a call",
    "best_of": "leave it out: the budget counts one reply a call",
    "messages": "leave it out: the questions are those of the versioned prompts",
    "model": "take provider.model",
    "stream": "leave it out: replies are read whole",
}
"""Fields of a question that are set or priced by us, and what to do instead."""


@config
class OpenAIServer:
    """``[provider]`` with ``kind = "openai"``.

    Attributes:
        kind: ``openai``.
        base_url: With its version, such as ``http://127.0.0.1:8000/v1``; without user and password, which would be
            told wherever the address is.
        model: As the server calls it.
        key_variable: Environment variable that holds the key; a server that wants none gets none where it is not set.
        schema_form: How the form of a reply is asked for: ``json_schema`` as OpenAI, vLLM and llama.cpp take it,
            ``json_object`` for some JSON, ``none`` for the words of the prompt alone. A server that refuses the first
            is asked without it from then on.
        token_limit: Name of the field for the longest reply: ``max_tokens``, or ``max_completion_tokens`` as newer
            hosted models want it.
        timeout_seconds: For one attempt.
        extra: Further fields of every question, such as ``chat_template_kwargs``; those that are set or priced here
            are refused. A change asks anew, as does one of ``schema_form``.
    """

    kind: Literal["openai"]
    base_url: str
    model: str
    key_variable: str = "OPENAI_API_KEY"
    schema_form: Literal["json_schema", "json_object", "none"] = "json_schema"
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"  # noqa: S105  no password
    timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "@" in self.base_url:
            raise ConfigError(  # which does not show it
                expected="an address without user and password",
                got="one with an @",
                where="provider.base_url",
                hint=f"put the key into the environment variable {self.key_variable}; an @ of a path is written %40",
            )
        for key in self.extra:
            if key in _OURS:
                raise ConfigError(
                    expected="fields that are not set here", got=key, where=f"provider.extra.{key}", hint=_OURS[key]
                )


@config
class Replay:
    """``[provider]`` with ``kind = "replay"``.

    Attributes:
        kind: ``replay``.
        path: A JSONL file, relative to the configuration: ``name`` of the question and ``reply``. Several rows of one
            name are the replies to its first, second and further attempts.
        model: What the replies are said to come from.
    """

    kind: Literal["replay"]
    path: str
    model: str = "replay"


@config
class TransformersModel:
    """``[provider]`` with ``kind = "transformers"``.

    Attributes:
        kind: ``transformers``.
        model: A folder, or owner/name on the hub, with safetensors weights; code of the model's own is not run.
        revision: Full commit on the hub.
        device: ``cpu``, ``cuda``, or another of torch's.
        batch_size: Questions at a time.
    """

    kind: Literal["transformers"]
    model: str
    revision: str = "main"
    device: str = "cpu"
    batch_size: Annotated[int, Field(ge=1)] = 8


@config
class VllmModel:
    """``[provider]`` with ``kind = "vllm"``.

    Attributes:
        kind: ``vllm``.
        model: A folder, or owner/name on the hub.
        revision: Full commit on the hub.
        batch_size: Questions handed over at a time; vLLM makes its own batches of them.
        engine: Further arguments of ``vllm.LLM``, such as ``max_model_len`` or ``tensor_parallel_size``.
    """

    kind: Literal["vllm"]
    model: str
    revision: str = "main"
    batch_size: Annotated[int, Field(ge=1)] = 256
    engine: dict[str, Any] = field(default_factory=dict)


ProviderSettings = Annotated[OpenAIServer | Replay | TransformersModel | VllmModel, Field(discriminator="kind")]
