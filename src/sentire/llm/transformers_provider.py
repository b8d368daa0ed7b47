"""A causal language model of ``transformers`` in this process: for small models and for trying prompts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentire.core.errors import GenerationError, MissingExtraError
from sentire.llm.batch_provider import BatchProvider
from sentire.llm.exchange import FaultError, Reply, Request
from sentire.llm.model_names import name_model
from sentire.llm.settings import TransformersModel

try:
    import torch
    import transformers
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="language models in this process") from error


class _Generator:
    def __init__(self, settings: TransformersModel) -> None:
        self._settings = settings
        self._model: Any = None
        self._tokenizer: Any = None

    def load(self) -> None:
        settings = self._settings
        options: dict[str, Any] = {"revision": settings.revision, "trust_remote_code": False}
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(settings.model, padding_side="left", **options)
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                settings.model, use_safetensors=True, **options
            )
            self._model = model.to(settings.device).eval()
            if len(self._tokenizer) <= len(self._tokenizer.all_special_tokens):
                raise ValueError("a tokenizer without tokens")
        except Exception as error:
            raise GenerationError(
                expected="a causal language model with safetensors weights",
                got=" ".join(str(error).split())[:300],
                where=settings.model,
                hint="see provider.model",
            ) from error
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token

    def answer(self, requests: Sequence[Request]) -> list[Reply | FaultError]:
        answers: list[Reply | FaultError] = []
        for request in requests:
            text = self._render(request)
            n_tokens = len(self._tokenizer(text, add_special_tokens=False).input_ids)
            longest = getattr(self._model.config, "max_position_embeddings", None)
            if longest is not None and n_tokens + request.max_tokens > longest:
                detail = f"{n_tokens} tokens and a reply of {request.max_tokens}, of {longest}"
                answers.append(FaultError("question longer than the model's context", "give up", detail=detail))
            else:
                answers.append(self._generate(text, request))
        return answers

    def _render(self, request: Request) -> str:
        turns = [{"role": message.role, "content": message.text} for message in request.messages]
        if getattr(self._tokenizer, "chat_template", None):
            rendered: str = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            return rendered
        return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns) + "\n\nassistant:"

    def _generate(self, text: str, request: Request) -> Reply:
        sampling = request.sampling
        inputs = self._tokenizer(text, return_tensors="pt", add_special_tokens=False).to(self._settings.device)
        inputs.pop("token_type_ids", None)
        if sampling.seed >= 0:
            torch.manual_seed(sampling.seed)
        options: dict[str, Any] = {"do_sample": sampling.temperature > 0}
        if sampling.temperature > 0:
            options |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        with torch.inference_mode():
            output = self._model.generate(
                **inputs,
                max_new_tokens=request.max_tokens,
                repetition_penalty=sampling.repetition_penalty,
                pad_token_id=self._tokenizer.pad_token_id,
                **options,
            )[0, inputs["input_ids"].shape[1] :]
        n_output = int(output.shape[0])
        is_cut = n_output >= request.max_tokens and int(output[-1]) != self._tokenizer.eos_token_id
        reply = self._tokenizer.decode(output, skip_special_tokens=True)
        return Reply(text=reply, input_tokens=inputs["input_ids"].shape[1], output_tokens=n_output, is_cut=is_cut)


def make_transformers_provider(settings: TransformersModel) -> BatchProvider:
    """Return the provider; the model is loaded by its ``check``."""
    return BatchProvider(
        _Generator(settings), model=name_model(settings, folder=Path()), batch_size=settings.batch_size
    )
