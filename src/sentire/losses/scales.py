"""What the losses divide by: temperatures and bandwidths, and the steps by which tokens are moved."""

import math

from sentire.core.errors import UsageError

LEAST_SCALE = 1e-6
"""Of a temperature, a bandwidth or a step.

What is divided by less may leave the range of float32, and a step of less is lost in its rounding.
"""


def check_scale(value: float, *, where: str) -> None:
    """Make sure that a temperature, a bandwidth or a step is a number of ``LEAST_SCALE`` or more.

    Raises:
        UsageError: It is smaller, infinite or NaN.
    """
    if not (math.isfinite(value) and value >= LEAST_SCALE):
        raise UsageError(expected=f"a number of {LEAST_SCALE:g} or more", got=f"{value:g}", where=where)
