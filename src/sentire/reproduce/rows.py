"""Rows of a suite's tables: a figure over seeds, as its mean with an interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sentire.probing.seeds import summarise_seeds
from sentire.reproduce.part import Figures
from sentire.reproduce.shelf import PRETRAINED

_SHARES = (
    *("macro_f1", "accuracy", "fms", "mrr", "precision_at_1", "precision_at_k", "map_at_r"),
    *("share_flipped", "mean_absolute_shift"),
)
_LIMITS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(_SHARES, (0.0, 1.0)),
    **dict.fromkeys(("ami", "ari", "pearson", "spearman", "concordance"), (-1.0, 1.0)),
    **dict.fromkeys(("rmse", "rmse_mean_baseline", "shift"), (0.0, math.inf)),
    "alignment": (0.0, 4.0),  # of vectors of length 1, as the next
    "uniformity": (-8.0, 0.0),
}
"""What a measure can be, by its key in a part."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure of one row.

    Attributes:
        mean: Over the seeds.
        low: Lower end of the interval: that of the only run, or of several, see ``summarise``.
        high: Upper end.
        values: Of the runs, in the order of the seeds.
        reach_within: Half the width of the interval that a run has by itself, on average; 0 where it has none.
        limits: What the measure can be; the ends of the interval are shown no further.
    """

    mean: float
    low: float
    high: float
    values: tuple[float, ...]
    reach_within: float = 0.0
    limits: tuple[float, float] = (-math.inf, math.inf)

    def render(self, digits: int = 3) -> str:
        """Return the mean with its interval.

        Example:
            >>> Cell(mean=0.5, low=0.45, high=0.55, values=(0.48, 0.52)).render()
            '.500 (.450 to .550)'
        """
        low, high = self.shown_ends
        interval = "" if math.isnan(low) else f" ({_short(low, digits)} to {_short(high, digits)})"
        return f"{_short(self.mean, digits)}{interval}"

    @property
    def shown_ends(self) -> tuple[float, float]:
        """Ends of the interval within what the measure can be: that of few seeds may reach beyond."""
        least, most = self.limits
        return max(self.low, least), min(self.high, most)


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
        return replace(summarise(values, reach_within), limits=_get_limits(path))
    ((low, high),) = ends
    return Cell(
        mean=values[0],
        low=low,
        high=high,
        values=tuple(values),
        reach_within=reach_within,
        limits=_get_limits(path),
    )


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


def scale(cell: Cell, factor: float) -> Cell:
    """Return a figure in another unit, or so many times it; the factor is above 0."""
    return replace(
        cell,
        mean=factor * cell.mean,
        low=factor * cell.low,
        high=factor * cell.high,
        values=tuple(factor * value for value in cell.values),
        reach_within=factor * cell.reach_within,
        limits=(factor * cell.limits[0], factor * cell.limits[1]),
    )


def subtract(first: Cell, second: Cell) -> Cell:
    """Return how far one figure is above another.

    Where both were measured with the same seeds, and so with the same draws, the interval holds the t-interval of the
    differences and, in quadrature, what either reaches within a run; else the intervals of both. The texts that were
    measured on count as if each figure had its own, though both have the same, so that the interval is rather too wide.
    """
    reach_within = math.hypot(first.reach_within, second.reach_within)
    if len(first.values) == len(second.values) > 1:
        return summarise([one - other for one, other in zip(first.values, second.values, strict=True)], reach_within)
    gap = first.mean - second.mean
    return Cell(
        mean=gap,
        low=gap - math.hypot(first.mean - first.low, second.high - second.mean),
        high=gap + math.hypot(first.high - first.mean, second.mean - second.low),
        values=(gap,),
        reach_within=reach_within,
    )


def render_table(
    title: str, rows: Mapping[str, str], columns: Mapping[str, Mapping[str, Cell | None]], *, digits: int = 3
) -> str:
    """Render a table in Markdown.

    Args:
        title: Head of the first column.
        rows: Titles by name.
        columns: By title, the cell of each row; rows without any cell are left out, and a table without rows.
        digits: After the point.
    """
    lines = [f"| {title} | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, shown in rows.items():
        cells = [column.get(name) for column in columns.values()]
        if any(cell is not None for cell in cells):
            texts = ["–" if cell is None else cell.render(digits) for cell in cells]
            lines.append(f"| {shown} | {' | '.join(texts)} |")
    return "\n".join(lines) if len(lines) > 2 else "Not measured yet."


def _get_limits(path: Sequence[str]) -> tuple[float, float]:
    return _LIMITS.get(path[-1], (-math.inf, math.inf))


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
