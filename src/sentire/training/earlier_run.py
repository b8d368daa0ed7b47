"""The weights of a training that is finished, from which another one starts."""

from collections.abc import Mapping
from pathlib import Path

from sentire.core.errors import ArtifactError, MissingExtraError
from sentire.runtime.encoder_model import TOKENIZER_NAME
from sentire.runtime.model_folder import CHECKPOINTS_NAME, read_model_manifest
from sentire.training.checkpoints import read_checkpoint
from sentire.training.loop import BEST_NAME
from sentire.training.network import EmotionEncoder

try:
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error


def start_from(network: EmotionEncoder, run: Path, tokenizer_file: bytes) -> str:
    """Give a network the best weights of an earlier run, heads included.

    Args:
        network: Gets the weights; of the same shape and with the same heads.
        run: Folder of a finished training, with its checkpoints.
        tokenizer_file: Of this run; the earlier one must have read its texts by the same.

    Returns:
        What tells these weights from others: the run's fingerprint and the step of its best evaluation.

    Raises:
        ArtifactError: The folder holds no finished training, a damaged one, or that of another network or tokenizer.
    """
    read_model_manifest(run)  # that the training has ended, and that its files are whole
    if (run / TOKENIZER_NAME).read_bytes() != tokenizer_file:
        raise ArtifactError(
            expected="an earlier run that reads texts by the same tokenizer",
            got="another tokenizer",
            where=str(run / TOKENIZER_NAME),
            hint="give both recipes the same encoder.name and encoder.emoji",
        )
    path = run / CHECKPOINTS_NAME / BEST_NAME
    weights, progress = read_checkpoint(path)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ArtifactError(
            expected="the weights of a network of the same shape, with the same heads",
            got=" ".join(str(error).splitlines()[1].split()),
            where=str(path),
            hint="the earlier recipe needs the same encoder, labels and data.affect_train or none in both",
        ) from error
    return f"{progress.fingerprint}-{progress.best_step}"


def mix_with_start(weights: Mapping[str, Tensor], run: Path, share: float) -> dict[str, Tensor]:
    """Return the weights between those of a training and those that it started from.

    ``(1 - share) w + share w_start``, which keeps some of what the start knew and the training has unlearned.

    Source: Wortsman et al. 2022, Robust fine-tuning of zero-shot models, section 3, with two fine-tuned models in place
    of a zero-shot one and its fine-tuning.

    Args:
        weights: Of the training.
        run: That it started from.
        share: From 0 to below 1.

    Raises:
        ArtifactError: The earlier weights cannot be read any more.
    """
    start, _ = read_checkpoint(run / CHECKPOINTS_NAME / BEST_NAME)
    return {
        name: tensor.lerp(start[name].to(tensor.device), share) if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }
