"""Train an encoder's representation by its recipe: from corpora and a pre-trained encoder to one that others load."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire._version import __version__
from sentire.core.config import dump_config, fingerprint
from sentire.core.errors import (
    ConfigError,
    DataError,
    MissingExtraError,
    OutputError,
    UnknownNameError,
    list_names,
)
from sentire.core.label_maps import load_label_map
from sentire.core.progress import OnProgress, stay_quiet
from sentire.encoders.load import build_encoder
from sentire.encoders.sources import EncoderFiles, find_encoder
from sentire.encoders.token_batches import TokenAssembler
from sentire.encoders.tokenizer import load_tokenizer
from sentire.metrics.geometry import shift_per_text
from sentire.representations.save import name_special_tokens, save_encoder
from sentire.representations.sentence_encoder import SentenceEncoder
from sentire.runtime.model_folder import CHECKPOINTS_NAME
from sentire.storage.atomic import make_directory, write_json
from sentire.storage.folders import restore_folder
from sentire.storage.locks import hold_lock
from sentire.storage.manifest import MANIFEST_NAME
from sentire.training.earlier_data import find_earlier_data, list_learned
from sentire.training.loop import fit_network
from sentire.training.processes import make_accelerator
from sentire.training.representation_card import render_representation_card
from sentire.training.representation_dev import RepresentationDev, check_dev, encode_finite
from sentire.training.representation_material import (
    RepresentationMaterial,
    RepresentationSources,
    find_single_labels,
    make_representation_material,
    read_representation_sources,
)
from sentire.training.representation_network import RepresentationNetwork
from sentire.training.representation_objective import RepresentationObjective, check_batches, check_one_process
from sentire.training.representation_recipe import (
    MODEL_PREFIX,
    RepresentationRecipe,
    check_representation_recipe,
    has_momentum,
    needs_labels,
)

try:
    import torch
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error

REPORT_NAME = "training.json"

FixedVectors = Callable[[SentenceEncoder, list[str]], NDArray[np.float32]]
"""Gives the vectors of texts by the encoder as it is, shape (N, D): computed, or from a memory that runs share."""


@dataclass(frozen=True, kw_only=True)
class FinishedRepresentation:
    """An encoder that was trained and saved.

    Attributes:
        folder: Where it is: for ``load_encoder``, transformers and sentence-transformers.
        encoder: The encoder itself.
        report: What was measured on dev, as plain data.
    """

    folder: Path
    encoder: SentenceEncoder
    report: dict[str, Any]


def train_representation(
    recipe: RepresentationRecipe,
    output: Path,
    *,
    data_root: Path | None = None,
    fixed_vectors: FixedVectors | None = None,
    on_progress: OnProgress = stay_quiet,
) -> FinishedRepresentation:
    """Train and save an encoder; a run that was stopped goes on where it was.

    Projection, heads, target encoder and queue are thrown away in the end: what is saved is the encoder alone. The best
    weights are chosen on dev; the test split is not read.

    Args:
        recipe: The whole experiment.
        output: Folder of the encoder; gets it, ``training.json`` and, in ``checkpoints``, the state of the run.
        data_root: Where the corpora are; found by itself where None.
        fixed_vectors: A memory for the vectors of the encoder as it was, which several runs may share.
        on_progress: Told what is going on.

    Raises:
        ConfigError: The recipe's sections do not fit together, or a setting does not fit the data or the encoder.
        UnknownNameError, FetchError, MissingExtraError: No such data set, encoder or rater, or it cannot be had.
        UsageError: There are several processes, or an encoder of a hub has no commit.
        DataError: A split cannot be read or holds too little to tell apart; as a LabelError, it has other labels.
        ArtifactError: A file of the encoder or of a rater is damaged, its tokenizer is another encoder's or cannot be
            saved for other tools, or the folder holds the checkpoint of another run.
        OutputError: The folder is another's or cannot be written; as a HeldError, another process trains in it.
        TrainingError: A loss, gradient or vector is no finite number any more, or no text has a positive.
    """
    check_representation_recipe(recipe)
    check_one_process(make_accelerator().num_processes)  # here, where none of them waits for another
    restore_folder(output)
    _check_output(output)
    started = time.perf_counter()
    on_progress(0, None, "reading")
    sources = read_representation_sources(recipe, data_root)
    section = recipe.encoder
    files = find_encoder(section.name, revision=section.revision, weights_sha256=section.weights_sha256)
    raters = [source.ratings for source in recipe.data.affect_train if source.ratings.startswith(MODEL_PREFIX)]
    earlier = find_earlier_data(encoder=section.name, teachers=[rater.removeprefix(MODEL_PREFIX) for rater in raters])
    encoder, shape = build_encoder(files, seed=recipe.seed)
    if section.max_tokens > shape.n_positions:
        raise ConfigError(
            expected=f"at most {shape.n_positions} tokens, which the encoder has positions for",
            got=str(section.max_tokens),
            where=f"encoder.max_tokens of {recipe.name}",
        )
    tokenizer = load_tokenizer(files.tokenizer, vocab_size=shape.vocab_size)
    name_special_tokens(tokenizer, padding_id=shape.padding_id, where=files.name)  # or it could not be saved in the end
    special_ids = set(tokenizer.encode("", "").ids) | {shape.padding_id}
    assembler = TokenAssembler(
        tokenizer,
        max_tokens=section.max_tokens,
        max_context_tokens=section.max_tokens,
        pooling=section.pooling,
        padding_id=shape.padding_id,
    )
    torch.manual_seed(recipe.seed)
    network = _make_network(recipe, sources, encoder, shape.hidden_size)
    material = make_representation_material(sources, assembler)
    _check_material(recipe, sources, material)
    check_batches(recipe, material.classes)
    groups = _find_groups(recipe, sources)
    dev = _make_dev(sources)
    check_dev(dev)
    checkpoints = make_directory(output / CHECKPOINTS_NAME)
    with hold_lock(checkpoints, holder="training"):
        network.to(make_accelerator().device)
        made = SentenceEncoder(
            network.encoder,
            tokenizer,
            shape,
            name=recipe.name,
            pooling=section.pooling,
            max_tokens=section.max_tokens,
        )
        watched = dev.texts or dev.rated_texts
        before = made.encode(watched)
        fixed = None
        if recipe.preservation.weight:
            on_progress(0, None, "embedding the texts with the encoder as it is")
            fixed = (fixed_vectors or _encode_now)(made, sources.texts)
        objective = RepresentationObjective(
            network,
            assembler,
            material,
            fixed=fixed,
            groups=groups,
            encoder=made,
            dev=dev,
            special_ids=sorted(special_ids),
            recipe=recipe,
        )
        trained = fit_network(
            objective,
            recipe.optimisation,
            checkpoints,
            seed=recipe.seed,
            name=recipe.name,
            fingerprint=_fingerprint_run(recipe, files, material, dev),
            on_progress=on_progress,
        )
        network.load_state_dict(trained.weights)
        report = {
            "recipe": dump_config(recipe),
            "n_texts": _count_texts(sources),
            "n_dev_texts": sources.n_dev_texts,
            "left_out": sources.left_out,
            "evaluations": trained.progress.evaluations,
            "best_step": trained.progress.best_step,
            "shift_on_dev": float(shift_per_text(encode_finite(made, watched), before).mean()),
            **earlier.as_facts(beside=list_learned(dump_config(recipe))),
            "sentire_version": __version__,
        }
        network.to("cpu").eval()
        # A new one, since the fingerprint of the other is that of the weights before.
        made = SentenceEncoder(
            network.encoder, tokenizer, shape, name=recipe.name, pooling=section.pooling, max_tokens=section.max_tokens
        )
        save_encoder(output, made, card=render_representation_card(recipe, files, sources, earlier, report))
        write_json(output / REPORT_NAME, {**report, "seconds_since_start": round(time.perf_counter() - started, 1)})
    return FinishedRepresentation(folder=output, encoder=made, report=report)


def _check_output(output: Path) -> None:
    """Make sure that the files of an encoder take nobody's place: README.md and config.json are common names."""
    there = {path.name for path in output.iterdir()} if output.is_dir() else set()
    if MANIFEST_NAME in there or (there and not there & {REPORT_NAME, CHECKPOINTS_NAME}):
        raise OutputError(
            expected="a new folder, or that of such a training",
            got="the folder of a model" if MANIFEST_NAME in there else f"one with {list_names(sorted(there)[:3])}",
            where=str(output),
            hint="choose another folder",
        )


