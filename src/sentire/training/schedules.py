"""How the learning rate runs over training: a factor for each step, after a warm-up that rises from 0 to 1."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from sentire.core.errors import UnknownNameError, UsageError

_ROUNDING = 1e-9


def linear(step: int, *, n_warmup_steps: int, n_steps: int) -> float:
    """Return the factor of a straight fall from 1 after the warm-up to 0 at ``n_steps``.

    Args:
        step: Updates made so far, from 0.
        n_warmup_steps: The factor of step s among them is ``s / n_warmup_steps``, so the first update is by 0.
        n_steps: Updates of the whole training.

    Returns:
        A number from 0 to 1; 0 after the end.

    Example:
        >>> [linear(step, n_warmup_steps=2, n_steps=6) for step in range(7)]
        [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if step < n_warmup_steps:
        return step / n_warmup_steps
    return 1 - _get_progress(step, n_warmup_steps, n_steps)


def cosine(step: int, *, n_warmup_steps: int, n_steps: int) -> float:
    """Return the factor of half a cosine wave from 1 after the warm-up to 0 at ``n_steps``.

    Source: Loshchilov and Hutter 2017, SGDR, eq. 5, without restarts.
    Departures: a warm-up comes first; see ``linear``.
    """
    if step < n_warmup_steps:
        return step / n_warmup_steps
    return (1 + math.cos(math.pi * _get_progress(step, n_warmup_steps, n_steps))) / 2


def constant(step: int, *, n_warmup_steps: int, n_steps: int) -> float:  # noqa: ARG001  one shape for all schedules
    """Return the factor that is 1 from the end of the warm-up on; see ``linear``."""
    return step / n_warmup_steps if step < n_warmup_steps else 1.0


SCHEDULES: Mapping[str, Callable[..., float]] = MappingProxyType(
    {"linear": linear, "cosine": cosine, "constant": constant}
)
"""The schedules by their names in configurations."""


def make_schedule(name: str, *, n_steps: int, warmup_fraction: float) -> Callable[[int], float]:
    """Make a function from the number of updates made so far to the factor of the learning rate.

    Args:
        name: A key of ``SCHEDULES``.
        n_steps: Updates of the whole training, at least 1.
        warmup_fraction: Share of the updates that warm up, from 0 to 1; a part of an update counts as one.

    Raises:
        UnknownNameError: No such schedule.
        UsageError: A number out of its range.

    Example:
        >>> make_schedule("constant", n_steps=20, warmup_fraction=0.1)(1)
        0.5
    """
    if name not in SCHEDULES:
        raise UnknownNameError.among("learning-rate schedule", name, SCHEDULES)
    if n_steps < 1:
        raise UsageError(expected="1 step or more", got=str(n_steps), where="n_steps")
    if not 0 <= warmup_fraction <= 1:
        raise UsageError(expected="a share from 0 to 1", got=f"{warmup_fraction:g}", where="warmup_fraction")
    # .1 of 30 steps is 3 of them, although 0.1 * 30 is a little more than 3.
    n_warmup_steps = math.ceil(warmup_fraction * n_steps * (1 - _ROUNDING))
    return partial(SCHEDULES[name], n_warmup_steps=n_warmup_steps, n_steps=n_steps)


def _get_progress(step: int, n_warmup_steps: int, n_steps: int) -> float:
    # Asked first, since a warm-up of all steps leaves nothing to divide by.
    return 1.0 if step >= n_steps else (step - n_warmup_steps) / (n_steps - n_warmup_steps)
