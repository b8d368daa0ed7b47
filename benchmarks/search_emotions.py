"""Do the texts that a search finds feel like the query? 40,000 texts of GoEmotions, before and after retrofitting.

The texts are drawn from goemotions:train and embedded once by each encoder; the queries are single-label texts of
goemotions:test. A text that is found counts where the query's label is one of its own. Figures are means over queries
with their bootstrap interval, beside what texts drawn at random would give; the time of a search is from the query's
text to its ten nearest, once the texts are embedded.

    sentire train configs/retrofit.toml
    SENTIRE_DATA=… python benchmarks/search_emotions.py                # a quarter of an hour on one core
    SENTIRE_DATA=… python benchmarks/search_emotions.py default        # one of the encoders again, on the same machine
    python benchmarks/search_emotions.py --tables-only                 # the table of docs/representations.md again
"""

import argparse
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sentire.classifiers.labelled import read_labelled
from sentire.core.seeding import make_generator
from sentire.metrics.bootstrap import MeanStatistic, bootstrap
from sentire.storage.atomic import write_json
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "search_emotions.json"
PAGE = ROOT / "docs" / "representations.md"
N_TEXTS, N_QUERIES, TOP, SEED = 40_000, 1_000, 10, 0
ENCODERS = {
    "minilm": "minilm, pre-trained",
    "runs/retrofit": "the same, retrofitted (`configs/retrofit.toml`)",
    "default": "`default`, the embedded model's vectors",
}


def measure(names: Sequence[str]) -> dict[str, Any]:
    """Search with the encoders that are named; of the others what is stored stays."""
    from sentire.representations.index import Index, search
    from sentire.representations.load import load_encoder

    train, test = read_labelled("goemotions:train"), read_labelled("goemotions:test")
    chosen = make_generator(SEED, "texts to search in").choice(len(train), size=N_TEXTS, replace=False)
    texts, targets = [train.texts[row] for row in chosen], train.targets[chosen].astype(bool)
    single = np.flatnonzero(test.targets.sum(axis=1) == 1)
    asked = make_generator(SEED, "queries").choice(single, size=N_QUERIES, replace=False)
    labels = test.targets[asked].argmax(axis=1)
    ids = [str(number) for number in range(len(texts))]
    found: dict[str, Any] = orjson.loads(RESULTS.read_bytes())["encoders"] if RESULTS.exists() else {}
    for name in names:
        encoder = load_encoder(name)
        index = Index(encoder, ids, texts, encoder.encode(texts))
        shares, seconds = [], []
        for row, label in zip(asked, labels, strict=True):
            started = time.perf_counter()
            hits = search(index, test.texts[row], TOP)
            seconds.append(time.perf_counter() - started)
            shares.append(targets[[int(hit.id) for hit in hits], label].mean())
        statistic = MeanStatistic({"share": np.array(shares)})
        share = bootstrap(statistic, generator=make_generator(SEED, "bootstrap of queries"))["share"].estimate(
            n=len(shares)
        )
        found[name] = {
            "share": {key: round(getattr(share, key), 5) for key in ("value", "low", "high")},
            "seconds": {"median": round(float(np.median(seconds)), 5), "most": round(max(seconds), 5)},
        }
        print(name, found[name], flush=True)
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "n_texts": N_TEXTS,
        "n_queries": N_QUERIES,
        "seed": SEED,
        "by_chance": round(float(targets.mean(axis=0)[labels].mean()), 5),
        "encoders": {name: found[name] for name in ENCODERS if name in found},
    }


def render_table(stored: dict[str, Any]) -> str:
    """Render the figures as Markdown."""
    lines = [
        "| encoder | of the first ten, with the query's emotion | median time of a search, ms | slowest |",
        "|---|---|---|---|",
    ]
    for name, one in stored["encoders"].items():
        share, seconds = one["share"], one["seconds"]
        shown = f"{share['value']:.3f} ({share['low']:.3f}-{share['high']:.3f})"
        lines.append(f"| {ENCODERS[name]} | {shown} | {1000 * seconds['median']:.1f} | {1000 * seconds['most']:.1f} |")
    lines += [
        f"| drawn at random | {stored['by_chance']:.3f} | | |",
        "",
        f"{stored['n_texts']:,} texts, {stored['n_queries']:,} queries. Machine: {stored['machine']}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, store, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("encoders", nargs="*", help="all of them where none is named")
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored figures")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.encoders if name not in ENCODERS]:
        raise SystemExit(f"expected encoders among {', '.join(ENCODERS)}, got {', '.join(unknown)}")
    if not arguments.tables_only:
        write_json(RESULTS, measure(arguments.encoders or list(ENCODERS)))
    table = render_table(orjson.loads(RESULTS.read_bytes()))
    PAGE.write_text(put_table(PAGE.read_text(encoding="utf-8"), "search-emotions", table), encoding="utf-8")


if __name__ == "__main__":
    main()
