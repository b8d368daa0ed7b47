"""Answers and summaries as tables with bars."""

import re
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sentire.analysis.answers import FLAG_MEANINGS, PROBA_DIGITS, Answer, Emotion
from sentire.analysis.files import FileAnalysis
from sentire.cli.bars import draw_bar, label_colour

BAR_WIDTH = 24
FEWEST_EMOTIONS = 3
FEWEST_DIGITS = 2
LONGEST_TEXT_CHARS = 300

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")


def print_answers(console: Console, answers: Sequence[Answer]) -> None:
    """Print each text with its likeliest emotions; those that reach their cut-off are marked."""
    for answer in answers:
        shown = answer.text if len(answer.text) <= LONGEST_TEXT_CHARS else f"{answer.text[:LONGEST_TEXT_CHARS]}…"
        console.print(
            Text(f"{_one_line(answer.id)}  " if answer.id else "", style="dim") + Text(_one_line(shown), style="bold")
        )
        if answer.context:
            console.print(Text(f"  after: {_one_line(answer.context)}", style="dim"))
        table = Table.grid(padding=(0, 1))
        space = answer.space.space.name
        for emotion in answer.emotions[: max(FEWEST_EMOTIONS, len(answer.labels) + 1)]:
            is_given = emotion.label in answer.labels
            colour = label_colour(space, emotion.label) if is_given else "dim"
            table.add_row(
                Text("  ●" if is_given else "   ", style=colour),
                Text(f"{emotion.label:<15}", style=colour),
                Text(f"{draw_bar(emotion.proba, BAR_WIDTH):<{BAR_WIDTH}}", style=colour),
                Text(f"{emotion.proba:.{_digits(emotion)}f}", style=colour),
                Text(_cutoff(emotion), style="dim"),
            )
        console.print(table)
        for flag in answer.flags:
            console.print(Text(f"   ! {FLAG_MEANINGS[flag]}", style="yellow"))
        console.print()


def print_summary(console: Console, analysis: FileAnalysis) -> None:
    """Print the shares of the labels in a file, each with the row in which it is strongest."""
    summary = analysis.summary
    space = summary.space.space
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold", expand=True)
    table.add_column(space.name, no_wrap=True)
    table.add_column("share of rows", no_wrap=True, min_width=BAR_WIDTH)
    table.add_column("", no_wrap=True, justify="right")
    table.add_column("strongest row", no_wrap=True, overflow="ellipsis", ratio=1)
    highest = max(summary.shares.values(), default=1.0)
    for label, share in summary.shares.items():
        colour = label_colour(space.name, label)
        strongest = summary.strongest(label)[0]
        name = _one_line(strongest.id) or str(strongest.row)
        table.add_row(
            Text(label, style=colour),
            Text(f"{draw_bar(share / highest, BAR_WIDTH):<{BAR_WIDTH}}", style=colour),
            f"{share:.1%}",
            Text.assemble((f"{name}: ", "dim"), _one_line(strongest.text)),
        )
    console.print(
        Text(f"{summary.n_rows:,} texts", style="bold")
        + Text(f" · model {summary.space.model_name} · {len(space)} labels ({space.id})", style="dim")
    )
    console.print(table)
    if summary.n_without_label:
        console.print(
            Text(f"no label reaches its cut-off in {summary.n_without_label / summary.n_rows:.1%}", style="dim")
        )
    for flag, count in summary.flag_counts.most_common():
        console.print(Text(f"! {count:,} rows: {FLAG_MEANINGS[flag]}", style="yellow"))


def _cutoff(emotion: Emotion) -> str:
    return "" if emotion.threshold is None else f"cut-off {emotion.threshold:.{_digits(emotion)}f}"


def _digits(emotion: Emotion) -> int:
    # So many that the eye finds the probability on the same side of its cut-off as the answer does.
    if emotion.threshold is None:
        return FEWEST_DIGITS
    is_reached = float(f"{emotion.proba:.{FEWEST_DIGITS}f}") >= float(f"{emotion.threshold:.{FEWEST_DIGITS}f}")
    return FEWEST_DIGITS if is_reached == (emotion.proba >= emotion.threshold) else PROBA_DIGITS


def _one_line(text: str) -> str:
    # A text from a stranger must not move the cursor or rename the window.
    return _CONTROLS.sub("\ufffd", " ".join(text.split()))
