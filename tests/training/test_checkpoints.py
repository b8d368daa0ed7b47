"""A checkpoint is whole or refused, and holds nothing that is not a finite number."""

import numpy as np
import pytest

pytest.importorskip("torch")

import safetensors.torch
import torch

from sentire.core.errors import ArtifactError, OutputError, TrainingError
from sentire.training.checkpoints import (
    Progress,
    fill_optimiser,
    flatten_optimiser,
    read_checkpoint,
    remove_half_written,
    write_checkpoint,
)
from sentire.training.optimisers import make_optimiser

PROGRESS = Progress(
    fingerprint="abc",
    n_steps=12,
    best_step=6,
    best_score=0.1 + 0.2,
    n_since_best=1,
    loss_sum=1 / 3,
    n_loss_steps=3,
    evaluations=[{"step": 6, "macro_f1": 0.30000000000000004, "pearson_v": None}],
)


def make_tensors():
    generator = torch.Generator().manual_seed(0)
    return {
        "network.a": torch.randn(5, 7, generator=generator),
        "network.t": torch.randn(4, 3, generator=generator).T,  # not contiguous
        "optimiser.0.step": torch.tensor(3.0),
        "average.n_updates": torch.tensor(12),
    }


def test_what_was_written_is_read_bit_by_bit(tmp_path):
    path = tmp_path / "state.safetensors"
    write_checkpoint(path, make_tensors(), PROGRESS)
    tensors, progress = read_checkpoint(path)
    assert progress == PROGRESS
    assert tensors.keys() == make_tensors().keys()
    for name, tensor in make_tensors().items():
        assert torch.equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype


def test_one_flipped_bit_anywhere_is_found(tmp_path):
    path = tmp_path / "state.safetensors"
    write_checkpoint(path, make_tensors(), PROGRESS)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        with pytest.raises(ArtifactError) as caught:
            read_checkpoint(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    assert read_checkpoint(path)[1] == PROGRESS


def test_a_number_that_is_another_one_is_said_to_be_damage(tmp_path):
    path = tmp_path / "state.safetensors"
    write_checkpoint(path, make_tensors(), PROGRESS)
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    with pytest.raises(
        ArtifactError, match=r"a whole checkpoint, got content that does not match its digest at .*; delete the folder"
    ):
        read_checkpoint(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = tmp_path / "state.safetensors"
    write_checkpoint(path, make_tensors(), PROGRESS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ArtifactError, match=r"expected a (whole|readable) checkpoint, got .+ at .*state\.safetensors"):
        read_checkpoint(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"a readable checkpoint, got .* at .*none"):
        read_checkpoint(tmp_path / "none")
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(make_tensors() | {"network.t": torch.ones(1)}, path)
    with pytest.raises(ArtifactError, match=r"expected sentire-checkpoint\.v2, got None at .*model"):
        read_checkpoint(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_never_written(tmp_path, value):
    path = tmp_path / "state.safetensors"
    write_checkpoint(path, make_tensors(), PROGRESS)
    before = path.read_bytes()
    broken = make_tensors()
    broken["network.a"][2, 3] = value
    with pytest.raises(
        TrainingError, match=r"finite numbers in a checkpoint, got NaN or infinity in network\.a after "
    ):
        write_checkpoint(path, broken, PROGRESS)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.safetensors"]


def test_numbers_whose_sum_is_too_large_are_finite_all_the_same(tmp_path):
    large = {"network.a": torch.full((9,), 3e38)}
    write_checkpoint(tmp_path / "a", large, PROGRESS)
    assert torch.equal(read_checkpoint(tmp_path / "a")[0]["network.a"], large["network.a"])


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="a place that can be written"):
        write_checkpoint(tmp_path / "none" / "state.safetensors", make_tensors(), PROGRESS)


def test_what_killed_writers_left_is_removed(tmp_path):
    for name in (".state.safetensors.0a1b.partial", "state.safetensors", ".lock", "best.safetensors"):
        (tmp_path / name).write_bytes(b"x")
    remove_half_written(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".lock", "best.safetensors", "state.safetensors"]


@pytest.mark.parametrize("name", ["adamw", "radam"])
def test_an_optimiser_goes_on_as_if_it_had_not_stopped(tmp_path, name):
    def make():
        torch.manual_seed(0)
        module = torch.nn.Linear(4, 3)
        return module, make_optimiser(name, module, learning_rate=0.01, weight_decay=0.1)

    def step(module, optimiser, number):
        generator = torch.Generator().manual_seed(number)
        for parameter in module.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimiser.step()

    whole, whole_optimiser = make()
    for number in range(20):
        step(whole, whole_optimiser, number)
    first, first_optimiser = make()
    for number in range(9):
        step(first, first_optimiser, number)
    path = tmp_path / "state.safetensors"
    write_checkpoint(path, flatten_optimiser(first_optimiser) | dict(first.state_dict()), PROGRESS)
    tensors, _ = read_checkpoint(path)
    second, second_optimiser = make()
    second.load_state_dict({key: tensors.pop(key) for key in ("weight", "bias")})
    fill_optimiser(second_optimiser, tensors)
    for number in range(9, 20):
        step(second, second_optimiser, number)
    assert torch.equal(second.weight, whole.weight)
    assert torch.equal(second.bias, whole.bias)
