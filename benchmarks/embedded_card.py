"""The model card of the embedded encoder, from what `embedded_model.py adopt` measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentire.classifiers.card import describe_shipping
from sentire.data.registry import parse_split_name

SHOWN = {
    "macro_f1": "macro-F1",
    "macro_f1_min50": "macro-F1, labels with at least 50 texts",
    "micro_f1": "micro-F1",
    "weighted_f1": "weighted F1",
    "exact_match": "exact match",
    "macro_roc_auc": "macro ROC-AUC",
    "micro_ece": "calibration error (micro)",
}


def render_card(stored: Mapping[str, Any]) -> str:
    """Render the model card from what was stored of it."""
    parts = [
        _render_summary(stored),
        _render_sources(stored),
        _render_figures(stored),
        _render_bias(stored["test"]["identity_terms"]),
        _LIMITS,
        _LICENCE if any(name.startswith("emobank:") for name in stored["learned_from"]) else _LICENCE_WITHOUT_AFFECT,
    ]
    return "\n".join(parts)


_LIMITS = """## Limits

- English alone; what is probably not English is flagged, not refused. It knows comments from one web site best, and
  the sentences of news, fiction and letters for valence, arousal and dominance.
- The labels are what readers thought that a writer felt, and readers differ. A probability of .3 means that about
  three in ten such texts carry the label in GoEmotions.
- Rare emotions (grief, pride, relief, nervousness, remorse) rest on few texts: see their intervals.
- It has no notion of irony.
- Of a long context only the end is read.
- It judges texts, not people. Do not use it to decide about a person, such as in hiring, policing or medicine.
"""

_LICENCE = """## Licence

The weights are under [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/), because EmoBank, from which
valence, arousal and dominance were learned, asks for it: name Sentire, GoEmotions and EmoBank where you pass them on,
and pass them on under the same licence. The code around them is under Apache-2.0.
"""


_LICENCE_WITHOUT_AFFECT = """## Licence

Name Sentire and GoEmotions where you pass the weights on. The code around them is under Apache-2.0.
"""


def _render_summary(stored: Mapping[str, Any]) -> str:
    recipe, encoder = stored["recipe"], stored["encoder"]
    settings, context = recipe["optimisation"], recipe["context"]
    teachers = recipe["distillation"]["teachers"]
    distilled = (
        f"\n- Distilled from {' and '.join(Path(name).name for name in teachers)}, which learned from the data below; "
        f"share of the data's own labels {recipe['distillation']['hard_fraction']:g}."
        if teachers
        else ""
    )
    start = recipe["encoder"].get("start", "")
    if start:
        share = recipe["encoder"].get("start_share", 0)
        kept = f", which keep a share of {share:g}" if share else ""
        distilled += f"\n- It goes on from the weights of {Path(start).name}{kept}."
    reads = (
        f"It can be told what a text was said in (up to {context['max_tokens']} tokens) and reports the emotions of "
        "the text itself."
        if context["is_used"]
        else "It ignores context."
    )
    answers = "28 emotions with calibrated probabilities"
    answers += ", and valence, arousal and dominance," if stored["test"]["affect"] else ""
    return f"""# {recipe["name"]}: the embedded model of Sentire

{answers} for English text. {reads}
{stored["gate"]["candidate"]["n_bytes"] / 1e6:.1f} MB of files, run by ONNX Runtime without torch.

- Encoder: {_describe_encoder(encoder)}.
- Training: {settings["n_epochs"]} epochs, batch {settings["batch_size"]}, {settings["optimiser"]} at
  {settings["learning_rate"]:g}, loss {recipe["loss"]["name"]}, seed {recipe["seed"]}.{distilled}
- Chosen on dev: the best checkpoint, calibration, and a cut-off for each label, the latter two for the answers of this
  very file ({recipe["export"]["precision"]}).
- `model.onnx` sha256 `{stored["onnx_sha256"]}`; `make model` trains its like from `configs/`, the seed and the data
  as it is now.
"""


def _describe_encoder(encoder: Mapping[str, Any]) -> str:
    licence = f", {encoder['licence']}" if encoder.get("licence") else ""
    said = f"{encoder['name']}{licence}; weights sha256 `{encoder['weights_sha256']}`"
    first = encoder.get("first")
    return f"{said};\n  its representation was trained first, from {_describe_encoder(first)}" if first else said


def _render_sources(stored: Mapping[str, Any]) -> str:
    splits = stored["learned_from"]
    cards = {card.name: card for card in (parse_split_name(name)[0].card for name in splits)}
    rows = "\n".join(
        f"| {card.title} | {card.citation} | {card.licence} | {describe_shipping(card.weights_may_ship)} |"
        for card in cards.values()
    )
    own = [card.title for card in cards.values() if card.is_ours]
    note = f"\n{' and '.join(own)} were written by this project:\n\n" if own else ""
    defects = dict.fromkeys(defect for card in cards.values() if card.is_ours for defect in card.defects)
    return f"""## Learned from

{", ".join(f"`{name}`" for name in splits)}.

