"""Weights in 7 bits and activations in 8, so that a matrix product is one of integers.

Every scale is fixed when the model is written. So a row's answer cannot depend on the rows beside it: rounding looks at
one number at a time, and sums of integers are exact in any order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentire.export.encoder_arrays import Linear

Doubles = NDArray[np.float64]

LOWEST_WEIGHT, HIGHEST_WEIGHT = -64, 63
"""Seven bits. AVX2 without VNNI adds two products of an unsigned and a signed byte in 16 bits and cuts off what does
not fit. Twice 255 times 64 fits, so every processor gets the same sum."""

HIGHEST_BYTE = 255
MIDDLE_BYTE = 128

_TINY = 1e-30
_SMOOTHING = 0.75
_DAMPING = 0.01
_BYTE_VARIANCE = 1 / 12
_BLOCK_COLUMNS = 128
_SHRINKAGES = tuple(0.6 + 0.02 * step for step in range(21))
_NARROWEST = 1e-3
"""Of the widest channel: a channel that hardly moves is not stretched further than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """What was seen of the numbers that go into a linear layer, by channel.

    Attributes:
        lowest: Shape (K,).
        highest: Shape (K,).
        mean: Shape (K,).
        covariance: Shape (K, K).
    """

    lowest: Doubles
    highest: Doubles
    mean: Doubles
    covariance: Doubles


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteScale:
    """How a channel's numbers become bytes: ``byte = round((x - centre) / step) + zero_point``, kept in 0 to 255.

    Attributes:
        step: Above 0, shape (K,).
        centre: Shape (K,).
        zero_point: One for all channels.
    """

    step: Doubles
    centre: Doubles
    zero_point: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerLinear:
    """``y = scales * (bytes - zero_point) @ values + bias``.

    Attributes:
        values: From -64 to 63, shape (inputs, outputs): as a matrix product takes them.
        scales: Shape (outputs,).
        bias: Shape (outputs,).
    """

    values: NDArray[np.int8]
    scales: Doubles
    bias: Doubles


def fit_centred_scale(seen: Activations, weight: NDArray[np.float32]) -> ByteScale:
    """Find centre and step of each channel.

    BERT's hidden states have a few channels that are ten times as wide as the rest. One step for all would leave
    the rest a handful of bytes; a step a channel costs nothing where the layer before can be scaled instead.

    Source: Xiao et al. 2023, SmoothQuant, section 4, equations 3 and 4: ``s_j = max|x_j|^a / max|w_j|^(1 - a)``.
    Departures: each channel is centred as well; a is 0.75 instead of 0.5. On MiniLM the pooled vectors of 250 texts of
        GoEmotions dev drifted by .073 (a = 0.5), .066 (0.75), .067 (0.9) and .070 (1).

    Args:
        seen: What goes into the layer.
        weight: Of the layer, shape (outputs, K).
    """
    half = (seen.highest - seen.lowest) / 2
    half = np.maximum(half, max(half.max() * _NARROWEST, _TINY))
    step = half**_SMOOTHING / np.maximum(np.abs(weight).max(axis=0), _TINY) ** (1 - _SMOOTHING)
    step *= (half / step).max() / (MIDDLE_BYTE - 1)
    return ByteScale(step=step, centre=(seen.highest + seen.lowest) / 2, zero_point=MIDDLE_BYTE)


def fit_lopsided_scale(seen: Activations, weight: NDArray[np.float32]) -> ByteScale:
    """Find the steps for numbers that are mostly positive, as GELU makes them (never below -0.17).

    One zero point serves all channels, which spares an addition: of the 256, the one that makes the rounding errors
    smallest after the weights.

    Args:
        seen: What goes into the layer.
        weight: Of the layer, shape (outputs, K).
    """
    above = np.maximum(seen.highest, 0.0)
    below = np.maximum(-seen.lowest, 0.0)
    narrowest = max(np.maximum(above, below).max() * _NARROWEST, _TINY)
    influence = (weight.astype(np.float64) ** 2).sum(axis=0)
    best_cost, best_step, best_zero = np.inf, np.ones_like(above), 0
    for zero_point in range(1, MIDDLE_BYTE + 1):
        step = np.maximum(above / (HIGHEST_BYTE - zero_point), below / zero_point)
        step = np.maximum(step, narrowest / HIGHEST_BYTE)
        cost = float((influence * step**2).sum())
        if cost < best_cost:
            best_cost, best_step, best_zero = cost, step, zero_point
    return ByteScale(step=best_step, centre=np.zeros_like(above), zero_point=best_zero)


