"""Answers and summaries as tables with bars."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sentire.analysis.answers import FLAG_MEANINGS, PROBA_DIGITS, Answer, AnswerWindow, Emotion
from sentire.cli.bars import draw_bar, draw_course, draw_signed_bar, format_signed, label_colour
from sentire.cli.one_line import one_line, shorten, shorten_before
from sentire.core.affect import VAD_DIMENSIONS

if TYPE_CHECKING:
    from sentire.analysis.explain import Explanation
    from sentire.analysis.files import FileAnalysis

BAR_WIDTH = 24
FEWEST_EMOTIONS = 3
FEWEST_DIGITS = 2
LONGEST_TEXT_CHARS = 300
VAD_WIDTH = 5
COURSE_WIDTH = 60
MOST_WINDOWS = 12
MOST_WINDOW_LABELS = 3
LONGEST_EXCERPT_CHARS = 48


def print_answers(console: Console, answers: Sequence[Answer], explanations: "Sequence[Explanation]" = ()) -> None:
    """Print each text with its likeliest emotions; those that reach their cut-off are marked.

    Args:
        console: To print on.
        answers: N answers.
        explanations: One for each answer, or none.
    """
    for position, answer in enumerate(answers):
        shown = shorten(answer.text, LONGEST_TEXT_CHARS)
        console.print(Text.assemble((f"{one_line(answer.id)}  " if answer.id else "", "dim"), (shown, "bold")))
        if said_in := shorten_before(answer.context or "", LONGEST_TEXT_CHARS):
            console.print(Text(f"  after: {said_in}", style="dim"))
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
        if answer.vad is not None:
            console.print(Text("   ") + _show_vad(answer.vad))
        for flag in answer.flags:
            console.print(Text(f"   ! {FLAG_MEANINGS[flag]}", style="yellow"))
        _print_course(console, answer)
        if explanations:
            from sentire.cli.explanation_text import print_explanation

            print_explanation(console, explanations[position], space)
        console.print()


def print_summary(console: Console, analysis: "FileAnalysis") -> None:
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
        name = one_line(strongest.id) or str(strongest.row)
        table.add_row(
            Text(label, style=colour),
            Text(f"{draw_bar(share / highest, BAR_WIDTH):<{BAR_WIDTH}}", style=colour),
            f"{share:.1%}",
            Text.assemble((f"{name}: ", "dim"), one_line(strongest.text)),
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


def _show_vad(vad: Mapping[str, float]) -> Text:
    shown = Text()
    for dimension in VAD_DIMENSIONS:
        score = vad[dimension]
        shown.append(f"{dimension} ", style="dim")
        shown.append(draw_signed_bar(score, VAD_WIDTH), style="cyan" if score >= 0 else "magenta")
        shown.append(f" {format_signed(score):>5}   ")
    shown.rstrip()
    return shown


def _print_course(console: Console, answer: Answer) -> None:
    if not answer.course:
        return
    space = answer.space.space
    console.print(Text(f"   course over {len(answer.course)} windows", style="dim"))
    for label in answer.labels:
        column = space.index(label)
        drawn = draw_course([window.proba[column] for window in answer.course], COURSE_WIDTH)
        console.print(Text(f"     {label:<15} {drawn}", style=label_colour(space.name, label)))
    table = Table.grid(padding=(0, 1))
    for number, window in enumerate(answer.course[:MOST_WINDOWS], start=1):
        excerpt = shorten(answer.text[window.start : window.end], LONGEST_EXCERPT_CHARS)
        table.add_row(Text(f"     {number:>2}", style="dim"), Text(excerpt), _show_window(window, space.name))
    console.print(table)
    if len(answer.course) > MOST_WINDOWS:
        console.print(Text(f"     … and {len(answer.course) - MOST_WINDOWS} more", style="dim"))


def _show_window(window: AnswerWindow, space: str) -> Text:
    shown = Text(", ".join(window.labels[:MOST_WINDOW_LABELS]) or "–")
    shown.stylize(label_colour(space, window.labels[0]) if window.labels else "dim")
    if window.vad is not None:
        shown.append(f"  valence {format_signed(window.vad['valence'])}", style="dim")
    return shown


def _cutoff(emotion: Emotion) -> str:
    return "" if emotion.threshold is None else f"cut-off {emotion.threshold:.{_digits(emotion)}f}"


def _digits(emotion: Emotion) -> int:
    # So many that the eye finds the probability on the same side of its cut-off as the answer does.
    if emotion.threshold is None:
        return FEWEST_DIGITS
    is_reached = float(f"{emotion.proba:.{FEWEST_DIGITS}f}") >= float(f"{emotion.threshold:.{FEWEST_DIGITS}f}")
    return FEWEST_DIGITS if is_reached == (emotion.proba >= emotion.threshold) else PROBA_DIGITS
