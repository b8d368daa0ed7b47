"""Fine-tune an encoder on a task, and measure the answers of the network itself: nothing is exported."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sentire.classifiers.labelled import LabelledSplit
from sentire.core.config import parse_config
from sentire.core.progress import OnProgress, stay_quiet
from sentire.core.seeding import make_generator
from sentire.encoders.sources import find_encoder
from sentire.encoders.token_batches import TokenAssembler
from sentire.encoders.tokenizer import load_tokenizer
from sentire.metrics.bootstrap import bootstrap
from sentire.metrics.classification import ClassificationStatistic
from sentire.probing.splits import find_present
from sentire.training.dev_measure import run_network
from sentire.training.recipe import EncoderRecipe
from sentire.training.sources import Sources, make_dev_material
from sentire.training.train import fit_encoder


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How an encoder is fine-tuned.

    Attributes:
        n_epochs: Of training; the best of them on dev is taken.
        batch_size: Texts a step.
        learning_rate: The highest, after the warm-up.
        max_tokens: Of a text.
    """

    n_epochs: int = 2
    batch_size: int = 32
    learning_rate: float = 5e-5
    max_tokens: int = 64


def fine_tune(
    encoder: str,
    train: LabelledSplit,
    dev: LabelledSplit,
    test: LabelledSplit,
    settings: FineTuning,
    *,
    revision: str = "",
    pooling: str = "mean",
    seed: int,
    on_progress: OnProgress = stay_quiet,
) -> Mapping[str, Any]:
    """Return macro-F1 and accuracy on test with their bootstrap intervals over texts.

    Macro-F1 is the mean over the classes that are true or answered somewhere in test, as in scikit-learn.

    Args:
        encoder: Name or folder.
        revision: The commit, for a name on the hub.
        pooling: Of the encoder.
        train: One label a text.
        dev: Where the best epoch is chosen.
        test: Measured on once.
        settings: How.
        seed: Of the order of the texts, dropout and the new head.
        on_progress: Told of every step.
    """
    recipe = parse_config(
        EncoderRecipe,
        {
            "recipe": "encoder",
            "name": "suite",
            "seed": seed,
            "data": {"train": train.name, "dev": dev.name},
            "encoder": {
                "name": encoder,
                "revision": revision,
                "pooling": pooling,
                "max_tokens": settings.max_tokens,
                "inner_dropout": 0.0,
            },
            "optimisation": {
                "n_epochs": settings.n_epochs,
                "batch_size": min(settings.batch_size, len(train)),
                "learning_rate": settings.learning_rate,
                "head_factor": 10.0,
                "checkpoint_seconds": 1e9,
            },
        },
    )
    files = find_encoder(encoder, revision=revision)
    sources = Sources(labelled=[train], unlabelled={}, rated=None, dev=dev, dev_rated=None)
    with TemporaryDirectory() as scratch:  # short: a part that is stopped begins again
        network, shape, trained = fit_encoder(recipe, files, sources, Path(scratch), on_progress=on_progress)
    network.load_state_dict(trained.weights)
    assembler = TokenAssembler(
        load_tokenizer(files.tokenizer),
        max_tokens=settings.max_tokens,
        max_context_tokens=settings.max_tokens,
        pooling=recipe.encoder.pooling,
        padding_id=shape.padding_id,
    )
    asked, _ = make_dev_material(
        Sources(labelled=[train], unlabelled={}, rated=None, dev=test, dev_rated=None), recipe, assembler
    )
    logits, _ = run_network(network, assembler, asked, next(network.parameters()).device)
    decisions = np.zeros(logits.shape, np.bool_)
    decisions[np.arange(len(logits)), logits.argmax(axis=1)] = True
    present = find_present(test.targets, decisions)
    found = bootstrap(
        ClassificationStatistic(test.targets[:, present], decisions[:, present]),
        generator=make_generator(seed, "bootstrap of fine-tuning"),
    )
    return {
        "macro_f1": asdict(found["macro_f1"].estimate(n=len(test))),
        "accuracy": asdict(found["micro_f1"].estimate(n=len(test))),
        "n_train": len(train),
        "n_test": len(test),
    }
