"""What share of the start's weights the embedded encoder should keep, measured on dev; test is not read.

SENTIRE_DATA=… python benchmarks/start_share.py            # five minutes on one core; needs the runs of `make model`
python benchmarks/start_share.py --tables-only             # the table of docs/encoder.md again
"""

import argparse
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sentire.core.config import read_config
from sentire.storage.atomic import write_json
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "start_share.json"
PAGE = ROOT / "docs" / "encoder.md"
CONFIG, RUN = ROOT / "configs" / "default.toml", ROOT / "runs" / "default"
SHARES = (1.0, 0.5, 0.25, 0.0)


def measure() -> dict[str, Any]:
    """Measure the weights between the start and the end of the run, in float32."""
    import torch

    from sentire.classifiers.dev_fit import fit_on_dev
    from sentire.encoders.load import build_encoder
    from sentire.encoders.sources import find_encoder
    from sentire.encoders.token_batches import TokenAssembler
    from sentire.metrics.regression import pearson_r
    from sentire.runtime.model_folder import CHECKPOINTS_NAME
    from sentire.storage.tokenizer_files import read_tokenizer
    from sentire.training.checkpoints import read_checkpoint
    from sentire.training.dev_measure import run_network
    from sentire.training.earlier_run import mix_with_start
    from sentire.training.loop import BEST_NAME
    from sentire.training.network import EmotionEncoder
    from sentire.training.recipe import EncoderRecipe
    from sentire.training.sources import make_dev_material, read_sources
    from sentire.training.vocabulary import make_tokenizer_file

    recipe = read_config(EncoderRecipe, CONFIG)
    files, sources = find_encoder(recipe.encoder.name), read_sources(recipe.data, None)
    assert sources.dev_rated is not None
    encoder, shape = build_encoder(files)
    network = EmotionEncoder(
        encoder,
        hidden_size=shape.hidden_size,
        n_labels=len(sources.space),
        has_affect=True,
        dropout=0.0,
        inner_dropout=0.0,
    )
    assembler = TokenAssembler(
        read_tokenizer(make_tokenizer_file(files, recipe.encoder)),
        max_tokens=recipe.encoder.max_tokens,
        max_context_tokens=recipe.context.max_tokens,
        pooling=recipe.encoder.pooling,
        padding_id=shape.padding_id,
    )
    labelled, rated = make_dev_material(sources, recipe, assembler)
    weights, _ = read_checkpoint(RUN / CHECKPOINTS_NAME / BEST_NAME)
    rows = []
    for share in SHARES:
        network.load_state_dict(mix_with_start(weights, ROOT / recipe.encoder.start, share))
        logits, _ = run_network(network, assembler, labelled, torch.device("cpu"))
        _, affect = run_network(network, assembler, rated, torch.device("cpu"))
        report = fit_on_dev(
            logits,
            sources.dev.targets,
            sources.space,
            calibration=recipe.calibration,
            thresholds=recipe.thresholds,
            seed=recipe.seed,
        ).report
        calibrations = report["calibration"]["cross_fitted_on_dev"].values()
        figures = {
            **report["thresholds"]["cross_fitted_on_dev"]["chosen"],
            "log_loss": min(one["log_loss"] for one in calibrations),
            "mean_pearson": float(np.mean(pearson_r(affect, sources.dev_rated.ratings))),
        }
        rows.append({"share": share, **{name: round(float(value), 5) for name, value in figures.items()}})
        print(rows[-1], flush=True)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    return {"chosen": recipe.encoder.start_share, "rows": rows, "seed": recipe.seed, "machine": machine}


def render_table(stored: dict[str, Any]) -> str:
    """Render what is stored as Markdown."""
    lines = [
        "| share of the start | macro-F1 | micro-F1 | log loss | mean Pearson r of V, A, D |",
        "|---|---|---|---|---|",
    ]
    for row in stored["rows"]:
        share = f"**{row['share']:g}**" if row["share"] == stored["chosen"] else f"{row['share']:g}"
        lines.append(
            f"| {share} | {row['macro_f1']:.3f} | {row['micro_f1']:.3f} | {row['log_loss']:.4f} "
            f"| {row['mean_pearson']:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, store, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables-only", action="store_true", help="write the table from the stored results")
    if not parser.parse_args().tables_only:
        write_json(RESULTS, measure())
    table = render_table(orjson.loads(RESULTS.read_bytes()))
    PAGE.write_text(put_table(PAGE.read_text(encoding="utf-8"), "start-share", table), encoding="utf-8")


if __name__ == "__main__":
    main()
