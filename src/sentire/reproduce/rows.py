"""Rows of a suite's tables: a figure over seeds, as its mean with an interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sentire.probing.seeds import summarise_seeds
from sentire.reproduce.part import Figures
from sentire.reproduce.shelf import PRETRAINED


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure of one row.

    Attributes:
        mean: Over the seeds.
        low: Lower end of the interval: that of the only run, or of several, see ``summarise``.
        high: Upper end.
        values: Of the runs, in the order of the seeds.
        reach_within: Half the width of the interval that a run has by itself, on average; 0 where it has none.
    """

    mean: float
    low: float
    high: float
    values: tuple[float, ...]
    reach_within: float = 0.0

    def render(self, digits: int = 3) -> str:
        """Return the mean with its interval.

        Example:
            >>> Cell(mean=0.5, low=0.45, high=0.55, values=(0.48, 0.52)).render()
            '.500 (.450 to .550)'
        """
        interval = "" if math.isnan(self.low) else f" ({_short(self.low, digits)} to {_short(self.high, digits)})"
        return f"{_short(self.mean, digits)}{interval}"


def find_cell(
    found: Mapping[str, Figures],
    kind: str,
    row: str,
    seeds: Sequence[int],
    path: Sequence[str],
    *,
    by_seed: bool = False,
) -> Cell | None:
    """Gather one figure of a row from the parts of all its seeds.

    Args:
        found: What the parts found, by name.
        kind: Of the parts, such as ``emotions``.
        row: Of the table.
        seeds: Of the suite.
        path: Where the figure stands in a part; it is a number, or an estimate with ``value``, ``low`` and ``high``, or
            a summary with ``mean``, ``low`` and ``high``.
        by_seed: Whether the pre-trained encoder, too, was measured with each seed.

    Returns:
        None where a part is missing, or a figure is not defined, such as a correlation with answers that are all alike.
    """
    has_one = row == PRETRAINED and not by_seed
    names = [f"{kind}.{row}"] if has_one else [f"{kind}.{row}-{seed}" for seed in seeds]
    if any(name not in found for name in names):
        return None
    entries = [_follow(found[name], path) for name in names]
    values = [_get_value(entry) for entry in entries]
    if not all(math.isfinite(value) for value in values):
        return None
    ends = [_get_ends(entry) for entry in entries]
    reaches = [(high - low) / 2 for low, high in ends if math.isfinite(high - low)]
    reach_within = math.fsum(reaches) / len(reaches) if reaches else 0.0
    if len(values) > 1:
        return summarise(values, reach_within)
    ((low, high),) = ends
    return Cell(mean=values[0], low=low, high=high, values=tuple(values), reach_within=reach_within)


def summarise(values: Sequence[float], reach_within: float = 0.0) -> Cell:
    """Return the mean of several runs with its interval: over seeds, and over what each run was measured on.

    The spread over seeds says nothing of the texts, which all runs share and which favour all of them alike. So half
    the width of the t-interval over seeds and half that of a run's own interval are added in quadrature.

    Args:
        values: Of two runs or more.
        reach_within: Half the width of a run's own interval.
    """
    summary = summarise_seeds(values)
    reach = math.hypot((summary.high - summary.low) / 2, reach_within)
    return Cell(
        mean=summary.mean,
        low=summary.mean - reach,
        high=summary.mean + reach,
        values=summary.values,
        reach_within=reach_within,
    )


def render_table(
    title: str, rows: Mapping[str, str], columns: Mapping[str, Mapping[str, Cell | None]], *, digits: int = 3
) -> str:
    """Render a table in Markdown.

    Args:
        title: Head of the first column.
        rows: Titles by name.
        columns: By title, the cell of each row; rows without any cell are left out.
        digits: After the point.
    """
    lines = [f"| {title} | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, shown in rows.items():
        cells = [column.get(name) for column in columns.values()]
        if any(cell is not None for cell in cells):
            texts = ["–" if cell is None else cell.render(digits) for cell in cells]
            lines.append(f"| {shown} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _follow(figures: Figures, path: Sequence[str]) -> Any:
    value: Any = figures
    for key in path:
        value = value[key]
    return value


def _get_value(entry: Any) -> float:
    if isinstance(entry, Mapping):
        entry = entry["value"] if "value" in entry else entry["mean"]
    return math.nan if entry is None else float(entry)  # what is no number stands in a file as null


def _get_ends(entry: Any) -> tuple[float, float]:
    low, high = (entry["low"], entry["high"]) if isinstance(entry, Mapping) else (None, None)
    return math.nan if low is None else low, math.nan if high is None else high


def _short(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
