"""What a training minimises, as the loop sees it: batches, gradients, and a figure on dev."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import MissingExtraError

try:
    import torch
    from accelerate import Accelerator
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error


@dataclass(frozen=True, kw_only=True)
class Step:
    """One update, before it is made.

    Attributes:
        model: The objective's network as all processes share it.
        rows: Positions of the batch's texts.
        accelerator: Knows of the device and of the other processes.
        is_half: Whether the network computes in bfloat16.
        number: Updates before this one. The state of torch's generator follows from it already; what else is drawn
            must follow from it, too, so that a resumed run draws the same.
    """

    model: nn.Module
    rows: NDArray[np.int64]
    accelerator: Accelerator
    is_half: bool
    number: int

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        device: torch.device = self.accelerator.device
        return device


class Objective(Protocol):
    """What is learned."""

    @property
    def network(self) -> nn.Module:
        """All that learns or remembers: its state is what a checkpoint holds and what comes out in the end."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches of every epoch."""

    def open_epoch(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Return the batches of an epoch, which follow from the seed and its number alone."""

    def add_gradients(self, step: Step) -> Tensor:
        """Add the gradient of this process's share of a batch's loss to the network's, and return that share."""

    def finish_step(self) -> None:
        """Do what follows an update of the weights."""

    def measure(self, device: torch.device) -> dict[str, float]:
        """Measure the network on dev; the figures hold the metric by which the best weights are chosen."""
