"""Draw `docs/images/analyze.svg`, the picture in the README, from what the command prints: `make docs`."""

import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

import sentire
from sentire.analysis.files import analyze_file
from sentire.cli.answer_tables import print_answers, print_summary
from sentire.runtime.text_rows import Source

ROOT = Path(__file__).resolve().parent.parent
TEXTS = (
    "Wow, I did not expect a reply on a Sunday!",
    "I think I deleted the only copy, I'm worried.",
)
WIDTH = 100
EXTERNAL_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def draw() -> str:
    """Return the picture; it loads nothing from the network."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    print_answers(console, sentire.analyze(TEXTS))
    source = Source(path=ROOT / "examples" / "feedback.csv", id_column="id")
    print_summary(console, analyze_file(source, sentire.load()))
    picture = console.export_svg(title="sentire analyze", theme=DEFAULT_TERMINAL_THEME, unique_id="sentire")
    lines = EXTERNAL_FONTS.sub("", picture).splitlines()
    return "\n".join(line.rstrip() for line in lines if not line.startswith("    <!-- Generated")) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "images" / "analyze.svg").write_text(draw(), encoding="utf-8")
