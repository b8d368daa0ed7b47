"""Waits between attempts: longer each time, never all at once, as long as the server wishes, and never for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.config import parse_config
from sentire.core.errors import ConfigError
from sentire.llm.retries import Retries, choose_wait

DRAWS = st.floats(0, 1, exclude_max=True)
WAITS = st.floats(0, 1000)


def test_waits_double_around_the_first_one():
    settings = Retries(first_wait_seconds=2.0, longest_wait_seconds=1000.0)
    assert [choose_wait(settings, n, None, lambda: 0.5) for n in (1, 2, 3, 4)] == [2.0, 4.0, 8.0, 16.0]
    assert choose_wait(settings, 2, None, lambda: 0.0) == 2.0
    assert choose_wait(settings, 2, None, lambda: 0.999) == pytest.approx(6.0, abs=0.01)


def test_a_server_that_asks_for_more_gets_it_and_one_that_asks_for_less_does_not_shorten_the_wait():
    settings = Retries(first_wait_seconds=2.0, longest_wait_seconds=60.0)
    assert choose_wait(settings, 1, 30.0, lambda: 0.5) == 30.0
    assert choose_wait(settings, 1, 0.1, lambda: 0.5) == 2.0
    assert choose_wait(settings, 1, 0.0, lambda: 0.5) == 2.0
    assert choose_wait(settings, 1, 86_400.0, lambda: 0.5) == 60.0


@given(
    first=WAITS,
    longest=st.floats(0.001, 1000),
    n_faults=st.integers(1, 10_000),
    asked=st.one_of(st.none(), st.floats(0, 1e300)),
    draw=DRAWS,
)
def test_no_wait_is_longer_than_the_longest_or_shorter_than_it_should_be(first, longest, n_faults, asked, draw):
    wait = choose_wait(Retries(first_wait_seconds=first, longest_wait_seconds=longest), n_faults, asked, lambda: draw)
    assert 0 <= wait <= longest
    assert wait >= min(longest, first * 2.0 ** min(n_faults - 1, 30) / 2)
    assert wait >= min(longest, asked or 0.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [("attempts", 0), ("repairs", -1), ("first_wait_seconds", -0.1), ("longest_wait_seconds", 0.0)],
)
def test_settings_that_make_no_sense_are_refused(key, value):
    with pytest.raises(ConfigError, match=f"greater than .* at {key}"):
        parse_config(Retries, {key: value})
