"""How the process of a command gets its memory from the system."""

import ctypes
import os

ARENAS_VARIABLE = "MALLOC_ARENA_MAX"
"""With this, whoever starts the process decides."""

_M_ARENA_MAX = -8
_N_ARENAS = 2


def limit_arenas() -> None:
    """Let the threads of this process share two pools of free memory, where the C library has one for each thread.

    Every pool keeps what its threads once needed, and answering a file starts new threads again and again; with shared
    ones the peak of a long file is a fifth lower, and the time is the same. For commands alone: what a library does is
    for the process that uses it to say. Only glibc knows this setting; elsewhere nothing happens.
    """
    if os.environ.get(ARENAS_VARIABLE):
        return
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    set_option(_M_ARENA_MAX, _N_ARENAS)
