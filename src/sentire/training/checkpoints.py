"""The state of a training as one file that appears whole or not at all, without pickle."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
import safetensors.torch
from safetensors import SafetensorError, safe_open

from sentire.core.errors import ArtifactError, MissingExtraError, TrainingError, describe, quote
from sentire.storage.atomic import write_bytes

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error

CHECKPOINT_FORMAT = "sentire-checkpoint.v2"

_FACTS = "facts"
_DIGEST = "digest"


@dataclass(kw_only=True)
class Progress:
    """How far a training is.

    Attributes:
        fingerprint: Of recipe, data and version: only the same run may go on from here.
        n_steps: Updates made.
        best_step: Of the best evaluation so far; 0 for none.
        best_score: Its score; None for none.
        n_since_best: Evaluations since then.
        is_finished: Nothing is left to do.
        loss_sum: Of the steps since the last evaluation.
        n_loss_steps: How many they are.
        evaluations: All so far, as plain data.
    """

    fingerprint: str
    n_steps: int = 0
    best_step: int = 0
    best_score: float | None = None
    n_since_best: int = 0
    is_finished: bool = False
    loss_sum: float = 0.0
    n_loss_steps: int = 0
    evaluations: list[dict[str, Any]] = field(default_factory=list)


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], progress: Progress) -> None:
    """Write tensors and progress as one safetensors file, with a digest of both.

    Raises:
        TrainingError: A number is not finite; nothing is written, and what stood there before still does.
        OutputError: The file cannot be written; what stood there before still does.
    """
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    for name, tensor in plain.items():
        # One number that is not finite spoils the sum, which is much quicker than a look at each of them.
        if not torch.isfinite(tensor.sum()) and not torch.isfinite(tensor).all():
            raise TrainingError(
                expected="finite numbers in a checkpoint",
                got=f"NaN or infinity in {name} after step {progress.n_steps}",
                where=str(path),
                hint="what was written before stays; lower the learning rate",
            )
    facts = orjson.dumps(asdict(progress)).decode()
    metadata = {"format": CHECKPOINT_FORMAT, _FACTS: facts, _DIGEST: _make_digest(facts, plain)}
    write_bytes(path, safetensors.torch.save(plain, metadata=metadata))


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], Progress]:
    """Read what ``write_checkpoint`` wrote.

    Raises:
        ArtifactError: The file is damaged or no checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
        found = metadata.get("format")
        if found != CHECKPOINT_FORMAT:
            raise ArtifactError(expected=CHECKPOINT_FORMAT, got=quote(found), where=str(path))
        if metadata[_DIGEST] != _make_digest(metadata[_FACTS], tensors):
            raise ValueError("content that does not match its digest")
        return tensors, Progress(**orjson.loads(metadata[_FACTS]))
    except OSError as error:
        raise ArtifactError(expected="a readable checkpoint", got=describe(error), where=str(path)) from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            expected="a whole checkpoint",
            got=" ".join(str(error).split()),
            where=str(path),
            hint="delete the folder of checkpoints to begin again",
        ) from error


def remove_half_written(folder: Path) -> None:
    """Remove what a killed process left of a file that it was writing; only who holds the folder's lock may do so."""
    for partial in folder.glob(".*.partial"):
        with suppress(OSError):
            partial.unlink()


def flatten_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state as named tensors; its settings come from the recipe."""
    state: Mapping[int, Mapping[str, Any]] = optimiser.state_dict()["state"]
    return {f"{number}.{name}": torch.as_tensor(value) for number, one in state.items() for name, value in one.items()}


def fill_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser the state that ``flatten_optimiser`` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _make_digest(facts: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
