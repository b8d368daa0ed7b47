"""A running average of a module's weights, which is often better than the last weights themselves."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sentire.core.errors import ArtifactError, MissingExtraError, UsageError, list_names

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training encoders") from error

_N_UPDATES = "n_updates"


class WeightAverage:
    """The exponential moving average of the parameters that are trained, in float32.

    Update n, counted from 0, is ``average = d average + (1 - d) weights`` with
    ``d = min(decay, (1 + n) / (10 + n))``: early weights are soon forgotten. Buffers are not averaged.

    Source: Polyak and Juditsky 1992 for the idea; the warm-up is that of TensorFlow's ``ExponentialMovingAverage``.

    Args:
        module: Its present weights are the first average. It must stay on its device.
        decay: From 0 (the average is the last weights) to below 1.

    Raises:
        UsageError: The decay is not from 0 to below 1.
    """

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise UsageError(expected="a decay from 0 to below 1", got=f"{decay:g}", where="decay")
        named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
        self.decay = decay
        self.n_updates = 0
        self._names = [name for name, _ in named]
        self._parameters = [parameter for _, parameter in named]
        self._averages = [parameter.detach().to(torch.float32, copy=True) for _, parameter in named]
        self._is_applied = False

    @torch.no_grad()
    def update(self) -> None:
        """Take the module's present weights into the average; call it after each update of the optimiser.

        Raises:
            UsageError: The averages are in the module at the moment.
        """
        self._check_not_applied()
        decay = min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        # One call for all tensors; without a copy for weights in float32.
        torch._foreach_lerp_(self._averages, [one.detach().float() for one in self._parameters], 1 - decay)
        self.n_updates += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the averages into the module for a while; afterwards its own weights are back, bit by bit.

        Raises:
            UsageError: They are in it already.
        """
        self._check_not_applied()
        own = [parameter.detach().clone() for parameter in self._parameters]
        self._is_applied = True
        try:
            self._write(self._averages)
            yield
        finally:
            self._write(own)
            self._is_applied = False

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold: the averages by parameter names (float32), and ``n_updates`` (int64).

        The tensors are the ones in use, not copies.
        """
        state = dict(zip(self._names, self._averages, strict=True))
        state[_N_UPDATES] = torch.tensor(self.n_updates)
        return state

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from what ``tensors`` gave.

        Raises:
            ArtifactError: Names or shapes are not those of the module's parameters; nothing is changed then.
        """
        expected = {name: one.shape for name, one in zip(self._names, self._averages, strict=True)}
        expected[_N_UPDATES] = torch.Size([])
        wrong = [name for name in {**expected, **tensors} if name not in expected or name not in tensors]
        wrong += [name for name in tensors if name not in wrong and tensors[name].shape != expected[name]]
        if wrong:
            raise ArtifactError(
                expected="the averaged weights of this module",
                got=f"other names or shapes for {list_names(sorted(wrong))}",
                hint="resume with the configuration that the checkpoint was written with",
            )
        for name, average in zip(self._names, self._averages, strict=True):
            average.copy_(tensors[name])
        self.n_updates = int(tensors[_N_UPDATES])

    @torch.no_grad()
    def _write(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.copy_(value)

    def _check_not_applied(self) -> None:
        if self._is_applied:
            raise UsageError(
                expected="the module's own weights in it",
                got="the averaged ones",
                hint="leave the block of applied() first",
            )
