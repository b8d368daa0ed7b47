"""The recipe of an encoder: what it learns from, from which weights it starts, how it is trained, what is written."""

from typing import Annotated, Literal

from pydantic import Field

from sentire.classifiers.dev_apart import check_dev_apart
from sentire.classifiers.recipe import CalibrationSection, Fraction, NonNegative, Positive, ThresholdSection
from sentire.core.config import config
from sentire.core.errors import ConfigError

Count = Annotated[int, Field(ge=1)]
Below1 = Annotated[float, Field(ge=0, lt=1)]

FEWEST_WINDOW_TOKENS = 8


@config
class EncoderDataSection:
    """What is learned from. Every name is a data set and its split, such as ``goemotions:train``.

    Attributes:
        train: Texts with labels; they define the label space.
        dev: Where the best checkpoint, the calibration and the cut-offs are chosen; never the test split. Empty with
            ``[folds]``, which take it from the train split.
        label_space: Learn the labels of this space, mapped from the data's own; empty for the data's own.
        targets: ``hard`` labels, or ``soft`` ones: the degrees from 0 to 1 that the data gives beside its labels.
        further_train: More texts with labels of the same space; they keep their own labels, whatever teachers say.
        further_repeats: How often each of ``further_train`` is seen in an epoch.
        unlabelled: Texts that only the teachers label; needs ``[distillation]``.
        affect_train: Texts with valence, arousal and dominance; empty for a model without them.
        affect_dev: Where these are measured during training.
    """

    train: str
    dev: str = ""
    label_space: str = ""
    targets: Literal["hard", "soft"] = "hard"
    further_train: tuple[str, ...] = ()
    further_repeats: Count = 1
    unlabelled: tuple[str, ...] = ()
    affect_train: str = ""
    affect_dev: str = ""


@config
class EncoderSection:
    """The pre-trained encoder and how texts enter it.

    Attributes:
        name: ``minilm``, a local folder, or ``owner/name`` of a model hub.
        revision: The commit, for a model hub.
        weights_sha256: Of ``model.safetensors``; empty for no check beyond the registered ones.
        pooling: ``mean`` over the tokens of the text, or ``cls``, the first token.
        max_tokens: Of text and context together, special tokens included; longer texts are cut in training and read
            in windows afterwards.
        dropout: On the pooled vector, before the heads.
        inner_dropout: On attention and hidden states inside the encoder.
        emoji: Give emoji tokens of their own, in the place of unused entries of the vocabulary.
        start: Folder of a finished training of the same network, whose best weights are the start, heads included;
            empty for the pre-trained encoder and new heads.
        start_share: In the final weights, of those of the model that this folder holds, beside the best of this
            training.
    """

    name: str = "minilm"
    revision: str = ""
    weights_sha256: str = ""
    pooling: Literal["mean", "cls"] = "mean"
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = 64
    dropout: Below1 = 0.1
    inner_dropout: Below1 = 0.1
    emoji: bool = False
    start: str = ""
    start_share: Below1 = 0.0


@config
class ContextSection:
    """Whether and how the context of a text is read, as a segment of its own before the text.

    Attributes:
        is_used: Read the examples' contexts.
        max_tokens: Of the context; its end is kept, since what was said last matters most.
        unrelated_fraction: Share of the texts without a context that get an unrelated text as one, drawn anew in each
            epoch, so that the model learns to report the emotions of the text alone.
        dropped_fraction: Share of the contexts that are left away, drawn anew in each epoch, so that the model stays
            good without one.
    """

    is_used: bool = False
    max_tokens: Count = 48
    unrelated_fraction: Fraction = 0.0
    dropped_fraction: Fraction = 0.0


@config
class LossSection:
    """What is minimised.

    Attributes:
        name: ``bce``, ``focal`` or ``asymmetric``.
        focal_gamma: Of ``focal``.
        gamma_positive: Of ``asymmetric``.
        gamma_negative: Of ``asymmetric``.
        clip: Of ``asymmetric``: probabilities of negatives are lowered by this much.
        class_weights: Weights of the positives of each label, see ``training.class_weights``.
        affect_weight: Of the squared error of valence, arousal and dominance, each in standard deviations of the
            training data.
    """

    name: Literal["bce", "focal", "asymmetric"] = "bce"
    focal_gamma: NonNegative = 2.0
    gamma_positive: NonNegative = 0.0
    gamma_negative: NonNegative = 2.0
    clip: Below1 = 0.05
    class_weights: Literal["none", "balanced", "sqrt-balanced", "effective-number"] = "none"
    affect_weight: NonNegative = 0.1


