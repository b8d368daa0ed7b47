"""Budgets that no call exceeds: what it may cost is set aside before, and the bound is one."""

import asyncio
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from questions import make_request
from tokenizers import Tokenizer, models, pre_tokenizers

from sentire.core.config import parse_config
from sentire.core.errors import BudgetError, ConfigError
from sentire.llm.budget import TOKENS_PER_MESSAGE, Budget, Purse
from sentire.llm.exchange import Message, Reply
from sentire.storage.ledger import Spending

CALL = Spending(calls=1, input_tokens=100, output_tokens=50, cost_micros=300)


def make_purse(spent=None, **budget):
    return Purse(Budget(**budget), spent or Spending())


# --- What a call may cost ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def byte_tokenizer():
    """One token a byte: no tokenizer that falls back on bytes makes more."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


@settings(max_examples=40)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=4))
def test_the_bound_is_never_less_than_the_tokens_of_the_bytes(byte_tokenizer, texts):
    messages = tuple(Message(role="user", text=text) for text in texts)
    bound = make_purse().bound(make_request(messages=messages, max_tokens=77))
    n_tokens = sum(len(byte_tokenizer.encode(text).ids) for text in texts)
    assert bound.input_tokens == n_tokens + TOKENS_PER_MESSAGE * len(texts)
    assert (bound.output_tokens, bound.calls) == (77, 1)


def test_a_text_that_is_no_valid_text_has_a_bound_too():
    messages = (Message(role="user", text="\ud83d"),)
    assert make_purse().bound(make_request(messages=messages)).input_tokens == 3 + TOKENS_PER_MESSAGE


def test_the_bound_has_a_price():
    purse = make_purse(input_price=2.0, output_price=10.0)
    bound = purse.bound(make_request(messages=(Message(role="user", text="x" * 84),), max_tokens=50))
    assert bound == Spending(calls=1, input_tokens=100, output_tokens=50, cost_micros=700)


PRICES = st.integers(0, 1_000_000).map(lambda n: n / 10_000)


@given(n_input=st.integers(0, 200_000), n_output=st.integers(0, 200_000), prices=st.tuples(PRICES, PRICES))
def test_money_is_rounded_up_to_micros(n_input, n_output, prices):
    purse = make_purse(input_price=prices[0], output_price=prices[1])
    cost = purse.measure(Reply(text="", input_tokens=n_input, output_tokens=n_output), Spending()).cost_micros
    exact = n_input * Fraction(str(prices[0])) + n_output * Fraction(str(prices[1]))
    # Never less than it costs; at most one more for the rounding, and one for what floats make of a whole number.
    assert exact <= cost < exact + 2


def test_the_least_price_of_one_token_is_a_micro_and_none_is_none():
    assert make_purse(input_price=0.01).measure(Reply(text="", input_tokens=1, output_tokens=0), CALL).cost_micros == 1
    assert make_purse(input_price=1.0).measure(Reply(text="", input_tokens=7, output_tokens=0), CALL).cost_micros == 7
    assert make_purse().measure(Reply(text="", input_tokens=7, output_tokens=9), CALL).cost_micros == 0


@pytest.mark.parametrize(
    ("told", "expected"),
    [((None, None), (100, 50)), ((3, None), (3, 50)), ((None, 4), (100, 4)), ((0, 0), (0, 0)), ((300, 90), (300, 90))],
)
def test_what_the_provider_does_not_tell_counts_as_the_most_it_can_be(told, expected):
    purse = make_purse(input_price=1.0, output_price=2.0)
    spent = purse.measure(Reply(text="", input_tokens=told[0], output_tokens=told[1]), CALL)
    assert (spent.input_tokens, spent.output_tokens) == expected
    assert spent.cost_micros == expected[0] + 2 * expected[1]


# --- What is left -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [{"calls": 3}, {"tokens": 450}, {"money": 0.0009}])
def test_what_fits_exactly_is_let_through_and_no_more(budget):
    purse = make_purse(**budget)
    for _ in range(3):
        assert purse.can_afford(CALL)
        purse.set_aside(CALL)
    assert not purse.can_afford(CALL)
    purse.check(CALL)  # nothing is spent yet: the others may turn out to cost nothing
    for _ in range(3):
        purse.settle(CALL, CALL)
    assert not purse.can_afford(CALL)
    with pytest.raises(BudgetError):
        purse.check(CALL)


def test_what_was_set_aside_comes_back_when_less_was_spent():
    purse = make_purse(tokens=300)
    purse.set_aside(CALL)
    purse.set_aside(CALL)
    assert not purse.can_afford(CALL)
    purse.settle(CALL, Spending(input_tokens=10, output_tokens=5))
    assert not purse.can_afford(CALL)
    purse.settle(CALL, Spending(input_tokens=10, output_tokens=5))
    assert purse.can_afford(CALL)
    assert purse.spent == Spending(calls=2, input_tokens=20, output_tokens=10)


def test_a_call_counts_even_when_it_brought_nothing():
    purse = make_purse(calls=1)
    purse.set_aside(CALL)
    purse.settle(CALL, Spending())
    assert purse.spent == Spending(calls=1)
    assert not purse.can_afford(CALL)


def test_no_limit_is_no_limit():
    purse = make_purse()
    huge = Spending(calls=1, input_tokens=2**50, output_tokens=2**50, cost_micros=2**50)
    for _ in range(3):
        assert purse.can_afford(huge)
        purse.set_aside(huge)
    purse.check(huge)


@pytest.mark.parametrize(
    ("budget", "spent", "message"),
    [
        ({"calls": 1000}, Spending(calls=1000), r"the budget of 1,000 calls, got 1,000 calls, 0 tokens spent"),
        (
            {"tokens": 5000},
            Spending(calls=9, input_tokens=4000, output_tokens=900),
            r"5,000 tokens, got 9 calls, 4,900",
        ),
        (
            {"money": 2.5},
            Spending(calls=1, cost_micros=2_499_800),
            r"2.5 of money, got 1 calls, 0 tokens, 2.5 of money",
        ),
    ],
)
def test_a_run_goes_on_where_the_last_one_ended_and_says_what_is_spent(budget, spent, message):
    purse = make_purse(spent, **budget)
    assert not purse.can_afford(CALL)
    with pytest.raises(BudgetError, match=message + r".*up to 150 tokens for the next call.*raise the budget"):
        purse.check(CALL)


def test_more_than_the_bound_is_counted_as_it_was():
    """A server that counts more than bytes: the sum is true, and nothing more is let through."""
    purse = make_purse(tokens=400)
    purse.set_aside(CALL)
    purse.settle(CALL, Spending(input_tokens=999, output_tokens=1))
    assert purse.spent.tokens == 1000
    assert not purse.can_afford(Spending(calls=1))


def test_prices_that_come_later_hold_for_what_was_asked_before_them():
    """Else a job that was begun without prices would have its whole money once more."""
    before = Spending(calls=9, input_tokens=3_000_000, output_tokens=500_000)
    purse = make_purse(before, money=5.0, input_price=1.0, output_price=4.0)
    assert purse.spent == replace(before, cost_micros=5_000_000)
    with pytest.raises(BudgetError, match="5 of money"):
        purse.check(CALL)


def test_prices_that_fell_do_not_give_back_what_was_paid():
    before = Spending(calls=9, input_tokens=3_000_000, output_tokens=500_000, cost_micros=7_000_000)
    assert make_purse(before, input_price=1.0, output_price=4.0).spent == before


@pytest.mark.parametrize("is_late", [False, True])
def test_a_change_is_heard_by_who_began_to_wait_before_it_and_not_by_who_came_after(is_late):
    async def work():
        purse = make_purse()
        purse.set_aside(CALL)
        purse.set_aside(CALL)
        early = purse.wait_for_change()  # not a task yet, as where several things are waited for
        purse.settle(CALL, CALL)
        late = purse.wait_for_change()
        if is_late:
            early.close()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(late, 0.01)
        else:
            late.close()
            await asyncio.wait_for(early, 1.0)

    asyncio.run(work())


@pytest.mark.parametrize("key", ["calls", "tokens", "money", "input_price", "output_price"])
def test_less_than_nothing_is_no_budget(key):
    with pytest.raises(ConfigError, match=f"greater than or equal to 0, got -1 at {key}"):
        parse_config(Budget, {key: -1})


SMALL = st.integers(0, 30)


@settings(max_examples=100)
@given(
    budget=st.builds(Budget, calls=SMALL, tokens=st.integers(0, 200), money=st.integers(0, 90).map(lambda n: n / 1e6)),
    bounds=st.lists(st.tuples(SMALL, SMALL, SMALL), max_size=30),
    data=st.data(),
)
def test_no_interleaving_exceeds_a_budget(budget, bounds, data):
    purse, under_way, spent = Purse(budget, Spending()), [], Spending()
    waiting = [Spending(calls=1, input_tokens=a, output_tokens=b, cost_micros=c) for a, b, c in bounds]
    while waiting or under_way:
        begins = bool(waiting) and (not under_way or data.draw(st.booleans()))
        if begins:
            bound = waiting.pop()
            if purse.can_afford(bound):
                purse.set_aside(bound)
                under_way.append(bound)
            elif not under_way:  # with nothing under way the two ways to ask agree
                with pytest.raises(BudgetError):
                    purse.check(bound)
        else:
            bound = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            cost = Spending(
                calls=1,
                input_tokens=data.draw(st.integers(0, bound.input_tokens)),
                output_tokens=data.draw(st.integers(0, bound.output_tokens)),
                cost_micros=data.draw(st.integers(0, bound.cost_micros)),
            )
            purse.settle(bound, cost)
            spent += cost
        committed = sum(under_way, spent)
        assert purse.spent == spent
        assert not budget.calls or committed.calls <= budget.calls
        assert not budget.tokens or committed.tokens <= budget.tokens
        assert not budget.money or committed.cost_micros <= Fraction(str(budget.money)) * 10**6