def quantise_linear(linear: Linear, scale: ByteScale, seen: Activations) -> IntegerLinear:
    """Round the weights of a layer to 7 bits such that its answers, not its weights, change least.

    The inputs are rounded to weights one by one; what an input's rounding did to the answers is made good, as far as
    the inputs go together, by the inputs that are still to come. Centres and the mean error go into the bias.

    Source: Frantar et al. 2023, GPTQ, algorithm 1.
    Departures: the covariance stands in place of the second moment, since the bias takes up the mean; inputs go in the
        order of falling variance; an output's scale is the one of 21 whose plain rounding changes its answers least.

    Args:
        linear: The layer.
        scale: How its inputs become bytes.
        seen: Its inputs.

    Cost: for 1,536 inputs and 384 outputs, a second.
    """
    weight = linear.weight.astype(np.float64) * scale.step
    covariance = seen.covariance / np.outer(scale.step, scale.step)
    scales = _fit_output_scales(weight, np.diag(covariance))
    rounded = _round_in_turn(weight, scales, covariance)
    mean = (seen.mean - scale.centre) / scale.step
    bias = linear.bias + linear.weight.astype(np.float64) @ scale.centre + (weight - rounded * scales[:, None]) @ mean
    return IntegerLinear(values=np.ascontiguousarray(rounded.T.astype(np.int8)), scales=scales, bias=bias)


def split_outputs(linear: IntegerLinear, n_parts: int) -> list[IntegerLinear]:
    """Cut a layer into equal ones that take the same inputs and give the outputs part by part."""
    arrays = (
        np.split(linear.values, n_parts, axis=1),
        np.split(linear.scales, n_parts),
        np.split(linear.bias, n_parts),
    )
    return [
        IntegerLinear(values=values, scales=scales, bias=bias) for values, scales, bias in zip(*arrays, strict=True)
    ]


def quantise_rows(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a table of embeddings to 8 bits with a scale for each row.

    Returns:
        Integers from -127 to 127, shape (V, D), and the scales, shape (V, 1): their product is near the table.
    """
    scales = np.abs(table).max(axis=1, keepdims=True) / np.float32(127)
    scales[scales == 0] = 1.0
    return np.rint(table / scales).astype(np.int8), scales.astype(np.float32)


def _fit_output_scales(weight: Doubles, influence: Doubles) -> Doubles:
    widest = np.maximum(np.abs(weight).max(axis=1), _TINY) / HIGHEST_WEIGHT
    best_cost: Doubles = np.full(len(weight), np.inf)
    best: Doubles = widest
    for shrinkage in _SHRINKAGES:
        scales = widest * shrinkage
        error = weight - _round(weight, scales[:, None]) * scales[:, None]
        cost = (error**2) @ influence
        best, best_cost = np.where(cost < best_cost, scales, best), np.minimum(cost, best_cost)
    return best


def _round_in_turn(weight: Doubles, scales: Doubles, covariance: Doubles) -> Doubles:
    n_inputs = weight.shape[1]
    order = np.argsort(-np.diag(covariance), kind="stable")
    ordered = covariance[np.ix_(order, order)]
    # The inputs are rounded too, which adds noise of this variance to each, and keeps the matrix from being singular.
    ordered[np.diag_indices(n_inputs)] += _BYTE_VARIANCE + _DAMPING * float(np.diag(ordered).mean())
    # Row i of this factor says how the later inputs make good an error at input i.
    factor = np.linalg.cholesky(np.linalg.inv(ordered)).T
    left, rounded = weight[:, order], np.empty_like(weight)
    for start in range(0, n_inputs, _BLOCK_COLUMNS):
        end = min(start + _BLOCK_COLUMNS, n_inputs)
        errors = np.empty((len(weight), end - start))
        for column in range(start, end):
            rounded[:, column] = _round(left[:, column], scales)
            error = (left[:, column] - rounded[:, column] * scales) / factor[column, column]
            left[:, column + 1 : end] -= np.outer(error, factor[column, column + 1 : end])
            errors[:, column - start] = error
        left[:, end:] -= errors @ factor[start:end, end:]
    back = np.empty_like(rounded)
    back[:, order] = rounded
    return back


def _round(weight: Doubles, scales: Doubles) -> Doubles:
    rounded: Doubles = np.clip(np.rint(weight / scales), LOWEST_WEIGHT, HIGHEST_WEIGHT)
    return rounded