def _check_material(
    recipe: RepresentationRecipe, sources: RepresentationSources, material: RepresentationMaterial
) -> None:
    """Make sure that there is something to tell apart, and that the queue is not longer than the data."""
    for split in (sources.labelled if needs_labels(recipe) else None, sources.further):
        if split is not None and (split.targets == split.targets[0]).all():
            labels = [label for label, is_set in zip(split.space.labels, split.targets[0], strict=True) if is_set]
            raise DataError(
                expected="texts of two classes or more",
                got=f"{len(split)} of {list_names(labels) or 'no label'} alone",
                where=split.name,
                hint="without a text of another class there is nothing to tell apart",
            )
    n_keyed = int((material.has_labels if recipe.momentum.targets == "labels" else material.has_affect).sum())
    if has_momentum(recipe) and recipe.momentum.queue_size > n_keyed:
        raise ConfigError(
            expected=f"a queue of at most {n_keyed} keys, one a text",
            got=str(recipe.momentum.queue_size),
            where=f"momentum.queue_size of {recipe.name}",
            hint="a larger one would hold several keys of one text, each of another age",
        )


def _make_network(
    recipe: RepresentationRecipe, sources: RepresentationSources, encoder: torch.nn.Module, hidden_size: int
) -> RepresentationNetwork:
    n_labels = 0 if sources.space is None else len(sources.space)
    return RepresentationNetwork(
        encoder,
        hidden_size=hidden_size,
        projection=recipe.projection,
        n_labels=n_labels if recipe.classification.weight else 0,
        n_further_labels=0 if sources.further is None else len(sources.further.space),
        has_affect_head=recipe.affect_head.weight > 0,
        has_token_head=recipe.token_detection.weight > 0,
        has_target=has_momentum(recipe),
        queue_size=recipe.momentum.queue_size,
        n_queue_labels=n_labels if recipe.momentum.targets == "labels" else 2,
        inner_dropout=recipe.encoder.inner_dropout,
    )


