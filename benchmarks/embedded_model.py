"""The gate and the card of the embedded encoder: a new file gets in only when dev says so.

    SENTIRE_DATA=… python benchmarks/embedded_model.py gate runs/default      # accept or refuse, with reasons
    SENTIRE_DATA=… python benchmarks/embedded_model.py adopt runs/default     # the gate, then figures, card and files
    python benchmarks/embedded_model.py tables                                # the table of docs/affect.md again

The gate looks at dev alone. A candidate is let in when all of this holds:

- it learned from GoEmotions, EmoBank and data of this project only, and so did its encoder and its teachers;
- its macro-F1 on goemotions:dev is higher than that of the model that is embedded now, and its micro-F1 not lower by
  more than .002; both models' logits are calibrated and cut off by the same cross-fitting (`classifiers.dev_fit`), so
  that each text is judged with what was chosen on others;
- its mean Pearson correlation of valence, arousal and dominance on emobank:dev is not lower by more than .005, where
  the embedded model answers with them;
- its calibration error (micro, cross-fitted on goemotions:dev) is at most .01;
- its files are at most 25,000,000 bytes together;
- 500 texts of goemotions:dev get the same answer alone as in one batch, to 1e-6.

Where the candidate's weights and settings are those of the embedded model already, nothing is compared, and figures and
card are made anew, with what the gate found when it let the model in. `adopt` measures on goemotions:test,
emobank:test, situations:test and the context contrast set only after the gate, so that test never decides. The figures
go to `benchmarks/results/embedded_model.json`, the model to `src/sentire/assets/default`.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

import sentire
from embedded_card import render_card
from sentire.classifiers.dev_fit import fit_on_dev
from sentire.classifiers.labelled import read_labelled
from sentire.classifiers.recipe import CalibrationSection, ThresholdSection
from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import SentireError
from sentire.evaluate.identity_terms import audit_identity_terms
from sentire.evaluate.result import EvaluationResult
from sentire.evaluate.run import evaluate_model
from sentire.metrics.bootstrap import Estimate
from sentire.runtime.encoder_model import KIND, ONNX_NAME, TOKENIZER_NAME
from sentire.runtime.load import Model, load
from sentire.runtime.model_folder import CONFIG_NAME, read_config_file, read_model_manifest, write_model_folder
from sentire.storage.manifest import MANIFEST_NAME
from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
ASSETS = Path(sentire.__file__).parent / "assets"
EMBEDDED = ASSETS / "default"
RESULTS = ROOT / "benchmarks" / "results" / "embedded_model.json"
AFFECT_PAGE = ROOT / "docs" / "affect.md"

DEV, AFFECT_DEV = "goemotions:dev", "emobank:dev"
TEST, AFFECT_TEST, CONTEXT_TEST = "goemotions:test", "emobank:test", "situations:test"
CONTRAST_TEST = "context-contrast:test"
SEED = 42
DIMENSIONS = ("v", "a", "d")

MOST_BYTES = 25_000_000
MOST_ECE = 0.01
MOST_DRIFT = 1e-6
N_DRIFT_TEXTS = 500
MICRO_F1_TOLERANCE = 0.002
PEARSON_TOLERANCE = 0.005
ALLOWED_DATA = ("goemotions", "emobank", "situations", "rare-labels")

N_LARGEST_SHIFTS = 12


@dataclass(frozen=True, kw_only=True)
class DevFigures:
    """What the gate knows of a model.

    Attributes:
        name: Of the model.
        fingerprint: Of its files.
        macro_f1: On goemotions:dev, cross-fitted.
        micro_f1: Likewise.
        micro_ece: Likewise.
        pearson: On emobank:dev, by dimension; None for a model without affect.
        n_bytes: Of its files together.
        drift: Greatest difference of an answer alone and in a batch.
    """

    name: str
    fingerprint: str
    macro_f1: float
    micro_f1: float
    micro_ece: float
    pearson: dict[str, float] | None
    n_bytes: int
    drift: float

    @property
    def mean_pearson(self) -> float | None:
        """Over the three dimensions; None without affect."""
        return None if self.pearson is None else float(np.mean(list(self.pearson.values())))


@dataclass(frozen=True, kw_only=True)
class Check:
    """One condition of the gate."""

    name: str
    is_met: bool
    found: str


def measure_on_dev(model: Model, folder: Path) -> DevFigures:
    """Measure all that the gate asks for."""
    dev = read_labelled(DEV, model.label_space)
    fit = fit_on_dev(
        model.predict_logits(dev.texts),
        dev.targets,
        dev.space,
        calibration=CalibrationSection(),
        thresholds=ThresholdSection(),
        seed=SEED,
    ).report
    f1 = fit["thresholds"]["cross_fitted_on_dev"]["chosen"]
    pearson = None
    if model.has_vad:
        measured = evaluate_model(model, AFFECT_DEV, target="affect", n_resamples=10, keep_rows=False).metrics
        pearson = {dimension: measured[f"pearson_{dimension}"].value for dimension in DIMENSIONS}
    return DevFigures(
        name=model.name,
        fingerprint=model.fingerprint,
        macro_f1=f1["macro_f1"],
        micro_f1=f1["micro_f1"],
        micro_ece=fit["calibration"]["cross_fitted_on_dev"][fit["calibration"]["chosen"]]["micro_ece"],
        pearson=pearson,
        n_bytes=count_bytes(folder),
        drift=measure_drift(model, dev.texts[:N_DRIFT_TEXTS]),
    )


def measure_drift(model: Model, texts: list[str]) -> float:
    """Return how much an answer differs at most when its text is asked alone instead of among others."""
    together = model.judge(texts)
    drift = 0.0
    for row, text in enumerate(texts):
        alone = model.judge([text])
        drift = max(drift, float(np.abs(alone.proba[0] - together.proba[row]).max()))
        if alone.vad is not None and together.vad is not None:
            drift = max(drift, float(np.abs(alone.vad[0] - together.vad[row]).max()))
    return drift


def count_bytes(folder: Path) -> int:
    """Return the size of a model's files, without what a training left beside them."""
    names = [*read_model_manifest(folder)["files"], MANIFEST_NAME]
    return sum((folder / name).stat().st_size for name in names)


