"""The recipe of a representation: an encoder whose vectors of texts are moved by emotion, and what holds them in place.

One recipe, several methods: each term of the loss has a weight, and those above 0 are what is trained. ``retrofit`` is
the contrast of labels with the preservation of the old vectors; ``tlearn`` is classification alone; ``multitask`` is
classification of two data sets; ``carl`` is the momentum contrast of affect with the detection of perturbed tokens.
"""

from typing import Annotated, Literal

from pydantic import Field

from sentire.classifiers.dev_apart import check_dev_apart
from sentire.classifiers.recipe import NonNegative, Positive
from sentire.core.config import config
from sentire.core.errors import ConfigError, list_names
from sentire.losses.scales import LEAST_SCALE
from sentire.training.recipe import Below1, Count, LoopSection

Share = Annotated[float, Field(gt=0, le=0.5)]
Scale = Annotated[float, Field(ge=LEAST_SCALE, allow_inf_nan=False)]

PEOPLE, LABELS, MODEL_PREFIX = "people", "labels", "model:"


@config
class AffectSourceSection:
    """Texts whose valence and arousal are learned from, and who says what these are.

    Attributes:
        data: Data set and split.
        ratings: ``people``, the data's own ratings; ``labels``, the mean of the Glasgow norms of the words for the
            text's labels; ``model:NAME``, the answers of an embedded model or of a folder.
    """

    data: str
    ratings: str = PEOPLE


@config
class RepresentationDataSection:
    """What is learned from and measured on. Every name is a data set and its split, such as ``goemotions:train``.

    Attributes:
        train: Texts with labels; empty for affect alone.
        rows: Of these: ``single-label`` ones, as the retrofitting paper takes them, or ``all``.
        label_space: Map the labels to this space first; empty for the data's own.
        further_train: Texts of a second task with labels of its own, for ``classification.further_weight``.
        affect_train: Texts with valence and arousal.
        dev: With labels; where the best weights are chosen by retrieval or F1.
        affect_dev: With ratings by people; where they are chosen by affect.
        n_train: Of each of the train splits, so many texts, drawn by the seed; 0 for all.
        n_dev: The same of dev; with ``rows = "all"``, those of them that have one label alone are measured on.
    """

    train: str = ""
    rows: Literal["single-label", "all"] = "single-label"
    label_space: str = ""
    further_train: str = ""
    affect_train: tuple[AffectSourceSection, ...] = ()
    dev: str = ""
    affect_dev: str = ""
    n_train: Annotated[int, Field(ge=0)] = 0
    n_dev: Annotated[int, Field(ge=0)] = 0


@config
class RepresentedEncoderSection:
    """The encoder that is moved.

    Attributes:
        name: ``minilm``, a local folder (also one that such a recipe wrote), or ``owner/name`` of a model hub.
        revision: The commit, for a model hub.
        weights_sha256: Of ``model.safetensors``; empty for no check beyond the registered ones.
        pooling: ``mean`` over the tokens of the text, or ``cls``, the first token.
        max_tokens: Of a text, special tokens included; longer texts are cut.
        inner_dropout: On attention and hidden states inside the encoder.
    """

    name: str = "minilm"
    revision: str = ""
    weights_sha256: str = ""
    pooling: Literal["mean", "cls"] = "mean"
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = 64
    inner_dropout: Below1 = 0.1


@config
class ProjectionSection:
    """What stands between the vector of a text and a contrastive loss, and is thrown away afterwards.

    Attributes:
        kind: ``none``, ``linear``, or ``mlp`` with one hidden layer as wide as the vector.
        n_dimensions: Of its outcome.
    """

    kind: Literal["none", "linear", "mlp"] = "mlp"
    n_dimensions: Count = 64


@config
class ContrastSection:
    """Supervised contrast: texts of one emotion come together.

    Attributes:
        weight: Of the term; 0 to leave it away.
        temperature: τ.
        positives: Who is positive for whom: ``same-label``, ``share-any`` label, ``jaccard`` of the label sets,
            ``ekman``: labels of one of Ekman's groups; ``affect``: nearer than a radius in valence and arousal.
        least_jaccard: For ``jaccard``.
        affect_radius: For ``affect``, in standard deviations.
        sampler: Batches ``per-class`` (so many of each of some classes), ``stratified`` (the shares of the data), or
            ``plain``.
        per_class: For ``per-class``; divides the batch size.
    """

    weight: NonNegative = 0.0
    temperature: Scale = 0.1
    positives: Literal["same-label", "share-any", "jaccard", "ekman", "affect"] = "same-label"
    least_jaccard: Annotated[float, Field(gt=0, le=1)] = 0.5
    affect_radius: Positive = 0.5
    sampler: Literal["per-class", "stratified", "plain"] = "per-class"
    per_class: Annotated[int, Field(ge=2)] = 4


@config
class PreservationSection:
    """Preservation of the vector space: no text moves far from where the encoder had it.

    Attributes:
        weight: λ; 0 for none.
    """

    weight: NonNegative = 0.0


