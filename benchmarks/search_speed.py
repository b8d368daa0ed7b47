"""How fast a search is: 40,000 texts with 384 numbers each, from a query's text to the ten nearest.

The vectors are random directions: what they are changes no time. Measured in one run, in turns, on one core: to encode
the query with MiniLM, to find the nearest among the vectors, and both, as ``sentire search`` does once the file is
read; and to read the file that ``sentire embed`` writes.

    python benchmarks/search_speed.py                 # a minute
    python benchmarks/search_speed.py --tables-only   # the table in docs/representations.md again
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "search_speed.json"
PAGE = ROOT / "docs" / "representations.md"
N_TEXTS, N_ROUNDS, TOP, SEED = 40_000, 30, 10, 0
QUERIES = (
    "I am so glad that it worked",
    "this made me furious",
    "I dread tomorrow",
    "what a lovely surprise",
    "I miss her",
)


def time_call(call: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure() -> dict[str, Any]:
    """Measure everything."""
    import torch

    from sentire.representations.index import Index, search
    from sentire.representations.load import load_encoder
    from sentire.representations.text_files import describe_vectors, read_index
    from sentire.storage.vector_files import open_vector_writer

    torch.set_num_threads(1)
    encoder = load_encoder("minilm")
    vectors = np.random.default_rng(SEED).normal(size=(N_TEXTS, encoder.n_dimensions)).astype(np.float32)
    numbers = [str(number) for number in range(N_TEXTS)]
    texts = [f"text {number}" for number in numbers]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "vectors.parquet"
        with open_vector_writer(path, encoder.n_dimensions, describe_vectors(encoder)) as writer:
            writer.write(numbers, texts, vectors)
        read_seconds = [time_call(lambda: read_index(path, encoder)) for _ in range(3)]
    index = Index(encoder, numbers, texts, vectors)
    search(index, QUERIES[0], TOP)  # the first call of a library is slower
    seconds: dict[str, list[float]] = {"encode_query": [], "find": [], "both": []}
    for number in range(N_ROUNDS):
        query = QUERIES[number % len(QUERIES)]
        vector = encoder.encode([query])[0]
        seconds["encode_query"].append(time_call(lambda query=query: encoder.encode([query])))
        seconds["find"].append(time_call(lambda vector=vector: index.find(vector, TOP)))
        seconds["both"].append(time_call(lambda query=query: search(index, query, TOP)))
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_before": round(os.getloadavg()[0], 2),
        "n_texts": N_TEXTS,
        "n_dimensions": encoder.n_dimensions,
        "n_rounds": N_ROUNDS,
        "seed": SEED,
        "read_seconds": summarise(read_seconds),
        **{f"{name}_seconds": summarise(values) for name, values in seconds.items()},
    }


def summarise(seconds: list[float]) -> dict[str, float]:
    """Return the median and the extremes."""
    return {
        "median": round(float(np.median(seconds)), 5),
        "min": round(min(seconds), 5),
        "max": round(max(seconds), 5),
    }


def render_table(stored: dict[str, Any]) -> str:
    """Render the figures as Markdown."""
    rows = {
        "encode the query": "encode_query_seconds",
        "find its ten nearest": "find_seconds",
        "both: one search": "both_seconds",
        "read the file of vectors, once": "read_seconds",
    }
    lines = ["| one core | median, ms | fastest | slowest |", "|---|---|---|---|"]
    for name, key in rows.items():
        median, least, most = (1000 * stored[key][kind] for kind in ("median", "min", "max"))
        lines.append(f"| {name} | {median:.1f} | {least:.1f} | {most:.1f} |")
    size = f"{stored['n_texts']:,} texts, {stored['n_dimensions']} numbers each, {stored['n_rounds']} rounds"
    return "\n".join(
        [*lines, "", f"{size}. Machine: {stored['machine']}, load before the run {stored['load_before']}."]
    )


def main() -> None:
    """Measure, store, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored figures")
    if not parser.parse_args().tables_only:
        RESULTS.write_bytes(orjson.dumps(measure(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    table = render_table(orjson.loads(RESULTS.read_bytes()))
    PAGE.write_text(put_table(PAGE.read_text(encoding="utf-8"), "search", table), encoding="utf-8")
    sys.stdout.write(f"{table}\n")


if __name__ == "__main__":
    main()
