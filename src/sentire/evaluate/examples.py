"""What both evaluations make sure of before they ask a model, and the context that they hand to it."""

from collections.abc import Sequence

from sentire.core.errors import DataError, quote
from sentire.core.protocols import Context
from sentire.core.records import Example
from sentire.evaluate.result import ContextUse


def check_examples(examples: Sequence[Example], where: str, *, allows_synthetic: bool = False) -> None:
    """Make sure that people wrote the examples, unless others are allowed, and that no two have the same id.

    Raises:
        DataError: One is synthetic, or an id occurs twice.
    """
    seen: set[str] = set()
    for example in examples:
        if example.is_synthetic and not allows_synthetic:
            raise DataError(
                expected="examples that people wrote",
                got=f"the synthetic example {quote(example.id)}",
                where=where,
                hint="generated rows are for training; they never enter an evaluation",
            )
        if example.id in seen:
            raise DataError(expected="unique ids", got=f"{quote(example.id)} twice", where=where)
        seen.add(example.id)


def gather_context(
    examples: Sequence[Example], *, uses_context: bool, ignore_context: bool
) -> tuple[list[Context] | None, ContextUse]:
    """Return the contexts to hand to a model, and what the result says of them.

    Args:
        examples: The N that are asked about.
        uses_context: Whether a context changes the model's answer.
        ignore_context: Keep from the model what it would have been told.

    Returns:
        One context an example, None where an example has none; or None altogether where the model takes none, no
        example has any, or they are withheld.
    """
    if not uses_context or not any(example.context for example in examples):
        return None, "none"
    if ignore_context:
        return None, "withheld"
    return [example.context or None for example in examples], "given"
