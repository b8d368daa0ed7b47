"""The one tree of errors that Sentire raises.

Every message has four parts: what was expected, what was got, where, and what to do next.

    SentireError
    ├── UsageError         an argument or option that makes no sense        exit  2
    │   └── UnknownNameError   a name that is not registered (near matches)
    ├── ConfigError        a configuration file (dotted key, file)          exit  2
    ├── DataError          rows, files, texts (path, row, field)            exit  3
    │   └── LabelError     a label outside its space (near matches)
    ├── ShapeError         arrays whose shapes do not fit together          exit  3
    ├── ArtifactError      a model or result file (format, version, hash)   exit  4
    ├── OutputError        a place that cannot be written                   exit  5
    │   └── HeldError      a folder that another process is writing
    ├── MissingExtraError  an optional dependency that is not installed     exit  6
    ├── FetchError         a download that did not arrive whole             exit  7
    ├── TrainingError      a training that cannot go on                     exit  8
    ├── GenerationError    a language model that cannot be asked            exit  9
    ├── BudgetError        a budget of calls, tokens or money that is spent exit 10
    └── NotFittedError     a model that is asked before it is trained       exit  3
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, ClassVar

LONGEST_QUOTE_CHARS = 120
"""A message quotes at most this many characters of what it was given."""

LONGEST_LIST_CHARS = 500
"""A message lists names up to this many characters."""


class SentireError(Exception):
    """Base of all errors that Sentire raises on purpose.

    Args:
        expected: What would have been right.
        got: What was there instead.
        where: File and row, dotted key, argument; empty where there is no place to name.
        hint: What to do next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, *, expected: str, got: str, where: str = "", hint: str = "") -> None:
        self.expected = expected
        self.got = got
        self.where = where
        self.hint = hint
        place = f" at {where}" if where else ""
        advice = f"; {hint}" if hint else ""
        super().__init__(f"expected {expected}, got {got}{place}{advice}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their positional arguments; ours have none, and must survive a worker process.
        return _restore, (type(self), self.args, dict(self.__dict__))


class UsageError(SentireError):
    """An argument or a combination of options that has no meaning."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not registered; the message holds near matches and all known names."""

    @classmethod
    def among(cls, kind: str, name: object, known: Iterable[str], *, where: str = "") -> "UnknownNameError":
        """Build the error for ``name``, which is none of the ``known`` names of this ``kind``."""
        names = sorted(known)
        return cls(
            expected=f"the name of a {kind} ({', '.join(map(_show, names))})",
            got=quote(name),
            where=where,
            hint=did_you_mean(name, names) if isinstance(name, str) else "",
        )


class ConfigError(SentireError):
    """A configuration that cannot be read or holds a wrong key or value."""

    exit_code = 2


class DataError(SentireError):
    """A file, row or text that cannot be used."""

    exit_code = 3


class LabelError(DataError):
    """A label that is not in its label space."""


class ShapeError(SentireError):
    """Arrays whose shapes do not fit together."""

    exit_code = 3


class ArtifactError(SentireError):
    """A model or result file that is damaged, foreign or of another format."""

    exit_code = 4


class OutputError(SentireError):
    """A place that cannot be written."""

    exit_code = 5


class HeldError(OutputError):
    """A folder that another process is writing now."""


class MissingExtraError(SentireError):
    """An optional dependency that is needed now and is not installed."""

    exit_code = 6

    def __init__(self, *, extra: str, needed_for: str, otherwise: str = "") -> None:
        self.extra = extra
        self.needed_for = needed_for
        advice = f", or {otherwise}" if otherwise else ""
        super().__init__(
            expected=f"the extra '{extra}' for {needed_for}",
            got="an installation without it",
            hint=f"run: pip install 'sentire[{extra}]'{advice}",
        )


class FetchError(SentireError):
    """A download that did not arrive, or not whole."""

    exit_code = 7


class TrainingError(SentireError):
    """A training that cannot go on, such as one whose loss is no number any more."""

    exit_code = 8


class GenerationError(SentireError):
    """A language model that cannot be asked: no endpoint, a wrong key, an unknown model, an outage."""

    exit_code = 9


class BudgetError(SentireError):
    """A budget of calls, tokens or money that the next call would exceed."""

    exit_code = 10


class NotFittedError(SentireError, ValueError, AttributeError):
    """A model that is asked for answers before it is trained."""

    exit_code = 3


def _restore(cls: type[SentireError], args: tuple[Any, ...], state: dict[str, Any]) -> SentireError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


def quote(value: object) -> str:
    """Show a value in a message: its repr, cut to a readable length."""
    shown = repr(value)
    if len(shown) > LONGEST_QUOTE_CHARS:
        return f"{shown[:LONGEST_QUOTE_CHARS]}… ({len(shown)} characters)"
    return shown


def list_names(names: Iterable[str]) -> str:
    """Show names in a message, with commas, cut to a readable length.

    Example:
        >>> list_names(["id", "text"])
        'id, text'
    """
    shown = ", ".join(map(_show, names))
    return shown if len(shown) <= LONGEST_LIST_CHARS else f"{shown[:LONGEST_LIST_CHARS]}…"


def _show(name: str) -> str:
    # A name may come from a stranger's file, and must not move the cursor.
    return name if name.isprintable() and name else repr(name)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Name the nearest known names, capitals aside, or nothing where none is near.

    Example:
        >>> did_you_mean("joyfull", ["joy", "joyful", "anger"])
        'did you mean "joyful" or "joy"?'
    """
    if len(name) > LONGEST_QUOTE_CHARS:  # no name is that long, and the search for matches is slow on long strings
        return ""
    real_names: dict[str, list[str]] = {}
    for one in known:
        real_names.setdefault(one.casefold(), []).append(one)
    near = get_close_matches(name.casefold(), list(real_names), n=3, cutoff=0.6)
    if not near:
        return ""
    choices = " or ".join(f'"{one}"' if one.isprintable() else repr(one) for match in near for one in real_names[match])
    return f"did you mean {choices}?"


def describe(error: OSError | UnicodeDecodeError) -> str:
    """Say in a few words what the operating system refused."""
    if isinstance(error, UnicodeDecodeError):
        return f"bytes that are not UTF-8 (byte {error.start})"
    return error.strerror or type(error).__name__
