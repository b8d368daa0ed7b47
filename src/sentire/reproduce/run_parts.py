"""Do the parts of a suite in an order that fits, each once, however often it is stopped or started beside itself.

A part that is done is a file, and is never done again. Two processes on the same folders share the work: each part is
held by a lock while it is done, and a process that finds a part held goes on with another.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from sentire.core.errors import HeldError, UsageError
from sentire.core.progress import OnProgress, stay_quiet
from sentire.reproduce.missing_data import check_data
from sentire.reproduce.part import Figures, Part, read_part, write_part
from sentire.storage.atomic import make_directory
from sentire.storage.locks import hold_lock

_WAIT_SECONDS = 5.0


def run_parts(
    parts: Sequence[Part],
    results: Path,
    locks: Path,
    *,
    data_root: Path | None = None,
    on_progress: OnProgress = stay_quiet,
) -> dict[str, Figures]:
    """Do what is not done yet, and return what all parts found.

    Args:
        parts: Each after those that it needs.
        results: Folder of the small files.
        locks: Folder of the locks; the same for all processes of one machine.
        data_root: Where the corpora are; found by itself where None.
        on_progress: Told before each part.

    Raises:
        UsageError: Two parts have one name, as those of a seed that is given twice.
        DataError: Corpora of parts that are not done are missing; nothing was done, and the message names them all.
        ArtifactError: A file is damaged or of other settings.
        SentireError: What the check of a part raises, before anything is done; or what a part raises, and the parts
            before it stay done.
    """
    _check(parts)
    make_directory(results)
    undone = [part for part in parts if read_part(results, part) is None]
    check_data((card for part in undone if part.list_data is not None for card in part.list_data()), data_root)
    for part in undone:
        if part.check is not None:
            part.check()
    found: dict[str, Figures] = {}
    while len(found) < len(parts):
        n_before = len(found)
        for part in parts:
            if part.name in found or not all(name in found for name in part.after):
                continue
            figures = read_part(results, part)
            if figures is None:
                on_progress(len(found), len(parts), part.name)
                figures = _try(part, results, locks)
            if figures is not None:
                found[part.name] = figures
        if len(found) == n_before:  # all that could be done is being done by others
            on_progress(len(found), len(parts), "waiting for another process")
            time.sleep(_WAIT_SECONDS)
    on_progress(len(parts), len(parts), "done")
    return found


def _check(parts: Sequence[Part]) -> None:
    names: set[str] = set()
    for part in parts:
        if part.name in names or not names.issuperset(part.after):
            raise UsageError(
                expected="parts of different names, each after those that it needs",
                got=f"{part.name} twice" if part.name in names else f"{part.name} before {', '.join(part.after)}",
                where="suite",
                hint="name every seed and size once",
            )
        names.add(part.name)


def _try(part: Part, results: Path, locks: Path) -> Figures | None:
    """Do a part unless another process does; None then."""
    try:
        with hold_lock(make_directory(locks / part.name), holder="process of this suite"):
            figures = read_part(results, part)  # it may have been done while we came here
            if figures is None:
                started = time.perf_counter()
                figures = part.run()
                write_part(results, part, figures, seconds=time.perf_counter() - started)
    except HeldError:
        return None
    return figures
