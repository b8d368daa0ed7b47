"""What a paper claims, put beside what was measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sentire.reproduce.rows import Cell, summarise


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim.

    Attributes:
        text: What is claimed.
        paper: What the paper found, in words; empty where it gives no number.
        found: What was measured, in words.
        verdict: ``held``, ``did not hold``, ``undecided`` where the interval holds both, or ``not measured``. That of a
            ratio or an order goes by the means alone.
    """

    text: str
    found: str
    verdict: str
    paper: str = ""

    @classmethod
    def of_ratio(cls, text: str, better: Cell | None, worse: Cell | None, least: float, *, paper: str = "") -> "Claim":
        """Claim that one figure is at least so many times another, which is above 0; else it is undecided."""
        if better is None or worse is None:
            return _unmeasured(text, paper)
        if worse.mean <= 0:
            return cls(text=text, found=f"{better.render()} and {worse.render()}", verdict="undecided", paper=paper)
        ratio = better.mean / worse.mean
        return cls(
            text=text,
            found=f"{better.render()} and {worse.render()}: {ratio:.2f} times",
            verdict="held" if ratio >= least else "did not hold",
            paper=paper,
        )

    @classmethod
    def of_order(cls, text: str, smaller: Cell | None, larger: Cell | None) -> "Claim":
        """Claim that one figure is below another."""
        if smaller is None or larger is None:
            return _unmeasured(text)
        return cls(
            text=text,
            found=f"{smaller.render()} and {larger.render()}",
            verdict="held" if smaller.mean < larger.mean else "did not hold",
        )

    @classmethod
    def of_interval(cls, text: str, better: Cell | None, worse: Cell | None, *, paper: str = "") -> "Claim":
        """Claim that one figure is above another, by more than the interval of their difference.

        Where both were measured with the same seeds, and so with the same draws, it holds the t-interval of the
        differences and, in quadrature, what either reaches within a run; else the intervals of both. The texts that
        were measured on count as if each figure had its own, though both have the same, so that the interval is rather
        too wide.
        """
        if better is None or worse is None:
            return _unmeasured(text, paper)
        gap = better.mean - worse.mean
        if len(better.values) == len(worse.values) > 1:
            differences = [one - other for one, other in zip(better.values, worse.values, strict=True)]
            paired = summarise(differences, math.hypot(better.reach_within, worse.reach_within))
            low, high = paired.low, paired.high
        else:
            low = gap - math.hypot(better.mean - better.low, worse.high - worse.mean)
            high = gap + math.hypot(better.high - better.mean, worse.mean - worse.low)
        verdict = "held" if low > 0 else "did not hold" if high < 0 else "undecided"
        interval = "" if math.isnan(low) else f" ({low:+.3f} to {high:+.3f})"
        found = f"{better.render()} and {worse.render()}: {gap:+.3f}{interval}"
        return cls(text=text, found=found, verdict=verdict, paper=paper)


def _unmeasured(text: str, paper: str = "") -> Claim:
    return Claim(text=text, found="–", verdict="not measured", paper=paper)


def render_claims(claims: Sequence[Claim]) -> str:
    """Render claims as a table in Markdown."""
    lines = ["| claim | the paper | measured | |", "|---|---|---|---|"]
    lines += [f"| {claim.text} | {claim.paper or '–'} | {claim.found} | {claim.verdict} |" for claim in claims]
    return "\n".join(lines)
