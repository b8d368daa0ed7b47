"""Who can be asked."""

from typing import Protocol

from sentire.llm.exchange import Reply, Request


class Provider(Protocol):
    """A language model behind whatever door.

    Attributes:
        model: What answers, as the ledger records it: replies of another model are not taken for its own.
    """

    model: str

    async def check(self) -> None:
        """Make sure, at the cost of no tokens, that questions can be asked.

        Raises:
            GenerationError: They cannot.
        """

    async def complete(self, request: Request) -> Reply:
        """Ask once.

        Raises:
            FaultError: No reply came.
        """

    async def close(self) -> None:
        """Let go of connections and models."""
