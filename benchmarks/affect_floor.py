"""The floor of affect scores: ridge regression on TF-IDF, on the valence, arousal and dominance of EmoBank.

Four kinds of features; each with the penalty that has the best mean Pearson correlation on dev. The floor is the kind
that is best on dev. Everything is trained on train, test is only measured, and the figures and their intervals are
those of `sentire evaluate`. The regression draws nothing at random; the seed is that of the resamples.

    SENTIRE_DATA=… python benchmarks/affect_floor.py          # half a minute; benchmarks/results/affect_floor.json
    SENTIRE_DATA=… python benchmarks/affect_floor.py --result runs/floor.json    # for sentire compare, too
    python benchmarks/affect_floor.py --tables-only           # the tables of docs/affect.md from the stored figures
"""

import argparse
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import sklearn
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from sentire.core.affect import VAD_1_5, VAD_DIMENSIONS
from sentire.data.checks import find_recurring
from sentire.data.registry import load_dataset
from sentire.evaluate.affect import evaluate_affect
from sentire.evaluate.result import EvaluationResult, write_result
from sentire.metrics.bootstrap import Estimate
from sentire.metrics.regression import pearson_r
from sentire.runtime.tokenisers import token_pattern
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "affect_floor.json"
PAGE = ROOT / "docs" / "affect.md"

DATA = "emobank"
SEED = 0
N_RESAMPLES = 1000
ALPHAS = (0.3, 1.0, 3.0, 10.0)
FEATURES: dict[str, dict[str, Any]] = {
    "words": {"token_pattern": token_pattern("word")},
    "words, single letters and marks": {"token_pattern": token_pattern("social")},
    "the same and pairs": {"token_pattern": token_pattern("social"), "ngram_range": (1, 2)},
    "parts of words, 2 to 5 characters": {"analyzer": "char_wb", "ngram_range": (2, 5), "min_df": 2},
}
MEASURES = {"pearson": "Pearson", "spearman": "Spearman", "concordance": "concordance", "rmse": "RMSE"}

Scores = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Ids, texts and ratings, shape (N, 3), of one split."""

    ids: list[str]
    texts: list[str]
    scores: Scores


def read_split(name: str) -> Split:
    """Read the sentences of a split of EmoBank."""
    examples = load_dataset(DATA).read_split(name)
    scores = [[example.scores[dimension] for dimension in VAD_DIMENSIONS] for example in examples]
    return Split(
        ids=[example.id for example in examples],
        texts=[example.text for example in examples],
        scores=np.array(scores),
    )


def fit(features: dict[str, Any], train: Split, dev: Split, test: Split) -> tuple[float, dict[str, Scores]]:
    """Fit every penalty on train and return the best on dev, with its answers to dev and test."""
    vectorizer = TfidfVectorizer(sublinear_tf=True, **features)
    rows = vectorizer.fit_transform(train.texts)
    dev_rows, test_rows = vectorizer.transform(dev.texts), vectorizer.transform(test.texts)
    fitted = {alpha: Ridge(alpha=alpha).fit(rows, train.scores) for alpha in ALPHAS}
    reached = {alpha: pearson_r(model.predict(dev_rows), dev.scores).mean() for alpha, model in fitted.items()}
    best = max(reached, key=reached.__getitem__)
    return best, {"dev": fitted[best].predict(dev_rows), "test": fitted[best].predict(test_rows)}


def measure(title: str, alpha: float, predicted: Scores, split: str, train: Split, measured: Split) -> EvaluationResult:
    """Measure answers to a split as ``sentire evaluate`` does."""
    is_leaked = np.zeros(len(measured.texts), dtype=bool)
    is_leaked[find_recurring(train.texts, measured.texts)] = True
    return evaluate_affect(
        predicted,
        measured.scores,
        ids=measured.ids,
        model_name="tfidf-ridge",
        model_fingerprint=f"{title}; alpha {alpha:g}",
        data_name=DATA,
        data_revision=load_dataset(DATA).card.revision,
        split=split,
        scale=VAD_1_5,
        train_mean=train.scores.mean(axis=0),
        is_leaked=is_leaked,
        protocol=f"scores as the model gives them, beside the mean of {DATA}:train",
        seed=SEED,
        n_resamples=N_RESAMPLES,
    )


def measure_all(result_path: Path | None) -> dict[str, Any]:
    """Fit and measure every kind of features; write the floor's result on test where a path is given."""
    train, dev, test = (read_split(name) for name in ("train", "dev", "test"))
    rows: list[dict[str, Any]] = []
    results: list[EvaluationResult] = []
    for title, features in FEATURES.items():
        alpha, predicted = fit(features, train, dev, test)
        on_dev = measure(title, alpha, predicted["dev"], "dev", train, dev)
        on_test = measure(title, alpha, predicted["test"], "test", train, test)
        assert on_test.without_leaked is not None
        results.append(on_test)
        rows.append(
            {
                "title": title,
                "alpha": alpha,
                "dev_mean_pearson": round(float(np.mean([on_dev.metrics[f"pearson_{d}"].value for d in "vad"])), 5),
                "dev": _as_dicts(on_dev.metrics),
                "test": _as_dicts(on_test.metrics),
                "test_without_leaked": {
                    "n_removed": on_test.without_leaked.n_removed,
                    **_as_dicts(on_test.without_leaked.metrics),
                },
            }
        )
        print(f"{title}: alpha {alpha:g}, mean Pearson on dev {rows[-1]['dev_mean_pearson']:.3f}", flush=True)
    floor = max(range(len(rows)), key=lambda place: rows[place]["dev_mean_pearson"])
    if result_path is not None:
        write_result(result_path, results[floor])
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"scikit-learn {sklearn.__version__}",
        "commit": describe_commit(),
        "seed": SEED,
        "bootstrap": {"seed": SEED, "n_resamples": N_RESAMPLES, "confidence": 0.95},
        "data": f"{DATA} {load_dataset(DATA).card.revision}",
        "n": {"train": len(train.ids), "dev": len(dev.ids), "test": len(test.ids)},
        "alphas": list(ALPHAS),
        "floor": rows[floor]["title"],
        "rows": rows,
    }


