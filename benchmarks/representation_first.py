"""Do the students gain by a representation that was trained first? The chain of recipes, with and without.

Each arm trains plain fine-tuning, the first student and the second (`configs/goemotions-minilm.toml`,
`default-teacher.toml`, `default-student.toml`) from another encoder: the pre-trained one, the one that
`configs/retrofit.toml` makes of it, or the one of `configs/carl.toml`. Every model is measured on dev, cross-fitted;
test is not read. A model that is done is a line in a small file, so that a run that was stopped goes on.

    SENTIRE_DATA=… python benchmarks/representation_first.py 1 2 42     # seeds; hours on two cores
    SENTIRE_DATA=… python benchmarks/representation_first.py 1 --arms carl
    python benchmarks/representation_first.py --tables-only             # the table of docs/encoder.md again
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sentire.core.config import read_config
from sentire.storage.atomic import write_json
from tables import put_table
from trained import find_or_train

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "representation_first"
RUNS = Path("runs") / "representation-first"  # relative, as in the recipes: run it in the root of the project
PAGE = ROOT / "docs" / "encoder.md"

ARMS = {"pretrained": "pre-trained", "retrofit": "retrofitting first", "carl": "CARL first"}
STAGES = {
    "goemotions-minilm": "plain fine-tuning",
    "default-teacher": "the first student",
    "default-student": "the second student",
}
FIGURES = {"macro_f1": "macro-F1", "micro_f1": "micro-F1"}


def run_arm(arm: str, seed: int) -> None:
    """Train the chain of an arm, as far as it is not done, and store what each model is worth on dev."""
    # Here, so that the table can be written without torch.
    from sentire.encoders.device import describe_device
    from sentire.evaluate.result import describe_machine
    from sentire.training.recipe import EncoderRecipe
    from sentire.training.representation import REPORT_NAME, train_representation
    from sentire.training.representation_recipe import RepresentationRecipe

    def folder(name: str) -> str:
        return str(RUNS / f"{name}-{arm}-{seed}")

    own: list[str] = []
    for stage in STAGES:
        path = RESULTS / f"{stage}-{arm}-{seed}.json"
        overrides = [f"seed={seed}"]
        if arm != "pretrained":
            own = [f'encoder.name="{RUNS / f"{arm}-{seed}"}"']
        teachers = {
            "goemotions-minilm": [],
            "default-teacher": [folder("goemotions-minilm"), "linear"],
            "default-student": [folder("default-teacher"), folder("goemotions-minilm"), "linear"],
        }[stage]
        if teachers:
            overrides.append(f"distillation.teachers={orjson.dumps(teachers).decode()}")
        if stage == "default-student":
            overrides.append(f'encoder.start="{folder("default-teacher")}"')
        if path.exists():
            continue
        if arm != "pretrained" and not (RUNS / f"{arm}-{seed}" / REPORT_NAME).exists():
            first = read_config(RepresentationRecipe, ROOT / "configs" / f"{arm}.toml", [f"seed={seed}"])
            train_representation(first, RUNS / f"{arm}-{seed}")
        recipe = read_config(EncoderRecipe, ROOT / "configs" / f"{stage}.toml", [*overrides, *own])
        report = find_or_train(recipe, Path(folder(stage)))
        write_json(
            path,
            {
                "stage": stage,
                "arm": arm,
                "seed": seed,
                "dev_cross_fitted": report["thresholds"]["cross_fitted_on_dev"]["chosen"],
                "affect_on_dev": report["affect"],
                "machine": describe_machine() | describe_device(),
            },
        )
        print(f"{stage}, {ARMS[arm]}, seed {seed}: {report['thresholds']['cross_fitted_on_dev']['chosen']}", flush=True)


def read_results() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return what is done, by stage and arm."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        one = orjson.loads(path.read_bytes())
        found.setdefault((one["stage"], one["arm"]), []).append(one)
    return found


def render_table(found: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    """Render means over seeds with standard deviations, and differences of the same seeds with their t-interval."""
    head = " | ".join(f"{title} | … against the pre-trained" for title in FIGURES.values())
    lines = [f"| | | seeds | {head} |", f"|---|---|---|{'---|' * 2 * len(FIGURES)}"]
    for stage, stage_title in STAGES.items():
        base = {one["seed"]: one["dev_cross_fitted"] for one in found.get((stage, "pretrained"), [])}
        for arm, title in ARMS.items():
            runs = {one["seed"]: one["dev_cross_fitted"] for one in found.get((stage, arm), [])}
            if not runs:
                continue
            cells = []
            for figure in FIGURES:
                cells.append(_show_mean([run[figure] for run in runs.values()]))
                shared = [runs[seed][figure] - base[seed][figure] for seed in runs if seed in base]
                cells.append("" if arm == "pretrained" else _show_difference(shared))
            lines.append(f"| {stage_title} | {title} | {len(runs)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _show_mean(values: Sequence[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def _show_difference(values: Sequence[float]) -> str:
    if len(values) < 2:
        return "".join(f"{value:+.4f}" for value in values)
    from sentire.probing.seeds import summarise_seeds

    found = summarise_seeds(values)
    return f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def main() -> None:
    """Train what is asked for and not done yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored results")
    arguments = parser.parse_args()
    if not arguments.tables_only:
        RESULTS.mkdir(parents=True, exist_ok=True)
        for seed in arguments.seeds:
            for arm in arguments.arms:
                run_arm(arm, seed)
    if found := read_results():
        page = put_table(PAGE.read_text(encoding="utf-8"), "representation-first", render_table(found))
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
