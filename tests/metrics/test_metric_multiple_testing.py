import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import DataError, ShapeError
from sentire.metrics.multiple_testing import holm


def rejects(p_values, level):
    """Holm 1979, step by step: reject the smallest while p_(k) <= level / (m - k + 1), then stop."""
    rejected = [False] * len(p_values)
    for step, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] * (len(p_values) - step) > level:
            break
        rejected[place] = True
    return rejected


def test_worked_example():
    # Times 4, 3, 2, 1 in rising order: .02, .036, .06 and .05, which is lifted to .06.
    np.testing.assert_allclose(holm([0.03, 0.005, 0.05, 0.012]), [0.06, 0.02, 0.06, 0.036])


def test_questions_that_could_not_be_asked_stay_out():
    np.testing.assert_allclose(holm([0.02, np.nan, 0.5]), [0.04, np.nan, 0.5])
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_adjusted_values_reject_what_the_procedure_rejects(p_values, level):
    adjusted = holm(p_values)
    assert (adjusted >= np.asarray(p_values)).all()
    assert adjusted.max() <= 1
    assert (adjusted <= level).tolist() == rejects(p_values, level)


def test_wrong_input_is_refused():
    with pytest.raises(DataError, match="p-values from 0 to 1"):
        holm([0.1, 1.2])
    with pytest.raises(ShapeError, match=r"shape \(m,\)"):
        holm([[0.1]])
