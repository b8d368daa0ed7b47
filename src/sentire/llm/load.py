"""The provider that settings name."""

from pathlib import Path

from sentire.llm.model_names import name_model
from sentire.llm.provider import Provider
from sentire.llm.settings import OpenAIServer, Replay, TransformersModel, VllmModel


def load_provider(settings: OpenAIServer | Replay | TransformersModel | VllmModel, *, folder: Path) -> Provider:
    """Return a provider; nothing is asked yet.

    Args:
        settings: Who it is.
        folder: That relative paths start from.

    Raises:
        MissingExtraError: A library that it needs is not installed.
        GenerationError: An address or file cannot be used.
    """
    if isinstance(settings, OpenAIServer):
        from sentire.llm.openai_provider import OpenAIProvider

        return OpenAIProvider(settings)
    if isinstance(settings, Replay):
        from sentire.llm.replay_provider import ReplayProvider

        return ReplayProvider(folder / settings.path, model=name_model(settings, folder=folder))
    if isinstance(settings, TransformersModel):
        from sentire.llm.transformers_provider import make_transformers_provider

        return make_transformers_provider(settings)
    from sentire.llm.vllm_provider import make_vllm_provider

    return make_vllm_provider(settings)
