"""How fast the encoder is, beside the usual ways to serve one, and how much memory it takes.

Measured side by side in one run, on texts of `goemotions:test`, on one core and on two:

- the runtime with an int8 encoder model, and with the same weights in float32;
- the same graphs in onnxruntime by itself, one text at a time in the order of the texts, without padding;
- the text-classification pipeline of transformers with the same weights, in batches of 1, 8, 32 and 64;
- the same pipeline with a roberta-base (random weights, the tokenizer of the model: only its size matters here);
- sentence-transformers' `encode` with the pre-trained MiniLM, which is the encoder without a head;
- the fastest int8 and float32 matrix products that onnxruntime makes on one core, and what share of it the runtime
  reaches from text to probabilities.

Every contender runs once a round, in an order of the round's own, in a process that is warm. Ratios are taken within
each round. Then, in fresh processes: `sentire analyze "one text"`, and `sentire analyze --input` on long files.

    SENTIRE_DATA=… python benchmarks/encoder_speed.py           # twelve minutes on two idle cores
    SENTIRE_DATA=… python benchmarks/encoder_speed.py MODEL     # the folder of an int8 encoder model
    SENTIRE_DATA=… python benchmarks/encoder_speed.py --quick   # a minute; shows the table and stores nothing
    SENTIRE_DATA=… python benchmarks/encoder_speed.py --rows 1000000    # a file of so many rows, too
    python benchmarks/encoder_speed.py --tables-only            # the table in docs/speed.md again
"""

import argparse
import csv
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from tokenizers import Tokenizer

from encoder_contenders import (
    FLOAT32,
    INT8,
    PEAK_FLOAT32,
    PEAK_INT8,
    PIPELINE,
    PIPELINE_BATCHES,
    PLAIN_FLOAT32,
    PLAIN_INT8,
    ROBERTA,
    ROBERTA_BATCHES,
    SENTENCE_BATCH,
    SENTENCE_TRANSFORMERS,
    Plan,
    Ready,
    Worker,
    choose_cores,
)
from fresh_process import run_fresh
from graph_weights import GraphWeights, read_weights
from sentire.data.registry import load_dataset
from sentire.encoders.shape import EncoderShape
from sentire.export.graph import build_graph
from sentire.runtime.encoder_model import KIND, ONNX_NAME, TOKENIZER_NAME
from sentire.runtime.load import EMBEDDED_MODELS, load
from sentire.runtime.model_folder import read_config_file, read_model_manifest, write_model_folder
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "speed.md"
RESULTS = ROOT / "benchmarks" / "results" / "encoder_speed.json"
DATA, SPLIT = "goemotions", "test"
SEED = 0
PEAKS = (PEAK_INT8, PEAK_FLOAT32)
N_COLD_STARTS = 5
LARGEST_INT8_DIFFERENCE, LARGEST_FLOAT32_DIFFERENCE = 0.2, 2e-3
"""Between the probabilities of the runtime and of the pipeline: with more, they do not hold the same weights."""

