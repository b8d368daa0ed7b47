"""The pictures of a synthesis, as SVG: how often each label occurs, and how strongly."""

import io
from collections.abc import Mapping
from typing import Any

from sentire.core.errors import MissingExtraError

try:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError(extra="report", needed_for="pictures of a synthesis") from error

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "sentire",  # the same figures give the same file
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_synthesis(statistics: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw the labels before and after the rules, and what the rules left out."""
    pictures = {"labels.svg": _draw_labels(statistics["labels"])}
    if any(statistics["refused"].values()):
        pictures["refused.svg"] = _draw_refused(statistics["refused"])
    return pictures


def _draw_labels(labels: Mapping[str, Mapping[str, int]]) -> bytes:
    names = sorted(labels, key=lambda label: labels[label]["orig"])
    figure = Figure(figsize=(7, 0.24 * len(names) + 1), layout="constrained")
    axis = figure.subplots()
    for title, colour, height in (
        ("before the rules", "#c9c9c9", 0.8),
        ("orig", "#3b6ea5", 0.8),
        ("crewr", "#e08214", 0.35),
    ):
        axis.barh(names, [labels[name][title] for name in names], height=height, color=colour, label=title)
    axis.set_xlabel("rows that express the label")
    axis.legend(frameon=False, loc="lower right")
    return _render(figure)


def _draw_refused(refused: Mapping[str, Mapping[str, int]]) -> bytes:
    bars = [(f"{name}: {reason}", n) for name, reasons in refused.items() for reason, n in reasons.items()]
    figure = Figure(figsize=(7, 0.26 * len(bars) + 1), layout="constrained")
    axis = figure.subplots()
    axis.barh([title for title, _ in bars][::-1], [n for _, n in bars][::-1], color="#a53b3b")
    axis.set_xlabel("rows left out")
    return _render(figure)


def _render(figure: Figure) -> bytes:
    content = io.BytesIO()
    with rc_context(_STYLE):
        FigureCanvasSVG(figure).print_svg(content, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return content.getvalue()
