"""Seeds: the same numbers everywhere, other numbers for another purpose or seed."""

import subprocess
import sys

import numpy as np
import pytest

from sentire.core.errors import UsageError
from sentire.core.seeding import make_generator


def test_the_streams_are_pinned():
    """A change here changes every stored interval and every fold: raise the version of what depends on it."""
    assert make_generator(7, "bootstrap").bit_generator.random_raw(2).tolist() == [
        10337803226733374334,
        10124283335972199365,
    ]
    assert make_generator(7, "bootstrap").integers(0, 1000, 5).tolist() == [247, 560, 648, 548, 451]


def test_seeds_and_purposes_give_other_streams():
    drawn = {
        tuple(make_generator(seed, purpose).integers(0, 2**62, 4).tolist())
        for seed in range(20)
        for purpose in ("bootstrap", "folds", "", "bootstrap ", "é")
    }
    assert len(drawn) == 100


def test_purposes_are_not_correlated():
    one, other = (make_generator(7, purpose).normal(size=20_000) for purpose in ("a", "b"))
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(20_000)


def test_the_global_state_is_neither_read_nor_moved():
    code = (
        "import numpy as np, random\n"
        "from sentire.core.seeding import make_generator\n"
        "np.random.seed({0}); random.seed({0})\n"
        "before = np.random.get_state()[1].tolist(), random.getstate()\n"
        "print(make_generator(3, 'x').random())\n"
        "assert before == (np.random.get_state()[1].tolist(), random.getstate())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code.format(number)],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": str(number)},
        ).stdout
        for number in (1, 2)
    }
    assert len(outputs) == 1


def test_a_negative_seed_is_refused():
    with pytest.raises(UsageError, match="a seed of 0 or more, got -1"):
        make_generator(-1, "x")
