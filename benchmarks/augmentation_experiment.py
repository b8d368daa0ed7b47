"""Do rows from templates help the linear model? The figures of docs/augmentation.md.

Runs the experiment of `configs/augment-goemotions.toml` as anybody would, in a folder of its own: five seeds, each
without and with the rows that were made for rare labels; and counts what was made and left out for the first seed.

    SENTIRE_DATA=… python benchmarks/augmentation_experiment.py    # five minutes on one core; a stopped run goes on
    python benchmarks/augmentation_experiment.py --tables-only
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import orjson

from sentire.augmentation.config import AugmentationConfig
from sentire.core.config import read_config
from sentire.evaluate.result import describe_machine
from sentire.runtime.load import load
from sentire.storage.atomic import write_json
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "augmentation_experiment.json"
PAGE = ROOT / "docs" / "augmentation.md"
CONFIG = ROOT / "configs" / "augment-goemotions.toml"
RUN = ROOT / "runs" / "augment-goemotions"


def measure() -> dict[str, Any]:
    """Run the experiment, and return what page and guard need."""
    settings = read_config(AugmentationConfig, CONFIG)
    assert settings.experiment is not None
    command = [sys.executable, "-m", "sentire", "augment", str(CONFIG), "experiment", "--output", str(RUN)]
    subprocess.run(command, check=True)
    seeds = settings.experiment.seeds
    made = orjson.loads((RUN / f"data-{seeds[0]}" / "statistics.json").read_bytes())
    return {
        "figures": orjson.loads((RUN / "experiment.json").read_bytes()),
        "seeds": list(seeds),
        "made": {label: course["made"] for label, course in made["labels"].items()},
        "n_before": sum(course["before"] for course in made["labels"].values()),
        "left_out": dict(sum((Counter(course["refused"]) for course in made["labels"].values()), Counter())),
        "embedded_model": load(settings.quality.check_model).fingerprint,
        "machine": describe_machine(),
    }


def render_figures(stored: Mapping[str, Any]) -> str:
    """Render what was measured as Markdown."""
    lines = [
        "| F1 on test | without | with | difference (interval over draws of rows only) |",
        "|---|---|---|---|",
    ]
    for name, one in stored["figures"].items():
        title = name.replace("_", " ")
        difference = f"{one['difference']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})"
        lines.append(f"| {title} | {mean(one['before']):.4f} | {mean(one['after']):.4f} | {difference} |")
    return "\n".join(lines)


def render_counts(stored: Mapping[str, Any]) -> str:
    """Render what the first seed made and left out as Markdown."""
    made = sorted(stored["made"].items(), key=lambda one: -one[1])
    left_out = sorted(stored["left_out"].items(), key=lambda one: -one[1])
    return "\n".join(
        [
            f"| rows for labels that have {stored['n_before']:,} | |",
            "|---|---|",
            *(f"| {label} | {n:,} |" for label, n in made if n),
            f"| **made** | {sum(stored['made'].values()):,} |",
            *(f"| left out: {reason} | {n:,} |" for reason, n in left_out if n),
        ]
    )


def fill_page(page: str, stored: Mapping[str, Any]) -> str:
    """Put both tables into the page."""
    page = put_table(page, "augmentation", render_figures(stored))
    return put_table(page, "augmentation-counts", render_counts(stored))


def main() -> None:
    """Measure, store, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables-only", action="store_true", help="write the tables from the stored results")
    if not parser.parse_args().tables_only:
        write_json(RESULTS, measure())
    stored = orjson.loads(RESULTS.read_bytes())
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8"), stored), encoding="utf-8")


if __name__ == "__main__":
    main()
