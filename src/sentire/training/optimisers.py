"""Optimisers by name, with the parameters in groups that share a learning rate and a weight decay."""

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sentire.core.errors import MissingExtraError, UnknownNameError, UsageError

try:
    from torch import nn
    from torch.optim import AdamW, Optimizer, RAdam
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training encoders") from error

_ENCODER = "encoder."
_EMBEDDINGS = "encoder.embeddings."
_LAYER = re.compile(r"encoder\.(?:encoder|transformer)\.layer\.(\d+)\.")

Groups = list[dict[str, Any]]


def _make_adamw(groups: Groups, *, learning_rate: float) -> Optimizer:
    return AdamW(groups, lr=learning_rate, fused=True)  # one pass over memory: on CPU a fifth of foreach's time


def _make_radam(groups: Groups, *, learning_rate: float) -> Optimizer:
    return RAdam(groups, lr=learning_rate, decoupled_weight_decay=True, foreach=True)


OPTIMISERS: Mapping[str, Callable[..., Optimizer]] = MappingProxyType({"adamw": _make_adamw, "radam": _make_radam})
"""Makers of optimisers by their names in configurations.

``adamw``: Loshchilov and Hutter 2019. ``radam``: Liu et al. 2020, with decoupled weight decay as in AdamW.
"""


def make_optimiser(
    name: str,
    module: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    head_learning_rate_factor: float = 1.0,
) -> Optimizer:
    """Make an optimiser of the parameters of a module that are to be trained.

    Parameters outside ``encoder.`` are those of heads. Each group knows its learning rate before any schedule as
    ``initial_lr``; see ``scale_learning_rates``.

    Source: Sun et al. 2019, How to fine-tune BERT for text classification, for ``layer_decay``.

    Args:
        name: A key of ``OPTIMISERS``.
        module: With names as in ``encoder.embeddings.*``, ``encoder.encoder.layer.3.*`` or
            ``encoder.transformer.layer.3.*``.
        learning_rate: Of the encoder's uppermost layer, above 0.
        weight_decay: At least 0; of matrices only: biases and the weights of layer norms have one axis and decay never.
        layer_decay: Above 0 to 1: every layer's learning rate is that of the one above, times this; the embeddings
            are the lowest layer. Whatever else is in the encoder counts as its uppermost layer.
        head_learning_rate_factor: Above 0: the heads' learning rate is ``learning_rate`` times this.

    Raises:
        UnknownNameError: No such optimiser.
        UsageError: A number out of its range, or nothing to train.
    """
    if name not in OPTIMISERS:
        raise UnknownNameError.among("training optimiser", name, OPTIMISERS)
    _check_above_zero("learning_rate", learning_rate)
    _check_above_zero("head_learning_rate_factor", head_learning_rate_factor)
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise UsageError(expected="a number of 0 or more", got=f"{weight_decay:g}", where="weight_decay")
    if not 0 < layer_decay <= 1:
        raise UsageError(expected="a number above 0, at most 1", got=f"{layer_decay:g}", where="layer_decay")
    groups = group_parameters(
        module,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        layer_decay=layer_decay,
        head_learning_rate_factor=head_learning_rate_factor,
    )
    if not groups:
        raise UsageError(expected="parameters to train", got="a module whose parameters are all frozen, or none")
    return OPTIMISERS[name](groups, learning_rate=learning_rate)


def group_parameters(
    module: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    layer_decay: float,
    head_learning_rate_factor: float,
) -> Groups:
    """Put the parameters to be trained into groups of one learning rate and one weight decay.

    The order of the groups, and within them, follows the module's own order of parameters and nothing else, so that a
    resumed run meets the same groups. For the arguments, see ``make_optimiser``.

    Returns:
        Dictionaries with ``params``, ``lr``, ``initial_lr`` and ``weight_decay``.
    """
    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    # Counted over all parameters: a frozen layer is still a layer.
    layers = [int(found[1]) for name, _ in module.named_parameters() if (found := _LAYER.match(name))]
    n_layers = max(layers, default=-1) + 1
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in named:
        rate = learning_rate
        if not name.startswith(_ENCODER):
            rate *= head_learning_rate_factor
        elif name.startswith(_EMBEDDINGS):
            rate *= layer_decay**n_layers
        elif found := _LAYER.match(name):
            rate *= layer_decay ** (n_layers - 1 - int(found[1]))
        decay = weight_decay if parameter.ndim > 1 else 0.0
        group = {"params": [], "lr": rate, "initial_lr": rate, "weight_decay": decay}
        groups.setdefault((rate, decay), group)["params"].append(parameter)
    return list(groups.values())


def scale_learning_rates(optimiser: Optimizer, factor: float) -> None:
    """Set the learning rate of every group to its initial one times the factor of a schedule."""
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * factor


def _check_above_zero(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UsageError(expected="a number above 0", got=f"{value:g}", where=name)
