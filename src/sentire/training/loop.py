"""The training loop: it can be killed at any moment and goes on where its last checkpoint stands.

Several processes share each batch and take the same steps; the first one alone measures on dev, writes and speaks.

Nothing that is drawn depends on what was drawn before: batches and contexts follow from seed and epoch, dropout from
seed and step. On a CPU a run that was resumed therefore ends bit-equal to one that was not, as long as the number of
threads is the same.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, MissingExtraError, TrainingError
from sentire.core.progress import OnProgress
from sentire.core.seeding import make_generator
from sentire.losses.affect import affect_loss
from sentire.losses.asymmetric import asymmetric_loss
from sentire.losses.bce import bce_loss
from sentire.losses.focal import focal_loss
from sentire.training.averaging import WeightAverage
from sentire.training.checkpoints import (
    Progress,
    fill_optimiser,
    flatten_optimiser,
    read_checkpoint,
    remove_half_written,
    write_checkpoint,
)
from sentire.training.class_weights import make_positive_weights
from sentire.training.curves import open_curves
from sentire.training.dev_measure import DevSets, measure_on_dev
from sentire.training.inputs import TokenAssembler
from sentire.training.length_buckets import make_epoch_batches
from sentire.training.material import Material, draw_contexts
from sentire.training.network import EmotionEncoder
from sentire.training.optimisers import make_optimiser, scale_learning_rates
from sentire.training.processes import make_accelerator
from sentire.training.recipe import EncoderRecipe, LossSection
from sentire.training.schedules import make_schedule

try:
    import torch
    from accelerate.utils import broadcast
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error

STATE_NAME = "state.safetensors"
BEST_NAME = "best.safetensors"

OnEvaluation = Callable[[Sequence[Mapping[str, Any]]], bool]
"""Told of every evaluation on dev so far, in order; True ends the training here."""

_NETWORK, _OPTIMISER, _AVERAGE = "network.", "optimiser.", "average."
_SMOOTHING = 0.98


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of a training.

    Attributes:
        weights: The best weights on dev, by name.
        progress: Every evaluation, and which was the best.
    """

    weights: dict[str, Tensor]
    progress: Progress


def fit_network(
    network: EmotionEncoder,
    assembler: TokenAssembler,
    material: Material,
    dev: DevSets,
    recipe: EncoderRecipe,
    folder: Path,
    *,
    fingerprint: str,
    on_progress: OnProgress,
    on_evaluation: OnEvaluation | None = None,
) -> Trained:
    """Train a network, or go on with the training whose checkpoint is in the folder.

    Args:
        network: With pre-trained weights and new heads.
        assembler: Makes batches of token numbers.
        material: What is learned.
        dev: Where the best weights are chosen.
        recipe: All settings.
        folder: Exists; gets ``state.safetensors`` and ``best.safetensors``.
        fingerprint: Of everything that determines the run.
        on_progress: Told after every step, in the first process.
        on_evaluation: Told after every evaluation, in the first process, and may end the training.

    Raises:
        TrainingError: A loss, gradient, weight or answer is no finite number any more; what was written before stays.
        ArtifactError: The folder holds the checkpoint of another run, or a damaged one.
        MissingExtraError: Curves are wanted and TensorBoard is not installed.
    """
    return _Loop(network, assembler, material, dev, recipe, folder, fingerprint, on_progress, on_evaluation).run()


