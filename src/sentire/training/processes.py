"""Several processes that train one network together, as ``torchrun`` and ``accelerate launch`` start them.

All of them read, compute and wait for each other; the first one alone measures, writes, holds the lock and speaks.
"""

from sentire.core.errors import MissingExtraError

try:
    from accelerate import PartialState
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error


def is_first_process() -> bool:
    """Tell whether this process is the one that writes; true where there is only one."""
    return bool(PartialState().is_main_process)


def wait_for_all_processes() -> None:
    """Wait until every process is here; returns at once where there is only one."""
    PartialState().wait_for_everyone()
