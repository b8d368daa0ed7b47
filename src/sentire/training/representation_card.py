"""The card of an encoder whose representation was trained: what moved it, by what, and how far."""

from typing import Any

from sentire.classifiers.card import describe_shipping
from sentire.encoders.sources import EncoderFiles
from sentire.training.earlier_data import EarlierData
from sentire.training.representation_material import RepresentationSources
from sentire.training.representation_recipe import RepresentationRecipe
from sentire.training.sources import keep_each_once

_LIMITS = """## Limits

- Its vectors say how alike texts are in what is felt, as far as the data shows it, and carry the data's prejudices.
- It reads the language of the encoder that it comes from.
- It compares texts, not people: do not use it to decide about a person.
"""


def render_representation_card(
    recipe: RepresentationRecipe,
    files: EncoderFiles,
    sources: RepresentationSources,
    earlier: EarlierData,
    report: dict[str, Any],
) -> str:
    """Render the card as Markdown; its head is what sentence-transformers and the model hub read."""
    counts = "\n".join(f"| {name} | {n:,} |" for name, n in report["n_texts"].items())
    cards = "\n".join(
        f"- {card.title}, revision {card.revision}: {card.citation}. Licence of the data: {card.licence}. Weights that "
        f"learned from it {describe_shipping(card.weights_may_ship)}."
        for card in keep_each_once([*sources.cards, *earlier.cards])
    )
    before = earlier.describe(beside=sources.split_names)
    best: dict[str, Any] = next((row for row in report["evaluations"] if row["step"] == report["best_step"]), {})
    figures = "\n".join(
        f"| {name} | {value:.4f} |"
        for name, value in best.items()
        if isinstance(value, float) and name not in ("loss", "share_without_positive")
    )
    licence = f", {files.licence}" if files.licence else ""
    settings = recipe.optimisation
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
---

# {recipe.name}

An encoder whose vectors of texts were moved by emotion: {_describe_terms(recipe)}.

- From: {files.name}{licence}, weights sha256 `{files.weights_sha256[:16]}…`; pooling {recipe.encoder.pooling}, at most
  {recipe.encoder.max_tokens} tokens.
- Training: {settings.n_epochs} epochs, batch {settings.batch_size}, {settings.optimiser} at
  {settings.learning_rate:g}, {settings.schedule}; seed {recipe.seed}.

```python
import sentire

encoder = sentire.load_encoder("FOLDER")  # or SentenceTransformer("FOLDER"), or transformers.AutoModel
vectors = encoder.encode(["What a day!"])
```

## Learned from

| texts | n |
|---|---|
{counts}

{cards}
{before}
## On dev

Measured on the texts on which the weights were chosen, which flatters them.

| | |
|---|---|
{figures}
| mean squared shift of a vector's numbers | {report["shift_on_dev"]:.6f} |

{_LIMITS}"""


def _describe_terms(recipe: RepresentationRecipe) -> str:
    contrast, momentum, detection = recipe.contrast, recipe.momentum, recipe.token_detection
    terms = {
        f"supervised contrast ({contrast.positives}, τ {contrast.temperature:g}, {contrast.sampler} batches)": (
            contrast.weight
        ),
        "preservation of the vector space": recipe.preservation.weight,
        "classification": recipe.classification.weight,
        "classification of a second task": recipe.classification.further_weight,
        f"momentum contrast by {momentum.targets} (τ {momentum.temperature:g}, queue {momentum.queue_size:,}, momentum "
        f"{momentum.momentum:g})": momentum.weight,
        f"detection of perturbed tokens ({detection.share:.0%} of them, step {detection.step:g})": detection.weight,
        "regression of valence and arousal": recipe.affect_head.weight,
    }
    return "; ".join(f"{name}, weight {weight:g}" for name, weight in terms.items() if weight)
