import numpy as np
import pytest

from sentire.core.errors import DataError, ShapeError
from sentire.losses.targets import check_shapes, check_targets


@pytest.mark.parametrize("targets", [[[True, False]], [[1, 0]], [[1.0, 0.0]], np.array([[1, 0]], np.uint8)])
def test_hard_targets_of_any_type_become_floats(targets):
    checked = check_targets(targets)
    assert checked.dtype == np.float32
    assert checked.tolist() == [[1.0, 0.0]]


def test_soft_targets_keep_their_values():
    assert check_targets([[0.25, 0.5], [0.0, 1.0]]).tolist() == [[0.25, 0.5], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("value", "shown"), [(float("nan"), "nan"), (-0.25, "-0.25"), (1.5, "1.5"), (float("inf"), "inf"), (2, "2")]
)
def test_a_wrong_target_is_named_with_its_place(value, shown):
    targets = np.full((3, 4), 0.5)
    targets[2, 1] = value
    with pytest.raises(DataError, match=f"targets from 0 to 1, got {shown} at goemotions:train, row 2, column 1; "):
        check_targets(targets, where="goemotions:train")


def test_targets_that_are_no_numbers():
    with pytest.raises(DataError, match=r"expected targets from 0 to 1, got values of <U3 at targets"):
        check_targets([["joy"]])


@pytest.mark.parametrize(("targets", "shape"), [([0.5, 0.5], r"\(2,\)"), (np.zeros((0, 3)), r"\(0, 3\)")])
def test_targets_of_a_wrong_shape(targets, shape):
    with pytest.raises(ShapeError, match=f"shape \\(N, C\\) with N and C at least 1, got shape {shape} at targets"):
        check_targets(targets)


def test_shapes_that_fit_pass():
    check_shapes((4, 3), (4, 3))
    check_shapes((4, 3), (4, 3), (3,))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((4,), (4,)), r"logits of shape \(B, C\), got shape \(4,\)"),
        (((4, 3), (4, 1)), r"targets of shape \(4, 3\), as the logits have, got shape \(4, 1\)"),
        (((4, 3), (3,)), r"targets of shape \(4, 3\), as the logits have, got shape \(3,\)"),
        (((4, 3), (4, 3), (4,)), r"positive weights of shape \(3,\), one a label, got shape \(4,\)"),
        (((4, 3), (4, 3), (1,)), r"positive weights of shape \(3,\), one a label, got shape \(1,\)"),
    ],
)
def test_shapes_that_would_be_broadcast_are_refused(shapes, message):
    with pytest.raises(ShapeError, match=message):
        check_shapes(*shapes)
