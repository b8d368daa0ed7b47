"""From trained weights to a model folder: export, then calibration and cut-offs for the answers of that very file."""

import tempfile
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sentire._version import __version__
from sentire.classifiers.dev_fit import fit_on_dev
from sentire.core.affect import VAD_DIMENSIONS, VAD_UNIT
from sentire.core.config import dump_config, fingerprint
from sentire.core.protocols import Context
from sentire.core.seeding import make_generator
from sentire.encoders.shape import EncoderShape
from sentire.encoders.sources import EncoderFiles
from sentire.export.calibration_texts import N_CALIBRATION_TEXTS, make_calibration
from sentire.export.graph import build_graph
from sentire.metrics.regression import concordance, pearson_r
from sentire.runtime.calibration import Calibrator, Uncalibrated
from sentire.runtime.encoder_model import KIND, ONNX_NAME, TOKENIZER_NAME, EncoderModel, read_encoder_model
from sentire.runtime.encoder_settings import EncoderSettings
from sentire.runtime.encoder_tokens import TextTokens
from sentire.runtime.model_folder import ModelConfig, read_model_manifest, write_model_folder
from sentire.runtime.onnx_files import TokenBatch
from sentire.storage.tokenizer_files import read_tokenizer
from sentire.training.card import render_encoder_card
from sentire.training.checkpoints import Progress
from sentire.training.earlier_data import EarlierData, list_learned
from sentire.training.network import EmotionEncoder
from sentire.training.recipe import EncoderRecipe
from sentire.training.sources import Sources, keep_each_once
from sentire.training.vocabulary import make_tokenizer_file

_WINDOW_STRIDE_FRACTION = 0.75


@dataclass(frozen=True, kw_only=True)
class FinishedModel:
    """A model folder that was written.

    Attributes:
        folder: Where it is.
        fingerprint: Of its files.
        report: What was measured on dev, as plain data.
    """

    folder: Path
    fingerprint: str
    report: dict[str, Any]


def finish_model(
    network: EmotionEncoder,
    shape: EncoderShape,
    files: EncoderFiles,
    sources: Sources,
    earlier: EarlierData,
    recipe: EncoderRecipe,
    progress: Progress,
    output: Path,
) -> FinishedModel:
    """Export a network, fit calibration and cut-offs to the exported answers on dev, and write the folder.

    Args:
        network: With the best weights.
        shape: Of its encoder.
        files: Of the pre-trained encoder, for its tokenizer and licence.
        sources: What was learned from; its dev split is what is fitted on.
        earlier: What the models before it had learned from.
        recipe: Of the experiment.
        progress: Of the training.
        output: Folder of the model.

    Raises:
        OutputError: The folder cannot be written.
    """
    settings = make_settings(recipe, shape)
    tokenizer_file = make_tokenizer_file(files, recipe.encoder)
    graph = build_graph(
        {name: tensor.detach().float().cpu().numpy() for name, tensor in network.state_dict().items()},
        shape,
        precision=recipe.export.precision,
        calibration=_draw_calibration(recipe, sources, tokenizer_file, settings),
    )
    n_labels, has_vad = len(sources.space), network.affect_head is not None
    draft_config = ModelConfig(
        name=recipe.name, label_space=sources.space, thresholds=np.full(n_labels, 0.5), threshold_method="fixed"
    )
    with tempfile.TemporaryDirectory() as scratch:
        draft_folder = Path(scratch) / "draft"
        _write(draft_folder, draft_config, Uncalibrated(), graph, tokenizer_file, settings, card="", has_vad=has_vad)
        draft = read_encoder_model(draft_folder, read_model_manifest(draft_folder))
        contexts = [turns or None for turns in sources.dev.contexts] if settings.uses_context else None
        logits = draft.predict_logits(sources.dev.texts, context=contexts)
        affect = _measure_affect(draft, sources)
    fitted = fit_on_dev(
        logits,
        sources.dev.targets,
        sources.space,
        calibration=recipe.calibration,
        thresholds=recipe.thresholds,
        seed=recipe.seed,
    )
    report: dict[str, Any] = {
        "dev": sources.dev.name,
        "n_dev": len(sources.dev),
        "n_train": _count_texts(sources),
        "left_out": _list_left_out(sources),
        "evaluations": progress.evaluations,
        "best_step": progress.best_step,
        "precision": recipe.export.precision,
        "n_bytes": len(graph),
        **fitted.report,
        "affect": affect,
    }
    cards = keep_each_once([*sources.cards, *earlier.cards])
    own = list_learned(dump_config(recipe))
    config = ModelConfig(
        name=recipe.name,
        label_space=sources.space,
        thresholds=fitted.thresholds.thresholds,
        threshold_method=fitted.thresholds.method
        if sources.space.task == "single-label"
        else f"{fitted.thresholds.method}, chosen on {sources.dev.name}",
        projected_thresholds={name: fit.thresholds for name, fit in fitted.projected.items()},
        training={
            "recipe": dump_config(recipe),
            "recipe_fingerprint": fingerprint(recipe),
            "encoder": {"name": files.name, "weights_sha256": files.weights_sha256, "licence": files.licence},
            "data": {
                "name": cards[0].name,
                "revision": cards[0].revision,
                "licence": " and ".join(dict.fromkeys(card.licence for card in cards)),
            },
            **earlier.as_facts(beside=own),
            "seed": recipe.seed,
            "sentire_version": __version__,
        },
    )
    card = render_encoder_card(recipe, files, sources, earlier, report)
    mark = _write(output, config, fitted.calibrator, graph, tokenizer_file, settings, card=card, has_vad=has_vad)
    return FinishedModel(folder=output, fingerprint=mark, report=report)


