"""Train an encoder by its recipe: from corpora and pre-trained weights to a model folder that the runtime reads."""

import hashlib
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire._version import __version__
from sentire.classifiers.recipe import ThresholdSection
from sentire.core.config import fingerprint
from sentire.core.errors import ConfigError, MissingExtraError
from sentire.core.progress import OnProgress, stay_quiet
from sentire.encoders.load import build_encoder
from sentire.encoders.shape import EncoderShape
from sentire.encoders.sources import EncoderFiles, find_encoder
from sentire.encoders.token_batches import TokenAssembler
from sentire.encoders.tokenizer import load_tokenizer
from sentire.runtime.encoder_tokens import TextTokens
from sentire.runtime.model_folder import CHECKPOINTS_NAME, check_model_folder, read_model_manifest
from sentire.storage.atomic import make_directory, write_json
from sentire.storage.folders import restore_folder
from sentire.storage.locks import hold_lock
from sentire.storage.tokenizer_files import read_tokenizer
from sentire.training.dev_measure import DevSets
from sentire.training.earlier_data import find_earlier_data
from sentire.training.earlier_run import identify_start, mix_with_start, start_from
from sentire.training.finish import FinishedModel, finish_model, make_settings
from sentire.training.label_objective import LabelObjective
from sentire.training.loop import OnEvaluation, Trained, fit_network
from sentire.training.material import measure_base_rates
from sentire.training.network import EmotionEncoder
from sentire.training.processes import is_first_process, wait_for_all_processes
from sentire.training.recipe import EncoderRecipe, check_recipe
from sentire.training.sources import Sources, list_untaught, make_dev_material, make_material, read_sources
from sentire.training.teachers import average_teachers
from sentire.training.vocabulary import find_new_tokens, make_tokenizer_file, teach_new_tokens

try:
    import torch
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error

REPORT_NAME = "training.json"


def train_encoder(
    recipe: EncoderRecipe,
    output: Path,
    *,
    data_root: Path | None = None,
    on_progress: OnProgress = stay_quiet,
) -> FinishedModel:
    """Train, export, calibrate, cut off and save a model; a run that was stopped goes on where it was.

    The network learns from the train splits alone. The best checkpoint, the calibration and the cut-offs are chosen on
    dev, the latter two for the answers of the exported file. The test split is not read.

    Args:
        recipe: The whole experiment.
        output: Folder of the model; gets the model, ``training.json`` and, in ``checkpoints``, the state of the run.
        data_root: Where the corpora are; found by itself where None.
        on_progress: Told what is going on.

    Raises:
        ConfigError, DataError, UnknownNameError, ArtifactError, OutputError, TrainingError: As their messages say.
    """
    check_recipe(recipe)
    if recipe.folds.n_folds:
        raise ConfigError(
            expected="a recipe without folds",
            got=f"{recipe.folds.n_folds} folds",
            where=f"folds.n_folds of {recipe.name}",
            hint="run: sentire crossvalidate",
        )
    on_progress(0, None, "reading")
    return train_on_sources(recipe, read_sources(recipe.data, data_root), output, on_progress=on_progress)


def train_on_sources(
    recipe: EncoderRecipe, sources: Sources, output: Path, *, on_progress: OnProgress = stay_quiet
) -> FinishedModel:
    """Train on texts that are at hand; see ``train_encoder``."""
    started = time.perf_counter()
    files = find_encoder(
        recipe.encoder.name, revision=recipe.encoder.revision, weights_sha256=recipe.encoder.weights_sha256
    )
    check_space(recipe, sources)
    restore_folder(output)
    check_model_folder(output)
    start = Path(recipe.encoder.start) if recipe.encoder.start else None
    mark = None if start is None else identify_start(start)
    earlier = find_earlier_data(
        encoder=recipe.encoder.name, start=recipe.encoder.start, teachers=recipe.distillation.teachers
    )
    checkpoints = make_directory(output / CHECKPOINTS_NAME)
    is_first = is_first_process()
    finished = None
    with hold_lock(checkpoints, holder="training") if is_first else nullcontext():
        network, shape, trained = fit_encoder(
            recipe, files, sources, checkpoints, start_mark=mark, on_progress=on_progress
        )
        if is_first:
            weights = trained.weights
            if start is not None and recipe.encoder.start_share:
                weights = mix_with_start(weights, start, recipe.encoder.start_share, mark=mark)
            network.load_state_dict(weights)
            on_progress(0, None, "exporting and choosing cut-offs on dev")
            finished = finish_model(network, shape, files, sources, earlier, recipe, trained.progress, output)
            seconds = round(time.perf_counter() - started, 1)
            write_json(output / REPORT_NAME, {**finished.report, "seconds_since_start": seconds})
        wait_for_all_processes()
    if finished is None:
        mark = read_model_manifest(output)["fingerprint"]
        report = orjson.loads((output / REPORT_NAME).read_bytes())
        finished = FinishedModel(folder=output, fingerprint=mark, report=report)
    return finished


