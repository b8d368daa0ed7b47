"""Several processes that train one network together, as ``torchrun`` and ``accelerate launch`` start them.

All of them read, compute and wait for each other; the first one alone measures, writes, holds the lock and speaks.
"""

import os

from sentire.core.errors import MissingExtraError

try:
    import torch
    from accelerate import Accelerator, PartialState
    from accelerate.utils import parse_flag_from_env
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error


def make_accelerator() -> Accelerator:
    """Make what knows of the device and of the other processes.

    It has no mixed precision of its own, which would be a state of the whole process and so of the next training, too.
    """
    _join()
    return Accelerator(mixed_precision="no")


def is_first_process() -> bool:
    """Tell whether this process is the one that writes; true where there is only one."""
    return bool(_join().is_main_process)


def wait_for_all_processes() -> None:
    """Wait until every process is here; returns at once where there is only one."""
    _join().wait_for_everyone()


def _join() -> PartialState:
    # Accelerate joins processes without a GPU only where it is told that there is none.
    has_launcher = "LOCAL_RANK" in os.environ
    is_cpu_wanted = parse_flag_from_env("ACCELERATE_USE_CPU") or (has_launcher and not torch.cuda.is_available())
    return PartialState(cpu=is_cpu_wanted)
