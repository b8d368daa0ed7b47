"""How long work tells what it has done, without knowing who listens."""

from typing import Protocol


class OnProgress(Protocol):
    """Called now and then during long work."""

    def __call__(self, n_done: int, n_total: int | None, note: str) -> None:
        """Take the news.

        Args:
            n_done: Steps that are finished.
            n_total: Steps in all; None where that is not known.
            note: What is going on, in a few words.
        """


def stay_quiet(n_done: int, n_total: int | None, note: str) -> None:
    """Ignore the news."""