TITLES = {
    INT8: "**Sentire, int8**",
    FLOAT32: "Sentire, float32",
    PLAIN_INT8: "onnxruntime alone, int8, one text at a time",
    PLAIN_FLOAT32: "onnxruntime alone, float32, one text at a time",
    **{f"{PIPELINE}-{size}": f"`transformers` pipeline, same weights, batch {size}" for size in PIPELINE_BATCHES},
    SENTENCE_TRANSFORMERS: f"`sentence-transformers`, encoder without head, batch {SENTENCE_BATCH}",
    **{f"{ROBERTA}-{size}": f"`transformers` pipeline, roberta-base, batch {size}" for size in ROBERTA_BATCHES},
}


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured.

    Attributes:
        n_rounds: Runs of every contender.
        n_texts: Of one run, by contender or by the name before its batch size.
        file_rows: Of the files.
    """

    n_rounds: int
    n_texts: Mapping[str, int]
    file_rows: tuple[int, ...]

    def texts_of(self, contender: str) -> int:
        """Return the texts of one run of a contender."""
        return self.n_texts.get(contender) or self.n_texts[contender.rpartition("-")[0]]


WHOLE = Size(
    n_rounds=4,
    n_texts={
        INT8: 4096,
        FLOAT32: 1024,
        PLAIN_INT8: 1024,
        PLAIN_FLOAT32: 512,
        PIPELINE: 192,
        SENTENCE_TRANSFORMERS: 384,
        ROBERTA: 48,
    },
    file_rows=(20_000, 100_000),
)
QUICK = Size(
    n_rounds=3,
    n_texts={
        INT8: 1024,
        FLOAT32: 256,
        PLAIN_INT8: 256,
        PLAIN_FLOAT32: 96,
        PIPELINE: 64,
        SENTENCE_TRANSFORMERS: 96,
        ROBERTA: 8,
    },
    file_rows=(2_000, 8_000),
)

Seconds = dict[str, dict[int, list[float]]]
"""By contender and number of cores, one a round."""


def pick_texts(texts: Sequence[str], lengths: NDArray[np.int64], n_texts: int, *, seed: int) -> list[str]:
    """Choose texts that are as long as the whole: every so many in the order of length, then shuffled.

    Fewer texts are measured where a contender is slow; drawn at random, they might be longer or shorter ones.

    Args:
        texts: N texts.
        lengths: Their tokens, shape (N,).
        n_texts: How many; all where there are no more.
        seed: Of the order.
    """
    n_texts = min(n_texts, len(texts))
    places = ((np.arange(n_texts) + 0.5) * len(texts) / n_texts).astype(int)
    chosen = np.argsort(lengths, kind="stable")[places]
    return [texts[place] for place in np.random.default_rng(seed).permutation(chosen)]


def count_operations(shape: EncoderShape, lengths: NDArray[np.int64]) -> int:
    """Return the additions and multiplications of the matrix products of texts of so many tokens.

    ``layers (2 (4 D² + 2 D I) T + 4 D T²)`` for a text of T tokens: the projections, and the two products of attention.
    Embeddings, layer norms, softmax, GELU and heads are left out.
    """
    size, inner = shape.hidden_size, shape.intermediate_size
    linear = 2 * (4 * size**2 + 2 * size * inner)
    return int(shape.n_layers * (linear * lengths + 4 * size * lengths**2).sum())


def measure_all(model_name: str, size: Size) -> dict[str, Any]:
    """Measure everything."""
    folder = find_folder(model_name)
    weights = read_weights((folder / ONNX_NAME).read_bytes())
    data = load_dataset(DATA)
    texts = [example.text for example in data.read_split(SPLIT)]
    lengths = count_tokens(folder, texts)
    texts_of = {name: pick_texts(texts, lengths, size.texts_of(name), seed=SEED) for name in TITLES}
    results: dict[str, Any] = {
        "machine": describe_machine(),
        "commit": describe_commit(),
        "seed": SEED,
        "model": describe_model(model_name, folder, weights.shape),
        "data": {
            "name": f"{DATA}:{SPLIT}",
            "revision": data.card.revision,
            "n": len(texts),
            "tokens_per_text": round(float(lengths.mean()), 2),
        },
        "n_rounds": size.n_rounds,
    }
    with tempfile.TemporaryDirectory() as scratch:
        float32_folder = write_float32_folder(folder, weights, Path(scratch) / "float32")
        seconds, ready = run_rounds(folder, float32_folder, texts_of, size.n_rounds)
    lengths_of = {name: count_tokens(folder, chosen) for name, chosen in texts_of.items()}
    results["machine"]["versions"] |= {key: text for one in ready for key, text in one.versions.items()}
    results["differences"] = compare_answers(ready)
    results["contenders"] = summarise(seconds, lengths_of)
    results["ratios"] = find_ratios(seconds, lengths_of)
    operations = {name: count for one in ready for name, count in one.operations.items()}
    results["peak"] = find_shares(seconds, operations, count_operations(weights.shape, lengths_of[INT8]))
    print("fresh processes", flush=True)
    results["cold_start_seconds"] = measure_cold_start(model_name)
    results["files"] = measure_files(model_name, texts, size.file_rows)
    return results


def find_folder(model_name: str) -> Path:
    """Return the folder of an int8 encoder model, embedded or given.

    Raises:
        SystemExit: It is a model of another kind or precision.
    """
    embedded = ROOT / "src" / "sentire" / "assets" / EMBEDDED_MODELS.get(model_name, "")
    folder = embedded if model_name in EMBEDDED_MODELS else Path(model_name)
    kind = read_model_manifest(folder).get("kind")
    if kind != KIND:
        raise SystemExit(f"expected a model of the kind {KIND}, got {model_name} of the kind {kind}; name a folder")
    precision = read_config_file(folder)[1]["encoder"]["precision"]
    if precision != "int8":
        raise SystemExit(f"expected an int8 model, from which a float32 one is made here, got {precision}")
    return folder


def count_tokens(folder: Path, texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the tokens of each text, special ones included, shape (N,)."""
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_NAME))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    most = int(read_config_file(folder)[1]["encoder"]["max_tokens"])
    counts = np.array([len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))], dtype=np.int64)
    if counts.max() > most:
        raise SystemExit(f"expected texts of at most {most} tokens, which are one window, got {counts.max()}")
    return counts


