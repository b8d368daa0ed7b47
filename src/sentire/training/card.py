"""The model card of a trained encoder: what it is, what it learned from, what was measured, what it must not do."""

from pathlib import Path
from typing import Any

from sentire.classifiers.card import describe_shipping
from sentire.core.labels import LabelSpace
from sentire.encoders.sources import EncoderFiles
from sentire.training.earlier_data import EarlierData
from sentire.training.recipe import EncoderRecipe
from sentire.training.sources import Sources, keep_each_once


def render_encoder_card(
    recipe: EncoderRecipe, files: EncoderFiles, sources: Sources, earlier: EarlierData, report: dict[str, Any]
) -> str:
    """Render the card as Markdown from the recipe, the data's cards and the training report."""
    parts = [
        f"# {recipe.name}\n",
        _render_summary(recipe, files, sources.space, has_affect=sources.rated is not None),
        _render_data(sources, earlier, report),
        _render_figures(sources.space, report),
        _LIMITS,
    ]
    return "\n".join(parts)


_LIMITS = """## Limits

- It knows the kind of text that it was trained on, and the prejudices in it.
- It reads English. What is probably not English is flagged, not refused.
- Valence, arousal and dominance, where it gives them, are what readers on average ascribe to a text, not a measurement
  of anybody's state.
- It judges texts, not people: do not use it to decide about a person.
"""


def _render_summary(recipe: EncoderRecipe, files: EncoderFiles, space: LabelSpace, *, has_affect: bool) -> str:
    answers = f"the {len(space)} labels of {space.id}"
    if has_affect:
        answers += " and for valence, arousal and dominance"
    context = (
        f"It reads a context of up to {recipe.context.max_tokens} tokens as a segment of its own and reports the "
        "emotions of the text alone."
        if recipe.context.is_used
        else "It ignores context."
    )
    teachers = recipe.distillation.teachers
    distilled = f"\n- Distilled from {len(teachers)} teacher{'s' * (len(teachers) > 1)}." if teachers else ""
    start = ""
    if recipe.encoder.start:
        kept = f", which keep a share of {recipe.encoder.start_share:g}" if recipe.encoder.start_share else ""
        start = f"\n- It goes on from the weights of {Path(recipe.encoder.start).name}{kept}."
    licence = f", {files.licence}" if files.licence else ""
    settings = recipe.optimisation
    return f"""An encoder with heads for {answers}. {context}

- Encoder: {files.name}{licence}, weights sha256 `{files.weights_sha256[:16]}…`; pooling {recipe.encoder.pooling}.
- Training: {settings.n_epochs} epochs, batch {settings.batch_size}, {settings.optimiser} at
  {settings.learning_rate:g}, {settings.schedule}; loss {recipe.loss.name}; seed {recipe.seed}.{distilled}{start}
- File: ONNX, {recipe.export.precision}.
"""


def _render_data(sources: Sources, earlier: EarlierData, report: dict[str, Any]) -> str:
    counts = "\n".join(f"| `{name}` | {n:,} |" for name, n in report["n_train"].items())
    cards = "\n".join(
        f"- {card.title}, revision {card.revision}: {card.citation}. Licence of the data: {card.licence}. Weights that "
        f"learned from it {describe_shipping(card.weights_may_ship)}."
        for card in keep_each_once([*sources.cards, *earlier.cards])
    )
    before = earlier.describe(beside=report["n_train"])
    return f"""## Learned from

| split | texts |
|---|---|
{counts}

{cards}
{before}"""


def _render_figures(space: LabelSpace, report: dict[str, Any]) -> str:
    calibrations = "\n".join(
        f"| {name} | {row['micro_ece']:.4f} | {row['log_loss']:.4f} |"
        for name, row in report["calibration"]["cross_fitted_on_dev"].items()
    )
    cutoffs = "\n".join(
        f"| {name} | {row['macro_f1']:.3f} | {row['micro_f1']:.3f} |"
        for name, row in report["thresholds"]["cross_fitted_on_dev"].items()
    )
    shrinkage = report["thresholds"]["shrinkage"]
    chosen = report["thresholds"]["chosen"] + (f", shrinkage {shrinkage:g}" if shrinkage is not None else "")
    affect = _render_affect(report["affect"]) if report["affect"] else ""
    return f"""## Measured on dev

Measured with the exported file and cross-fitted on `{report["dev"]}` ({report["n_dev"]:,} texts, {space.id}): on
texts on which neither the calibration nor the cut-offs were fitted. The best checkpoint, the calibration method and the
shrinkage were picked on the same texts, which flatters the figures a little. Figures on test come from
`sentire evaluate`.

| calibration | ECE (micro) | log loss |
|---|---|---|
{calibrations}

Chosen: {report["calibration"]["chosen"]}.

| cut-offs | macro-F1 | micro-F1 |
|---|---|---|
{cutoffs}

Chosen: {chosen}.
{affect}"""


def _render_affect(affect: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| {name} | {row['pearson']:.3f} | {row['concordance']:.3f} |" for name, row in affect["dimensions"].items()
    )
    return f"""
| `{affect["data"]}` ({affect["n"]:,} texts) | Pearson r | concordance |
|---|---|---|
{rows}
"""
