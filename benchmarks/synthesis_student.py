"""What a model learns from the demonstration's rows: stories held out, beside chance. Data that we made ourselves.

The Orig rows of `sentire synthesize configs/synthesis-demo.toml` in six folds of two stories; every row is judged by a
model that saw neither its story nor its characters. Chance is the same measure after the rows' labels were exchanged at
random, 200 times. Where SENTIRE_DATA names the corpora, models learned from all rows are also asked about GoEmotions'
test texts, which people wrote.

    python benchmarks/synthesis_student.py                 # a few minutes
    python benchmarks/synthesis_student.py --tables-only   # the table in docs/synthesis.md again
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tables import put_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "synthesis_student.json"
PAGE = ROOT / "docs" / "synthesis.md"
N_FOLDS, SEED, N_RESAMPLES, N_EXCHANGES, STRENGTH = 6, 0, 1000, 200, 0.01

Fit = Callable[[list[str], np.ndarray], Callable[[list[str]], np.ndarray]]
"""From texts and targets to what gives probabilities of texts."""


def fit_tfidf(texts: list[str], targets: np.ndarray) -> Callable[[list[str]], np.ndarray]:
    """TF-IDF with logistic regression."""
    from sentire.classifiers.estimators import TfidfLogisticRegression

    model = TfidfLogisticRegression(C=1.0, class_weight="balanced").fit(texts, targets)
    return model.predict_proba


def fit_probe(texts: list[str], targets: np.ndarray) -> Callable[[list[str]], np.ndarray]:
    """Logistic regression on the frozen vectors of MiniLM."""
    from sentire.probing.linear import fit_linear

    fitted = fit_linear(embed(texts), targets, C=STRENGTH, is_single_label=False)
    return lambda asked: fitted.predict_proba(embed(asked))


def fit_nothing(texts: list[str], targets: np.ndarray) -> Callable[[list[str]], np.ndarray]:  # noqa: ARG001
    """The embedded model as it is, which learned from GoEmotions and has never seen these rows."""
    import sentire

    return sentire.load("default").predict_proba


MODELS: dict[str, Fit] = {
    "TF-IDF + logistic regression": fit_tfidf,
    "linear probe on frozen MiniLM": fit_probe,
    "the embedded model, not trained on them": fit_nothing,
}

_encoders: dict[str, Any] = {}


def embed(texts: list[str]) -> np.ndarray:
    """Return MiniLM's vectors."""
    from sentire.representations.load import load_encoder

    if "minilm" not in _encoders:
        _encoders["minilm"] = load_encoder("minilm")
    return _encoders["minilm"].encode(texts)


def read_rows() -> tuple[list[str], np.ndarray, list[str]]:
    """Run the demonstration and return the texts, targets and stories of Orig."""
    from sentire.core.config import read_config
    from sentire.storage.ledger import open_ledger
    from sentire.synthesis.config import SynthesisConfig, get_label_space
    from sentire.synthesis.run import Site, collect, run_synthesis

    config = ROOT / "configs" / "synthesis-demo.toml"
    settings = read_config(SynthesisConfig, config)
    site = Site(settings=settings, base=config.parent)
    with tempfile.TemporaryDirectory() as scratch, open_ledger(Path(scratch), job=settings.name) as ledger:
        run_synthesis(site, ledger)
        rows = collect(site, ledger).judgement.rows["orig"]
    space = get_label_space(settings)
    return [row.text for row in rows], space.encode(row.labels for row in rows), [row.utterance.group for row in rows]


def measure_ranking(targets: np.ndarray, proba: np.ndarray) -> dict[str, float]:
    """Return what is measured: how well labels are ranked, and how often the likeliest label is one of the row's."""
    from sentire.metrics.ranking import macro_roc_auc, micro_average_precision

    hits = targets[np.arange(len(targets)), proba.argmax(axis=1)]
    return {
        "macro ROC-AUC": macro_roc_auc(targets, proba).value,
        "micro average precision": micro_average_precision(targets, proba),
        "likeliest label is right": float(hits.mean()),
    }