@config
class DistillationSection:
    """Soft labels from teachers.

    Attributes:
        teachers: Names of embedded models, folders of trained ones, or ``transformers:FOLDER`` or
            ``transformers:owner/name@commit`` for a sequence classifier in the format of transformers
            (``transformers-sigmoid:…`` where its labels are independent and its configuration does not say so). Their
            calibrated log-odds are averaged.
        weights: Of the teachers in that average; empty for equal ones.
        hard_fraction: Share of the data's own labels in the targets of the train split.
    """

    teachers: tuple[str, ...] = ()
    weights: tuple[NonNegative, ...] = ()
    hard_fraction: Fraction = 0.3


@config
class LoopSection:
    """How any network is trained.

    Attributes:
        n_epochs: Passes over the training data.
        batch_size: Texts a step, over all parts and processes.
        optimiser: ``adamw`` or ``radam``.
        learning_rate: The highest, after the warm-up.
        schedule: Of the learning rate after the warm-up.
        warmup_fraction: Share of the steps in which it rises from 0.
        weight_decay: Of weights, not of biases and normalisations.
        layer_decay: Factor of the learning rate from each layer to the one below.
        head_factor: Factor of the learning rate of what is not the encoder.
        max_gradient_norm: Longer gradients are shortened to this; 0 for none.
        average_decay: Of the exponential moving average of the weights, which is evaluated and kept instead of the
            weights themselves; 0 for none.
        metric: By which the best checkpoint is chosen on dev.
        n_evaluations: On dev, each epoch.
        patience: Evaluations without a better one after which training stops; 0 for never.
        precision: ``auto`` is bfloat16 on CUDA where the device has it, and float32 elsewhere.
        checkpoint_seconds: A state from which the run can go on is written about so often.
        tensorboard: Write curves to the run's folder (extra ``tensorboard``).
    """

    n_epochs: Count = 3
    batch_size: Count = 64
    optimiser: Literal["adamw", "radam"] = "adamw"
    learning_rate: Positive = 2e-4
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_fraction: Below1 = 0.1
    weight_decay: NonNegative = 0.01
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    head_factor: Positive = 1.0
    max_gradient_norm: NonNegative = 1.0
    average_decay: Below1 = 0.0
    metric: str = ""
    n_evaluations: Count = 1
    patience: Annotated[int, Field(ge=0)] = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_seconds: Positive = 120.0
    tensorboard: bool = False


@config
class OptimisationSection(LoopSection):
    """How a fine-tuning is done.

    See ``LoopSection`` for the rest.

    Attributes:
        n_accumulated: Parts that a batch is cut into, to fit a small memory; the gradient is that of the whole batch.
        starts_at_base_rates: Let the heads begin with the share of texts that have each label and with the mean affect.
        metric: By which the best checkpoint is chosen on dev.
    """

    n_accumulated: Count = 1
    starts_at_base_rates: bool = True
    metric: Literal["macro_f1", "micro_f1", "weighted_f1"] = "macro_f1"


@config
class ExportSection:
    """What is written.

    Attributes:
        precision: Of the model folder's ONNX file. Calibration and cut-offs are chosen for the answers of that file.
        window_tokens: Tokens of one window of a long text; 0 for the encoder section's ``max_tokens``.
    """

    precision: Literal["int8", "float32"] = "int8"
    window_tokens: Annotated[int, Field(ge=0)] = 128


@config
class FoldsSection:
    """Cross-validation, for data without a test split; see ``sentire crossvalidate``.

    Attributes:
        n_folds: Parts of the train split, each of which is tested once; 0 for none. Groups stay together.
        dev_fraction: Share of the other parts that is dev.
    """

    n_folds: Annotated[int, Field(ge=0, le=50)] = 0
    dev_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1


