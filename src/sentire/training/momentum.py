"""What momentum contrast needs beside its loss: an encoder that follows slowly, and a queue of its past keys."""

from copy import deepcopy
from typing import Any

from sentire.core.errors import DataError, MissingExtraError, ShapeError, UsageError, list_names

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training encoders") from error


class MomentumCopy(nn.Module):
    """A copy of a module that follows it slowly: ``ξ <- m ξ + (1 - m) θ``.

    Source: He et al. 2020, Momentum contrast for unsupervised visual representation learning, eq. 2.

    Args:
        module: θ; its present weights are the copy's first ones. Keep them in float32: in half precision, the steps of
            a momentum near 1 are lost in rounding.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def update(self, online: nn.Module, momentum: float) -> None:
        """Move the parameters towards those of ``online``, and take over its buffers.

        Args:
            online: The module that was copied, after a step of its optimiser.
            momentum: m, from 0 (the copy is the module itself) to 1 (the copy stays as it is).

        Raises:
            UsageError: The momentum is out of its range, or the names or shapes are not those of the copy; nothing is
                changed then.
        """
        if not 0 <= momentum <= 1:
            raise UsageError(expected="a momentum from 0 to 1", got=f"{momentum:g}", where="momentum")
        own, others = dict(self.module.named_parameters()), dict(online.named_parameters())
        own_buffers, other_buffers = dict(self.module.named_buffers()), dict(online.named_buffers())
        _check_same_tensors({**own, **own_buffers}, {**others, **other_buffers})
        theirs = [others[name].detach().to(value.dtype) for name, value in own.items()]
        torch._foreach_lerp_(list(own.values()), theirs, 1 - momentum)
        for name, buffer in own_buffers.items():
            buffer.copy_(other_buffers[name])

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the copy answers, without a gradient; dropout is as its mode says."""
        return self.module(*args, **kwargs)


class KeyQueue(nn.Module):
    """The last K keys with their labels; a new key takes the place of the oldest.

    All of it is in the state of the module, so that a checkpoint resumes it.

    Source: He et al. 2020, Momentum contrast for unsupervised visual representation learning, section 3.2.
    Departures: it starts empty, not with random keys, which would be negatives of no text.

    Args:
        n_keys: K, at least 1.
        n_dimensions: D of a key, at least 1.
        n_labels: L numbers that label a key, such as valence and arousal; at least 1.

    Raises:
        UsageError: A size below 1.
    """

    keys: Tensor
    labels: Tensor
    n_filled: Tensor
    position: Tensor

    def __init__(self, *, n_keys: int, n_dimensions: int, n_labels: int) -> None:
        super().__init__()
        for name, size in (("n_keys", n_keys), ("n_dimensions", n_dimensions), ("n_labels", n_labels)):
            if size < 1:
                raise UsageError(expected="a whole number of 1 or more", got=str(size), where=name)
        self.register_buffer("keys", torch.zeros(n_keys, n_dimensions))
        self.register_buffer("labels", torch.zeros(n_keys, n_labels))
        self.register_buffer("n_filled", torch.tensor(0))
        self.register_buffer("position", torch.tensor(0))

    @torch.no_grad()
    def push(self, keys: Tensor, labels: Tensor) -> None:
        """Put keys into the queue, the first of them as the oldest.

        Args:
            keys: Shape (n, D) with n at most K, finite; they are held without gradient, in float32.
            labels: Shape (n, L), finite.

        Raises:
            ShapeError: The shapes do not fit the queue or each other, or there are more keys than places.
            DataError: A key or a label is NaN or infinite; nothing is changed then.
        """
        n_places, n_new = len(self.keys), keys.shape[0] if keys.ndim else 0
        for name, values, held in (("keys", keys, self.keys), ("labels", labels, self.labels)):
            if values.shape != (n_new, held.shape[1]):
                raise ShapeError(
                    expected=f"shape ({n_new}, {held.shape[1]})", got=f"shape {tuple(values.shape)}", where=name
                )
        if n_new > n_places:
            raise ShapeError(
                expected=f"at most {n_places} keys, as many as the queue holds",
                got=str(n_new),
                where="keys",
                hint="take a longer queue or a smaller batch",
            )
        for name, values in (("keys", keys), ("labels", labels)):
            if not bool(torch.isfinite(values).all()):
                raise DataError(expected="finite numbers", got="NaN or infinity", where=name)
        places = (self.position + torch.arange(n_new, device=self.keys.device)) % n_places
        self.keys[places] = keys.to(self.keys)
        self.labels[places] = labels.to(self.labels)
        self.position.copy_((self.position + n_new) % n_places)
        self.n_filled.copy_((self.n_filled + n_new).clamp(max=n_places))

    def read(self) -> tuple[Tensor, Tensor]:
        """Return the keys that there are, shape (n, D), and their labels, shape (n, L), in no order of age.

        They are copies: a later push changes neither them nor a gradient through them.
        """
        n_filled = int(self.n_filled)
        return self.keys[:n_filled].clone(), self.labels[:n_filled].clone()


def _check_same_tensors(own: dict[str, Tensor], others: dict[str, Tensor]) -> None:
    wrong = [name for name in {**own, **others} if name not in own or name not in others]
    wrong += [name for name in own if name in others and own[name].shape != others[name].shape]
    if wrong:
        raise UsageError(
            expected="the module that was copied",
            got=f"other names or shapes for {list_names(sorted(wrong))}",
            where="online",
            hint="pass the module itself, not one that is wrapped around it",
        )
