"""What each lever brings to a small encoder on GoEmotions: one row a lever, the ones that do not help included.

Each row is one `sentire train CONFIG --set …`, or an average of models that other rows trained. A row that is done is a
small file in `benchmarks/results/encoder_levers/`, so that rows can be run one at a time, on any machine, and a run
that was stopped goes on. Everything is chosen on dev; test is only measured.

    SENTIRE_DATA=… python benchmarks/encoder_levers.py --list
    SENTIRE_DATA=… python benchmarks/encoder_levers.py plain distilled     # half an hour to an hour each on two cores
    python benchmarks/encoder_levers.py --tables-only                      # the table of docs/encoder.md again
"""

import argparse
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire.classifiers.dev_fit import DevFit, fit_on_dev
from sentire.classifiers.labelled import read_labelled
from sentire.classifiers.recipe import CalibrationSection, ThresholdSection
from sentire.core.config import read_config
from sentire.core.labels import GOEMOTIONS
from sentire.core.protocols import Context
from sentire.data.registry import load_dataset
from sentire.evaluate.evaluator import evaluate_classifier
from sentire.evaluate.result import EvaluationResult
from sentire.evaluate.run import evaluate_model
from sentire.runtime.decisions import decide
from sentire.runtime.load import EMBEDDED_MODELS, load
from sentire.storage.atomic import write_json
from tables import put_table
from trained import find_or_train

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "encoder_levers"
RUNS = ROOT / "runs"
PAGE = ROOT / "docs" / "encoder.md"
README = ROOT / "README.md"
README_TITLES = {"plain": "plain fine-tuning, 2 epochs", "default": "the embedded encoder (int8)"}

