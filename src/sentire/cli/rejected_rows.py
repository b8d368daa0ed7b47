"""What a command says about the rows of a file that it could not use."""

from typing import TYPE_CHECKING

from sentire.cli.console import say

if TYPE_CHECKING:
    from sentire.storage.report import ReadReport

MOST_SHOWN = 5


def say_rejected(report: "ReadReport") -> None:
    """Tell how many rows were not used, why, and which came first; nothing where all were."""
    if report.n_rejected:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in report.reasons.most_common())
        say(f"{report.n_rejected:,} of {report.n_read:,} rows were not used ({reasons}); the first:")
        for rejection in report.first_rejections[:MOST_SHOWN]:
            say(f"  {rejection}")
    if report.n_blank:
        say(f"{report.n_blank:,} blank {'line was' if report.n_blank == 1 else 'lines were'} passed over")
