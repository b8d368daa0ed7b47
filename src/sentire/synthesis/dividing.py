"""Splits by story: no story is on both sides, and the shares are met as nearly as whole stories allow."""

from collections.abc import Mapping, Sequence

from sentire.core.seeding import make_generator

SPLITS = ("train", "dev", "test")


def divide(groups: Sequence[str], shares: Sequence[float], seed: int) -> Mapping[str, str]:
    """Return the split of every story.

    All three data sets are divided from one shuffled list of stories, test from its beginning, dev from its end: the
    test split of a set with smaller shares lies inside that of a set with larger ones.

    Args:
        groups: The stories, in any order, repeats allowed.
        shares: Of train, dev and test, adding up to 1; every split with a share gets a story where there are enough.
        seed: Of the order.

    Example:
        >>> found = divide([f"s{n}" for n in range(20)], (0.8, 0.1, 0.1), seed=0)
        >>> [list(found.values()).count(split) for split in SPLITS]
        [16, 2, 2]
    """
    names = sorted(set(groups))
    order = [names[place] for place in make_generator(seed, "stories in splits").permutation(len(names))]
    n_dev, n_test = (_count(share, len(names)) for share in shares[1:])
    if shares[0] > 0:  # train gets the first story there is
        while n_dev + n_test >= max(len(names), 1) and n_dev + n_test > 0:
            n_dev, n_test = (n_dev - 1, n_test) if n_dev >= n_test else (n_dev, n_test - 1)
    else:
        n_dev, n_test = (len(names) - n_test, n_test) if shares[1] > 0 else (0, len(names))
    found = dict.fromkeys(order, "train")
    found.update(dict.fromkeys(order[:n_test], "test"))
    found.update(dict.fromkeys(order[len(order) - n_dev :], "dev"))
    return found


def _count(share: float, n: int) -> int:
    return max(round(share * n), 1) if share > 0 else 0
