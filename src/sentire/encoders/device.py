"""Where an encoder runs: on the GPU where there is one that CUDA sees, else on the processor."""

from sentire.core.errors import MissingExtraError

try:
    import torch
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="running an encoder") from error


def find_device() -> torch.device:
    """Return the first GPU that CUDA sees, else the processor; ``CUDA_VISIBLE_DEVICES=`` hides all of them."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe_device() -> dict[str, str]:
    """Name what a figure of a trained network depends on besides its seed: the version of torch, and the device."""
    device = find_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"torch": torch.__version__, "device": name}
