"""How fast the fast tier is, and how much memory a long file takes.

Measured side by side in one run, on texts that are repeated from `examples/feedback.csv`:

- `predict_proba` of the embedded linear model against scikit-learn's TfidfVectorizer with the same vocabulary, idf and
  weights (the usual way to serve such a model), on one core, in alternating rounds;
- `sentire analyze --input` over CSV files of 20,000 and 200,000 rows in a fresh process: rate and peak memory;
- `sentire analyze "one text"` from a cold start.

    python benchmarks/throughput.py                  # half a minute; benchmarks/results/throughput.json
    python benchmarks/throughput.py --tables-only    # the table in docs/analyze.md again, from the stored figures
"""

import argparse
import csv
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

import sentire
from fresh_process import run_fresh
from sentire.runtime.tokenisers import token_pattern
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "analyze.md"
RESULTS = ROOT / "benchmarks" / "results" / "throughput.json"
N_TEXTS = 20_000
N_ROUNDS = 7
FILE_ROWS = (20_000, 200_000)
N_COLD_STARTS = 7


def read_texts(n_texts: int) -> list[str]:
    """Repeat the example comments until there are enough."""
    with (ROOT / "examples" / "feedback.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    return [texts[position % len(texts)] for position in range(n_texts)]


def measure_model(texts: list[str]) -> dict[str, float]:
    """Time the runtime and scikit-learn in alternating rounds, on the same weights."""
    model = sentire.load("linear")
    features = model.features
    vectoriser = TfidfVectorizer(
        token_pattern=token_pattern(features.tokeniser),
        ngram_range=(1, 2),
        sublinear_tf=features.is_sublinear,
        vocabulary={term: column for column, term in enumerate(features.terms)},
        dtype=np.float32,
    )
    vectoriser.idf_ = features.idf.astype(np.float64)

    def run_usual() -> np.ndarray[Any, Any]:
        logits = csr_matrix(vectoriser.transform(texts)) @ model.scorer.weights + model.scorer.bias
        return model.calibrator.apply(logits.astype(np.float32))

    assert np.allclose(model.predict_proba(texts), run_usual(), atol=1e-4)
    seconds: dict[str, list[float]] = {"sentire": [], "scikit-learn": []}
    for _ in range(N_ROUNDS):
        for name, run in (("sentire", lambda: model.predict_proba(texts)), ("scikit-learn", run_usual)):
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    ours, theirs = float(np.median(seconds["sentire"])), float(np.median(seconds["scikit-learn"]))
    return {
        "sentire_texts_per_second": round(len(texts) / ours),
        "scikit_learn_texts_per_second": round(len(texts) / theirs),
        "ratio": round(theirs / ours, 2),
    }


def measure_files() -> list[dict[str, Any]]:
    """Measure the main job on files of two lengths and all output formats."""
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for n_rows in FILE_ROWS:
            path = Path(folder) / f"{n_rows}.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["id", "text"])
                writer.writerows(enumerate(read_texts(n_rows)))
            for output in (None, "out.csv", "out.jsonl", "out.parquet"):
                options = ("--output", str(Path(folder) / output)) if output else ()
                run = run_fresh("analyze", "--input", str(path), "--model", "linear", *options)
                measured.append(
                    {
                        "rows": n_rows,
                        "output": output.partition(".")[2] if output else "summary only",
                        "texts_per_second": round(n_rows / run["seconds"]),
                        "peak_mib": round(run["peak_kib"] / 1024, 1),
                    }
                )
    return measured


def measure_all() -> dict[str, Any]:
    """Measure everything."""
    cold = [run_fresh("analyze", "Thank you!", "--model", "linear")["seconds"] for _ in range(N_COLD_STARTS + 1)][1:]
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_before": round(os.getloadavg()[0], 2),
        "predict_proba": measure_model(read_texts(N_TEXTS)),
        "analyze_file": measure_files(),
        "cold_start_seconds": {"median": round(float(np.median(cold)), 3), "max": round(max(cold), 3)},
    }


def render_table(results: dict[str, Any]) -> str:
    """Render the figures as Markdown."""
    model, cold = results["predict_proba"], results["cold_start_seconds"]
    usual = model["scikit_learn_texts_per_second"]
    lines = [
        "| `sentire analyze --input`, start included | texts/s | peak memory, MiB |",
        "|---|---|---|",
        *(
            f"| {run['rows']:,} rows, {run['output']} | {run['texts_per_second']:,} | {run['peak_mib']:.0f} |"
            for run in results["analyze_file"]
        ),
        "",
        f"`predict_proba` on one core: {model['sentire_texts_per_second']:,} texts/s, {model['ratio']} times",
        f"scikit-learn's TfidfVectorizer with the same weights in the same run ({usual:,}).",
        f'`sentire analyze "one text"` from a cold start: {cold["median"]} s (median of {N_COLD_STARTS}).',
        f"Machine: {results['machine']}, load before the run {results['load_before']}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, store, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored figures")
    if not parser.parse_args().tables_only:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_bytes(orjson.dumps(measure_all(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    table = render_table(orjson.loads(RESULTS.read_bytes()))
    PAGE.write_text(put_table(PAGE.read_text(encoding="utf-8"), "speed", table), encoding="utf-8")
    sys.stdout.write(f"{table}\n")


if __name__ == "__main__":
    main()