| data | source | licence of the data | weights that learned from it |
|---|---|---|---|
{rows}
{note}{"".join(f"- {defect}.{chr(10)}" for defect in defects)}
The gate that let the model in reads dev splits alone.
"""


def _render_figures(stored: Mapping[str, Any]) -> str:
    test, gate = stored["test"], stored["gate"]
    labels = test["labels"]
    unseen = labels["without_leaked"]
    rows = "\n".join(
        f"| {title} | {show(labels['metrics'][name])} | {show(unseen['metrics'][name]) if unseen else ''} |"
        for name, title in SHOWN.items()
        if name in labels["metrics"]
    )
    per_label = "\n".join(f"| {label} | {one['n']} | {show(one)} |" for label, one in labels["per_label"].items())
    context = "\n".join(
        f"| {title} | {' | '.join(show(test[key]['metrics'][name]) for name in ('macro_f1', 'micro_f1'))} |"
        for title, key in (("with context", "with_context"), ("without", "without_context"))
    )
    candidate, current = gate["candidate"], gate["current"]
    before = f"; {current['name']} before it {current['macro_f1']:.4f} and {current['micro_f1']:.4f}" if current else ""
    removed = f"without {unseen['n_removed']} leaked texts" if unseen else "without leaked texts: not known"
    return f"""## Figures

With 95 % bootstrap intervals; `sentire evaluate default --data {labels["data"]}` prints them again. On dev,
cross-fitted: macro-F1 {candidate["macro_f1"]:.4f}, micro-F1 {candidate["micro_f1"]:.4f}{before}.

{labels["data"]}, {labels["n"]:,} texts, cut-offs from dev:

| | value | {removed} |
|---|---|---|
{rows}

| label | texts | F1 |
|---|---|---|
{per_label}

{_render_affect(test["affect"])}
Data of our own ({test["with_context"]["data"]}, {test["with_context"]["n"]:,} rows, an utterance in one of its
situations each): it shows whether the context is used, not how well texts of others are judged. The intervals take rows
as independent, though about four share an utterance, so that they are too narrow.

| | macro-F1 | micro-F1 |
|---|---|---|
{context}

{_render_contrast(test["contrast"])}"""


def _render_contrast(contrast: Mapping[str, Any]) -> str:
    titles = {
        "with_context": "with context",
        "without_context": "without",
        "before": "the model before it, with context",
    }
    rows = "\n".join(
        f"| {title} | {show(contrast[key]['accuracy'])} | {show(contrast[key]['pair_accuracy'])} |"
        for key, title in titles.items()
        if key in contrast
    )
    n = contrast["n_utterances"]
    return f"""`context-contrast:test`, {n} utterances of ours in contexts that change their emotion:
how often the likeliest label is right, and how often it is in both of two contexts. Whoever does not look at the
context reaches {contrast["ceiling"]:.3f} and 0 at most.

| | accuracy | pairs |
|---|---|---|
{rows}
"""


def _render_affect(affect: Mapping[str, Any] | None) -> str:
    if affect is None:
        return ""
    names = {"v": "valence", "a": "arousal", "d": "dominance"}
    rows = "\n".join(
        f"| {title} | {' | '.join(show(affect['metrics'][name]) for name in _affect_names(initial))} |"
        for initial, title in names.items()
    )
    return f"""{affect["data"]}, {affect["n"]:,} texts:

| | Pearson r | concordance | RMSE (1 to 5) | RMSE of the mean |
|---|---|---|---|---|
{rows}
"""


def _affect_names(initial: str) -> tuple[str, ...]:
    return (f"pearson_{initial}", f"concordance_{initial}", f"rmse_{initial}", f"rmse_{initial}_mean_baseline")


def _render_bias(audit: Mapping[str, Any]) -> str:
    groups = "\n".join(
        f"| {one['group']} | {one['mean_absolute_shift']:.4f} | {one['n_flipped_texts'] / one['n_texts']:.1%} | "
        f"{', '.join(one['terms'])} |"
        for one in audit["groups"]
    )
    shifts = "\n".join(
        f"| {one['term']} ({one['group']}) | {one['answer']} | "
        f"{one['shift']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f}) |"
        for one in (*audit["shifts"], *audit["affect_shifts"][:3])
    )
    return f"""## Bias seen

{audit["n_templates"]} sentences of ours, each with one word after the other for what somebody is
(`sentire audit default`). What changes within a group of words comes from the word alone. This shows bias and cannot
show that there is none.

| group | mean shift of a probability | texts with another decision | words |
|---|---|---|---|
{groups}

The largest of {audit["n_shifts"]:,} shifts of a probability, and of valence, arousal and dominance (-1 to 1), against
the mean of the group, with {audit["confidence"]:.0%} intervals over the sentences:

| word | answer | shift |
|---|---|---|
{shifts}
"""


def show(figure: Mapping[str, Any]) -> str:
    """Show a figure with its interval."""
    if figure["value"] is None:
        return "-"
    ends = (figure["low"], figure["high"])
    interval = "" if None in ends else " ({:.3f}-{:.3f})".format(*ends)
    return f"{figure['value']:.3f}{interval}"
