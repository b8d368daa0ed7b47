"""How long to wait before a call is tried again."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from sentire.core.config import config


@config
class Retries:
    """``[retries]``: what is done with calls that bring nothing that can be used.

    Attributes:
        attempts: Most attempts of one call, the first and all repairs among them.
        repairs: Of these, how often a reply that cannot be used is sent back with what is wrong with it.
        first_wait_seconds: Before the second attempt, on average; each further one waits twice as long.
        longest_wait_seconds: Before any attempt; a server that asks for more is asked again after that time.
    """

    attempts: Annotated[int, Field(ge=1)] = 6
    repairs: Annotated[int, Field(ge=0)] = 2
    first_wait_seconds: Annotated[float, Field(ge=0)] = 1.0
    longest_wait_seconds: Annotated[float, Field(gt=0)] = 120.0


def choose_wait(settings: Retries, n_faults: int, retry_after: float | None, draw: Callable[[], float]) -> float:
    """Return the seconds to wait after so many faults of one call.

    Exponential back-off with jitter: between half and one and a half of ``first_wait · 2^(n - 1)``, so that calls that
    failed together do not come back together; at least what the server asked for.

    Args:
        settings: Of the waits.
        n_faults: From 1.
        retry_after: What the server asked for; None where it did not.
        draw: Gives a number from 0 to 1.

    Example:
        >>> choose_wait(Retries(), 3, None, lambda: 0.5)
        4.0
    """
    doubled = settings.first_wait_seconds * 2.0 ** min(n_faults - 1, 30)
    wait = max(doubled * (0.5 + draw()), retry_after or 0.0)
    return min(wait, settings.longest_wait_seconds)