def find_current(name: str) -> tuple[Path, Model]:
    """Load the model that a candidate must beat; before there is an embedded encoder, ``default`` is ``linear``."""
    folder = Path(name)
    if name == "default":
        folder = EMBEDDED if (EMBEDDED / MANIFEST_NAME).is_file() else ASSETS / "linear"
    return folder, load(folder)


def is_same_model(candidate: Path, current: Path) -> bool:
    """Tell whether two folders hold the same weights and settings, whatever their cards say."""
    first, second = (read_model_manifest(folder)["files"] for folder in (candidate, current))
    return all(first.get(name) == second.get(name) for name in (CONFIG_NAME, ONNX_NAME, TOKENIZER_NAME))


def list_splits(recipe: Mapping[str, Any]) -> list[str]:
    """Return the splits that a recipe learns from, those of its teachers and of the run it starts from left aside."""
    data = recipe["data"]
    named = [data["train"], *data.get("further_train", ()), *data.get("unlabelled", ()), data.get("affect_train", "")]
    return [name for name in named if name]


def list_sources(training: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the splits that a model, its encoder, its teachers and its start learned from, and what is not known."""
    recipe = training.get("recipe")
    if not isinstance(recipe, Mapping):
        return [], ["a model without its recipe"]
    splits, unknown = list_encoder_sources(recipe.get("encoder", {}).get("name", ""))
    splits += list_splits(recipe)
    start = recipe.get("encoder", {}).get("start", "")
    for name in (*([start] if start else []), *recipe.get("distillation", {}).get("teachers", ())):
        try:
            further, missing = list_sources(load(name).config.training)
        except SentireError:
            further, missing = [], [f"the earlier model {name}"]
        splits += further
        unknown += missing
    return list(dict.fromkeys(splits)), list(dict.fromkeys(unknown))


def list_encoder_sources(name: str) -> tuple[list[str], list[str]]:
    """Return the splits that an encoder's representation was trained on by a recipe of ours, and what is not known."""
    first = read_first_recipe(name)
    if first is None:
        return [], [f"the encoder {name}"] if name and Path(name).is_dir() else []
    splits, unknown = list_encoder_sources(first["encoder"]["name"])
    data = first["data"]
    named = [data["train"], data["further_train"], *(one["data"] for one in data["affect_train"])]
    raters = [one["ratings"] for one in data["affect_train"] if one["ratings"] not in ("people", "labels")]
    return [*splits, *(one for one in named if one)], [*unknown, *(f"the rater {one}" for one in raters)]


def read_first_recipe(name: str) -> dict[str, Any] | None:
    """Return the recipe by which the representation of an encoder was trained; None for one that is not ours."""
    path = Path(name) / "training.json"
    if not name or not path.is_file():
        return None
    recipe: dict[str, Any] = orjson.loads(path.read_bytes())["recipe"]
    return recipe if recipe.get("recipe") == "representation" else None


def describe_encoder(encoder: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a config says of its encoder, and under ``first`` the pre-trained one that ours was trained from."""
    recipe = read_first_recipe(encoder["name"])
    if recipe is None:
        return dict(encoder)
    from sentire.encoders.sources import find_encoder

    files = find_encoder(recipe["encoder"]["name"], revision=recipe["encoder"]["revision"])
    first = {"name": files.name, "licence": files.licence, "weights_sha256": files.weights_sha256}
    return {**encoder, "name": Path(encoder["name"]).name, "first": describe_encoder(first)}


def check_sources(training: Mapping[str, Any]) -> Check:
    """Check that a model learned only from what the embedded one may learn from."""
    splits, unknown = list_sources(training)
    foreign = [name for name in splits if name.rpartition(":")[0] not in ALLOWED_DATA]
    parts = [f"not allowed: {', '.join(foreign)}"] if foreign else []
    parts += [f"not known: {', '.join(unknown)}"] if unknown else []
    return Check(name="learned from", is_met=not parts, found="; ".join(parts) or ", ".join(splits))


def judge(candidate: DevFigures, current: DevFigures | None) -> list[Check]:
    """Apply the rule to figures; without a current model only what the candidate is by itself counts."""
    checks = [
        _check_most("calibration error", candidate.micro_ece, MOST_ECE, "{:.4f}"),
        _check_most("bytes", candidate.n_bytes, MOST_BYTES, "{:,}"),
        _check_most("drift between batches", candidate.drift, MOST_DRIFT, "{:.1e}"),
    ]
    if current is None:
        return checks
    gain = candidate.macro_f1 - current.macro_f1
    compared = f"{candidate.macro_f1:.4f}, {current.name} has {current.macro_f1:.4f}"
    checks.append(Check(name="macro-F1 higher", is_met=gain > 0, found=compared))
    checks.append(
        _check_loss("micro-F1", candidate.micro_f1, current.micro_f1, MICRO_F1_TOLERANCE, of_current=current.name)
    )
    if current.mean_pearson is not None:
        reached = candidate.mean_pearson if candidate.mean_pearson is not None else float("-inf")
        checks.append(
            _check_loss("mean Pearson r", reached, current.mean_pearson, PEARSON_TOLERANCE, of_current=current.name)
        )
    return checks


def _check_most(name: str, value: float, most: float, form: str) -> Check:
    return Check(name=name, is_met=value <= most, found=f"{form.format(value)}, at most {form.format(most)}")


def _check_loss(name: str, value: float, of_other: float, tolerance: float, *, of_current: str) -> Check:
    found = f"{value:.4f}, {of_current} has {of_other:.4f}"
    return Check(name=f"{name} not lower by more than {tolerance}", is_met=of_other - value <= tolerance, found=found)


def run_gate(folder: Path, current_name: str) -> dict[str, Any]:
    """Compare a candidate with the model that is embedded now; print and return what was found."""
    candidate = load(folder)
    current_folder, current = find_current(current_name)
    is_same = is_same_model(folder, current_folder)
    figures = measure_on_dev(candidate, folder)
    other = None if is_same else measure_on_dev(current, current_folder)
    checks = [check_sources(candidate.config.training), *judge(figures, other)]
    if candidate.label_space.name != "goemotions" or read_model_manifest(folder)["kind"] != KIND:
        checks.append(Check(name="an encoder for goemotions", is_met=False, found=candidate.label_space.id))
    if is_same:
        print(f"{folder} is the model that is embedded already: it is not compared with itself")
    for check in checks:
        print(f"{'ok      ' if check.is_met else 'REFUSED '}{check.name}: {check.found}")
    is_accepted = all(check.is_met for check in checks)
    print("accepted" if is_accepted else "refused")
    return {
        "is_accepted": is_accepted,
        "is_same": is_same,
        "checks": [asdict(check) for check in checks],
        "candidate": asdict(figures),
        "current": None if other is None else asdict(other),
    }


def measure_on_test(model: Model) -> dict[str, Any]:
    """Measure what the card shows: test splits with intervals, and what identity terms change."""
    measured = {
        "labels": _as_dict(evaluate_model(model, TEST, keep_rows=False)),
        "affect": _as_dict(evaluate_model(model, AFFECT_TEST, target="affect", keep_rows=False))
        if model.has_vad
        else None,
        "with_context": _as_dict(evaluate_model(model, CONTEXT_TEST, keep_rows=False)),
        "without_context": _as_dict(evaluate_model(model, CONTEXT_TEST, ignore_context=True, keep_rows=False)),
    }
    return measured | {"identity_terms": audit_identity_terms(model).as_dict(n_largest=N_LARGEST_SHIFTS)}


def measure_contrast(model: Model, before: Model | None) -> dict[str, Any]:
    """Measure whether a model uses context, beside the one before it and itself without context."""
    asked = {"with_context": (model, False), "without_context": (model, True)}
    if before is not None:
        asked["before"] = (before, False)
    found: dict[str, Any] = {}
    for name, (one, is_ignored) in asked.items():
        result = evaluate_model(one, CONTRAST_TEST, ignore_context=is_ignored, keep_rows=False).contrast
        assert result is not None
        figures = {"accuracy": _plain(result.accuracy), "pair_accuracy": _plain(result.pair_accuracy)}
        found |= {name: figures, "ceiling": result.ceiling, "n_utterances": result.n_utterances}
    return found


def _as_dict(result: EvaluationResult) -> dict[str, Any]:
    unseen = result.without_leaked
    return {
        "data": f"{result.data.name}:{result.data.split}",
        "revision": result.data.revision,
        "n": result.data.n,
        "n_labels": len(result.data.labels),
        "cautions": list(result.data.cautions),
        "context": result.settings.context,
        "metrics": {name: _plain(one) for name, one in result.metrics.items()},
        "per_label": {label: _plain(one["f1"]) for label, one in result.per_label.items()},
        "without_leaked": None
        if unseen is None
        else {"n_removed": unseen.n_removed, "metrics": {name: _plain(one) for name, one in unseen.metrics.items()}},
    }


def _plain(estimate: Estimate) -> dict[str, float | int | None]:
    numbers = {key: getattr(estimate, key) for key in ("value", "low", "high")}
    return {key: round(value, 5) if np.isfinite(value) else None for key, value in numbers.items()} | {"n": estimate.n}


def adopt(folder: Path, current_name: str) -> bool:
    """Run the gate; then measure, write the card and embed the model. Tells whether it was let in."""
    gate = run_gate(folder, current_name)
    if not gate["is_accepted"]:
        return False
    model, (_, current) = load(folder), find_current(current_name)
    config, facts = read_config_file(folder)
    onnx_sha256 = read_model_manifest(folder)["files"][ONNX_NAME]["sha256"]
    print("measuring on test", flush=True)
    stored: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "commit": describe_commit(),
        "sentire_version": sentire.__version__,
        "recipe": config.training["recipe"],
        "learned_from": list_sources(config.training)[0],
        "encoder": describe_encoder(config.training["encoder"]),
        "onnx_sha256": onnx_sha256,
        "gate": (recall_gate(onnx_sha256) if gate["is_same"] else None) or gate,
        "test": measure_on_test(model) | {"contrast": measure_contrast(model, None if gate["is_same"] else current)},
    }
    mark = write_model_folder(
        EMBEDDED,
        KIND,
        config,
        facts={name: facts[name] for name in ("encoder", "calibration", "affect")},
        files={name: (folder / name).read_bytes() for name in (ONNX_NAME, TOKENIZER_NAME)},
        card=render_card(stored),
    )
    check_same_answers(model, load(EMBEDDED))
    RESULTS.parent.mkdir(exist_ok=True)
    content = {"fingerprint": mark, **stored}
    RESULTS.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    write_tables(stored)
    print(f"wrote {EMBEDDED} (fingerprint {mark}) and {RESULTS}")
    return True


def recall_gate(onnx_sha256: str) -> dict[str, Any] | None:
    """Return what the gate found when it let in the model that is embedded; None where that is not known."""
    if not RESULTS.exists():
        return None
    earlier = orjson.loads(RESULTS.read_bytes())
    gate: dict[str, Any] = earlier["gate"]
    return gate if earlier["onnx_sha256"] == onnx_sha256 and not gate["is_same"] else None


def write_tables(stored: Mapping[str, Any]) -> None:
    """Put the stored figures of affect into the docs."""
    measured = stored["test"]["affect"]["metrics"]
    lines = ["| | Pearson | Spearman | concordance | RMSE | RMSE of the mean |", "|---|---|---|---|---|---|"]
    for dimension in VAD_DIMENSIONS:
        names = [f"{measure}_{dimension[0]}" for measure in ("pearson", "spearman", "concordance", "rmse")]
        cells = [measured[name] for name in (*names, f"rmse_{dimension[0]}_mean_baseline")]
        shown = [f"{one['value']:.3f} ({one['low']:.3f}-{one['high']:.3f})" for one in cells]
        lines.append(f"| {dimension} | {' | '.join(shown)} |")
    page = put_table(AFFECT_PAGE.read_text(encoding="utf-8"), "affect-encoder", "\n".join(lines))
    AFFECT_PAGE.write_text(page, encoding="utf-8")


def check_same_answers(candidate: Model, embedded: Model) -> None:
    """Make sure that what was embedded answers as what was measured."""
    texts = read_labelled(DEV, candidate.label_space).texts[:N_DRIFT_TEXTS]
    assert np.array_equal(candidate.predict_proba(texts), embedded.predict_proba(texts))
    assert np.array_equal(candidate.predict(texts), embedded.predict(texts))


def describe_commit() -> str:
    """Name the commit that was measured, with ``-dirty`` where files had been changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main() -> None:
    """Run one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("gate", "adopt", "tables"))
    parser.add_argument("candidate", nargs="?", type=Path, help="folder of a trained encoder")
    parser.add_argument("--current", default="default", help="the model to beat: default, or a folder")
    chosen = parser.parse_args()
    if chosen.step == "tables":
        write_tables(orjson.loads(RESULTS.read_bytes()))
        return
    if chosen.candidate is None:
        parser.error("expected the folder of a trained encoder, got none")
    if chosen.step == "gate":
        is_accepted = run_gate(chosen.candidate, chosen.current)["is_accepted"]
    else:
        is_accepted = adopt(chosen.candidate, chosen.current)
    sys.exit(0 if is_accepted else 1)


if __name__ == "__main__":
    main()
