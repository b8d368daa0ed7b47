"""Which seeds lack results: a row of a page is a mean over all seeds asked for, and left out where one is missing."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

_SEED = re.compile(r"(?!map-).+-(\d+)")  # the points of the map are named after numbers that are no seeds


def describe_missing_seeds(
    seeds: Sequence[int], parts: Iterable[str], found: Iterable[str], there: Iterable[str]
) -> str:
    """Say of which seeds parts are missing, and how to ask for those that have most of theirs; empty where none is.

    Args:
        seeds: Asked for.
        parts: Names of all parts of these seeds.
        found: Names of those that are done.
        there: Names of all files of parts, those of other seeds among them.

    Example:
        >>> describe_missing_seeds([1, 3], ["train.a-1", "train.a-3"], ["train.a-1"], ["map-1.0-0.1"])
        'results are missing of seed 3 (0 of 1 part); rows that lack one are left out'
    """
    n_parts, n_found, n_there = _count(parts), _count(found), _count(there)
    lacking = [
        f"seed {seed} ({n_found[seed]} of {n_parts[seed]} {'part' if n_parts[seed] == 1 else 'parts'})"
        for seed in seeds
        if n_found[seed] < n_parts[seed]
    ]
    if not lacking:
        return ""
    most = max(n_there.values(), default=0)
    others = sorted(seed for seed, n in n_there.items() if 2 * n >= most)
    advice = f"; to name others: --set 'seeds={others}'" if others and others != sorted(seeds) else ""
    return f"results are missing of {', '.join(lacking)}; rows that lack one are left out{advice}"


def _count(names: Iterable[str]) -> Counter[int]:
    return Counter(int(match[1]) for name in names if (match := _SEED.fullmatch(name)) is not None)
