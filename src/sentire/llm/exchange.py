"""What is asked of a language model, what it answers, and what can go wrong in between."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from sentire.core.config import config

Verdict = Literal["again", "give up", "stop"]
"""Of a fault: whether the call may be tried again, is lost for good, or the whole job should stop.

Many of the first two in a row, without any answer, stop the job as well, and then none of their calls is lost.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


@config
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: 0 for the likeliest token each time.
        top_p: Share of the probability that is drawn from.
        repetition_penalty: Above 1 tokens that were there become less likely; 1 leaves it to the server, which
            need not know the setting.
        seed: Of the draws, for servers that take one; -1 for none.
    """

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    repetition_penalty: Annotated[float, Field(ge=1, le=2)] = 1.0
    seed: Annotated[int, Field(ge=-1)] = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question.

    Attributes:
        name: What it is about, unique among the questions of a job; replays answer by it.
        messages: The conversation so far.
        max_tokens: Longest reply.
        schema: JSON schema of the reply; None where it is free text.
        sampling: How tokens are drawn.
    """

    name: str
    messages: tuple[Message, ...]
    max_tokens: int
    schema: Mapping[str, Any] | None = None
    sampling: Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer.

    Attributes:
        text: As it came.
        input_tokens: Of the question, as the provider counts; None where it does not say.
        output_tokens: Of the answer.
        is_cut: The answer ended because it was too long.
    """

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    is_cut: bool = False


class FaultError(Exception):
    """An attempt that brought no reply.

    Args:
        reason: Why, in words that do not change from call to call, so that they can be counted.
        verdict: What follows for the call and for the job.
        detail: What is special about this attempt.
        hint: What to do, where the job should stop.
        retry_after: Seconds that the server asked to be left alone; None where it did not.
        is_throttle: The server had too much to do.
        may_be_billed: The question reached a model, as far as one can know, and may have to be paid for.
    """

    def __init__(
        self,
        reason: str,
        verdict: Verdict,
        *,
        detail: str = "",
        hint: str = "",
        retry_after: float | None = None,
        is_throttle: bool = False,
        may_be_billed: bool = False,
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.verdict, self.detail, self.hint = reason, verdict, detail, hint
        self.retry_after, self.is_throttle, self.may_be_billed = retry_after, is_throttle, may_be_billed