class _Loop:
    def __init__(
        self,
        network: EmotionEncoder,
        assembler: TokenAssembler,
        material: Material,
        dev: DevSets,
        recipe: EncoderRecipe,
        folder: Path,
        fingerprint: str,
        on_progress: OnProgress,
        on_evaluation: OnEvaluation | None,
    ) -> None:
        settings = recipe.optimisation
        self._recipe, self._settings = recipe, settings
        self._assembler, self._material, self._dev, self._folder = assembler, material, dev, folder
        self._on_progress, self._on_evaluation = on_progress, on_evaluation
        self._accelerator = make_accelerator()
        self._device = self._accelerator.device
        self._is_half = _is_half_wanted(settings.precision, self._device)
        self._network = network.to(self._device)
        self._optimiser = make_optimiser(
            settings.optimiser,
            network,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            layer_decay=settings.layer_decay,
            head_learning_rate_factor=settings.head_factor,
        )
        self._average = WeightAverage(network, decay=settings.average_decay) if settings.average_decay else None
        self._steps_per_epoch = -(-len(material) // settings.batch_size)
        self._n_steps = self._steps_per_epoch * settings.n_epochs
        self._schedule = make_schedule(
            settings.schedule, n_steps=self._n_steps, warmup_fraction=settings.warmup_fraction
        )
        self._loss = _choose_loss(recipe.loss, material, self._device)
        self._affect_scale = _measure_spread(material, self._device)
        self._progress = Progress(fingerprint=fingerprint)
        self._smoothed_loss = float("nan")
        self._epoch: tuple[int, Material, list[NDArray[np.int64]]] | None = None

    def run(self) -> Trained:
        is_first = self._accelerator.is_main_process
        if is_first:
            remove_half_written(self._folder)
        self._resume()
        model, optimiser = self._accelerator.prepare(self._network, self._optimiser)
        model.train()
        saved_at = time.monotonic()
        are_curves_wanted = self._settings.tensorboard and is_first
        with open_curves(self._folder, is_wanted=are_curves_wanted, n_steps=self._progress.n_steps) as curves:
            while not self._progress.is_finished:
                if self._progress.n_steps >= self._n_steps:
                    self._progress.is_finished = True
                    break
                self._step(model, optimiser)
                self._tell()
                if self._is_evaluation_due():
                    self._evaluate(curves)
                    is_save_due = True
                else:
                    is_save_due = time.monotonic() - saved_at >= self._settings.checkpoint_seconds
                if is_save_due and not self._progress.is_finished:
                    self._save()
                    saved_at = time.monotonic()
        self._save()
        self._accelerator.wait_for_everyone()  # until the first process has written what all read now
        weights, best = self._read_best()
        return Trained(weights=weights, progress=replace(self._progress, best_step=best.best_step))

    def _step(self, model: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
        step = self._progress.n_steps
        epoch, place = divmod(step, self._steps_per_epoch)
        material, batches = self._open_epoch(epoch)
        rows = batches[place]
        scale_learning_rates(self._optimiser, self._schedule(step))
        torch.manual_seed(_seed_of_step(self._recipe.seed, step, self._accelerator.process_index))
        rank, world = self._accelerator.process_index, self._accelerator.num_processes
        # Of the whole batch, so that parts and processes of unequal make-up add up to its very gradient.
        n_labelled = max(int(material.has_labels[rows].sum()), 1)
        n_affect = max(int(material.has_affect[rows].sum()), 1)
        total = torch.zeros((), device=self._device)
        parts = [rows[part :: self._settings.n_accumulated] for part in range(self._settings.n_accumulated)]
        parts = [part for part in parts if len(part)]  # the last batch of an epoch may have fewer rows than parts
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            own = part[rank::world]
            with nullcontext() if is_last else self._accelerator.no_sync(model):
                # A process without a row of its own goes through the network all the same: the others wait for its
                # share of the gradient, which is nothing.
                share = 1.0 if len(own) else 0.0
                loss = share * self._measure_loss(model, material, own if share else part, n_labelled, n_affect)
                total += loss.detach()
                (loss * world).backward()  # gradients are averaged over processes
        total = self._accelerator.reduce(total, reduction="sum")
        value = float(total)
        if not np.isfinite(value):
            self._fail(step, value)
        longest = self._settings.max_gradient_norm or float("inf")
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), longest))
        if not np.isfinite(norm):  # before it reaches the weights
            self._fail(step, norm)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update()
        self._progress.n_steps += 1
        self._progress.loss_sum += value
        self._progress.n_loss_steps += 1
        known = np.isfinite(self._smoothed_loss)
        self._smoothed_loss = _SMOOTHING * self._smoothed_loss + (1 - _SMOOTHING) * value if known else value

    def _measure_loss(
        self, model: torch.nn.Module, material: Material, rows: NDArray[np.int64], n_labelled: int, n_affect: int
    ) -> Tensor:
        batch = self._assembler.assemble(
            [material.texts[row] for row in rows], [material.contexts[row] for row in rows]
        ).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_half):
            logits, scores = model(batch)
        targets = torch.from_numpy(material.targets[rows]).to(self._device)
        taught = torch.from_numpy(material.has_labels[rows]).to(self._device)
        values = self._loss(logits, targets) * taught.unsqueeze(1)
        loss: Tensor = values.sum() / (n_labelled * logits.shape[1])
        if scores is not None:
            true = torch.from_numpy(material.affect[rows]).to(self._device)
            is_rated = torch.from_numpy(material.has_affect[rows]).to(self._device)
            errors = affect_loss(scores / self._affect_scale, true / self._affect_scale) * is_rated
            loss = loss + self._recipe.loss.affect_weight * errors.sum() / n_affect
        return loss

    def _open_epoch(self, epoch: int) -> tuple[Material, list[NDArray[np.int64]]]:
        if self._epoch is None or self._epoch[0] != epoch:
            context = self._recipe.context
            material = (
                draw_contexts(
                    self._material,
                    epoch=epoch,
                    seed=self._recipe.seed,
                    unrelated_fraction=context.unrelated_fraction,
                    dropped_fraction=context.dropped_fraction,
                    max_context_tokens=context.max_tokens,
                )
                if context.is_used
                else self._material
            )
            lengths = [self._assembler.count(*row) for row in zip(material.texts, material.contexts, strict=True)]
            batches = make_epoch_batches(
                lengths, batch_size=self._settings.batch_size, seed=self._recipe.seed, epoch=epoch
            )
            self._epoch = (epoch, material, batches)
        return self._epoch[1:]

    def _is_evaluation_due(self) -> bool:
        place = self._progress.n_steps % self._steps_per_epoch
        n = self._settings.n_evaluations
        marks = {round(self._steps_per_epoch * part / n) % self._steps_per_epoch for part in range(1, n + 1)}
        return place in marks

    def _evaluate(self, curves: Callable[[str, float, int], None]) -> None:
        progress, settings = self._progress, self._settings
        self._say("measuring on dev")
        with self._average.applied() if self._average is not None else nullcontext():
            measured = self._measure()
            score = measured[settings.metric]
            is_better = progress.best_score is None or score > progress.best_score
            if is_better:
                progress.best_score, progress.best_step, progress.n_since_best = score, progress.n_steps, 0
            else:
                progress.n_since_best += 1
            figures = {"loss": progress.loss_sum / max(progress.n_loss_steps, 1), **measured}
            # None for what is not defined, as it reads when it comes back from a file.
            defined = {name: value if np.isfinite(value) else None for name, value in figures.items()}
            progress.evaluations.append({"step": progress.n_steps, **defined})
            progress.loss_sum, progress.n_loss_steps = 0.0, 0
            if is_better and self._accelerator.is_main_process:
                write_checkpoint(self._folder / BEST_NAME, self._network.state_dict(), progress)
        for name, value in figures.items():
            curves(name, value, progress.n_steps)
        is_over = bool(settings.patience) and progress.n_since_best >= settings.patience
        if self._on_evaluation is not None and self._accelerator.is_main_process:
            is_over = self._on_evaluation(progress.evaluations) or is_over
        progress.is_finished = self._agree(float(is_over)) > 0

    def _measure(self) -> dict[str, float]:
        """Measure in the first process; the others learn the score."""
        measured: dict[str, float] = {}
        if self._accelerator.is_main_process:
            measured = measure_on_dev(self._network, self._assembler, self._dev, self._device, seed=self._recipe.seed)
        return {**measured, self._settings.metric: self._agree(measured.get(self._settings.metric, 0.0))}

    def _agree(self, value: float) -> float:
        """Return the first process's value, so that all processes decide alike."""
        if self._accelerator.num_processes == 1:
            return value
        return float(broadcast(torch.tensor([value], dtype=torch.float64, device=self._device))[0])

    def _save(self) -> None:
        if not self._accelerator.is_main_process:
            return
        tensors = {_NETWORK + name: tensor for name, tensor in self._network.state_dict().items()}
        if not self._progress.is_finished:
            tensors |= {_OPTIMISER + name: tensor for name, tensor in flatten_optimiser(self._optimiser).items()}
            if self._average is not None:
                tensors |= {_AVERAGE + name: tensor for name, tensor in self._average.tensors().items()}
        write_checkpoint(self._folder / STATE_NAME, tensors, self._progress)

    def _resume(self) -> None:
        path = self._folder / STATE_NAME
        if not path.exists():
            return
        tensors, progress = read_checkpoint(path)
        if progress.fingerprint != self._progress.fingerprint:
            raise ArtifactError(
                expected="a checkpoint of this very recipe, data and version",
                got=f"one of another run (fingerprint {progress.fingerprint}, this is {self._progress.fingerprint})",
                where=str(path),
                hint="choose another output folder, or delete the checkpoints to begin again",
            )
        try:
            self._network.load_state_dict(_pick(tensors, _NETWORK))
            if not progress.is_finished:
                fill_optimiser(self._optimiser, _pick(tensors, _OPTIMISER))
                if self._average is not None:
                    self._average.load(_pick(tensors, _AVERAGE))
        except (RuntimeError, ValueError, KeyError) as error:
            raise ArtifactError(
                expected="a checkpoint of this network", got=str(error).splitlines()[0], where=str(path)
            ) from error
        if progress.best_score is not None:  # found out now, and not when the training has ended
            self._read_best()
        self._progress = progress

    def _read_best(self) -> tuple[dict[str, Tensor], Progress]:
        path = self._folder / BEST_NAME
        weights, best = read_checkpoint(path)
        if best.fingerprint != self._progress.fingerprint:
            raise ArtifactError(
                expected="the best weights of this very run",
                got=f"those of another (fingerprint {best.fingerprint})",
                where=str(path),
                hint="delete the folder of checkpoints to begin again",
            )
        return weights, best

    def _tell(self) -> None:
        best = self._progress.best_score
        note = f"loss {self._smoothed_loss:.4f}"
        if best is not None:
            last = self._progress.evaluations[-1][self._settings.metric]
            note += f" · dev {self._settings.metric} {last:.4f} (best {best:.4f})"
        self._say(note)

    def _say(self, note: str) -> None:
        if self._accelerator.is_main_process:
            self._on_progress(self._progress.n_steps, self._n_steps, note)

    def _fail(self, step: int, value: float) -> None:
        best = self._progress.best_score
        kept = (
            "nothing was evaluated before" if best is None else f"the weights of step {self._progress.best_step} stay"
        )
        raise TrainingError(
            expected="a finite loss and gradient",
            got=f"{value} at step {step + 1}",
            where=self._recipe.name,
            hint=f"{kept} in {self._folder.name}; lower the learning rate",
        )


