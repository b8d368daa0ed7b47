"""Curves of a training for TensorBoard, where they are wanted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sentire.core.errors import MissingExtraError

CURVES_NAME = "curves"


@contextmanager
def open_curves(folder: Path, *, is_wanted: bool, n_steps: int = 0) -> Iterator[Callable[[str, float, int], None]]:
    """Yield a function that takes a curve's name, a value and the step; it forgets them unless they are wanted.

    Args:
        folder: Gets a folder ``curves``.
        is_wanted: Whether there are to be any.
        n_steps: Steps made so far: what an earlier process wrote beyond them is not shown.

    Raises:
        MissingExtraError: They are wanted and TensorBoard is not installed.
    """
    if not is_wanted:
        yield lambda name, value, step: None  # noqa: ARG005  the shape of the function
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError(
            extra="tensorboard", needed_for="curves of a training", otherwise="set optimisation.tensorboard = false"
        ) from error
    writer = SummaryWriter(str(folder / CURVES_NAME), purge_step=n_steps + 1 if n_steps else None)
    try:
        yield writer.add_scalar
    finally:
        writer.close()
