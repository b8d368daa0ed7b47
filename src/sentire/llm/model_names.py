"""What a model is called in the ledger, told without loading it: replies of another model are not taken for its own."""

import hashlib
import json
from pathlib import Path

from sentire.core.errors import GenerationError, describe
from sentire.llm.settings import OpenAIServer, Replay, TransformersModel, VllmModel

NEWEST = "main"
"""The revision that says nothing."""


def name_model(settings: OpenAIServer | Replay | TransformersModel | VllmModel, *, folder: Path) -> str:
    """Return the name of a model: of a server as it calls it, with a revision where one is pinned, of a file its hash.

    A server that is asked with ``extra`` fields or another ``schema_form`` than the default answers otherwise: its name
    ends with ``+`` and eight hexadecimal digits of their hash.

    Args:
        settings: Who it is.
        folder: That relative paths start from.

    Raises:
        GenerationError: A file of replies cannot be read.
    """
    if isinstance(settings, OpenAIServer):
        return settings.model + _identify_manner(settings)
    if isinstance(settings, Replay):
        path = folder / settings.path
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            got = describe(error) if isinstance(error, OSError) else str(error)
            raise GenerationError(
                expected="a file of replies", got=got, where=str(path), hint="see provider.path"
            ) from error
        return f"{settings.model}@{digest}"
    return settings.model if settings.revision == NEWEST else f"{settings.model}@{settings.revision}"


def _identify_manner(settings: OpenAIServer) -> str:
    if not settings.extra and settings.schema_form == "json_schema":
        return ""  # as it was before this was part of the name, so that ledgers stay valid
    manner = json.dumps([settings.extra, settings.schema_form], sort_keys=True)
    return f"+{hashlib.sha256(manner.encode()).hexdigest()[:8]}"
