"""The model that a command names."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentire.runtime.load import Model


def load_model(name: str, *, where: str) -> "Model":
    """Load a model for a command.

    Args:
        name: As the user wrote it.
        where: The option or argument that holds it, for messages.

    Raises:
        UnknownNameError: There is no such model and no such folder.
        ArtifactError: The model is damaged, or of a kind or version that this version of Sentire does not know.
    """
    from sentire.core.errors import UnknownNameError
    from sentire.runtime.load import load

    try:
        return load(name)
    except UnknownNameError as error:
        raise UnknownNameError(expected=error.expected, got=error.got, where=where, hint=error.hint) from error
