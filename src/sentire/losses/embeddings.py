"""What the losses of embeddings share: axes that fit together, finite numbers, similarities in full precision."""

from sentire.core.errors import DataError, MissingExtraError, ShapeError

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training losses") from error


LARGEST = 1e12
"""Of the numbers of an embedding, either way: the products of larger ones, by a small temperature, may overflow."""


def check_axes(*tensors: tuple[str, str, Tensor]) -> None:
    """Make sure that axes of one letter are of one length, since broadcasting would hide it where they are not.

    Args:
        tensors: Name, letters of the axes such as ``"BD"``, and the tensor.

    Raises:
        ShapeError: Another number of axes, an empty axis, or a letter with two lengths.
    """
    lengths: dict[str, int] = {}
    for name, letters, tensor in tensors:
        shape = tuple(tensor.shape)
        axes = f"shape ({', '.join(letters)}{',' if len(letters) == 1 else ''})"
        if len(shape) != len(letters) or 0 in shape:
            raise ShapeError(expected=f"{axes}, none of them 0", got=f"shape {shape}", where=name)
        for letter, length in zip(letters, shape, strict=True):
            if lengths.setdefault(letter, length) != length:
                raise ShapeError(expected=f"{axes} with {letter} = {lengths[letter]}", got=f"shape {shape}", where=name)


def check_truths(**masks: Tensor) -> None:
    """Make sure that masks are boolean, since numbers in their place would be taken for positions or weights.

    Raises:
        DataError: One of them is not.
    """
    for name, mask in masks.items():
        if mask.dtype != torch.bool:
            raise DataError(expected="true and false", got=f"values of {mask.dtype}", where=name)


def check_numbers(**tensors: Tensor) -> None:
    """Make sure that numbers are finite and no larger than ``LARGEST``: one alone would be the loss of its whole batch.

    Args:
        tensors: Each of two axes, by its name.

    Raises:
        DataError: One of them holds NaN, infinity, or a number that is too large; the message names the first place.
    """
    for name, tensor in tensors.items():
        # In float32, since half precision would round the bound to infinity. In this form NaN is wrong, too.
        is_right = to_precise(tensor.detach()).abs() <= LARGEST
        if not bool(is_right.all()):
            check_places(name, tensor, torch.isfinite(tensor), expected="finite numbers")
            check_places(name, tensor, is_right, expected=f"numbers from {-LARGEST:g} to {LARGEST:g}")


def check_places(name: str, values: Tensor, is_right: Tensor, *, expected: str) -> None:
    """Make sure that every number is as it should be.

    Args:
        name: Of the values, for messages.
        values: Of two axes.
        is_right: Which of them are as they should be, of the same shape, boolean.
        expected: What they should be, for messages.

    Raises:
        DataError: One of them is not; the message names the first place.
    """
    if not bool(is_right.all()):
        row, column = (int(place) for place in (~is_right).nonzero()[0])
        raise DataError(
            expected=expected, got=f"{float(values[row, column]):g}", where=f"{name}, row {row}, column {column}"
        )


def to_precise(values: Tensor) -> Tensor:
    """Return half precision as float32, and anything wider as it is."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def compare(queries: Tensor, keys: Tensor, *, temperature: float) -> Tensor:
    """Return ``q_i · k_j / temperature``, shape (B, K), in the precision of its operands.

    An autocast around it would round the products by .002 near 1, which a temperature of .05 makes .04.
    """
    with torch.autocast(queries.device.type, enabled=False):
        return queries @ keys.T / temperature
