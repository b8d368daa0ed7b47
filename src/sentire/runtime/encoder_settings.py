"""How an encoder model reads texts: the entry ``encoder`` of its config.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sentire.core.errors import ArtifactError, quote
from sentire.core.pooling import POOLINGS

FEWEST_TOKENS = 8
MOST_TOKENS = 8192

SMALLEST_STRIDE_FRACTION = 0.25
"""Of a window: with a smaller stride, a long text would be judged many times over."""

PRECISIONS = ("int8", "float32")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """How an encoder model reads texts.

    Attributes:
        max_tokens: Of one window, special tokens and context included; from 8 to 8,192.
        window_stride_tokens: Text tokens between the starts of two windows of a long text; from a quarter of
            ``max_tokens`` to the whole.
        max_context_tokens: So many tokens from the end of the context are kept.
        uses_context: Whether the model was trained with contexts.
        pooling: ``mean`` or ``cls``, see ``core.pooling``.
        precision: Of the weights, ``int8`` or ``float32``; says what the model is and changes nothing here.
    """

    max_tokens: int
    window_stride_tokens: int
    max_context_tokens: int
    uses_context: bool
    pooling: str
    precision: str


def parse_encoder_settings(data: Any) -> EncoderSettings:
    """Make settings from plain data.

    Raises:
        ArtifactError: An entry is missing or makes no sense.
    """
    if not isinstance(data, Mapping):
        raise _refuse("the settings of an encoder", data)
    max_tokens = _take_int(data, "max_tokens", FEWEST_TOKENS, MOST_TOKENS)
    fewest = max(1, int(max_tokens * SMALLEST_STRIDE_FRACTION))
    return EncoderSettings(
        max_tokens=max_tokens,
        window_stride_tokens=_take_int(data, "window_stride_tokens", fewest, max_tokens),
        max_context_tokens=_take_int(data, "max_context_tokens", 0, max_tokens),
        uses_context=bool(_take_choice(data, "uses_context", (True, False))),
        pooling=str(_take_choice(data, "pooling", POOLINGS)),
        precision=str(_take_choice(data, "precision", PRECISIONS)),
    )


def _take_int(data: Mapping[str, Any], name: str, smallest: int, largest: int) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not smallest <= value <= largest:
        raise _refuse(f"{name} from {smallest} to {largest}", value)
    return value


def _take_choice(data: Mapping[str, Any], name: str, choices: tuple[object, ...]) -> object:
    value = data.get(name)
    # Told by type too: to Python, 1 is the same as True.
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise _refuse(f"{name} as one of {', '.join(map(str, choices))}", value)
    return value


def _refuse(expected: str, got: object) -> ArtifactError:
    return ArtifactError(expected=expected, got=quote(got), where="encoder in config.json")
