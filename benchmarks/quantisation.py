"""What int8 costs: the embedded encoder against the same weights in float32, text by text.

Both files are written from the checkpoint of one training and answer with the same calibration and cut-offs, those that
were chosen on dev for int8. Measured on goemotions:test and emobank:test; nothing is chosen there.

    SENTIRE_DATA=… python benchmarks/quantisation.py runs/default      # two minutes on two cores
    python benchmarks/quantisation.py --tables-only
"""

import argparse
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sentire.classifiers.labelled import read_labelled
from sentire.metrics.classification import macro_f1, micro_f1
from sentire.metrics.regression import pearson_r
from sentire.runtime.encoder_model import KIND, ONNX_NAME, TOKENIZER_NAME
from sentire.runtime.load import Model, load
from sentire.runtime.model_folder import CHECKPOINTS_NAME, read_config_file, write_model_folder
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "quantisation.json"
PAGE = ROOT / "docs" / "speed.md"
TEST, AFFECT_TEST = "goemotions:test", "emobank:test"


def write_float32(folder: Path, output: Path) -> None:
    """Write the model of a run again, from its best checkpoint and in float32."""
    from sentire.encoders.load import build_encoder
    from sentire.encoders.sources import find_encoder
    from sentire.export.graph import build_graph
    from sentire.training.checkpoints import read_checkpoint
    from sentire.training.earlier_run import mix_with_start
    from sentire.training.loop import BEST_NAME

    config, facts = read_config_file(folder)
    _, shape = build_encoder(find_encoder(config.training["recipe"]["encoder"]["name"]))
    weights, _ = read_checkpoint(folder / CHECKPOINTS_NAME / BEST_NAME)
    recipe = config.training["recipe"]["encoder"]
    if recipe["start_share"]:
        weights = mix_with_start(weights, ROOT / recipe["start"], recipe["start_share"])
    graph = build_graph({name: one.numpy() for name, one in weights.items()}, shape, precision="float32")
    write_model_folder(
        output,
        KIND,
        config,
        facts={
            "encoder": {**facts["encoder"], "precision": "float32"},
            "calibration": facts["calibration"],
            "affect": facts["affect"],
        },
        files={ONNX_NAME: graph, TOKENIZER_NAME: (folder / TOKENIZER_NAME).read_bytes()},
        card="",
    )


def compare(int8: Model, float32: Model) -> dict[str, Any]:
    """Ask both about the same texts."""
    from sentire.training.sources import read_rated

    labelled, rated = read_labelled(TEST), read_rated(AFFECT_TEST, None)
    proba = [model.predict_proba(labelled.texts).astype(float) for model in (int8, float32)]
    decided = [model.predict(labelled.texts) for model in (int8, float32)]
    scores = [model.judge(rated.texts).vad for model in (int8, float32)]
    drift, affect_drift = np.abs(proba[0] - proba[1]), np.abs(scores[0] - scores[1])
    return {
        "n_texts": len(labelled),
        "macro_f1": [macro_f1(labelled.targets, one) for one in decided],
        "micro_f1": [micro_f1(labelled.targets, one) for one in decided],
        "flipped_per_10000": float((decided[0] != decided[1]).mean() * 10_000),
        "proba_drift": {"mean": float(drift.mean()), "p99": float(np.quantile(drift, 0.99)), "max": float(drift.max())},
        "pearson": [pearson_r(one, rated.ratings).tolist() for one in scores],
        "affect_drift": {"mean": float(affect_drift.mean()), "max": float(affect_drift.max())},
    }


def render_table(stored: dict[str, Any]) -> str:
    """Render the figures as Markdown."""
    lines = ["| | int8 | float32 | difference |", "|---|---|---|---|"]
    rows = [("macro-F1", stored["macro_f1"]), ("micro-F1", stored["micro_f1"])]
    rows += [
        (f"Pearson r of {name}", [stored["pearson"][0][column], stored["pearson"][1][column]])
        for column, name in enumerate(("valence", "arousal", "dominance"))
    ]
    lines += [f"| {name} | {a:.4f} | {b:.4f} | {a - b:+.4f} |" for name, (a, b) in rows]
    proba, affect = stored["proba_drift"], stored["affect_drift"]
    sentence = (
        f"Of 10,000 decisions (texts times labels), {stored['flipped_per_10000']:.1f} are flipped. A probability moves "
        f"by {proba['mean']:.4f} on average, by at most {proba['p99']:.3f} in 99 % of cases, and by {proba['max']:.3f} "
        f"at most; an affect score by {affect['mean']:.4f} on average and {affect['max']:.3f} at most."
    )
    return "\n".join([*lines, "", sentence])


def main() -> None:
    """Measure, store, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, help="folder of the training, with its checkpoints")
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored figures")
    arguments = parser.parse_args()
    if not arguments.tables_only:
        if arguments.run is None:
            raise SystemExit("expected the folder of a training, got none")
        with tempfile.TemporaryDirectory() as scratch:
            write_float32(arguments.run, Path(scratch) / "float32")
            found = compare(load(arguments.run), load(Path(scratch) / "float32"))
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        RESULTS.write_bytes(orjson.dumps({"machine": machine, **found}, option=orjson.OPT_INDENT_2))
    page = put_table(PAGE.read_text(encoding="utf-8"), "int8", render_table(orjson.loads(RESULTS.read_bytes())))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