def _is_half_wanted(precision: str, device: torch.device) -> bool:
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bfloat16"


def _choose_loss(section: LossSection, material: Material, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    weights = None
    if section.class_weights != "none":
        taught = material.targets[material.has_labels]
        weights = torch.from_numpy(make_positive_weights(section.class_weights, taught)).to(device)
    losses: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
        "bce": lambda logits, targets: bce_loss(logits, targets, positive_weights=weights),
        "focal": lambda logits, targets: focal_loss(
            logits, targets, gamma=section.focal_gamma, positive_weights=weights
        ),
        "asymmetric": lambda logits, targets: asymmetric_loss(
            logits,
            targets,
            gamma_positive=section.gamma_positive,
            gamma_negative=section.gamma_negative,
            clip=section.clip,
            positive_weights=weights,
        ),
    }
    return losses[section.name]


def _measure_spread(material: Material, device: torch.device) -> Tensor:
    rated = material.affect[material.has_affect]
    spread = rated.std(axis=0) if len(rated) else np.ones(3, np.float32)
    return torch.from_numpy(np.maximum(spread, 1e-3).astype(np.float32)).to(device)


def _seed_of_step(seed: int, step: int, process: int) -> int:
    return int(make_generator(seed, f"dropout of step {step}, process {process}").integers(2**62))


def _pick(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
