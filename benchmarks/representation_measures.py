"""How long the measures of representations take on 50,000 embeddings of 384 numbers, on one core.

The embeddings are random around the middles of 28 classes, which are as unequal in size as GoEmotions' (a tenth of a
per cent to a third), with a seed. Times are processor seconds, so that a machine that also does something else does
not change them.

- every measure of `metrics.retrieval` and `metrics.geometry` and every probe of `probing`, each as its users call it;
- three ways to find the 20 nearest of 50,000 texts for 2,000 queries, side by side in alternating rounds: ours (matrix
  product and partition), scikit-learn's brute force, and faiss (a flat index), where that is installed.

    OMP_NUM_THREADS=1 python benchmarks/representation_measures.py   # 3 minutes on a free core
    python benchmarks/representation_measures.py --tables-only       # the table of docs/representations.md again
"""

import argparse
import importlib
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from sklearn.neighbors import NearestNeighbors

from sentire.core.seeding import make_generator
from sentire.metrics.geometry import alignment, embedding_shift, find_close_pairs, uniformity
from sentire.metrics.inputs import check_unit_rows
from sentire.metrics.retrieval import measure_queries, retrieval
from sentire.probing.affect import affect_probe
from sentire.probing.clusters import cluster
from sentire.probing.linear import linear_probe
from sentire.probing.neighbours import CosineIndex, nearest, neighbour_probe
from sentire.probing.splits import EmbeddedSplit
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "representation_measures.json"
PAGE = ROOT / "docs" / "representations.md"
SEED = 0
N_TEXTS, N_FEATURES, N_CLASSES = 50_000, 384, 28
N_TRAIN, N_DEV = 36_000, 7_000
N_QUERIES, N_NEIGHBOURS, N_ROUNDS = 2_000, 20, 2
SPREAD = 0.3
"""How far the classes' middles lie apart, in the spread of a class."""


def make_data() -> dict[str, Any]:
    """Make embeddings, classes, labels and affect scores."""
    generator = make_generator(SEED, "benchmark of representation measures")
    shares = np.geomspace(0.33, 0.0015, N_CLASSES)
    classes = generator.choice(N_CLASSES, size=N_TEXTS, p=shares / shares.sum())
    middles = generator.normal(size=(N_CLASSES, N_FEATURES))
    noise = generator.normal(size=(N_TEXTS, N_FEATURES))
    labels = np.eye(N_CLASSES, dtype=np.bool_)[classes]
    second = generator.random(N_TEXTS) < 0.17
    labels[second, generator.choice(N_CLASSES, size=int(second.sum()), p=shares / shares.sum())] = True
    affect = generator.normal(size=(N_CLASSES, 3))[classes] + generator.normal(size=(N_TEXTS, 3))
    embeddings = (SPREAD * middles[classes] + noise).astype(np.float32)
    moved = embeddings + generator.normal(scale=0.1, size=embeddings.shape).astype(np.float32)
    return {"embeddings": embeddings, "moved": moved, "classes": classes, "labels": labels, "affect": affect}


def split(embeddings: Any, targets: Any) -> tuple[EmbeddedSplit, EmbeddedSplit, EmbeddedSplit]:
    """Cut into train, dev and test."""
    cuts = [slice(0, N_TRAIN), slice(N_TRAIN, N_TRAIN + N_DEV), slice(N_TRAIN + N_DEV, N_TEXTS)]
    train, dev, test = (EmbeddedSplit(embeddings=embeddings[rows], targets=targets[rows]) for rows in cuts)
    return train, dev, test


