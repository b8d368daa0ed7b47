"""The description of a data set that we wrote ourselves, as the TOML file by which recipes read it."""

from collections.abc import Mapping

import orjson

from sentire.core.labels import LABEL_SPACES, LabelSpace


def render_description(
    title: str,
    *,
    name: str,
    space: LabelSpace,
    licence: str,
    columns: Mapping[str, str],
    splits: Mapping[str, str],
    scores: Mapping[str, str] | None = None,
) -> str:
    """Return a description of synthetic rows that ``read_dataset_file`` reads.

    Args:
        title: A comment above all.
        name: Of the data set.
        space: Of its labels, registered or of one's own.
        licence: Of the rows.
        columns: What ``[columns]`` says.
        splits: For each split its file.
        scores: Column of the degree of each label; None where there are no degrees.
    """
    is_registered = LABEL_SPACES.get(space.name) == space
    labels = f"label_space = {_quote(space.name)}" if is_registered else f"labels = [{_list(space.labels)}]"
    lines = [f"# {title}", "[dataset]", f"name = {_quote(name)}", labels]
    if not is_registered:
        lines.append(f"task = {_quote(space.task)}")
        if space.neutral:
            lines.append(f"neutral = {_quote(space.neutral)}")
    lines += [f"licence = {_quote(licence)}", "is_synthetic = true", "", "[columns]"]
    lines += [f"{column} = {_quote(value)}" for column, value in columns.items()]
    if scores:
        lines += ["", "[columns.scores]", *(f"{_quote(label)} = {_quote(value)}" for label, value in scores.items())]
    lines += ["", "[splits]", *(f"{split} = {_quote(file)}" for split, file in splits.items()), ""]
    return "\n".join(lines)


def _quote(text: str) -> str:
    return orjson.dumps(text).decode()


def _list(labels: tuple[str, ...]) -> str:
    return ", ".join(_quote(label) for label in labels)
