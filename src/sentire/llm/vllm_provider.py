"""vLLM in this process, without a server: the fastest way to ask one model on one's own GPUs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentire.core.errors import GenerationError, MissingExtraError
from sentire.llm.batch_provider import BatchProvider
from sentire.llm.exchange import FaultError, Reply, Request
from sentire.llm.model_names import name_model
from sentire.llm.settings import VllmModel

try:
    import vllm
except ImportError as error:
    raise MissingExtraError(
        extra="vllm", needed_for="vLLM in this process", otherwise='start its server and take kind = "openai"'
    ) from error


class _Engine:
    def __init__(self, settings: VllmModel) -> None:
        self._settings = settings
        self._llm: Any = None

    def load(self) -> None:
        settings = self._settings
        options = {"revision": settings.revision, "enable_prefix_caching": True, **settings.engine}
        try:
            self._llm = vllm.LLM(model=settings.model, trust_remote_code=False, **options)
        except (OSError, ValueError, RuntimeError) as error:
            raise GenerationError(
                expected="a model that vLLM can run", got=" ".join(str(error).split())[:300], where=settings.model
            ) from error

    def answer(self, requests: Sequence[Request]) -> list[Reply | FaultError]:
        conversations = [
            [{"role": message.role, "content": message.text} for message in request.messages] for request in requests
        ]
        parameters = [_make_parameters(request) for request in requests]
        outputs = self._llm.chat(conversations, sampling_params=parameters, use_tqdm=False)
        return [
            Reply(
                text=output.outputs[0].text,
                input_tokens=len(output.prompt_token_ids),
                output_tokens=len(output.outputs[0].token_ids),
                is_cut=output.outputs[0].finish_reason == "length",
            )
            for output in outputs
        ]


def _make_parameters(request: Request) -> Any:
    sampling = request.sampling
    options: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "repetition_penalty": sampling.repetition_penalty,
        "max_tokens": request.max_tokens,
        "seed": sampling.seed if sampling.seed >= 0 else None,
    }
    if request.schema is not None:
        options["structured_outputs"] = vllm.sampling_params.StructuredOutputsParams(json=dict(request.schema))
    return vllm.SamplingParams(**options)


def make_vllm_provider(settings: VllmModel) -> BatchProvider:
    """Return the provider; the model is loaded by its ``check``."""
    return BatchProvider(_Engine(settings), model=name_model(settings, folder=Path()), batch_size=settings.batch_size)