SEED = 42
METRICS = ("macro_f1", "micro_f1", "macro_f1_min50", "micro_ece")
TITLES = {
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "macro_f1_min50": "macro-F1, labels with ≥ 50",
    "micro_ece": "ECE (micro)",
}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A row that trains a model, or measures an embedded one where there is no config."""

    title: str
    config: str = ""
    overrides: tuple[str, ...] = ()
    embedded: str = ""


@dataclass(frozen=True, kw_only=True)
class Averaged:
    """A row that averages the logits of models; the weights are chosen on dev."""

    title: str
    models: tuple[str, ...]
    weights: tuple[float, ...]


ROWS: dict[str, Trained | Averaged] = {
    "linear": Trained(title="embedded `linear` (TF-IDF)", embedded="linear"),
    "plain": Trained(title="plain fine-tuning, 2 epochs", config="goemotions-minilm"),
    "plain-ema": Trained(
        title="… with an average of the weights",
        config="goemotions-minilm",
        overrides=("optimisation.average_decay=0.997",),
    ),
    "plain-3": Trained(title="… 3 epochs", config="goemotions-minilm", overrides=("optimisation.n_epochs=3",)),
    "plain-base-rates": Trained(
        title="… heads that start at the base rates and learn ten times as fast",
        config="goemotions-minilm",
        overrides=("optimisation.starts_at_base_rates=true", "optimisation.head_factor=10.0"),
    ),
    "plain-emoji": Trained(
        title="… emoji as tokens of their own", config="goemotions-minilm", overrides=("encoder.emoji=true",)
    ),
    "plain-dropout": Trained(
        title="… dropout .1 inside the encoder", config="goemotions-minilm", overrides=("encoder.inner_dropout=0.1",)
    ),
    "plain-asymmetric": Trained(
        title="… asymmetric loss", config="goemotions-minilm", overrides=('loss.name="asymmetric"',)
    ),
    "plain-focal": Trained(title="… focal loss", config="goemotions-minilm", overrides=('loss.name="focal"',)),
    "plain-weights": Trained(
        title="… class weights", config="goemotions-minilm", overrides=('loss.class_weights="sqrt-balanced"',)
    ),
    "plain-rare": Trained(
        title="… with our texts for rare labels",
        config="goemotions-minilm",
        overrides=('data.further_train=["rare-labels:train"]', "data.further_repeats=2"),
    ),
    "retrofit-first": Trained(title="retrofitting first, then plain fine-tuning", config="goemotions-retrofit-first"),
    "average": Averaged(
        title="plain fine-tuning and `linear`, averaged",
        models=("runs/goemotions-minilm", "linear"),
        weights=(0.5, 0.5),
    ),
    "default-teacher": Trained(
        title="a first student of these two (int8), with affect and context", config="default-teacher"
    ),
    "average-3": Averaged(
        title="plain fine-tuning, `linear` and the first student, averaged",
        models=("runs/goemotions-minilm", "linear", "runs/default-teacher"),
        weights=(1.0, 1.0, 1.0),
    ),
    "default-student": Trained(title="a second student (int8), of these three", config="default-student"),
    "average-retrofit": Averaged(
        title="the second student, retrofitting first and `linear`, averaged",
        models=("runs/default-student", "runs/goemotions-retrofit-first", "linear"),
        weights=(1.0, 1.0, 1.0),
    ),
    "default": Trained(title="the embedded encoder (int8): a third student, of these three", config="default"),
    "more-context": Trained(
        title="… two epochs from the first student, `situations` twice: reads contexts better",
        config="default",
        overrides=(
            'encoder.start="runs/default-teacher"',
            "encoder.start_share=0.25",
            'distillation.teachers=["runs/default-teacher", "runs/goemotions-retrofit-first", "linear"]',
            "data.further_repeats=2",
            "optimisation.n_epochs=2",
            "optimisation.learning_rate=1e-4",
        ),
    ),
    "default-linear": Averaged(
        title="the embedded encoder and `linear`, averaged at run time",
        models=("default", "linear"),
        weights=(0.75, 0.25),
    ),
}


class AveragedModel:
    """Several models as one predictor."""

    uses_context = False

    def __init__(self, row: Averaged, fitted: DevFit) -> None:
        self.name = row.title
        self.label_space = GOEMOTIONS
        self.fingerprint = ""
        self.thresholds = fitted.thresholds.thresholds
        self.projected_thresholds: Mapping[str, NDArray[np.float64]] = {}
        self._row, self._fitted = row, fitted

    def predict_proba(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (N, C)."""
        del context
        return self._fitted.calibrator.apply(average_log_odds(self._row, texts))

    def decide(self, proba: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return decisions, shape (N, C)."""
        return decide(proba, self.thresholds, self.label_space)


def average_log_odds(row: Averaged, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the weighted mean of the models' logits, shape (N, C).

    Before calibration: the models' calibrators were fitted on dev, and would lend its labels to the dev figures here.
    """
    total = np.zeros((len(texts), len(GOEMOTIONS)))
    for name, weight in zip(row.models, row.weights, strict=True):
        total += (
            weight / sum(row.weights) * load(name if name in EMBEDDED_MODELS else ROOT / name).predict_logits(texts)
        )
    return total.astype(np.float32)


def measure(name: str) -> dict[str, Any]:
    """Train and measure one row."""
    row = ROWS[name]
    if isinstance(row, Averaged):
        dev = read_labelled("goemotions:dev")
        fitted = fit_on_dev(
            average_log_odds(row, dev.texts),
            dev.targets,
            GOEMOTIONS,
            calibration=CalibrationSection(),
            thresholds=ThresholdSection(),
            seed=SEED,
        )
        test = load_dataset("goemotions")
        result = evaluate_classifier(
            AveragedModel(row, fitted),
            test.read_split("test"),
            data_name=test.name,
            data_revision=test.card.revision,
            split="test",
            keep_rows=False,
        )
        return {"title": row.title, "models": row.models, "weights": row.weights} | _figures(
            fitted.thresholds.cross_fitted, result
        )
    if row.embedded:
        report = orjson.loads((ROOT / "src" / "sentire" / "assets" / row.embedded / "training.json").read_bytes())
        model = load(row.embedded)
    else:
        folder = RUNS / "levers" / name if row.overrides else RUNS / row.config
        report = train(row, folder)
        model = load(folder)
    result = evaluate_model(model, "goemotions:test", keep_rows=False)
    return {"title": row.title, "config": row.config, "set": row.overrides} | _figures(
        report["thresholds"]["cross_fitted_on_dev"]["chosen"], result
    )


def train(row: Trained, folder: Path) -> dict[str, Any]:
    """Train the model of a row, or find it where the very same recipe has been trained, and return its report."""
    # Here, so that the table can be written and embedded models be measured without torch.
    from sentire.training.recipe import EncoderRecipe

    recipe = read_config(EncoderRecipe, ROOT / "configs" / f"{row.config}.toml", row.overrides)
    return find_or_train(recipe, folder)


def _figures(dev: Mapping[str, float], result: EvaluationResult) -> dict[str, Any]:
    return {
        "dev_cross_fitted": {name: round(value, 5) for name, value in dev.items()},
        "test": {
            name: {key: round(getattr(result.metrics[name], key), 5) for key in ("value", "low", "high")}
            for name in METRICS
        },
        "seed": SEED,
        "bootstrap": {"seed": 0, "n_resamples": 1000, "confidence": 0.95},
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }


def read_results() -> dict[str, dict[str, Any]]:
    """Return the rows that are done, in the order of the table."""
    return {name: orjson.loads(path.read_bytes()) for name in ROWS if (path := RESULTS / f"{name}.json").exists()}


def render_table(rows: Mapping[str, dict[str, Any]], titles: Mapping[str, str]) -> str:
    """Render the rows that have a title as Markdown."""
    lines = [
        f"| | dev macro-F1 | dev micro-F1 | {' | '.join(f'test {TITLES[name]}' for name in METRICS)} |",
        f"|---|---|---|{'---|' * len(METRICS)}",
    ]
    for name, title in titles.items():
        if name not in rows:
            continue
        cells = [_show(metric, rows[name]["test"][metric]) for metric in METRICS]
        dev = rows[name]["dev_cross_fitted"]
        lines.append(f"| {title} | {dev['macro_f1']:.3f} | {dev['micro_f1']:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _show(metric: str, figure: Mapping[str, float]) -> str:
    digits = 4 if metric == "micro_ece" else 3
    value, low, high = (f"{figure[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} ({low}-{high})"


def main() -> None:
    """Measure the rows that are named, store them, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help="names of rows")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored rows")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.rows if name not in ROWS]:
        raise SystemExit(f"expected rows among {', '.join(ROWS)}, got {', '.join(unknown)}")
    if arguments.list:
        done = read_results()
        print("\n".join(f"{name:<18} {'done' if name in done else '    '}  {row.title}" for name, row in ROWS.items()))
        return
    for name in arguments.rows:
        RESULTS.mkdir(parents=True, exist_ok=True)
        found = measure(name)
        write_json(RESULTS / f"{name}.json", found)
        print(f"{name}: dev macro-F1 {found['dev_cross_fitted']['macro_f1']:.3f}", flush=True)
    rows = read_results()
    for page, table, titles in (
        (PAGE, "levers", {name: row.title for name, row in ROWS.items()}),
        (README, "readme-encoder", README_TITLES),
    ):
        content = put_table(page.read_text(encoding="utf-8"), table, render_table(rows, titles))
        page.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