@config
class EncoderRecipe:
    """A whole experiment.

    Attributes:
        recipe: The kind of this file.
        name: Of the model.
        seed: Of the order of the texts, dropout, new weights and folds.
    """

    recipe: Literal["encoder"]
    name: str
    seed: Annotated[int, Field(ge=0)] = 42
    data: EncoderDataSection
    encoder: EncoderSection = Field(default_factory=EncoderSection)
    context: ContextSection = Field(default_factory=ContextSection)
    loss: LossSection = Field(default_factory=LossSection)
    distillation: DistillationSection = Field(default_factory=DistillationSection)
    optimisation: OptimisationSection = Field(default_factory=OptimisationSection)
    calibration: CalibrationSection = Field(default_factory=CalibrationSection)
    thresholds: ThresholdSection = Field(default_factory=ThresholdSection)
    export: ExportSection = Field(default_factory=ExportSection)
    folds: FoldsSection = Field(default_factory=FoldsSection)


def check_recipe(recipe: EncoderRecipe) -> None:
    """Make sure that the sections fit together, before anything is read.

    Raises:
        ConfigError: They do not.
    """
    data, distillation, context = recipe.data, recipe.distillation, recipe.context
    if bool(data.dev) == bool(recipe.folds.n_folds):
        raise ConfigError(
            expected="either data.dev or folds.n_folds",
            got="both" if data.dev else "neither",
            where=f"data.dev of {recipe.name}",
        )
    if recipe.folds.n_folds == 1:
        raise ConfigError(expected="at least 2 folds", got="1", where=f"folds.n_folds of {recipe.name}")
    if recipe.encoder.start_share and not recipe.encoder.start:
        raise ConfigError(
            expected="an earlier run whose weights have a share",
            got="none",
            where=f"encoder.start of {recipe.name}",
            hint="name its folder, or leave encoder.start_share away",
        )
    if data.unlabelled and not distillation.teachers:
        raise ConfigError(
            expected="teachers for the unlabelled texts", got="none", where=f"distillation.teachers of {recipe.name}"
        )
    if data.train in data.unlabelled:
        raise ConfigError(
            expected="unlabelled texts other than the train split, which the teachers are asked about anyway",
            got=data.train,
            where=f"data.unlabelled of {recipe.name}",
        )
    check_dev_apart(
        recipe.name,
        chosen_on={"data.dev": data.dev, "data.affect_dev": data.affect_dev},
        learned_from=(data.train, *data.further_train, *data.unlabelled, data.affect_train),
    )
    if 0 < recipe.export.window_tokens < FEWEST_WINDOW_TOKENS:
        raise ConfigError(
            expected=f"windows of at least {FEWEST_WINDOW_TOKENS} tokens, or 0 for encoder.max_tokens",
            got=str(recipe.export.window_tokens),
            where=f"export.window_tokens of {recipe.name}",
        )
    if distillation.weights and len(distillation.weights) != len(distillation.teachers):
        raise ConfigError(
            expected=f"one weight a teacher ({len(distillation.teachers)})",
            got=str(len(distillation.weights)),
            where=f"distillation.weights of {recipe.name}",
        )
    if distillation.weights and sum(distillation.weights) == 0:
        raise ConfigError(expected="a weight above 0", got="none", where=f"distillation.weights of {recipe.name}")
    if bool(data.affect_train) != bool(data.affect_dev):
        raise ConfigError(
            expected="affect_train and affect_dev together", got="one of them", where=f"data of {recipe.name}"
        )
    if context.is_used and context.max_tokens > recipe.encoder.max_tokens - 8:
        raise ConfigError(
            expected=f"a context of at most {recipe.encoder.max_tokens - 8} tokens, which leaves room for the text",
            got=str(context.max_tokens),
            where=f"context.max_tokens of {recipe.name}",
        )
    if recipe.optimisation.batch_size % recipe.optimisation.n_accumulated:
        raise ConfigError(
            expected="a batch size that n_accumulated divides",
            got=f"{recipe.optimisation.batch_size} and {recipe.optimisation.n_accumulated}",
            where=f"optimisation of {recipe.name}",
        )