def write_float32_folder(folder: Path, weights: GraphWeights, target: Path) -> Path:
    """Write the same weights as a float32 model."""
    config, facts = read_config_file(folder)
    graph = build_graph(weights.arrays, weights.shape, precision="float32")
    write_model_folder(
        target,
        KIND,
        config,
        facts={
            "encoder": facts["encoder"] | {"precision": "float32"},
            "calibration": facts["calibration"],
            "affect": facts["affect"],
        },
        files={ONNX_NAME: graph, TOKENIZER_NAME: (folder / TOKENIZER_NAME).read_bytes()},
        card="The same weights in float32.\n",
    )
    return target


def run_rounds(
    folder: Path, float32_folder: Path, texts_of: Mapping[str, Sequence[str]], n_rounds: int
) -> tuple[Seconds, list[Ready]]:
    """Start the workers and run every contender once a round."""
    plan = Plan(
        library="",
        cores=(),
        int8_folder=str(folder.resolve()),
        float32_folder=str(float32_folder),
        texts=texts_of,
        seed=SEED,
    )
    counts = sorted({len(choose_cores(n_cores)) for n_cores in (1, 2)})
    workers: list[tuple[int, Worker]] = []
    ready: list[Ready] = []
    try:
        for n_cores in counts:
            for library in ("onnxruntime", "torch"):
                worker = Worker(replace(plan, library=library, cores=choose_cores(n_cores)))
                workers.append((n_cores, worker))
                ready.append(worker.wait_ready())  # one after the other: they would warm up on the same cores
        turns = [
            (name, n_cores, worker) for (n_cores, worker), one in zip(workers, ready, strict=True) for name in one.names
        ]
        seconds: Seconds = {name: {} for name, _, _ in turns}
        rng = np.random.default_rng(SEED)
        for number in range(n_rounds):
            started = time.perf_counter()
            for place in rng.permutation(len(turns)):
                name, n_cores, worker = turns[place]
                seconds[name].setdefault(n_cores, []).append(worker.run(name))
            print(f"round {number + 1} of {n_rounds}: {time.perf_counter() - started:.0f} s", flush=True)
    finally:
        for _, worker in workers:
            worker.stop()
    return seconds, ready


def compare_answers(ready: Sequence[Ready]) -> dict[str, float]:
    """Make sure that all hold the same weights, and return the largest difference of a probability.

    Raises:
        SystemExit: The pipeline answers something else than the runtime.
    """
    (usual, *_) = (one.proba[PIPELINE] for one in ready if PIPELINE in one.proba)
    found = {}
    for name, largest in ((INT8, LARGEST_INT8_DIFFERENCE), (FLOAT32, LARGEST_FLOAT32_DIFFERENCE)):
        found[name] = max(float(np.abs(one.proba[name] - usual).max()) for one in ready if name in one.proba)
        if found[name] > largest:
            raise SystemExit(
                f"expected {name} and the pipeline to differ by at most {largest}, got {found[name]:.3f}: the weights "
                "that graph_weights.py reads are not those of the graph"
            )
    return {name: round(difference, 6) for name, difference in found.items()}


