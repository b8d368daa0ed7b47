"""Bars and colours of the terminal tables."""

from sentire.core.errors import UnknownNameError
from sentire.core.label_maps import load_label_map

_EIGHTHS = " ▏▎▍▌▋▊▉"
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


def label_colour(space: str, label: str) -> str:
    """Return the colour of a label by its sentiment; plain where no map tells the sentiment."""
    if space == "sentiment":
        return _COLOURS.get(label, "white")
    try:
        sentiments = load_label_map(space, "sentiment").map_labels([label])
    except UnknownNameError:
        return "white"
    return _COLOURS[sentiments[0]] if sentiments else "white"