def fit_encoder(
    recipe: EncoderRecipe,
    files: EncoderFiles,
    sources: Sources,
    checkpoints: Path,
    *,
    soft_labels: dict[str, NDArray[np.float32]] | None = None,
    start_mark: str | None = None,
    on_progress: OnProgress = stay_quiet,
    on_evaluation: OnEvaluation | None = None,
) -> tuple[EmotionEncoder, EncoderShape, Trained]:
    """Train the network alone, or go on where its checkpoint stands; nothing is exported.

    Args:
        recipe: The whole experiment.
        files: Of the pre-trained encoder.
        sources: What is learned from and measured on.
        checkpoints: Exists; gets the state of the run.
        soft_labels: Of the teachers, as ``ask_teachers`` returns them; None to ask them here.
        start_mark: Of the weights that the recipe starts from, as ``identify_start`` returns it; None for those that
            are there. Others are refused.
        on_progress: Told after every step.
        on_evaluation: Told after every evaluation, and may end the training.

    Returns:
        The network, which need not hold the best weights; the shape of its encoder; and the best weights.
    """
    encoder, shape = build_encoder(files, seed=recipe.seed)
    if recipe.encoder.max_tokens > shape.n_positions:
        raise ConfigError(
            expected=f"at most {shape.n_positions} tokens, which the encoder has positions for",
            got=str(recipe.encoder.max_tokens),
            where=f"encoder.max_tokens of {recipe.name}",
        )
    torch.manual_seed(recipe.seed)
    network = EmotionEncoder(
        encoder,
        hidden_size=shape.hidden_size,
        n_labels=len(sources.space),
        has_affect=sources.rated is not None,
        dropout=recipe.encoder.dropout,
        inner_dropout=recipe.encoder.inner_dropout,
    )
    load_tokenizer(files.tokenizer, vocab_size=shape.vocab_size)  # that it is the encoder's own
    tokenizer_file = make_tokenizer_file(files, recipe.encoder)
    teach_new_tokens(encoder, find_new_tokens(files, tokenizer_file))
    tokenizer = read_tokenizer(tokenizer_file)
    # The model that is written in the end refuses settings that leave no room for a text; better it does so now.
    TextTokens(tokenizer, make_settings(recipe, shape), where=str(files.tokenizer))
    assembler = TokenAssembler(
        tokenizer,
        max_tokens=recipe.encoder.max_tokens,
        max_context_tokens=recipe.context.max_tokens,
        pooling=recipe.encoder.pooling,
        padding_id=shape.padding_id,
    )
    start = ""
    if recipe.encoder.start:
        start = start_from(network, Path(recipe.encoder.start), tokenizer_file, sources.space, mark=start_mark)
    if soft_labels is None:
        soft_labels = ask_teachers(recipe, sources, on_progress)
    material = make_material(sources, recipe, assembler, soft_labels)
    if recipe.optimisation.starts_at_base_rates and not start:
        network.start_at_base_rates(*measure_base_rates(material))
    labelled, rated = make_dev_material(sources, recipe, assembler)
    dev = DevSets(labelled=labelled, affect=rated, space=sources.space)
    trained = fit_network(
        LabelObjective(network, assembler, material, dev, recipe),
        recipe.optimisation,
        checkpoints,
        seed=recipe.seed,
        name=recipe.name,
        fingerprint=_fingerprint_run(recipe, files, start, sources, soft_labels),
        on_progress=on_progress,
        on_evaluation=on_evaluation,
    )
    return network, shape, trained


def ask_teachers(recipe: EncoderRecipe, sources: Sources, on_progress: OnProgress) -> dict[str, NDArray[np.float32]]:
    """Return the probabilities that the recipe's teachers give, by name of the split; empty without teachers."""
    if not recipe.distillation.teachers:
        return {}
    texts = list_untaught(sources)
    soft = {}
    for number, (name, some) in enumerate(texts.items()):
        on_progress(number, len(texts), f"asking the teachers about {name}")
        soft[name] = average_teachers(recipe.distillation.teachers, recipe.distillation.weights, sources.space, some)
    return soft


def _fingerprint_run(
    recipe: EncoderRecipe,
    files: EncoderFiles,
    start: str,
    sources: Sources,
    soft_labels: dict[str, NDArray[np.float32]],
) -> str:
    what = [__version__, fingerprint(recipe), files.weights_sha256, start, sources.fingerprint]
    digest = hashlib.sha256(orjson.dumps(what))
    for name, proba in sorted(soft_labels.items()):
        digest.update(name.encode())
        digest.update(proba.tobytes())
    return digest.hexdigest()[:16]


def check_space(recipe: EncoderRecipe, sources: Sources) -> None:
    """Make sure that the recipe fits the kind of labels.

    Raises:
        ConfigError: It chooses cut-offs where the likeliest label is given.
    """
    if sources.space.task == "single-label" and recipe.thresholds != ThresholdSection():
        raise ConfigError(
            expected="no [thresholds] for a single-label space, where the likeliest label is given",
            got=f"method {recipe.thresholds.method!r} for {sources.space.id}",
            where=recipe.name,
        )
