"""What the context brings on MELD: the same recipe with and without the earlier turns, several seeds.

    SENTIRE_DATA=… python benchmarks/meld_context.py 1 2 3        # the seeds; about twenty minutes each on two cores
    python benchmarks/meld_context.py --tables-only

Each finished run is a file in `benchmarks/results/meld_context/`. Everything is chosen on dev; test is only measured.
Each seed's difference is measured by itself: a paired bootstrap over the turns of test, which are taken as independent.
"""

import argparse
from pathlib import Path
from statistics import mean, stdev

from sentire.core.config import read_config
from sentire.evaluate.compare import compare_results
from sentire.evaluate.result import read_result, write_result
from sentire.evaluate.run import evaluate_model
from sentire.runtime.load import load
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "meld_context"
PAGE = ROOT / "docs" / "encoder.md"
CONFIGS = {"meld-text": "text alone", "meld-context": "text and earlier turns"}
METRICS = {"weighted_f1": "weighted F1", "macro_f1": "macro-F1"}


def measure(config: str, seed: int) -> None:
    """Train one model with one seed, and store its result on test."""
    from sentire.training.recipe import EncoderRecipe
    from sentire.training.train import train_encoder

    recipe = read_config(EncoderRecipe, ROOT / "configs" / f"{config}.toml", (f"seed={seed}",))
    folder = ROOT / "runs" / f"{config}-{seed}"
    train_encoder(recipe, folder)
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_result(RESULTS / f"{config}-{seed}.json", evaluate_model(load(folder), "meld:test"))


def read_seeds(config: str) -> list[int]:
    """Return the seeds that were measured."""
    return sorted(int(path.stem.rpartition("-")[2]) for path in RESULTS.glob(f"{config}-*.json"))


def render_table() -> str:
    """Render what is stored as Markdown: means and standard deviations over the seeds, and each seed's difference."""
    lines = [
        f"| | seeds | {' | '.join(f'{title}, mean ± sd (interval of seed 1)' for title in METRICS.values())} |",
        f"|---|---|{'---|' * len(METRICS)}",
    ]
    for config, title in CONFIGS.items():
        seeds = read_seeds(config)
        results = [read_result(RESULTS / f"{config}-{seed}.json") for seed in seeds]
        cells = []
        for metric in METRICS:
            values = [result.metrics[metric].value for result in results]
            first = results[0].metrics[metric]
            spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{mean(values):.3f}{spread} ({first.low:.3f}-{first.high:.3f})")
        lines.append(f"| {title} | {len(seeds)} | {' | '.join(cells)} |")
    text, context = CONFIGS
    for seed in sorted(set(read_seeds(text)) & set(read_seeds(context))):
        both = [read_result(RESULTS / f"{config}-{seed}.json") for config in (text, context)]
        differences = compare_results(*both).metrics
        cells = [
            f"{differences[metric].difference:+.3f} ({differences[metric].low:+.3f} to {differences[metric].high:+.3f})"
            for metric in METRICS
        ]
        lines.append(f"| difference, seed {seed} | | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure the seeds that are named, store them, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored results")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        for config in CONFIGS:
            measure(config, seed)
            print(f"{config}, seed {seed}: done", flush=True)
    PAGE.write_text(put_table(PAGE.read_text(encoding="utf-8"), "meld", render_table()), encoding="utf-8")


if __name__ == "__main__":
    main()
