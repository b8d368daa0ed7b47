"""What the losses of embeddings share: axes that fit together, finite numbers, similarities in full precision."""

import math

from sentire.core.errors import DataError, MissingExtraError, ShapeError, UsageError

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training losses") from error


def check_above_zero(value: float, *, where: str) -> None:
    """Make sure that a temperature, a bandwidth or a step is a number above 0.

    Raises:
        UsageError: It is 0, negative, infinite or NaN.
    """
    if not (math.isfinite(value) and value > 0):
        raise UsageError(expected="a number above 0", got=f"{value:g}", where=where)


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
    """Make sure that numbers are finite, since one that is not would be the loss of its whole batch.

    Args:
        tensors: Each of two axes, by its name.

    Raises:
        DataError: One of them holds NaN or infinity; the message names the first place.
    """
    for name, tensor in tensors.items():
        is_finite = torch.isfinite(tensor)
        if not bool(is_finite.all()):
            row, column = (int(place) for place in (~is_finite).nonzero()[0])
            raise DataError(
                expected="finite numbers",
                got=f"{float(tensor[row, column]):g}",
                where=f"{name}, row {row}, column {column}",
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
