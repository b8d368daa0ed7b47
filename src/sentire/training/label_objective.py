"""Fine-tuning: emotions, and valence, arousal and dominance; each text teaches the heads that it has targets for."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import MissingExtraError
from sentire.encoders.token_batches import TokenAssembler
from sentire.losses.affect import affect_loss
from sentire.losses.asymmetric import asymmetric_loss
from sentire.losses.bce import bce_loss
from sentire.losses.focal import focal_loss
from sentire.training.class_weights import make_positive_weights
from sentire.training.dev_measure import DevSets, measure_on_dev
from sentire.training.length_buckets import make_epoch_batches
from sentire.training.material import Material, draw_contexts
from sentire.training.network import EmotionEncoder
from sentire.training.objective import Step
from sentire.training.recipe import EncoderRecipe, LossSection

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error


class LabelObjective:
    """What an encoder's recipe minimises: the loss of the labels plus the weighted squared error of affect.

    Args:
        network: With pre-trained weights and new heads.
        assembler: Makes batches of token numbers.
        material: What is learned.
        dev: Where the best weights are chosen.
        recipe: All settings.
    """

    def __init__(
        self,
        network: EmotionEncoder,
        assembler: TokenAssembler,
        material: Material,
        dev: DevSets,
        recipe: EncoderRecipe,
    ) -> None:
        self.network = network
        self._assembler, self._material, self._dev, self._recipe = assembler, material, dev, recipe
        self._loss = _choose_loss(recipe.loss, material)
        self._affect_scale = _measure_spread(material)
        self._drawn = material
        self.steps_per_epoch = -(-len(material) // recipe.optimisation.batch_size)

    def open_epoch(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Draw the contexts of an epoch, and return batches of texts of nearly equal length."""
        context = self._recipe.context
        if context.is_used:
            self._drawn = draw_contexts(
                self._material,
                epoch=epoch,
                seed=self._recipe.seed,
                unrelated_fraction=context.unrelated_fraction,
                dropped_fraction=context.dropped_fraction,
                max_context_tokens=context.max_tokens,
            )
        rows = zip(self._drawn.texts, self._drawn.contexts, strict=True)
        return make_epoch_batches(
            [self._assembler.count(*row) for row in rows],
            batch_size=self._recipe.optimisation.batch_size,
            seed=self._recipe.seed,
            epoch=epoch,
        )

    def add_gradients(self, step: Step) -> Tensor:
        """Go through the batch in parts, each process with its own rows of every part."""
        rank, world = step.accelerator.process_index, step.accelerator.num_processes
        # Of the whole batch, so that parts and processes of unequal make-up add up to its very gradient.
        n_labelled = max(int(self._drawn.has_labels[step.rows].sum()), 1)
        n_affect = max(int(self._drawn.has_affect[step.rows].sum()), 1)
        total = torch.zeros((), device=step.device)
        n_parts = self._recipe.optimisation.n_accumulated
        parts = [step.rows[part::n_parts] for part in range(n_parts)]
        parts = [part for part in parts if len(part)]  # the last batch of an epoch may have fewer rows than parts
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            own = part[rank::world]
            with nullcontext() if is_last else step.accelerator.no_sync(step.model):
                # A process without a row of its own goes through the network all the same: the others wait for its
                # share of the gradient, which is nothing.
                share = 1.0 if len(own) else 0.0
                loss = share * self._measure_loss(step, own if share else part, n_labelled, n_affect)
                total += loss.detach()
                (loss * world).backward()  # gradients are averaged over processes
        return total

    def finish_step(self) -> None:
        """Do nothing: the network is all there is."""

    def measure(self, device: torch.device) -> dict[str, float]:
        """Measure F1 and, where there is affect, its correlations; see ``measure_on_dev``."""
        return measure_on_dev(self.network, self._assembler, self._dev, device, seed=self._recipe.seed)

    def _measure_loss(self, step: Step, rows: NDArray[np.int64], n_labelled: int, n_affect: int) -> Tensor:
        material, device = self._drawn, step.device
        batch = self._assembler.assemble(
            [material.texts[row] for row in rows], [material.contexts[row] for row in rows]
        ).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=step.is_half):
            logits, scores = step.model(batch)
        targets = torch.from_numpy(material.targets[rows]).to(device)
        taught = torch.from_numpy(material.has_labels[rows]).to(device)
        values = self._loss(logits, targets) * taught.unsqueeze(1)
        loss: Tensor = values.sum() / (n_labelled * logits.shape[1])
        if scores is not None:
            scale = self._affect_scale.to(device)
            true = torch.from_numpy(material.affect[rows]).to(device)
            is_rated = torch.from_numpy(material.has_affect[rows]).to(device)
            errors = affect_loss(scores / scale, true / scale) * is_rated
            loss = loss + self._recipe.loss.affect_weight * errors.sum() / n_affect
        return loss


def _choose_loss(section: LossSection, material: Material) -> Callable[[Tensor, Tensor], Tensor]:
    weights = None
    if section.class_weights != "none":
        taught = material.targets[material.has_labels]
        weights = torch.from_numpy(make_positive_weights(section.class_weights, taught))

    def measure(logits: Tensor, targets: Tensor) -> Tensor:
        positive_weights = None if weights is None else weights.to(logits.device)
        if section.name == "focal":
            return focal_loss(logits, targets, gamma=section.focal_gamma, positive_weights=positive_weights)
        if section.name == "asymmetric":
            return asymmetric_loss(
                logits,
                targets,
                gamma_positive=section.gamma_positive,
                gamma_negative=section.gamma_negative,
                clip=section.clip,
                positive_weights=positive_weights,
            )
        return bce_loss(logits, targets, positive_weights=positive_weights)

    return measure


def _measure_spread(material: Material) -> Tensor:
    rated = material.affect[material.has_affect]
    spread = rated.std(axis=0) if len(rated) else np.ones(3, np.float32)
    return torch.from_numpy(np.maximum(spread, 1e-3).astype(np.float32))