def _make_dev(sources: RepresentationSources) -> RepresentationDev:
    dev, rated = sources.dev, sources.dev_rated
    return RepresentationDev(
        texts=[] if dev is None else dev.texts,
        classes=np.zeros(0, np.int64) if dev is None else find_single_labels(dev.targets),
        rated_texts=[] if rated is None else rated.texts,
        affect=np.zeros((0, 2), np.float32) if rated is None else rated.ratings[:, :2],
    )


def _encode_now(encoder: SentenceEncoder, texts: list[str]) -> NDArray[np.float32]:
    return encoder.encode(texts)


def _find_groups(recipe: RepresentationRecipe, sources: RepresentationSources) -> NDArray[np.int64] | None:
    """Return the Ekman group of each label, -1 for none; None where nothing asks for them."""
    if not recipe.contrast.weight or recipe.contrast.positives != "ekman" or sources.space is None:
        return None
    if sources.space.name == "ekman":
        return np.arange(len(sources.space), dtype=np.int64)
    try:
        label_map = load_label_map(sources.space.name, "ekman")
    except UnknownNameError as error:
        raise ConfigError(
            expected="labels that have Ekman's groups",
            got=f"those of {sources.space.name}",
            where=f"contrast.positives of {recipe.name}",
            hint='take positives = "share-any" or "jaccard"',
        ) from error
    groups = np.full(len(sources.space), -1, np.int64)
    for number, labels in enumerate(label_map.groups.values()):
        for label in labels:
            groups[sources.space.index(label)] = number
    return groups


def _count_texts(sources: RepresentationSources) -> dict[str, int]:
    counts = {split.name: len(split) for split in (sources.labelled, sources.further) if split is not None}
    return counts | {one.title: len(one.texts) for one in sources.rated}


def _fingerprint_run(
    recipe: RepresentationRecipe, files: EncoderFiles, material: RepresentationMaterial, dev: RepresentationDev
) -> str:
    what = [__version__, fingerprint(recipe), files.weights_sha256, material.tokens, dev.texts, dev.rated_texts]
    digest = hashlib.sha256(orjson.dumps(what))
    for array in (
        material.classes,
        material.targets,
        material.further_classes,
        material.affect,
        dev.classes,
        dev.affect,
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    if not np.array_equal(material.degrees, material.targets):
        digest.update(np.ascontiguousarray(material.degrees).tobytes())
    return digest.hexdigest()[:16]
