"""An explanation as a text whose words are coloured, or marked where there is no colour."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from sentire.analysis.explain import Explanation, Part, SpanEffect
from sentire.cli.bars import format_signed, label_colour
from sentire.cli.one_line import one_line_part, shorten

MOST_LISTED = 5
"""So many of the most effective words are listed with their effects."""

LONGEST_COLOURED_CHARS = 2_000
"""Of longer texts the most effective words are listed only."""

LONGEST_SPAN_CHARS = 40

SMALLEST_SHOWN = 0.05
"""Log-odds; smaller effects are not marked. Around .5 they are worth about one point in a hundred."""

_LEVELS = (0.1, 1 / 3, 2 / 3)
_BLUE = "blue"


def print_explanation(console: Console, explanation: Explanation, space: str) -> None:
    """Print which words moved each explained label.

    On a terminal with colours, words that speak for the label have the colour of its sentiment, and words that speak
    against it are blue and struck through, more strongly with the effect. Elsewhere one to three ▲ or ▼ follow them.
    The strongest words follow with their effects in log-odds.

    Args:
        console: To print on.
        explanation: Of one text.
        space: Name of the label space, for the colours.
    """
    is_coloured = console.is_terminal and console.color_system is not None and not console.no_color
    for label, effects in explanation.labels.items():
        colour = label_colour(space, label)
        levels = _find_levels(effects)
        heading = f"   why {label}: "
        if len(explanation.text) <= LONGEST_COLOURED_CHARS:
            marked = _mark(explanation.text, "text", levels, colour, is_coloured=is_coloured)
            console.print(Text.assemble((heading, "dim"), marked))
            heading = "     "
        if explanation.words_per_span > 1:
            heading += f"(in spans of {explanation.words_per_span} words) "
        context = explanation.context or ""
        if len(context) <= LONGEST_COLOURED_CHARS and any(span.part == "context" for span in levels):
            said_in = _mark(context, "context", levels, colour, is_coloured=is_coloured)
            console.print(Text.assemble(("     after: ", "dim"), said_in))
        console.print(Text.assemble((heading, "dim"), _list_strongest(list(levels))))


def _find_levels(effects: Sequence[SpanEffect]) -> dict[SpanEffect, int]:
    """Return how strongly each span that is worth a mark is marked, from 1 to 3, most effective first."""
    strongest = max((abs(span.effect) for span in effects), default=0.0)
    levels = {}
    for span in effects:
        level = sum(abs(span.effect) >= share * strongest for share in _LEVELS)
        if level and abs(span.effect) >= SMALLEST_SHOWN:
            levels[span] = level
    return levels


def _mark(text: str, part: Part, levels: Mapping[SpanEffect, int], colour: str, *, is_coloured: bool) -> Text:
    marked, place = Text(), 0
    for span in sorted((span for span in levels if span.part == part), key=lambda span: span.start):
        marked.append(one_line_part(text[place : span.start]))
        shown = one_line_part(span.text)
        if is_coloured:
            marked.append(shown, style=_style(span, levels[span], colour))
        else:
            marked.append(shown + ("▲" if span.effect > 0 else "▼") * levels[span])
        place = span.end
    marked.append(one_line_part(text[place:]))
    return marked


def _style(span: SpanEffect, level: int, colour: str) -> str:
    if span.effect > 0:
        return (colour, f"bold {colour}", f"bold reverse {colour}")[level - 1]
    return (f"dim strike {_BLUE}", f"strike {_BLUE}", f"bold strike {_BLUE}")[level - 1]


def _list_strongest(spans: Sequence[SpanEffect]) -> Text:
    if not spans:
        return Text("no word alone moves it", style="dim")
    shown = [
        f"{'(before) ' if span.part == 'context' else ''}{shorten(span.text, LONGEST_SPAN_CHARS)}"
        f" {format_signed(span.effect)}"
        for span in spans[:MOST_LISTED]
    ]
    return Text(" · ".join(shown), style="dim")