def add_interval(targets: np.ndarray, proba: np.ndarray, groups: list[str]) -> dict[str, dict[str, float]]:
    """Return the measures with 95 % intervals over stories, drawn with replacement."""
    generator = np.random.default_rng(SEED)
    names = sorted(set(groups))
    rows_of = {name: np.flatnonzero([group == name for group in groups]) for name in names}
    drawn = []
    for _ in range(N_RESAMPLES):
        rows = np.concatenate([rows_of[names[place]] for place in generator.integers(len(names), size=len(names))])
        drawn.append(measure_ranking(targets[rows], proba[rows]))
    return {
        name: {
            "value": value,
            "low": float(np.quantile([one[name] for one in drawn], 0.025)),
            "high": float(np.quantile([one[name] for one in drawn], 0.975)),
        }
        for name, value in measure_ranking(targets, proba).items()
    }


def measure_chance(targets: np.ndarray, proba: np.ndarray) -> dict[str, float]:
    """Return the means of the measures when rows and answers do not belong together."""
    generator = np.random.default_rng(SEED)
    found = [measure_ranking(targets[generator.permutation(len(targets))], proba) for _ in range(N_EXCHANGES)]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def measure() -> dict[str, Any]:
    """Measure everything."""
    from sentire.data.splits import make_group_folds
    from sentire.runtime.load import load

    texts, targets, groups = read_rows()
    found: dict[str, Any] = {}
    for title, fit in MODELS.items():
        proba = np.zeros(targets.shape)
        for train, test in make_group_folds(groups, N_FOLDS, SEED):
            answer = fit([texts[row] for row in train], targets[train])
            proba[test] = answer([texts[row] for row in test])
        found[title] = {"held out": add_interval(targets, proba, groups), "chance": measure_chance(targets, proba)}
        sys.stderr.write(f"{title}: {found[title]}\n")
    others: dict[str, Any] = {}
    if os.environ.get("SENTIRE_DATA"):
        others = measure_on_people(texts, targets)
    return {
        "n_rows": len(texts),
        "n_stories": len(set(groups)),
        "models": found,
        "goemotions": others,
        "embedded_model": load("default").fingerprint,
        "machine": {"python": platform.python_version(), "processor": platform.machine()},
    }


def measure_on_people(texts: list[str], targets: np.ndarray) -> dict[str, Any]:
    """Return the measures of models learned from all rows, on GoEmotions test."""
    from sentire.classifiers.labelled import read_labelled

    test = read_labelled("goemotions:test", None, None)
    found = {}
    for title, fit in MODELS.items():
        proba = np.asarray(fit(texts, targets)(list(test.texts)))
        found[title] = {**measure_ranking(test.targets, proba), "n": len(test)}
        found[title]["chance"] = measure_chance(test.targets, proba)
    return found


def render(measured: dict[str, Any]) -> str:
    """Render the tables."""
    names = ("macro ROC-AUC", "micro average precision", "likeliest label is right")
    lines = [
        f"{measured['n_rows']} rows, {measured['n_stories']} stories, six folds by story, 95 % intervals over stories:",
        "",
        f"| | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for title, found in measured["models"].items():
        cells = [
            f"{one['value']:.3f} ({one['low']:.3f}-{one['high']:.3f}); chance {found['chance'][name]:.3f}"
            for name, one in ((name, found["held out"][name]) for name in names)
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    if measured["goemotions"]:
        n = next(iter(measured["goemotions"].values()))["n"]
        lines += [
            "",
            f"Learned from all {measured['n_rows']} rows, asked about the {n:,} texts of GoEmotions test:",
            "",
            f"| | {' | '.join(names)} |",
            f"|---|{'---|' * len(names)}",
        ]
        for title, found in measured["goemotions"].items():
            cells = [f"{found[name]:.3f}; chance {found['chance'][name]:.3f}" for name in names]
            shown = "the embedded model, which learned from GoEmotions train" if "embedded" in title else title
            lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, store and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables-only", action="store_true")
    told = parser.parse_args()
    measured = orjson.loads(RESULTS.read_bytes()) if told.tables_only else measure()
    RESULTS.write_bytes(orjson.dumps(measured, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    PAGE.write_text(put_table(PAGE.read_text(), "synthesis-student", render(measured)))
    sys.stdout.write(render(measured) + "\n")


if __name__ == "__main__":
    main()
