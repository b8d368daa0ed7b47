"""Random generators that depend on a seed and on what they are for, and on nothing else."""

import hashlib

import numpy as np

from sentire.core.errors import UsageError


def make_generator(seed: int, purpose: str) -> np.random.Generator:
    """Make the generator of one purpose.

    Two purposes of the same seed get independent streams, so that drawing more numbers for one
    of them never shifts the other.

    Args:
        seed: Non-negative.
        purpose: What the numbers are for, such as ``"bootstrap"``.

    Returns:
        A generator that is the same on every machine.

    Raises:
        UsageError: The seed is negative.

    Example:
        >>> float(make_generator(7, "bootstrap").random()) == float(make_generator(7, "bootstrap").random())
        True
    """
    if seed < 0:
        raise UsageError(expected="a seed of 0 or more", got=str(seed))
    digest = hashlib.sha256(purpose.encode()).digest()
    words = [int.from_bytes(digest[start : start + 4], "little") for start in range(0, 16, 4)]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))
