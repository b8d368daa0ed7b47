"""Budgets that no call exceeds: what a call may cost at most is set aside before it is sent.

Nobody knows the tokens of a prompt before its model has read it. No tokenizer in use makes more tokens than the text
has bytes in UTF-8, so bytes are the bound that is set aside; when the reply is there, the tokens that the server
counted take its place. Towards the end of a budget, calls therefore wait for others to be settled, and the last few
that a sharper bound would have let through are not made.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from sentire.core.config import config
from sentire.core.errors import BudgetError
from sentire.llm.exchange import Reply, Request
from sentire.storage.ledger import Spending

TOKENS_PER_MESSAGE = 16
"""Set aside for what a chat template puts around each message."""

_MILLION = 1_000_000


@config
class Budget:
    """``[budget]``: most that may be spent in all runs of a job together; 0 is no limit.

    Attributes:
        calls: Attempts, those that brought nothing among them.
        tokens: Of prompts and replies.
        money: In the unit of the prices.
        input_price: Money for a million tokens of prompts.
        output_price: Money for a million tokens of replies.
    """

    calls: Annotated[int, Field(ge=0)] = 0
    tokens: Annotated[int, Field(ge=0)] = 0
    money: Annotated[float, Field(ge=0)] = 0.0
    input_price: Annotated[float, Field(ge=0)] = 0.0
    output_price: Annotated[float, Field(ge=0)] = 0.0


class Purse:
    """What is left of a budget.

    Args:
        budget: The most that may be spent.
        spent: Before this run. Tokens that cost less then, such as nothing before there were prices, count with the
            prices of today: else a job would have its whole money once more.
    """

    def __init__(self, budget: Budget, spent: Spending) -> None:
        self._budget = budget
        priced = self._price(spent.input_tokens, spent.output_tokens)
        self.spent = replace(spent, cost_micros=max(spent.cost_micros, priced.cost_micros))
        self._set_aside = Spending()
        self._n_unsettled = 0
        self._changed = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Nothing is set aside: what is left now is all that will be left."""
        return self._n_unsettled == 0

    def wait_for_change(self) -> Coroutine[Any, Any, object]:
        """Return what ends when something that was set aside has been settled since this was called.

        No coroutine itself: what is settled before a task of it has begun to run would not be heard.
        """
        return self._changed.wait()

    def bound(self, request: Request) -> Spending:
        """Return the most that one attempt can cost."""
        n_bytes = sum(len(message.text.encode("utf-8", "surrogatepass")) for message in request.messages)
        return self._price(n_bytes + TOKENS_PER_MESSAGE * len(request.messages), request.max_tokens)

    def measure(self, reply: Reply, bound: Spending) -> Spending:
        """Return what a reply cost; where the provider does not say, the most that it can have cost."""
        known_input = bound.input_tokens if reply.input_tokens is None else reply.input_tokens
        known_output = bound.output_tokens if reply.output_tokens is None else reply.output_tokens
        return self._price(known_input, known_output)

    def can_afford(self, bound: Spending) -> bool:
        """Tell whether that much can be set aside now."""
        return not self._find_shortage(self.spent + self._set_aside + bound)

    def check(self, bound: Spending) -> None:
        """Make sure that a call could be made if all calls under way cost nothing.

        Raises:
            BudgetError: It could not, whatever the others turn out to cost.
        """
        shortage = self._find_shortage(self.spent + bound)
        if shortage:
            raise BudgetError(
                expected=f"a call within the budget of {shortage}",
                got=f"{self._describe()} spent, and up to {bound.tokens:,} tokens for the next call",
                where="budget",
                hint="raise the budget and run it again: it goes on where it is",
            )

    def set_aside(self, bound: Spending) -> None:
        """Take that much out of what others may spend."""
        self._set_aside += bound
        self._n_unsettled += 1

    def settle(self, bound: Spending, spent: Spending, *, was_sent: bool = True) -> None:
        """Put back what was set aside and count what was spent."""
        self._set_aside -= bound
        self._n_unsettled -= 1
        self._changed.set()
        self._changed = asyncio.Event()  # whoever comes from now on waits for the next
        self.spent += Spending(
            calls=bound.calls if was_sent else 0,
            input_tokens=spent.input_tokens,
            output_tokens=spent.output_tokens,
            cost_micros=spent.cost_micros,
        )

    def _price(self, input_tokens: int, output_tokens: int) -> Spending:
        # A price a million tokens is a millionth of it a token: micros of money and tokens go together.
        cost = input_tokens * self._budget.input_price + output_tokens * self._budget.output_price
        micros = -int(-cost // 1)
        return Spending(calls=1, input_tokens=input_tokens, output_tokens=output_tokens, cost_micros=micros)

    def _find_shortage(self, sums: Spending) -> str:
        budget = self._budget
        if budget.calls and sums.calls > budget.calls:
            return f"{budget.calls:,} calls"
        if budget.tokens and sums.tokens > budget.tokens:
            return f"{budget.tokens:,} tokens"
        if budget.money and sums.cost_micros > budget.money * _MILLION:
            return f"{budget.money:,g} of money"
        return ""

    def _describe(self) -> str:
        money = f", {self.spent.cost:,.4g} of money" if self._budget.money else ""
        return f"{self.spent.calls:,} calls, {self.spent.tokens:,} tokens{money}"