def _draw_calibration(
    recipe: EncoderRecipe, sources: Sources, tokenizer_file: bytes, settings: EncoderSettings
) -> list[TokenBatch]:
    # From every labelled split alike, so that rows with a context are among them where there are any.
    if recipe.export.precision != "int8":
        return []
    generator = make_generator(recipe.seed, "calibration of int8")
    texts: list[str] = []
    contexts: list[Context] = []
    for split in sources.labelled:
        n_drawn = min(len(split), N_CALIBRATION_TEXTS // len(sources.labelled))
        for row in generator.choice(len(split), size=n_drawn, replace=False).tolist():
            texts.append(split.texts[row])
            contexts.append((split.contexts[row] or None) if settings.uses_context else None)
    return make_calibration(
        TextTokens(read_tokenizer(tokenizer_file), settings, where="tokenizer"), texts, context=contexts
    )


def make_settings(recipe: EncoderRecipe, shape: EncoderShape) -> EncoderSettings:
    """Return how the model that a recipe makes reads texts."""
    window = min(recipe.export.window_tokens or recipe.encoder.max_tokens, shape.n_positions)
    return EncoderSettings(
        max_tokens=window,
        window_stride_tokens=round(window * _WINDOW_STRIDE_FRACTION),
        max_context_tokens=min(recipe.context.max_tokens, window // 2),
        uses_context=recipe.context.is_used,
        pooling=recipe.encoder.pooling,
        precision=recipe.export.precision,
    )


def _write(
    folder: Path,
    config: ModelConfig,
    calibrator: Calibrator,
    graph: bytes,
    tokenizer_file: bytes,
    settings: EncoderSettings,
    *,
    card: str,
    has_vad: bool,
) -> str:
    return write_model_folder(
        folder,
        KIND,
        config,
        facts={
            "encoder": asdict(settings),
            "calibration": calibrator.as_dict(),
            "affect": {"scale": VAD_UNIT.id} if has_vad else None,
        },
        files={ONNX_NAME: graph, TOKENIZER_NAME: tokenizer_file},
        card=card,
    )


def _count_texts(sources: Sources) -> dict[str, int]:
    counts = {split.name: len(split) for split in sources.labelled}
    counts |= {name: len(texts) for name, texts in sources.unlabelled.items()}
    if sources.rated is not None:
        counts[_name_apart(sources.rated.name, counts)] = len(sources.rated.texts)
    return counts


def _list_left_out(sources: Sources) -> dict[str, dict[str, int]]:
    left_out = {split.name: split.left_out for split in (*sources.labelled, sources.dev)}
    for rated in (sources.rated, sources.dev_rated):
        if rated is not None:
            left_out[_name_apart(rated.name, left_out)] = rated.left_out
    return left_out


def _name_apart(name: str, taken: Container[str]) -> str:
    # One split may carry labels and ratings.
    return f"{name}, ratings" if name in taken else name


def _measure_affect(model: EncoderModel, sources: Sources) -> dict[str, Any] | None:
    rated = sources.dev_rated
    predicted = None if rated is None else model.judge(rated.texts).vad
    if rated is None or predicted is None:
        return None
    found = {"pearson": pearson_r(predicted, rated.ratings), "concordance": concordance(predicted, rated.ratings)}
    return {
        "data": rated.name,
        "n": len(rated.texts),
        "dimensions": {
            dimension: {name: float(values[column]) for name, values in found.items()}
            for column, dimension in enumerate(VAD_DIMENSIONS)
        },
    }
