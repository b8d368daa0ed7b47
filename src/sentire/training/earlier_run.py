"""The weights of a training that is finished, from which another one starts."""

from collections.abc import Mapping
from pathlib import Path

from sentire.core.errors import ArtifactError, LabelError, MissingExtraError, list_names, quote
from sentire.core.labels import LabelSpace
from sentire.runtime.encoder_model import KIND, TOKENIZER_NAME
from sentire.runtime.model_folder import CHECKPOINTS_NAME, CONFIG_NAME, read_config_file, read_model_manifest
from sentire.training.checkpoints import Progress, read_checkpoint
from sentire.training.loop import BEST_NAME
from sentire.training.network import EmotionEncoder

try:
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training an encoder") from error


def identify_start(run: Path) -> str:
    """Return what tells an earlier run's best weights from others: its fingerprint and the step where they were best.

    Args:
        run: Folder of a finished training, with its checkpoints.

    Raises:
        ArtifactError: The folder holds no finished training of an encoder, or a damaged one.
    """
    _check_finished(run)
    return _mark(_read_best(run)[1])


def start_from(
    network: EmotionEncoder, run: Path, tokenizer_file: bytes, space: LabelSpace, *, mark: str | None = None
) -> str:
    """Give a network the best weights of an earlier run, heads included.

    Args:
        network: Gets the weights; of the same shape and with the same heads.
        run: Folder of a finished training, with its checkpoints.
        tokenizer_file: Of this run; the earlier one must have read its texts by the same.
        space: Of the network's answers; the earlier one's must have the same labels in the same order.
        mark: Of the weights that are meant, from ``identify_start``; None for those that are there.

    Returns:
        The mark of the weights.

    Raises:
        ArtifactError: The folder holds no finished training of an encoder, a damaged one, that of another network or
            tokenizer, or other weights than those that are meant.
        LabelError: The earlier run's labels are others, or in another order.
    """
    _check_finished(run)
    if (run / TOKENIZER_NAME).read_bytes() != tokenizer_file:
        raise ArtifactError(
            expected="an earlier run that reads texts by the same tokenizer",
            got="another tokenizer",
            where=str(run / TOKENIZER_NAME),
            hint="give both recipes the same encoder.name and encoder.emoji",
        )
    # Heads of as many labels fit by their shape, and would answer for the wrong ones.
    earlier = read_config_file(run)[0].label_space
    if earlier.labels != space.labels:
        raise LabelError(
            expected=f"an earlier run with the labels of {space.id} in their order: {list_names(space.labels)}",
            got=f"{earlier.id}: {list_names(earlier.labels)}",
            where=str(run / CONFIG_NAME),
            hint="set data.label_space to that of the earlier run, or leave encoder.start away",
        )
    weights, progress = _read_best(run, mark)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ArtifactError(
            expected="the weights of a network of the same shape, with the same heads",
            got=" ".join(str(error).splitlines()[1].split()),
            where=str(run / CHECKPOINTS_NAME / BEST_NAME),
            hint="the earlier recipe needs the same encoder, labels and data.affect_train or none in both",
        ) from error
    return _mark(progress)


def mix_with_start(
    weights: Mapping[str, Tensor], run: Path, share: float, *, mark: str | None = None
) -> dict[str, Tensor]:
    """Return the weights between those of a training and those of the model that it started from.

    ``(1 - share) w + share w_start``, which keeps some of what the start knew and the training has unlearned. Of a
    start that was mixed itself, the mixture counts: the model that it made, not where its training ended.

    Source: Wortsman et al. 2022, Robust fine-tuning of zero-shot models, section 3, with two fine-tuned models in place
    of a zero-shot one and its fine-tuning.

    Args:
        weights: Of the training.
        run: That it started from.
        share: From 0 to below 1.
        mark: Of the weights that it started from, from ``identify_start``; None for those that are there.

    Raises:
        ArtifactError: The earlier weights cannot be read any more, or others have taken their place.
    """
    start = _read_made(run, mark)
    return {
        name: tensor.lerp(start[name].to(tensor.device), share) if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }


def _check_finished(run: Path) -> None:
    """Make sure that the training has ended, that its files are whole, and that it was one of an encoder."""
    kind = read_model_manifest(run).get("kind")
    if kind != KIND:
        raise ArtifactError(
            expected=f"the folder of a finished training of an encoder (kind {KIND!r})",
            got=f"a model of the kind {quote(kind)}",
            where=str(run),
            hint="only the weights of an encoder can be a start",
        )


def _read_made(run: Path, mark: str | None) -> dict[str, Tensor]:
    weights, _ = _read_best(run, mark)
    encoder = read_config_file(run)[0].training["recipe"]["encoder"]
    share = encoder.get("start_share", 0.0)
    return mix_with_start(weights, Path(encoder["start"]), share) if share else weights


def _read_best(run: Path, mark: str | None = None) -> tuple[dict[str, Tensor], Progress]:
    path = run / CHECKPOINTS_NAME / BEST_NAME
    weights, progress = read_checkpoint(path)
    if mark is not None and _mark(progress) != mark:
        raise ArtifactError(
            expected=f"the weights from which the training started ({mark})",
            got=f"others ({_mark(progress)})",
            where=str(path),
            hint="the earlier run was trained anew meanwhile: begin again in a new folder",
        )
    return weights, progress


def _mark(progress: Progress) -> str:
    return f"{progress.fingerprint}-{progress.best_step}"
