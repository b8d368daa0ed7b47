"""Bars and colours of the terminal tables."""

from collections.abc import Sequence
from itertools import pairwise

from sentire.core.errors import UnknownNameError
from sentire.core.label_maps import load_label_map

_EIGHTHS = " ▏▎▍▌▋▊▉"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_COLOURS = {"positive": "green", "negative": "red", "ambiguous": "yellow", "neutral": "bright_black"}


def draw_bar(fraction: float, width: int) -> str:
    """Draw a fraction as a bar of at most ``width`` cells, in eighths of a cell.

    Example:
        >>> draw_bar(0.5, 4), draw_bar(1.0, 2), draw_bar(0.0, 3)
        ('██', '██', '')
    """
    eighths = round(max(0.0, min(1.0, fraction)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def draw_signed_bar(score: float, width: int) -> str:
    """Draw a score from -1 to 1 as a bar that starts in the middle and has ``width`` cells on each side of it.

    Example:
        >>> draw_signed_bar(0.5, 4), draw_signed_bar(-0.625, 4)
        ('    │██  ', ' ▐██│    ')
    """
    if score >= 0:
        return f"{'':{width}}│{draw_bar(score, width):<{width}}"
    # There is no bar in eighths that grows to the left, but one of half a cell.
    whole, half = divmod(round(min(1.0, -score) * width * 2), 2)
    return f"{'▐' * half + '█' * whole:>{width}}│{'':{width}}"


def draw_course(fractions: Sequence[float], width: int) -> str:
    """Draw fractions as columns from left to right; where there are more than ``width``, the highest of neighbours.

    Example:
        >>> draw_course([0.0, 0.5, 1.0], 10), draw_course([0.1, 1.0, 0.0, 0.0], 2)
        ('▁▅█', '█▁')
    """
    n_columns = min(width, len(fractions))
    edges = [round(column * len(fractions) / n_columns) for column in range(n_columns + 1)] if n_columns else []
    highest = [max(fractions[start:end]) for start, end in pairwise(edges)]
    return "".join(_HEIGHTS[min(7, max(0, int(fraction * 8)))] for fraction in highest)


def format_signed(score: float, digits: int = 2) -> str:
    """Write a score with its sign; one that rounds to 0 has none.

    Example:
        >>> format_signed(0.421), format_signed(-0.1), format_signed(-0.001)
        ('+0.42', '−0.10', '0.00')
    """
    shown = f"{score:+.{digits}f}"
    return shown.replace("-", "−") if float(shown) else shown[1:]


def label_colour(space: str, label: str) -> str:
    """Return the colour of a label by its sentiment; plain where no map tells the sentiment."""
    if space == "sentiment":
        return _COLOURS.get(label, "white")
    try:
        sentiments = load_label_map(space, "sentiment").map_labels([label])
    except UnknownNameError:
        return "white"
    return _COLOURS[sentiments[0]] if sentiments else "white"