def summarise(seconds: Seconds, lengths_of: Mapping[str, NDArray[np.int64]]) -> dict[str, Any]:
    """Return the rates of each contender: the median over the rounds, the best, and all seconds."""
    summary: dict[str, Any] = {}
    for name in TITLES:
        if name in seconds:
            n_texts, n_tokens = len(lengths_of[name]), int(lengths_of[name].sum())
            summary[name] = {"title": TITLES[name], "n_texts": n_texts, "n_tokens": n_tokens, "cores": {}}
            for n_cores, runs in sorted(seconds[name].items()):
                summary[name]["cores"][str(n_cores)] = {
                    "texts_per_second": round(n_texts / float(np.median(runs)), 1),
                    "best_texts_per_second": round(n_texts / min(runs), 1),
                    "tokens_per_second": round(n_tokens / float(np.median(runs))),
                    "seconds": [round(run, 4) for run in runs],
                }
    return summary


def find_ratios(seconds: Seconds, lengths_of: Mapping[str, NDArray[np.int64]]) -> list[dict[str, Any]]:
    """Return how many times as many texts a second Sentire answers, round by round.

    Of the pipelines, the batch size with the best median counts.
    """

    def rates(name: str, n_cores: int) -> NDArray[np.float64]:
        return len(lengths_of[name]) / np.array(seconds[name][n_cores])

    def add(title: str, n_cores: int, over: NDArray[np.float64], under: NDArray[np.float64]) -> None:
        per_round = over / under
        ratios.append(
            {
                "title": title,
                "cores": n_cores,
                "median": round(float(np.median(per_round)), 3),
                "low": round(float(per_round.min()), 3),
                "high": round(float(per_round.max()), 3),
            }
        )

    ratios: list[dict[str, Any]] = []
    families = (PIPELINE, ROBERTA, SENTENCE_TRANSFORMERS, PLAIN_INT8, FLOAT32)
    counts = sorted(seconds[INT8])
    for family in families:
        for n_cores in counts:
            members = [name for name in seconds if name == family or name.rpartition("-")[0] == family]
            if members:
                best = max(members, key=lambda name: float(np.median(rates(name, n_cores))))
                add(TITLES[best].strip("*"), n_cores, rates(INT8, n_cores), rates(best, n_cores))
    if len(counts) > 1:
        add("itself on one core", counts[-1], rates(INT8, counts[-1]), rates(INT8, counts[0]))
    return ratios


def find_shares(seconds: Seconds, operations: Mapping[str, int], operations_of_texts: int) -> dict[str, Any]:
    """Return the best matrix products of one core, and how much of that rate the runtime reaches.

    The peak is the best of all rounds; the runtime counts with its median.
    """
    peak = {name: operations[name] / min(seconds[name][1]) / 1e9 for name in PEAKS}
    reached = operations_of_texts / float(np.median(seconds[INT8][1])) / 1e9
    return {
        "int8_gop_per_second": round(peak[PEAK_INT8], 1),
        "float32_gflop_per_second": round(peak[PEAK_FLOAT32], 1),
        "reached_gop_per_second": round(reached, 1),
        "share_of_int8": round(reached / peak[PEAK_INT8], 4),
        "share_of_float32": round(reached / peak[PEAK_FLOAT32], 4),
    }


def measure_cold_start(model_name: str) -> dict[str, float]:
    """Time the command on one text, from the start of the process to its end."""
    # The first finds neither bytecode nor files in the system's memory, and is not counted.
    runs = [run_fresh("analyze", "Thank you!", "--model", model_name)["seconds"] for _ in range(N_COLD_STARTS + 1)][1:]
    return {"median": round(float(np.median(runs)), 3), "max": round(max(runs), 3), "n": len(runs)}


def measure_files(model_name: str, texts: Sequence[str], file_rows: Sequence[int]) -> list[dict[str, Any]]:
    """Measure the command on CSV files of several lengths, with a CSV of answers."""
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for n_rows in file_rows:
            path, output = Path(folder) / f"{n_rows}.csv", Path(folder) / "answers.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["id", "text"])
                writer.writerows((number, texts[number % len(texts)]) for number in range(n_rows))
            run = run_fresh("analyze", "--input", str(path), "--output", str(output), "--model", model_name)
            measured.append(
                {
                    "rows": n_rows,
                    "texts_per_second": round(n_rows / run["seconds"]),
                    "peak_mib": round(run["peak_kib"] / 1024, 1),
                }
            )
            print(f"{n_rows:,} rows: {run['seconds']:.0f} s", flush=True)
    return measured


