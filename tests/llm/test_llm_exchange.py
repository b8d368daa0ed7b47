"""What is asked and what can go wrong: settings that make sense, faults that can be counted."""

import pytest

from sentire.core.config import parse_config
from sentire.core.errors import ConfigError
from sentire.llm.exchange import FaultError, Sampling


def test_a_fault_tells_its_reason_and_what_is_special_about_it():
    fault = FaultError("timeout", "again", detail="3 s")
    assert (str(fault), fault.reason, fault.verdict) == ("timeout: 3 s", "timeout", "again")
    assert str(FaultError("timeout", "again")) == "timeout"
    assert (fault.retry_after, fault.is_throttle, fault.may_be_billed, fault.hint) == (None, False, False, "")


def test_tokens_are_drawn_the_same_way_each_time_where_nothing_is_said():
    assert parse_config(Sampling, {}) == Sampling(temperature=0.0, top_p=1.0, repetition_penalty=1.0, seed=-1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("repetition_penalty", 0.9),
        ("repetition_penalty", 2.1),
        ("seed", -2),
        ("temperature", "hot"),
        ("temperature", float("nan")),
    ],
)
def test_sampling_that_makes_no_sense_is_refused(key, value):
    with pytest.raises(ConfigError, match=f" at {key}"):
        parse_config(Sampling, {key: value})
