"""What a paper claims, put beside what was measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sentire.reproduce.rows import Cell


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim.

    Attributes:
        text: What is claimed.
        found: What was measured, in words.
        verdict: ``held``, ``did not hold``, ``undecided`` where the interval of the better one reaches the other's
            mean, or ``not measured``.
    """

    text: str
    found: str
    verdict: str

    @classmethod
    def of_ratio(cls, text: str, better: Cell | None, worse: Cell | None, least: float) -> "Claim":
        """Claim that one figure is at least so many times another."""
        if better is None or worse is None:
            return _unmeasured(text)
        ratio = better.mean / worse.mean if worse.mean else math.nan
        return cls(
            text=text,
            found=f"{better.render()} and {worse.render()}: {ratio:.2f} times",
            verdict="held" if ratio >= least else "did not hold",
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
    def of_interval(cls, text: str, better: Cell | None, worse: Cell | None) -> "Claim":
        """Claim that one figure is above another by more than its interval."""
        if better is None or worse is None:
            return _unmeasured(text)
        gap = better.mean - worse.mean
        is_clear = not math.isnan(better.low) and better.low > worse.mean
        undecided = "undecided" if gap > 0 else "did not hold"
        return cls(
            text=text,
            found=f"{better.render()} and {worse.render()}: {gap:+.3f}",
            verdict="held" if is_clear else undecided,
        )


def _unmeasured(text: str) -> Claim:
    return Claim(text=text, found="–", verdict="not measured")


def render_claims(claims: Sequence[Claim]) -> str:
    """Render claims as a table in Markdown."""
    lines = ["| claim | measured | |", "|---|---|---|"]
    lines += [f"| {claim.text} | {claim.found} | {claim.verdict} |" for claim in claims]
    return "\n".join(lines)
