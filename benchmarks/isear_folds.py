"""ISEAR in five folds by respondent: the figures of docs/encoder.md.

SENTIRE_DATA=… python benchmarks/isear_folds.py            # an hour on one core; a stopped run goes on
python benchmarks/isear_folds.py --tables-only
"""

import argparse
from pathlib import Path
from typing import Any

import orjson

from sentire.core.config import read_config
from sentire.evaluate.cross_validation import CrossValidation, cross_validate
from sentire.storage.atomic import write_json
from sentire.training.recipe import EncoderRecipe
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "isear_folds.json"
PAGE = ROOT / "docs" / "encoder.md"
NAME = "isear-minilm"
METRICS = {"macro_f1": 3, "weighted_f1": 3, "micro_ece": 4}


def summarise(found: CrossValidation, seed: int) -> dict[str, Any]:
    """Return what the table shows, as plain data."""
    return {
        "n": found.result.data.n,
        "metrics": {
            name: {key: round(getattr(found.result.metrics[name], key), 5) for key in ("value", "low", "high")}
            for name in METRICS
        },
        "label_f1": {label: round(one["f1"].value, 5) for label, one in found.result.per_label.items()},
        "folds": [round(fold["macro_f1"], 5) for fold in found.folds],
        "seed": seed,
        "bootstrap_seed": found.result.settings.seed,
        "machine": found.result.machine,
    }


def render_table(stored: dict[str, Any]) -> str:
    """Render what is stored as Markdown."""
    cells = [
        f"{one['value']:.{digits}f} ({one['low']:.{digits}f}-{one['high']:.{digits}f})"
        for one, digits in ((stored["metrics"][name], digits) for name, digits in METRICS.items())
    ]
    labels = stored["label_f1"]
    return "\n".join(
        [
            "| | macro-F1 | weighted F1 | ECE (micro) | macro-F1 of the folds |",
            "|---|---|---|---|---|",
            f"| MiniLM, 3 epochs | {' | '.join(cells)} | {', '.join(f'{fold:.3f}' for fold in stored['folds'])} |",
            "",
            f"| {' | '.join(labels)} |",
            f"|{'---|' * len(labels)}",
            f"| {' | '.join(f'{value:.3f}' for value in labels.values())} |",
        ]
    )


def main() -> None:
    """Measure, store, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored results")
    if not parser.parse_args().tables_only:
        recipe = read_config(EncoderRecipe, ROOT / "configs" / f"{NAME}.toml")
        write_json(RESULTS, summarise(cross_validate(recipe, ROOT / "runs" / NAME), recipe.seed))
    table = render_table(orjson.loads(RESULTS.read_bytes()))
    PAGE.write_text(put_table(PAGE.read_text(encoding="utf-8"), "isear", table), encoding="utf-8")


if __name__ == "__main__":
    main()