def time_call(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds of a call, and what it returned."""
    started = time.process_time()
    found = call()
    return time.process_time() - started, found


def measure_all() -> dict[str, Any]:
    """Measure everything."""
    data = make_data()
    embeddings, classes = data["embeddings"], data["classes"]
    close = find_close_pairs(data["affect"][:, :2], quantile=0.02)
    calls: dict[str, Callable[[], Any]] = {
        "shift, with interval": lambda: embedding_shift(data["moved"], embeddings),
        "close pairs among 4,000,000": lambda: find_close_pairs(data["affect"][:, :2], quantile=0.02),
        f"alignment of {len(close.pairs):,} pairs, with interval": lambda: alignment(embeddings, close.pairs),
        "uniformity of 10,000 texts, with interval": lambda: uniformity(embeddings),
        "MRR, P@1, P@10, MAP@R of 5,000 queries, with intervals": lambda: retrieval(
            embeddings, classes, max_queries=5_000
        ),
        "the same, several labels a text, without intervals": lambda: measure_queries(
            embeddings, data["labels"], max_queries=5_000
        ),
        "AMI, ARI, FMS of one k-means": lambda: cluster(embeddings, classes, n_restarts=1),
        "linear probe, one class a text, 5 strengths": lambda: linear_probe(*split(embeddings, classes)),
        "linear probe, 28 labels, 5 strengths, cut-offs": lambda: linear_probe(*split(embeddings, data["labels"])),
        "affect probe, 3 dimensions, 8 strengths": lambda: affect_probe(*split(embeddings, data["affect"])),
        "neighbour probe, one class a text": lambda: neighbour_probe(*split(embeddings, classes)),
        "MRR, P@1, P@10, MAP@R of all queries, with intervals": lambda: retrieval(embeddings, classes),
    }
    index = CosineIndex(embeddings)
    one_query = [time_call(lambda: index.nearest(embeddings[:1], N_NEIGHBOURS))[0] for _ in range(21)]
    seconds = {}
    for name, call in calls.items():
        seconds[name] = round(time_call(call)[0], 2)
        sys.stderr.write(f"{seconds[name]:8.2f}  {name}\n")
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        "load_before": round(os.getloadavg()[0], 2),
        "seed": SEED,
        "n_texts": N_TEXTS,
        "n_features": N_FEATURES,
        "largest_class": int(np.bincount(classes).max()),
        "processor_seconds": seconds,
        "one_query_milliseconds": round(1000 * float(np.median(one_query)), 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "nearest": compare_nearest(embeddings),
    }


def compare_nearest(embeddings: Any) -> dict[str, Any]:
    """Time the ways to find nearest neighbours in alternating rounds, and make sure that they find the same."""
    unit = check_unit_rows(embeddings)
    queries = unit[:N_QUERIES]

    def run_scikit_learn() -> Any:
        fitted = NearestNeighbors(n_neighbors=N_NEIGHBOURS, algorithm="brute", metric="euclidean").fit(unit)
        return fitted.kneighbors(queries)[1]

    ways: dict[str, Callable[[], Any]] = {
        "sentire": lambda: nearest(queries, unit, N_NEIGHBOURS)[0],
        "scikit-learn": run_scikit_learn,
    }
    try:
        faiss = importlib.import_module("faiss")
    except ImportError:
        pass
    else:
        faiss.omp_set_num_threads(1)

        def run_faiss() -> Any:
            flat = faiss.IndexFlatIP(unit.shape[1])
            flat.add(unit)
            return flat.search(queries, N_NEIGHBOURS)[1]

        ways["faiss"] = run_faiss
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found = {}
    for _ in range(N_ROUNDS):
        for name, way in ways.items():
            taken, found[name] = time_call(way)
            seconds[name].append(taken)
    for name, places in found.items():
        assert np.mean(places == found["sentire"]) > 0.999, name
    return {
        "n_queries": N_QUERIES,
        "k": N_NEIGHBOURS,
        "processor_seconds": {name: round(float(np.median(taken)), 2) for name, taken in seconds.items()},
    }


def render_table(results: dict[str, Any]) -> str:
    """Render the figures as Markdown."""
    ways = results["nearest"]
    return "\n".join(
        [
            f"| on {results['n_texts']:,} embeddings of {results['n_features']} numbers | processor seconds |",
            "|---|---|",
            *(f"| {name} | {seconds:.2f} |" for name, seconds in results["processor_seconds"].items()),
            "",
            f"The {ways['k']} nearest for {ways['n_queries']:,} queries: "
            + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in ways["processor_seconds"].items())
            + f". One query: {results['one_query_milliseconds']} ms.",
            f"Machine: {results['machine']}, {results['threads']} thread, peak memory {results['peak_mib']:,} MiB.",
        ]
    )


def main() -> None:
    """Measure and store, and write the table of the docs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored figures")
    if not parser.parse_args().tables_only:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_bytes(orjson.dumps(measure_all(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    table = render_table(orjson.loads(RESULTS.read_bytes()))
    PAGE.write_text(put_table(PAGE.read_text(encoding="utf-8"), "measures", table), encoding="utf-8")


if __name__ == "__main__":
    main()