def describe_commit() -> str:
    """Name the commit that was measured, with ``-dirty`` where files had been changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _as_dicts(metrics: Any) -> dict[str, dict[str, float]]:
    def plain(estimate: Estimate) -> dict[str, float]:
        return {key: round(getattr(estimate, key), 5) for key in ("value", "low", "high")}

    return {name: plain(estimate) for name, estimate in metrics.items() if not name.startswith("mae")}


def render_tables(stored: dict[str, Any]) -> dict[str, str]:
    """Render the tables of the page as Markdown, by name."""
    (floor,) = (row for row in stored["rows"] if row["title"] == stored["floor"])
    features = ["| features | alpha | dev, mean of r | test r of V | of A | of D |", "|---|---|---|---|---|---|"]
    for row in stored["rows"]:
        cells = " | ".join(_show(row["test"][f"pearson_{initial}"]) for initial in "vad")
        title = f"**{row['title']}**" if row is floor else row["title"]
        features.append(f"| {title} | {row['alpha']:g} | {row['dev_mean_pearson']:.3f} | {cells} |")
    titles = [*MEASURES.values(), "RMSE of the mean"]
    measures = [f"| | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for dimension in VAD_DIMENSIONS:
        initial = dimension[0]
        names = [*(f"{measure}_{initial}" for measure in MEASURES), f"rmse_{initial}_mean_baseline"]
        measures.append(f"| {dimension} | {' | '.join(_show(floor['test'][name]) for name in names)} |")
    return {"affect-features": "\n".join(features), "affect-floor": "\n".join(measures)}


def _show(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"


def fill_page(page: str, stored: dict[str, Any]) -> str:
    """Put the tables between their markers."""
    for name, table in render_tables(stored).items():
        page = put_table(page, name, table)
    return page


def main() -> None:
    """Measure, store, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables-only", action="store_true", help="write the tables from the stored figures")
    parser.add_argument("--result", type=Path, help="write the floor's result on test to this file")
    chosen = parser.parse_args()
    if not chosen.tables_only:
        RESULTS.parent.mkdir(exist_ok=True)
        stored = measure_all(chosen.result)
        RESULTS.write_bytes(orjson.dumps(stored, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8"), orjson.loads(RESULTS.read_bytes())), encoding="utf-8")


if __name__ == "__main__":
    main()
