"""What several runs say together: mean, standard deviation and t-interval over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sentire.core.errors import DataError, MissingExtraError, UsageError

try:
    from scipy.stats import t as student_t
except ImportError as error:
    raise MissingExtraError(extra="classical", needed_for="intervals over seeds") from error


@dataclass(frozen=True, kw_only=True)
class SeedSummary:
    """One figure over several runs that differ in the seed alone.

    Attributes:
        mean: Of the runs.
        sd: Standard deviation over the runs, with ``n - 1``; NaN for one run.
        low: Lower end of the interval of the mean; NaN for one run.
        high: Upper end.
        values: Of the runs, in their order.
    """

    mean: float
    sd: float
    low: float
    high: float
    values: tuple[float, ...]


def summarise_seeds(values: Sequence[float], *, confidence: float = 0.95) -> SeedSummary:
    """Summarise one figure over n seeds: ``mean ± t_{n-1} sd / √n``.

    Source: Student 1908, The probable error of a mean.

    Args:
        values: One figure a run, finite, at least one.
        confidence: Between 0 and 1.

    Raises:
        DataError: No value, or one that is not finite.
        UsageError: The confidence makes no sense.

    Edge cases:
        One run has neither a standard deviation nor an interval: both are NaN.

    Example:
        >>> found = summarise_seeds([0.5, 0.6, 0.7])
        >>> round(found.mean, 3), round(found.sd, 3), round(found.low, 3), round(found.high, 3)
        (0.6, 0.1, 0.352, 0.848)
    """
    if not 0 < confidence < 1:
        raise UsageError(expected="a confidence between 0 and 1", got=f"{confidence:g}", where="confidence")
    figures = tuple(float(value) for value in values)
    wrong = [value for value in figures if not math.isfinite(value)]
    if not figures or wrong:
        raise DataError(
            expected="at least one finite figure",
            got=f"{wrong[0]:g}" if wrong else "none",
            where="figures of the seeds",
        )
    n = len(figures)
    mean = math.fsum(figures) / n
    if n == 1:
        return SeedSummary(mean=mean, sd=math.nan, low=math.nan, high=math.nan, values=figures)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in figures) / (n - 1))
    reach = float(student_t.ppf((1 + confidence) / 2, n - 1)) * sd / math.sqrt(n)
    return SeedSummary(mean=mean, sd=sd, low=mean - reach, high=mean + reach, values=figures)
