"""Data sets in the format of Hugging Face, from the hub or from a folder on this machine, as a stream of rows."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sentire.core.errors import DataError, MissingExtraError, quote
from sentire.storage.report import ReadReport
from sentire.storage.rows import Row

HUB_TIMEOUT_SECONDS = 10.0
"""How long the hub may take to say whether it has a data set."""


def iter_hub_rows(path: str, *, split: str, report: ReadReport, revision: str = "", subset: str = "") -> Iterator[Row]:
    """Stream the rows of one split; class numbers become class names.

    The hub is asked once whether it has the data set before the library, which would try again and again, is left to
    load it. What the library itself would log on the way is not shown; failures are told by the error.

    Args:
        path: ``owner/name`` on the hub, or a folder on this machine.
        split: As the data set calls it.
        report: Counts every row.
        revision: Branch, tag or commit on the hub; empty for the newest.
        subset: The data set's configuration; empty for its only one.

    Raises:
        MissingExtraError: The library ``datasets`` is not installed.
        DataError: There is no such data set, subset or split, it cannot be reached, or its files are broken.

    Edge cases:
        A class number of -1, which stands for no class, becomes None.
    """
    try:
        import datasets
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise MissingExtraError(extra="hub", needed_for="Hugging Face data sets") from error
    where = f"{path}{f' ({subset})' if subset else ''}, split {split}"
    # The library has no error tree of its own: it raises those of Python, of pyarrow (ValueError, OSError) and of
    # whichever network library it is built on, whose common ancestor is a base of its one network error.
    network_errors: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, OSError)
    unreadable: tuple[type[Exception], ...] = (*network_errors, ValueError, RuntimeError)
    with _quiet_libraries():
        if not Path(path).is_dir() and not datasets.config.HF_HUB_OFFLINE:
            _ask_hub(path, revision, where, network_errors)
        try:
            yield from _iter_loaded(datasets, path, split, report, revision, subset)
        except unreadable as error:
            raise _unreadable(error, where) from error


def _iter_loaded(datasets: Any, path: str, split: str, report: ReadReport, revision: str, subset: str) -> Iterator[Row]:
    stream = datasets.load_dataset(path, name=subset or None, split=split, revision=revision or None, streaming=True)
    features: Mapping[str, Any] = stream.features or {}
    names = {column: _class_names(feature, datasets.ClassLabel) for column, feature in features.items()}
    for number, fields in enumerate(stream, start=1):
        report.read()
        yield Row(number, {column: _named(cell, names.get(column)) for column, cell in fields.items()})


def _ask_hub(path: str, revision: str, where: str, network_errors: tuple[type[Exception], ...]) -> None:
    """Make sure, with one request, that the hub can be reached and has the data set."""
    import datasets
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    hub = datasets.config.HF_ENDPOINT
    try:
        HfApi(endpoint=hub).dataset_info(path, revision=revision or None, timeout=HUB_TIMEOUT_SECONDS)
    except (HfHubHTTPError, ValueError) as error:  # the hub has answered, or would not know such a name
        raise _unreadable(error, where) from error
    except network_errors as error:
        raise DataError(
            expected=f"the Hugging Face hub to answer at {hub}",
            got=f"no connection: {_one_line(error)}",
            where=where,
            hint="check the network and its proxy, or download the data set elsewhere and name its folder as the path",
        ) from error


def _unreadable(error: Exception, where: str) -> DataError:
    return DataError(
        expected="a Hugging Face data set that can be read",
        got=_one_line(error),
        where=where,
        hint="check path, subset, split and revision, and whether the hub can be reached",
    )


def _one_line(error: Exception) -> str:
    return quote(" ".join(str(error).split()))


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep the libraries' own lines off the terminal; handlers that others have set up still get them."""
    handlers = [handler for name in ("datasets", "huggingface_hub") for handler in logging.getLogger(name).handlers]

    # A filter of its own, so that two streams at once can end in any order.
    def refuse(_: logging.LogRecord) -> bool:
        return False

    for handler in handlers:
        handler.addFilter(refuse)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(refuse)


def _class_names(feature: Any, class_label: Any) -> list[str] | None:
    inner = feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", feature)
    return list(inner.names) if isinstance(inner, class_label) else None


def _named(cell: object, names: list[str] | None) -> object:
    if names is None:
        return cell
    if isinstance(cell, list):
        return [_named(one, names) for one in cell]
    if isinstance(cell, int) and 0 <= cell < len(names):
        return names[cell]
    return None if cell == -1 else cell
