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
from sentire.training.averaging import WeightAverage
from sentire.training.checkpoints import (
    Progress,
    fill_optimiser,
    flatten_optimiser,
    read_checkpoint,
    remove_half_written,
    write_checkpoint,
)
from sentire.training.curves import open_curves
from sentire.training.objective import Objective, Step
from sentire.training.optimisers import make_optimiser, scale_learning_rates
from sentire.training.processes import make_accelerator
from sentire.training.recipe import LoopSection
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
    objective: Objective,
    settings: LoopSection,
    folder: Path,
    *,
    seed: int,
    name: str,
    fingerprint: str,
    on_progress: OnProgress,
    on_evaluation: OnEvaluation | None = None,
) -> Trained:
    """Train a network, or go on with the training whose checkpoint is in the folder.

    Args:
        objective: What is learned, and what it is worth on dev.
        settings: How.
        folder: Exists; gets ``state.safetensors`` and ``best.safetensors``.
        seed: Of everything that is drawn in a step.
        name: Of the recipe, for messages.
        fingerprint: Of everything that determines the run.
        on_progress: Told after every step, in the first process.
        on_evaluation: Told after every evaluation, in the first process, and may end the training.

    Raises:
        TrainingError: A loss, gradient, weight or answer is no finite number any more; what was written before stays.
        ArtifactError: The folder holds the checkpoint of another run, or a damaged one.
        MissingExtraError: Curves are wanted and TensorBoard is not installed.
    """
    return _Loop(objective, settings, folder, seed, name, fingerprint, on_progress, on_evaluation).run()


class _Loop:
    def __init__(
        self,
        objective: Objective,
        settings: LoopSection,
        folder: Path,
        seed: int,
        name: str,
        fingerprint: str,
        on_progress: OnProgress,
        on_evaluation: OnEvaluation | None,
    ) -> None:
        self._objective, self._settings, self._folder = objective, settings, folder
        self._seed, self._name = seed, name
        self._on_progress, self._on_evaluation = on_progress, on_evaluation
        self._accelerator = make_accelerator()
        self._device = self._accelerator.device
        self._is_half = _is_half_wanted(settings.precision, self._device)
        self._network = objective.network.to(self._device)
        self._optimiser = make_optimiser(
            settings.optimiser,
            self._network,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            layer_decay=settings.layer_decay,
            head_learning_rate_factor=settings.head_factor,
        )
        self._average = WeightAverage(self._network, decay=settings.average_decay) if settings.average_decay else None
        self._n_steps = objective.steps_per_epoch * settings.n_epochs
        self._schedule = make_schedule(
            settings.schedule, n_steps=self._n_steps, warmup_fraction=settings.warmup_fraction
        )
        self._progress = Progress(fingerprint=fingerprint)
        self._smoothed_loss = float("nan")
        self._epoch: tuple[int, Sequence[NDArray[np.int64]]] | None = None

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
        number = self._progress.n_steps
        epoch, place = divmod(number, self._objective.steps_per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, self._objective.open_epoch(epoch))
        scale_learning_rates(self._optimiser, self._schedule(number))
        torch.manual_seed(_seed_of_step(self._seed, number, self._accelerator.process_index))
        step = Step(
            model=model, rows=self._epoch[1][place], accelerator=self._accelerator, is_half=self._is_half, number=number
        )
        total = self._accelerator.reduce(self._objective.add_gradients(step), reduction="sum")
        value = float(total)
        if not np.isfinite(value):
            self._fail(number, value)
        longest = self._settings.max_gradient_norm or float("inf")
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), longest))
        if not np.isfinite(norm):  # before it reaches the weights
            self._fail(number, norm)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        self._objective.finish_step()
        if self._average is not None:
            self._average.update()
        self._progress.n_steps += 1
        self._progress.loss_sum += value
        self._progress.n_loss_steps += 1
        known = np.isfinite(self._smoothed_loss)
        self._smoothed_loss = _SMOOTHING * self._smoothed_loss + (1 - _SMOOTHING) * value if known else value

    def _is_evaluation_due(self) -> bool:
        n_an_epoch, n = self._objective.steps_per_epoch, self._settings.n_evaluations
        place = self._progress.n_steps % n_an_epoch
        marks = {round(n_an_epoch * part / n) % n_an_epoch for part in range(1, n + 1)}
        return place in marks

    def _evaluate(self, curves: Callable[[str, float, int], None]) -> None:
        progress, settings = self._progress, self._settings
        self._say("measuring on dev")
        with self._average.applied() if self._average is not None else nullcontext():
            measured = self._measure()
            score = measured[settings.metric]
            if not np.isfinite(score):
                raise TrainingError(
                    expected=f"a finite {settings.metric} on dev",
                    got=str(score),
                    where=self._name,
                    hint="the answers are all alike, or dev is too small for this metric",
                )
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
            measured = self._objective.measure(self._device)
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
            where=self._name,
            hint=f"{kept} in {self._folder.name}; lower the learning rate",
        )


def _is_half_wanted(precision: str, device: torch.device) -> bool:
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bfloat16"


def _seed_of_step(seed: int, step: int, process: int) -> int:
    return int(make_generator(seed, f"dropout of step {step}, process {process}").integers(2**62))


def _pick(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
