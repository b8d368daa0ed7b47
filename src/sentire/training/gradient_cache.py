"""Large contrastive batches in small memory: the gradient of a joint loss, one chunk of texts at a time."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sentire.core.errors import MissingExtraError, ShapeError, TrainingError, UsageError

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="training encoders") from error

Chunk = TypeVar("Chunk")

_LARGEST_DIFFERENCE = 0.05
"""Of the second pass from the first, relative to the embeddings: far above rounding, far below another dropout."""


def backward_through_cache(
    encode: Callable[[Chunk], Tensor], chunks: Sequence[Chunk], loss: Callable[[Tensor], Tensor]
) -> Tensor:
    """Add the gradient of ``loss(cat(encode(chunk) for chunk in chunks))`` to the parameters, as ``backward`` would.

    The chunks are embedded once without a graph; the loss of all embeddings gives the gradient by each of them; then
    every chunk is embedded again, with the random numbers of its first time, and takes its part of that gradient back
    through the encoder. The graph of one chunk is in memory at a time.

    Source: Gao, Zhang, Han and Callan 2021, Scaling deep contrastive learning batch size under memory limited setup.

    Args:
        encode: Gives the embeddings of a chunk, shape (b, D). It may draw from torch's own generators (dropout), and
            from no others. State that it changes in passing, such as the averages of batch normalisation, is changed
            twice.
        chunks: In the order of the rows of the loss; at least one.
        loss: Gives one number from all embeddings, shape (N, D). It may have parameters of its own, such as a
            projection, and they get their gradient, too. What a gradient scaler or an accumulation over several steps
            multiplies belongs in here.

    Returns:
        The loss, a detached scalar. The random state is the one that the plain pass would leave.

    Raises:
        UsageError: No chunk, or a loss or embeddings without a gradient.
        ShapeError: The embeddings are not (b, D), or the loss is not one number.
        TrainingError: The second pass gave other embeddings than the first.

    Cost: one further forward pass. Under a distributed wrapper, each chunk's backward pass synchronises by itself.
    """
    if len(chunks) == 0:
        raise UsageError(expected="one chunk of texts or more", got="none", where="chunks")
    states, parts = [], []
    with torch.no_grad():
        for chunk in chunks:
            states.append(_read_random_state())
            parts.append(_check_embeddings(encode(chunk)))
    joined = torch.cat(parts).requires_grad_(True)
    value = loss(joined)
    if value.ndim != 0:
        raise ShapeError(expected="a loss that is one number", got=f"shape {tuple(value.shape)}", where="loss")
    if not value.requires_grad:
        raise UsageError(expected="a loss that depends on the embeddings", got="one without a gradient", where="loss")
    value.backward()  # type: ignore[no-untyped-call]
    if joined.grad is None:
        raise UsageError(expected="a loss that depends on the embeddings", got="one that does not", where="loss")
    state_after = _read_random_state()
    gradients = torch.split(joined.grad, [len(part) for part in parts])
    for chunk, state, first, gradient in zip(chunks, states, parts, gradients, strict=True):
        _write_random_state(state)
        again = encode(chunk)
        _check_same(first, again)
        torch.autograd.backward(again, gradient)
    _write_random_state(state_after)
    return value.detach()


_RandomState = tuple[Tensor, list[Tensor]]


def _read_random_state() -> _RandomState:
    # Before its first use CUDA has no state, and asking for it would start it.
    is_cuda_used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if is_cuda_used else []


def _write_random_state(state: _RandomState) -> None:
    of_cpu, of_cuda = state
    torch.set_rng_state(of_cpu)
    if of_cuda:
        torch.cuda.set_rng_state_all(of_cuda)


def _check_embeddings(embeddings: Tensor) -> Tensor:
    if embeddings.ndim != 2:
        raise ShapeError(expected="embeddings of shape (b, D)", got=f"shape {tuple(embeddings.shape)}", where="encode")
    return embeddings


@torch.no_grad()
def _check_same(first: Tensor, again: Tensor) -> None:
    if not again.requires_grad:
        raise UsageError(
            expected="embeddings that depend on trained parameters",
            got="some without a gradient",
            where="encode",
            hint="an encoder that is not trained needs no cache",
        )
    if again.shape != first.shape or _differ(first.float(), again.float()):
        raise TrainingError(
            expected="the same embeddings in the second pass",
            got="others",
            where="encode",
            hint="draw random numbers from torch's own generators only, and change nothing in between",
        )


def _differ(first: Tensor, again: Tensor) -> bool:
    return float(torch.dist(first, again)) > _LARGEST_DIFFERENCE * float(torch.linalg.vector_norm(first))
