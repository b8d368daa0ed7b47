"""What cut-offs, calibration and features each bring to the classical models on GoEmotions.

Each row is one `sentire train CONFIG --set …` and one `sentire evaluate … --data goemotions:test`; this script runs
them one after the other, stores the figures in `benchmarks/results/classical_models.json` and writes the tables of
`docs/classical-models.md` from that file. Everything is chosen on dev; test is only measured.

    SENTIRE_DATA=… python benchmarks/classical_models.py          # about five minutes on two cores
    python benchmarks/classical_models.py --tables-only           # the tables again, from the stored figures
"""

import argparse
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import orjson

from sentire.classifiers.recipe import TfidfRecipe
from sentire.classifiers.train import train_tfidf
from sentire.core.config import read_config
from sentire.evaluate.run import evaluate_model
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "classical_models.json"
PAGE = ROOT / "docs" / "classical-models.md"
README = ROOT / "README.md"

LR, NB, LINEAR = "goemotions-lr", "goemotions-nb", "linear"
SETTLED = ("logistic_regression.C=1.0", 'logistic_regression.penalty="l1"')
RIDGE = ("logistic_regression.C=1.0", 'logistic_regression.penalty="l2"')
NO_SHRINKAGE = "thresholds.shrinkages=[0]"

Row = tuple[str, str, tuple[str, ...]]

TABLES: dict[str, list[Row]] = {
    "models": [
        ("logistic regression, the course project's grid", LR, ()),
        ("naive Bayes, the course project's grid", NB, ()),
        ("the recipe of `linear`", LINEAR, ()),
    ],
    "search": [
        ("cells compared at .5, as in the course project", LR, ('search.cutoffs="fixed"',)),
        ("cells compared at their own cut-offs", LR, ()),
    ],
    "cutoffs": [
        ("fixed .5, no calibration", LR, (*SETTLED, 'calibration.method="none"', 'thresholds.method="fixed"')),
        ("fixed .5, calibrated", LR, (*SETTLED, 'thresholds.method="fixed"')),
        ("one for all labels", LR, (*SETTLED, 'thresholds.method="global"')),
        ("one a label, no shrinkage", LR, (*SETTLED, NO_SHRINKAGE)),
        ("one a label, with shrinkage", LR, SETTLED),
    ],
    "calibration": [
        (method, LR, (*SETTLED, f'calibration.method="{method}"'))
        for method in ("none", "temperature", "platt", "isotonic")
    ],
    "features": [
        ("10,000 words and pairs", LR, RIDGE),
        ("10,000, sublinear", LR, (*RIDGE, "features.is_sublinear=true")),
        ("60,000", LR, (*RIDGE, "features.max_features=60000")),
        ("60,000, sublinear", LR, (*RIDGE, "features.max_features=60000", "features.is_sublinear=true")),
        (
            "60,000, sublinear, `social` tokens",
            LR,
            (*RIDGE, "features.max_features=60000", "features.is_sublinear=true", 'features.tokeniser="social"'),
        ),
        ("30,000, sublinear, `social`, no class weights, C 2", LINEAR, ('output.precision="float32"',)),
        ("the same in float16 (the recipe of `linear`)", LINEAR, ()),
    ],
}

COLUMNS = {
    "readme": ("macro_f1", "micro_f1", "macro_f1_min50", "micro_ece"),
    "models": ("macro_f1", "micro_f1", "weighted_f1", "macro_f1_min50", "exact_match", "macro_roc_auc", "micro_ece"),
    "search": ("macro_f1", "micro_f1"),
    "cutoffs": ("macro_f1", "micro_f1", "exact_match"),
    "calibration": ("micro_ece", "log_loss", "macro_roc_auc", "macro_f1"),
    "features": ("macro_f1", "micro_f1", "macro_roc_auc"),
}
TITLES = {
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "weighted_f1": "weighted F1",
    "macro_f1_min50": "macro-F1, labels with ≥ 50",
    "exact_match": "exact match",
    "macro_roc_auc": "macro ROC-AUC",
    "micro_ece": "ECE (micro)",
    "log_loss": "log loss",
}


def measure_row(config: str, overrides: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Train and measure one row."""
    recipe = read_config(TfidfRecipe, ROOT / "configs" / f"{config}.toml", overrides)
    trained = train_tfidf(recipe, folder, n_jobs=os.cpu_count())
    result = evaluate_model(trained.model, "goemotions:test", keep_rows=False)
    names = [name for name in result.metrics if name in TITLES]
    unseen = result.without_leaked
    return {
        "config": config,
        "set": list(overrides),
        "dev_cross_fitted": trained.report["thresholds"]["cross_fitted_on_dev"]["chosen"],
        "test": {name: _as_dict(result.metrics[name]) for name in names},
        "test_without_leaked": {name: _as_dict(unseen.metrics[name]) for name in names} if unseen else None,
    }


def _as_dict(estimate: Any) -> dict[str, float]:
    return {"value": round(estimate.value, 5), "low": round(estimate.low, 5), "high": round(estimate.high, 5)}


def measure_all() -> dict[str, Any]:
    """Run every row and return the figures."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for table, rows in TABLES.items():
        tables[table] = []
        for title, config, overrides in rows:
            with tempfile.TemporaryDirectory() as folder:
                row = measure_row(config, overrides, Path(folder))
            tables[table].append({"title": title, **row})
            macro = row["test"]["macro_f1"]["value"]
            print(f"{table}: {title}: macro-F1 {macro:.3f}", flush=True)
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "seed": 42,
        "bootstrap": {"seed": 0, "n_resamples": 1000, "confidence": 0.95},
        "tables": tables,
    }


def render_table(name: str, rows: list[dict[str, Any]]) -> str:
    """Render one table as Markdown."""
    columns = COLUMNS[name]
    lines = [
        f"| | dev macro-F1 | {' | '.join(f'test {TITLES[column]}' for column in columns)} |",
        f"|---|---|{'---|' * len(columns)}",
    ]
    for row in rows:
        cells = [_show(column, row["test"][column]) for column in columns]
        lines.append(f"| {row['title']} | {row['dev_cross_fitted']['macro_f1']:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _show(column: str, figure: dict[str, float]) -> str:
    digits = 4 if column == "micro_ece" else 3
    value, low, high = (f"{figure[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} ({low}-{high})"


def fill_page(page: str, tables: dict[str, list[dict[str, Any]]]) -> str:
    """Put the tables between their markers."""
    for name, rows in tables.items():
        page = put_table(page, name, render_table(name, rows))
    return page


def pages(stored: dict[str, Any]) -> dict[Path, dict[str, list[dict[str, Any]]]]:
    """Return the tables of each page that shows stored figures."""
    return {PAGE: stored["tables"], README: {"readme": stored["tables"]["models"]}}


def main() -> None:
    """Measure, store, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables-only", action="store_true", help="write the tables from the stored figures")
    if not parser.parse_args().tables_only:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_bytes(orjson.dumps(measure_all(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    for page, tables in pages(orjson.loads(RESULTS.read_bytes())).items():
        page.write_text(fill_page(page.read_text(encoding="utf-8"), tables), encoding="utf-8")


if __name__ == "__main__":
    main()