@config
class ClassificationSection:
    """Classification of the labels by a linear head, which is thrown away afterwards.

    Attributes:
        weight: Of the train split's task; 0 to leave it away.
        further_weight: Of the second task.
    """

    weight: NonNegative = 0.0
    further_weight: NonNegative = 0.0


@config
class MomentumSection:
    """Momentum continuous contrast: texts are as near as their labels are.

    Source: Son, Saurez and Har 2025, arXiv 2502.20613; see ``weighted_contrastive_loss``.
    Departures: the paper contrasts ``q = f_θ(x)``, the encoder's vectors themselves. Here their projection by the
    recipe's projection head is contrasted, as supervised contrastive learning does, and the head is thrown away.

    Attributes:
        weight: Of the term; 0 to leave it away.
        targets: How near two texts should be: by ``affect`` (a Gaussian of the distance of valence and arousal, in
            standard deviations), the same of four ``quadrants`` of that plane, or by shared ``labels`` (Jaccard).
        temperature: τ.
        bandwidth: σ of the Gaussian.
        queue_size: K, past keys; 0 for those of the batch alone.
        momentum: m of the target encoder; 0 makes it a copy of the online encoder after each step.
    """

    weight: NonNegative = 0.0
    targets: Literal["affect", "quadrants", "labels"] = "affect"
    temperature: Scale = 0.1
    bandwidth: Scale = 0.5
    queue_size: Annotated[int, Field(ge=0)] = 1024
    momentum: Below1 = 0.99


@config
class TokenDetectionSection:
    """Detection of the tokens that were moved along a gradient.

    That is the gradient of the sum of all other terms, each by its weight, where the momentum contrast has one above 0;
    and where it has none, that of the momentum contrast alone, which then says where the tokens matter and teaches
    nothing. A text without any gradient has no tokens that matter, and is left out of this term.

    Attributes:
        weight: β; 0 to leave it away.
        share: r, of a text's tokens, at most half; as many random ones are moved, too.
        step: ε, length of a move in lengths of the token's own embedding.
    """

    weight: NonNegative = 0.0
    share: Share = 0.15
    step: Scale = 0.5


@config
class AffectHeadSection:
    """Valence and arousal by a linear head, in standard deviations; it is thrown away afterwards.

    Attributes:
        weight: Of the squared error; 0 to leave it away.
    """

    weight: NonNegative = 0.0


@config
class RepresentationLoopSection(LoopSection):
    """How it is minimised.

    See ``LoopSection`` for the rest.

    Attributes:
        learning_rate: The highest, after the warm-up.
        metric: By which the best weights are chosen on dev: ``map_at_r`` or ``p_at_1`` of retrieval, ``macro_f1`` of
            the classification head, or ``neighbour_affect``: the mean correlation of valence and arousal with those of
            the nearest other texts.
        texts_per_part: A batch goes through the encoder in parts of so many texts, the short ones together; the loss
            and its gradient are those of the whole batch.
        is_cached: Hold the graph of one part at a time, at the price of a second pass: for batches that do not fit into
            the memory.
    """

    learning_rate: Positive = 5e-5
    metric: Literal["map_at_r", "p_at_1", "macro_f1", "neighbour_affect"] = "map_at_r"
    texts_per_part: Count = 32
    is_cached: bool = False


@config
class RepresentationRecipe:
    """A whole experiment.

    Attributes:
        recipe: The kind of this file.
        name: Of the encoder that is made.
        seed: Of the order of the texts, dropout, new weights and draws.
    """

    recipe: Literal["representation"]
    name: str
    seed: Annotated[int, Field(ge=0)] = 42
    data: RepresentationDataSection
    encoder: RepresentedEncoderSection = Field(default_factory=RepresentedEncoderSection)
    projection: ProjectionSection = Field(default_factory=ProjectionSection)
    contrast: ContrastSection = Field(default_factory=ContrastSection)
    preservation: PreservationSection = Field(default_factory=PreservationSection)
    classification: ClassificationSection = Field(default_factory=ClassificationSection)
    momentum: MomentumSection = Field(default_factory=MomentumSection)
    token_detection: TokenDetectionSection = Field(default_factory=TokenDetectionSection)
    affect_head: AffectHeadSection = Field(default_factory=AffectHeadSection)
    optimisation: RepresentationLoopSection = Field(default_factory=RepresentationLoopSection)


def has_momentum(recipe: RepresentationRecipe) -> bool:
    """Tell whether there is a target encoder: for its own term, or for the gradient by which tokens are moved."""
    return recipe.momentum.weight > 0 or recipe.token_detection.weight > 0


def needs_labels(recipe: RepresentationRecipe) -> bool:
    """Tell whether a term learns from labels."""
    by_labels = recipe.contrast.weight > 0 and recipe.contrast.positives != "affect"
    return (
        recipe.classification.weight > 0 or by_labels or (has_momentum(recipe) and recipe.momentum.targets == "labels")
    )


def needs_affect(recipe: RepresentationRecipe) -> bool:
    """Tell whether a term learns from valence and arousal."""
    by_affect = recipe.contrast.weight > 0 and recipe.contrast.positives == "affect"
    return recipe.affect_head.weight > 0 or by_affect or (has_momentum(recipe) and recipe.momentum.targets != "labels")


