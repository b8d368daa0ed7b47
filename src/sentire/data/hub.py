"""Data sets in the format of Hugging Face, from the hub or from a folder on this machine, as a stream of rows."""

from collections.abc import Iterator, Mapping
from typing import Any

from sentire.core.errors import DataError, MissingExtraError, quote
from sentire.storage.report import ReadReport
from sentire.storage.rows import Row


def iter_hub_rows(path: str, *, split: str, report: ReadReport, revision: str = "", subset: str = "") -> Iterator[Row]:
    """Stream the rows of one split; class numbers become class names.

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
    except ImportError as error:
        raise MissingExtraError(extra="hub", needed_for="Hugging Face data sets") from error
    where = f"{path}{f' ({subset})' if subset else ''}, split {split}"
    try:
        stream = datasets.load_dataset(
            path, name=subset or None, split=split, revision=revision or None, streaming=True
        )
        features: Mapping[str, Any] = stream.features or {}
        names = {column: _class_names(feature, datasets.ClassLabel) for column, feature in features.items()}
        for number, fields in enumerate(stream, start=1):
            report.read()
            yield Row(number, {column: _named(cell, names.get(column)) for column, cell in fields.items()})
    # The library has no error tree of its own: it raises those of Python, of pyarrow (ValueError, OSError) and of
    # its network layer (OSError).
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            expected="a Hugging Face data set that can be read",
            got=quote(" ".join(str(error).split())),
            where=where,
            hint="check path, subset, split and revision, and whether the hub can be reached",
        ) from error


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
