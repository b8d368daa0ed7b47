"""Integers in the place of weights and activations: bounds, and errors against the plain product."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.export.encoder_arrays import Linear
from sentire.export.linear_quantisation import (
    Activations,
    ByteScale,
    IntegerLinear,
    fit_centred_scale,
    fit_lopsided_scale,
    quantise_linear,
    quantise_rows,
    split_outputs,
)


def make_inputs(rng, n_rows: int, n_inputs: int):
    """Channels that go together, far from 0, and of very different widths."""
    hidden = rng.normal(size=(n_rows, max(2, n_inputs // 4)))
    mixed = hidden @ rng.normal(size=(hidden.shape[1], n_inputs)) + 0.3 * rng.normal(size=(n_rows, n_inputs))
    return mixed * np.exp(rng.normal(size=n_inputs)) + rng.normal(0, 3, n_inputs)


def summarise(rows) -> Activations:
    return Activations(
        lowest=rows.min(axis=0),
        highest=rows.max(axis=0),
        mean=rows.mean(axis=0),
        covariance=np.cov(rows, rowvar=False, bias=True).reshape(rows.shape[1], rows.shape[1]),
    )


def make_linear(rng, n_outputs: int, n_inputs: int) -> Linear:
    weight = rng.normal(0, 0.2, (n_outputs, n_inputs)).astype(np.float32)
    return Linear(weight, rng.normal(size=n_outputs).astype(np.float32))


def to_bytes(rows, scale: ByteScale):
    return np.clip(np.rint((rows - scale.centre) / scale.step) + scale.zero_point, 0, 255)


def multiply(rows, scale: ByteScale, linear: IntegerLinear):
    whole = (to_bytes(rows, scale) - scale.zero_point).astype(np.int64) @ linear.values.astype(np.int64)
    return whole * linear.scales + linear.bias


def relative_error(found, right) -> float:
    return float(np.sqrt(((found - right) ** 2).mean()) / right.std())


@given(seed=st.integers(0, 10_000), n_inputs=st.integers(2, 200), n_outputs=st.integers(1, 40))
def test_the_integer_product_is_near_the_plain_one_and_has_the_same_mean(seed, n_inputs, n_outputs):
    rng = np.random.default_rng(seed)
    rows, linear = make_inputs(rng, 300, n_inputs), make_linear(rng, n_outputs, n_inputs)
    seen = summarise(rows)
    scale = fit_centred_scale(seen, linear.weight)
    integers = quantise_linear(linear, scale, seen)
    assert integers.values.dtype == np.int8
    assert integers.values.shape == (n_inputs, n_outputs)
    assert integers.values.min() >= -64
    assert integers.values.max() <= 63
    right = rows @ linear.weight.T.astype(np.float64) + linear.bias
    found = multiply(rows, scale, integers)
    assert relative_error(found, right) < 0.05
    assert np.abs(found.mean(axis=0) - right.mean(axis=0)).max() < 0.02 * right.std()


@pytest.mark.parametrize("fit", [fit_centred_scale, fit_lopsided_scale])
def test_all_that_was_seen_fits_into_a_byte(fit):
    rng = np.random.default_rng(3)
    rows, linear = make_inputs(rng, 500, 40), make_linear(rng, 10, 40)
    scale = fit(summarise(rows), linear.weight)
    exact = (rows - scale.centre) / scale.step + scale.zero_point
    assert exact.min() > -0.51
    assert exact.max() < 255.51
    assert exact.max() > 250  # the range is used


def test_gelu_gets_a_zero_point_near_its_end():
    rng = np.random.default_rng(4)
    rows = np.maximum(rng.normal(size=(2000, 30)) * 2, -0.17)
    scale = fit_lopsided_scale(summarise(rows), make_linear(rng, 8, 30).weight)
    assert 1 <= scale.zero_point <= 20
    # Half of the bytes would be left unused by a zero point in the middle.
    assert np.median(scale.step) < 0.6 * np.median(np.abs(rows).max(axis=0) / 127)


def test_a_wide_channel_does_not_take_the_bytes_of_the_others():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(500, 30))
    rows[:, 7] *= 40
    linear = make_linear(rng, 12, 30)
    linear.weight[:, 7] /= 40
    seen = summarise(rows)
    scale = fit_centred_scale(seen, linear.weight)
    right = rows @ linear.weight.T.astype(np.float64) + linear.bias
    one_step = np.abs(rows).max() / 127
    plain = (np.rint(rows / one_step) * one_step) @ linear.weight.T.astype(np.float64) + linear.bias
    assert relative_error(multiply(rows, scale, quantise_linear(linear, scale, seen)), right) < 0.02
    assert relative_error(plain, right) > 0.08


def test_rounding_in_turn_beats_plain_rounding():
    rng = np.random.default_rng(6)
    rows, linear = make_inputs(rng, 2000, 160), make_linear(rng, 24, 160)
    seen = summarise(rows)
    scale = fit_centred_scale(seen, linear.weight)
    integers = quantise_linear(linear, scale, seen)
    # Both from the same bytes, so that only the weights differ.
    inputs = to_bytes(rows, scale) - scale.zero_point
    exact = inputs @ (linear.weight * scale.step).T
    stretched = linear.weight * scale.step
    plain_scales = np.abs(stretched).max(axis=1) / 63
    plain = inputs @ (np.rint(stretched / plain_scales[:, None]) * plain_scales[:, None]).T
    turned = inputs @ (integers.values * integers.scales)

    def spread(found) -> float:
        return float((found - exact).std(axis=0).mean())

    assert spread(turned) < 0.6 * spread(plain)


def test_channels_that_never_moved_do_no_harm():
    rng = np.random.default_rng(7)
    rows = np.tile(rng.normal(size=20), (50, 1))
    linear = make_linear(rng, 6, 20)
    seen = Activations(lowest=rows[0], highest=rows[0], mean=rows[0], covariance=np.zeros((20, 20)))
    for scale in (fit_centred_scale(seen, linear.weight), fit_lopsided_scale(seen, linear.weight)):
        integers = quantise_linear(linear, scale, seen)
        right = rows @ linear.weight.T.astype(np.float64) + linear.bias
        assert np.isfinite(integers.scales).all()
        assert np.abs(multiply(rows, scale, integers) - right).max() < 0.05 * np.abs(right).max()


def test_weights_of_nothing_but_zeros_stay_zeros():
    rows = np.random.default_rng(8).normal(size=(50, 5))
    seen = summarise(rows)
    linear = Linear(np.zeros((3, 5), np.float32), np.array([1, 2, 3], np.float32))
    scale = fit_centred_scale(seen, linear.weight)
    integers = quantise_linear(linear, scale, seen)
    assert not integers.values.any()
    assert np.allclose(multiply(rows, scale, integers), [1, 2, 3])


def test_parts_of_a_layer_are_the_layer():
    rng = np.random.default_rng(9)
    rows, linear = make_inputs(rng, 100, 12), make_linear(rng, 9, 12)
    seen = summarise(rows)
    scale = fit_centred_scale(seen, linear.weight)
    whole = quantise_linear(linear, scale, seen)
    parts = [multiply(rows, scale, part) for part in split_outputs(whole, 3)]
    assert np.array_equal(np.concatenate(parts, axis=1), multiply(rows, scale, whole))


def test_rows_are_rounded_each_by_its_own_scale():
    table = np.array([[1.27, -0.5, 0.0], [0.0, 0.0, 0.0], [-254.0, 1.0, 127.0]], dtype=np.float32)
    values, scales = quantise_rows(table)
    assert values.tolist() == [[127, -50, 0], [0, 0, 0], [-127, 0, 64]]  # 0.5 and 63.5 go to the even neighbour
    assert np.allclose(scales[:, 0], [0.01, 1.0, 2.0])