def describe_machine() -> dict[str, Any]:
    """Say what is measured on, and with what load before."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }


def describe_model(name: str, folder: Path, shape: EncoderShape) -> dict[str, Any]:
    """Say which model is measured."""
    return {
        "name": load(folder).name,
        "is_embedded": name in EMBEDDED_MODELS,
        "fingerprint": read_model_manifest(folder)["fingerprint"],
        "layers": shape.n_layers,
        "hidden_size": shape.hidden_size,
        "bytes": (folder / ONNX_NAME).stat().st_size,
    }


def describe_commit() -> str:
    """Name the commit that was measured, with ``-dirty`` where files had been changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def render_table(results: Mapping[str, Any]) -> str:
    """Render the figures as Markdown."""
    contenders = results["contenders"]
    counts = sorted(int(count) for count in contenders[INT8]["cores"])
    cores = {count: "one core" if count == 1 else f"{count} cores" for count in counts}
    lines = [
        f"| texts a second | {' | '.join(cores.values())} | texts a round |",
        f"|---|{'---|' * len(counts)}---|",
    ]
    for one in contenders.values():
        cells = [_show_rate(one["cores"][str(count)]["texts_per_second"]) for count in counts]
        lines.append(f"| {one['title']} | {' | '.join(cells)} | {one['n_texts']:,} |")
    lines += ["", "| Sentire, int8, is so many times as fast as | cores | median | lowest and highest round |"]
    lines += ["|---|---|---|---|"]
    for ratio in results["ratios"]:
        low, high = _show_ratio(ratio["low"]), _show_ratio(ratio["high"])
        lines.append(f"| {ratio['title']} | {ratio['cores']} | {_show_ratio(ratio['median'])} | {low} to {high} |")
    lines += ["", "| `sentire analyze --input`, start and output as CSV included | texts/s | peak memory, MiB |"]
    lines += ["|---|---|---|"]
    lines += [
        f"| {run['rows']:,} rows | {run['texts_per_second']:,} | {run['peak_mib']:.0f} |" for run in results["files"]
    ]
    return "\n".join([*lines, "", *_render_facts(results)])


def _render_facts(results: Mapping[str, Any]) -> list[str]:
    peak, cold, data = results["peak"], results["cold_start_seconds"], results["data"]
    machine, model = results["machine"], results["model"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return [
        f"The fastest matrix products of one core: {peak['int8_gop_per_second']:,.0f} GOP/s in int8,",
        f"{peak['float32_gflop_per_second']:,.0f} GFLOP/s in float32. From text to probabilities the int8 model makes",
        f"{peak['reached_gop_per_second']:,.0f} GOP/s on one core, {peak['share_of_int8']:.0%} of the int8 peak.",
        f'`sentire analyze "one text"` from a cold start: {cold["median"]:.2f} s (median of {cold["n"]}).',
        "",
        f"Medians of {results['n_rounds']} rounds on {data['name']} ({data['n']:,} texts,",
        f"{data['tokens_per_text']:.1f} tokens a text). Model: `{model['name']}`, {model['layers']} layers of",
        f"{model['hidden_size']}, {model['bytes'] / 1e6:.1f} MB.",
        f"Machine: {machine['processor']}, {machine['cores']} cores, load before the run {machine['load_before']};",
        f"{versions}.",
    ]


def _show_rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def _show_ratio(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def main() -> None:
    """Measure, store, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="default", help="an embedded model, or the folder of one")
    parser.add_argument("--quick", action="store_true", help="a minute; show the table and store nothing")
    parser.add_argument("--rows", type=int, help="measure a file of so many rows, too")
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored figures")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else WHOLE
    if arguments.rows:
        size = replace(size, file_rows=(*size.file_rows, arguments.rows))
    if arguments.quick or not arguments.tables_only:
        results = measure_all(arguments.model, size)
        if arguments.quick:
            sys.stdout.write(f"{render_table(results)}\n")
            return
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    table = render_table(orjson.loads(RESULTS.read_bytes()))
    PAGE.write_text(put_table(PAGE.read_text(encoding="utf-8"), "speed", table), encoding="utf-8")
    sys.stdout.write(f"{table}\n")


if __name__ == "__main__":
    main()
