"""The model card: what a trained model is, what it learned from, what was measured, what it must not be used for."""

from collections.abc import Sequence
from typing import Any

from sentire.classifiers.recipe import TfidfRecipe
from sentire.data.cards import DatasetCard, WeightsMayShip

_SHIPPING = {
    "yes": "may be given away",
    "with attribution": "may be given away with the attribution above",
    "with attribution, same licence": "may be given away with the attribution above and under the same licence",
    "no": "must **not** be given away: the data's licence does not allow it",
}


def describe_shipping(weights_may_ship: WeightsMayShip) -> str:
    """Say in words whether weights that learned from a data set may be given away."""
    return _SHIPPING[weights_may_ship]


def render_model_card(recipe: TfidfRecipe, cards: Sequence[DatasetCard], report: dict[str, Any]) -> str:
    """Render the card as Markdown from the recipe, the cards of all data, its own first, and the training report."""
    data, *further = cards
    learned = " and ".join(f"`{name}`" for name in (recipe.data.train, *recipe.data.further_train))
    terms = "".join(
        f"\n- Data, too: {card.title}, revision {card.revision}: {card.citation}. Licence of that data: "
        f"{card.licence}. Weights that learned from it {describe_shipping(card.weights_may_ship)}."
        for card in further
    )
    calibrations = report["calibration"]["cross_fitted_on_dev"]
    cutoffs = report["thresholds"]["cross_fitted_on_dev"]
    settings = ", ".join(f"{name} {value}" for name, value in report["classifier"].items())
    calibration_rows = "\n".join(
        f"| {name} | {row['micro_ece']:.4f} | {row['log_loss']:.4f} |" for name, row in calibrations.items()
    )
    cutoff_rows = "\n".join(
        f"| {name} | {row['macro_f1']:.3f} | {row['micro_f1']:.3f} |" for name, row in cutoffs.items()
    )
    return f"""# {recipe.name}

A linear model over {report["n_features"]:,} TF-IDF terms for the labels of {data.title}. It reads the words of a
text, not their order beyond pairs, and ignores context.

- Settings: {settings}; seed {recipe.seed}.
- Learned from: {learned}, {report["n_train"]:,} texts, revision {data.revision}.
- Data: {data.citation}
- Licence of the data: {data.licence}. The weights {describe_shipping(data.weights_may_ship)}.{terms}

## Measured on dev

Everything here is cross-fitted on `{recipe.data.dev}` ({report["n_dev"]:,} texts): measured on texts on which neither
the calibration nor the cut-offs were fitted. Which calibration and which shrinkage to take was picked by these figures,
which flatters them a little. Figures on test come from `sentire evaluate`.

| calibration | ECE (micro) | log loss |
|---|---|---|
{calibration_rows}

Chosen: {report["calibration"]["chosen"]}.

| cut-offs | macro-F1 | micro-F1 |
|---|---|---|
{cutoff_rows}

Chosen: {report["thresholds"]["chosen"]}, shrinkage {report["thresholds"]["shrinkage"]}.

## Limits

- It knows the kind of text that it was trained on, and the prejudices in it; it has no notion of irony.
- A text without any known word gets the average answer of the training data and is flagged.
- It judges texts, not people: do not use it to decide about a person.
"""
