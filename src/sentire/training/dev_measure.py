"""What a network is worth on dev, now and then during its training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentire.classifiers.calibrate import make_calibrated_folds
from sentire.classifiers.thresholds import fit_label_thresholds
from sentire.core.affect import VAD_DIMENSIONS
from sentire.core.errors import MissingExtraError, TrainingError
from sentire.core.labels import LabelSpace
from sentire.encoders.token_batches import TokenAssembler
from sentire.metrics.classification import macro_f1, micro_f1, weighted_f1
from sentire.metrics.regression import pearson_r
from sentire.training.material import Material
from sentire.training.network import EmotionEncoder

try:
    import torch
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error

DEV_FOLDS = 2
DEV_SHRINKAGE = 10.0
"""Of the per-label cut-offs during training; the final ones choose their own."""

_BATCH_ROWS = 128


@dataclass(frozen=True, kw_only=True)
class DevSets:
    """What is measured on.

    Attributes:
        labelled: Texts with labels; ``targets`` are hard.
        affect: Texts with affect scores, or None.
        space: Of the labels.
    """

    labelled: Material
    affect: Material | None
    space: LabelSpace


@torch.no_grad()
def run_network(
    network: EmotionEncoder, assembler: TokenAssembler, material: Material, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return logits, shape (N, C), and affect scores, shape (N, 3) or None, without dropout."""
    was_training = network.training
    network.eval()
    lengths = [assembler.count(*row) for row in zip(material.texts, material.contexts, strict=True)]
    order = np.argsort(lengths, kind="stable")
    logits: NDArray[np.float32] = np.zeros(material.targets.shape, np.float32)
    affect: NDArray[np.float32] = np.zeros((len(material), 3), np.float32)
    for start in range(0, len(order), _BATCH_ROWS):
        rows = order[start : start + _BATCH_ROWS]
        batch = assembler.assemble([material.texts[row] for row in rows], [material.contexts[row] for row in rows])
        found, scores = network(batch.to(device))
        logits[rows] = found.cpu().numpy()
        if scores is not None:
            affect[rows] = scores.cpu().numpy()
    network.train(was_training)
    return logits, None if network.affect_head is None else affect


def measure_on_dev(
    network: EmotionEncoder, assembler: TokenAssembler, dev: DevSets, device: torch.device, *, seed: int
) -> dict[str, float]:
    """Measure F1 with cut-offs that each half of dev lends the other, and the correlation of affect scores.

    Returns:
        ``macro_f1``, ``micro_f1``, ``weighted_f1``, and ``pearson_v``, ``pearson_a``, ``pearson_d`` where there is
        affect; a correlation is NaN where the answers are all the same.

    Raises:
        TrainingError: An answer is not a finite number.
    """
    logits, _ = run_network(network, assembler, dev.labelled, device)
    _check_finite(logits, "labels")
    targets = dev.labelled.targets > 0
    decisions = np.zeros(targets.shape, np.bool_)
    if dev.space.task == "single-label":
        decisions[np.arange(len(logits)), logits.argmax(axis=1)] = True
    else:
        for fold in make_calibrated_folds("none", logits, targets, n_folds=DEV_FOLDS, seed=seed):
            cutoffs = fit_label_thresholds(targets[fold.fitted_on], fold.proba[fold.fitted_on], shrinkage=DEV_SHRINKAGE)
            decisions[fold.judged] = fold.proba[fold.judged] >= cutoffs
    measured = {
        "macro_f1": macro_f1(targets, decisions),
        "micro_f1": micro_f1(targets, decisions),
        "weighted_f1": weighted_f1(targets, decisions),
    }
    if dev.affect is not None:
        _, scores = run_network(network, assembler, dev.affect, device)
        if scores is not None:
            _check_finite(scores, "affect scores")
            found = pearson_r(scores, dev.affect.affect)
            measured |= {f"pearson_{name[0]}": float(r) for name, r in zip(VAD_DIMENSIONS, found, strict=True)}
    return measured


def _check_finite(answers: NDArray[np.float32], kind: str) -> None:
    if not np.isfinite(answers).all():
        raise TrainingError(
            expected=f"finite {kind} on dev",
            got="NaN or infinity",
            hint="what was written before stays; lower the learning rate",
        )
