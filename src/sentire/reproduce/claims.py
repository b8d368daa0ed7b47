"""What a paper claims, put beside what was measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sentire.reproduce.rows import Cell, scale, subtract


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim.

    Attributes:
        text: What is claimed.
        paper: What the paper found, in words; empty where it gives no number.
        found: What was measured, in words.
        verdict: ``held``, ``did not hold``, ``undecided`` where the interval holds both, or ``not measured``.
    """

    text: str
    found: str
    verdict: str
    paper: str = ""

    @classmethod
    def of_ratio(cls, text: str, better: Cell | None, worse: Cell | None, least: float, *, paper: str = "") -> "Claim":
        """Claim that one figure is at least so many times another, which is above 0; else it is undecided.

        It is judged by the interval of ``better - least · worse``.
        """
        if better is None or worse is None:
            return _unmeasured(text, paper)
        found = f"{better.render()} and {worse.render()}"
        if worse.mean <= 0:
            return cls(text=text, found=found, verdict="undecided", paper=paper)
        return cls(
            text=text,
            found=f"{found}: {better.mean / worse.mean:.2f} times",
            verdict=_judge(subtract(better, scale(worse, least))),
            paper=paper,
        )

    @classmethod
    def of_order(cls, text: str, smaller: Cell | None, larger: Cell | None, *, paper: str = "") -> "Claim":
        """Claim that one figure is below another, by more than the interval of their difference."""
        if smaller is None or larger is None:
            return _unmeasured(text, paper)
        found = f"{smaller.render()} and {larger.render()}"
        return cls(text=text, found=found, verdict=_judge(subtract(larger, smaller)), paper=paper)

    @classmethod
    def of_interval(cls, text: str, better: Cell | None, worse: Cell | None, *, paper: str = "") -> "Claim":
        """Claim that one figure is above another, by more than the interval of their difference (see ``subtract``)."""
        if better is None or worse is None:
            return _unmeasured(text, paper)
        gap = subtract(better, worse)
        interval = "" if math.isnan(gap.low) else f" ({gap.low:+.3f} to {gap.high:+.3f})"
        found = f"{better.render()} and {worse.render()}: {gap.mean:+.3f}{interval}"
        return cls(text=text, found=found, verdict=_judge(gap), paper=paper)


def _judge(gap: Cell) -> str:
    return "held" if gap.low > 0 else "did not hold" if gap.high < 0 else "undecided"


def _unmeasured(text: str, paper: str = "") -> Claim:
    return Claim(text=text, found="–", verdict="not measured", paper=paper)


def render_claims(claims: Sequence[Claim]) -> str:
    """Render claims as a table in Markdown."""
    lines = ["| claim | the paper | measured | |", "|---|---|---|---|"]
    lines += [f"| {claim.text} | {claim.paper or '–'} | {claim.found} | {claim.verdict} |" for claim in claims]
    return "\n".join(lines)
