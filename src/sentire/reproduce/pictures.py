"""The pictures of a suite, as SVG: the plane of the vectors, and what is learned from few examples."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sentire.core.errors import MissingExtraError
from sentire.reproduce.part import Figures
from sentire.reproduce.rows import Cell

try:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError(extra="report", needed_for="pictures of results") from error

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "sentire",  # the same figures give the same file
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_VALENCE_COLOURS = "RdYlBu"


def draw_planes(planes: Mapping[str, Figures]) -> bytes:
    """Draw each plane of vectors beside the others, every text a dot in the colour of its valence.

    Args:
        planes: By title: ``places``, shape (N, 2), and ``valence``, from -1 to 1, shape (N,).
    """
    figure = Figure(figsize=(3.4 * len(planes), 3.6), layout="constrained")
    axes = figure.subplots(1, len(planes), squeeze=False)[0]
    largest = max(float(np.quantile(np.abs(one["valence"]), 0.98)) for one in planes.values())
    dots = None
    for axis, (title, plane) in zip(axes, planes.items(), strict=True):
        places = np.asarray(plane["places"], float)
        dots = axis.scatter(
            *places.T, c=plane["valence"], cmap=_VALENCE_COLOURS, vmin=-largest, vmax=largest, s=7, linewidths=0
        )
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    if dots is not None:
        figure.colorbar(dots, ax=axes.tolist(), label="valence", shrink=0.8)
    return _render(figure)


def draw_curves(panels: Mapping[str, Mapping[str, Mapping[int, Cell | None]]], *, x_title: str, y_title: str) -> bytes:
    """Draw figures over sizes, one panel a task, one line a row, with their intervals.

    Args:
        panels: By panel, then by row: the cell of each size; missing cells are left out.
        x_title: Of the sizes.
        y_title: Of the figures.
    """
    figure = Figure(figsize=(3.2 * len(panels), 3.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, rows) in zip(axes, panels.items(), strict=True):
        for place, (name, cells) in enumerate(rows.items()):
            known = {size: cell for size, cell in cells.items() if cell is not None}
            _draw_line(axis, name, known, shift=1 + 0.03 * place)
        axis.set_title(title)
        axis.set_xscale("log", base=2)
        sizes = sorted({size for cells in rows.values() for size in cells})
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.set_xlabel(x_title)
    axes[0].set_ylabel(y_title)
    axes[0].legend(frameon=False, fontsize=7)
    return _render(figure)


def _draw_line(axis: Any, name: str, cells: Mapping[int, Cell], *, shift: float) -> None:
    sizes: Sequence[float] = [shift * size for size in cells]  # beside each other, so that all intervals can be seen
    means = [cell.mean for cell in cells.values()]
    ends = [cell.shown_ends for cell in cells.values()]
    reach = [
        [0.0 if np.isnan(low) else mean - low for mean, (low, _) in zip(means, ends, strict=True)],
        [0.0 if np.isnan(high) else high - mean for mean, (_, high) in zip(means, ends, strict=True)],
    ]
    axis.errorbar(sizes, means, yerr=reach, label=name, marker="o", markersize=3, capsize=2)


def _render(figure: Figure) -> bytes:
    content = io.BytesIO()
    with rc_context(_STYLE):
        FigureCanvasSVG(figure).print_svg(content, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return content.getvalue()