def check_representation_recipe(recipe: RepresentationRecipe) -> None:
    """Make sure that the sections fit together, before anything is read.

    Raises:
        ConfigError: They do not.
    """
    data, contrast, loop = recipe.data, recipe.contrast, recipe.optimisation
    weights = (
        contrast.weight,
        recipe.classification.weight,
        recipe.classification.further_weight,
        recipe.momentum.weight,
        recipe.token_detection.weight,
        recipe.affect_head.weight,
    )
    if not any(weights):
        raise _refuse(recipe, "a term with a weight above 0 that moves the encoder", "none", "contrast.weight")
    if needs_labels(recipe) and not data.train:
        raise _refuse(recipe, "texts with labels for the terms that need them", "none", "data.train")
    if needs_affect(recipe) and not data.affect_train:
        raise _refuse(
            recipe, "texts with valence and arousal for the terms that need them", "none", "data.affect_train"
        )
    if bool(data.further_train) != (recipe.classification.further_weight > 0):
        raise _refuse(
            recipe,
            "data.further_train and classification.further_weight together",
            "one of them",
            "data.further_train",
        )
    if data.further_train and data.further_train == data.train:
        raise _refuse(
            recipe,
            "a second task on texts of its own",
            f"{data.further_train}, which is data.train, too,",
            "data.further_train",
            hint="each text would be learned from twice",
        )
    for source in data.affect_train:
        if source.ratings not in (PEOPLE, LABELS) and not source.ratings.startswith(MODEL_PREFIX):
            raise _refuse(
                recipe, f"{PEOPLE}, {LABELS} or {MODEL_PREFIX}NAME", repr(source.ratings), "data.affect_train"
            )
    check_dev_apart(
        recipe.name,
        chosen_on={"data.dev": data.dev, "data.affect_dev": data.affect_dev},
        learned_from=(data.train, data.further_train, *(source.data for source in data.affect_train)),
    )
    _check_use(recipe)
    if loop.metric == "neighbour_affect":
        if not data.affect_dev:
            raise _refuse(recipe, "texts with ratings for the metric", "none", "data.affect_dev")
    elif not data.dev:
        raise _refuse(recipe, f"texts with labels for the metric {loop.metric}", "none", "data.dev")
    if loop.metric == "macro_f1" and not recipe.classification.weight:
        raise _refuse(recipe, "a classification head for the metric", "none", "classification.weight")
    if contrast.weight and contrast.positives == "same-label" and data.rows != "single-label":
        raise _refuse(
            recipe,
            "single-label texts for positives of the same label",
            f"data.rows = {data.rows!r}",
            "contrast.positives",
            hint='set contrast.positives = "share-any" or "jaccard"',
        )
    is_by_class = contrast.weight > 0 and contrast.sampler != "plain"
    if is_by_class and (data.affect_train or data.further_train or data.rows != "single-label"):
        raise _refuse(
            recipe,
            f"single-label texts alone for the sampler {contrast.sampler}",
            "other texts beside them",
            "contrast.sampler",
            hint='set contrast.sampler = "plain"',
        )
    if is_by_class and contrast.sampler == "per-class" and loop.batch_size % contrast.per_class:
        raise _refuse(
            recipe,
            "a batch size that contrast.per_class divides",
            f"{loop.batch_size} and {contrast.per_class}",
            "optimisation.batch_size",
        )
    if loop.is_cached and recipe.token_detection.weight:
        raise _refuse(
            recipe,
            "token detection without cached gradients, since it needs those of the tokens themselves",
            "both",
            "optimisation.is_cached",
        )
    if has_momentum(recipe) and 0 < recipe.momentum.queue_size < loop.batch_size:
        raise _refuse(
            recipe,
            f"a queue that holds the keys of a batch ({loop.batch_size}), or 0 for none",
            str(recipe.momentum.queue_size),
            "momentum.queue_size",
        )
    if loop.batch_size < 2:
        raise _refuse(recipe, "batches of 2 texts or more", str(loop.batch_size), "optimisation.batch_size")


def _check_use(recipe: RepresentationRecipe) -> None:
    """Make sure that all that is read is learned from, as report and card say; preservation holds every text."""
    if recipe.preservation.weight:
        return
    hint = "leave them out, or give a term that learns from them a weight"
    if recipe.data.train and not needs_labels(recipe):
        raise _refuse(
            recipe, "no texts with labels, since no term learns from them", recipe.data.train, "data.train", hint
        )
    if recipe.data.affect_train and not needs_affect(recipe):
        names = list_names(source.data for source in recipe.data.affect_train)
        raise _refuse(
            recipe,
            "no texts with valence and arousal, since no term learns from them",
            names,
            "data.affect_train",
            hint,
        )


def _refuse(recipe: RepresentationRecipe, expected: str, got: str, key: str, hint: str = "") -> ConfigError:
    return ConfigError(expected=expected, got=got, where=f"{key} of {recipe.name}", hint=hint)
