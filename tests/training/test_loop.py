"""The loop: its updates, its measuring, its stopping, and what it refuses."""

import math
import sys
import types

import numpy as np
import pytest

from tiny_training import check_same_checkpoint, write_data

pytest.importorskip("torch")

import torch

from sentire.core.errors import ArtifactError, MissingExtraError, TrainingError
from sentire.training import label_objective as objective_module
from sentire.training import loop as loop_module
from sentire.training.averaging import WeightAverage
from sentire.training.checkpoints import read_checkpoint, write_checkpoint
from sentire.training.length_buckets import make_epoch_batches
from sentire.training.loop import BEST_NAME, STATE_NAME
from sentire.training.material import draw_contexts

NO_DROPOUT = {"dropout": 0.0, "inner_dropout": 0.0}
SMOOTH = {"optimiser": "radam", "n_epochs": 1, "learning_rate": 0.05, "weight_decay": 0.1}
"""RAdam's first five steps are momentum alone: rounding is not blown up by a division by the gradient's own size."""


def largest_difference(one, other):
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def count_batches(parts, epoch=0):
    """Return the rows of every batch, by hand."""
    material = parts.material
    lengths = [parts.assembler.count(*row) for row in zip(material.texts, material.contexts, strict=True)]
    settings = parts.recipe.optimisation
    return make_epoch_batches(lengths, batch_size=settings.batch_size, seed=parts.recipe.seed, epoch=epoch)


@pytest.fixture
def mixed(tmp_path):
    """54 texts with labels and 12 with ratings: 66 are four batches of 16 and one of 2."""
    data = write_data(tmp_path / "mixed", n_train=54)
    names = {
        "train": f"{data}:train",
        "dev": f"{data}:dev",
        "affect_train": f"{data}:more",
        "affect_dev": f"{data}:dev",
    }
    return {"data": names, "encoder": NO_DROPOUT, "loss": {"affect_weight": 0.7}}


def train_slowly(parts):
    """Return the weights after one epoch, by the formulas alone.

    The loss of a batch is the mean binary cross-entropy over its texts with labels and all labels, plus the weighted
    mean squared error over its texts with ratings, in standard deviations; the gradient is shortened; the update is
    that of RAdam before its variance is of use: momentum with bias correction, and decoupled weight decay.
    """
    recipe, material, network = parts.recipe, parts.material, parts.network.train()
    settings = recipe.optimisation
    rows_by_step = count_batches(parts)
    spread = material.affect[material.has_affect].std(axis=0)
    momenta = {name: torch.zeros_like(parameter) for name, parameter in network.named_parameters()}
    n_warmup = math.ceil(settings.warmup_fraction * len(rows_by_step))
    for step, rows in enumerate(rows_by_step):
        labelled, rated = [], []
        for row in rows:
            logits, scores = network(parts.assembler.assemble([material.texts[row]], [material.contexts[row]]))
            if material.has_labels[row]:
                target = torch.from_numpy(material.targets[row : row + 1])
                labelled.append(torch.nn.functional.binary_cross_entropy_with_logits(logits, target))
            if material.has_affect[row]:
                error = (scores - torch.from_numpy(material.affect[row : row + 1])) / torch.from_numpy(spread)
                rated.append((error**2).mean())
        loss = torch.stack(labelled).mean()
        if rated:
            loss = loss + recipe.loss.affect_weight * torch.stack(rated).mean()
        network.zero_grad()
        loss.backward()
        length = torch.sqrt(sum((parameter.grad**2).sum() for parameter in network.parameters()))
        scale = min(1.0, settings.max_gradient_norm / float(length))
        factor = step / n_warmup if step < n_warmup else 1 - (step - n_warmup) / (len(rows_by_step) - n_warmup)
        rate = settings.learning_rate * factor
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                momenta[name] = 0.9 * momenta[name] + 0.1 * scale * parameter.grad
                if parameter.ndim > 1:
                    parameter.mul_(1 - rate * settings.weight_decay)
                parameter.sub_(rate * momenta[name] / (1 - 0.9 ** (step + 1)))
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_updates_are_those_of_the_formulas_however_a_batch_is_cut(make_parts, mixed, tmp_path):
    """Labels and ratings are spread unevenly over the parts; the last batch has fewer rows than parts."""
    expected = train_slowly(make_parts(**mixed, optimisation=SMOOTH))
    started = make_parts(**mixed, optimisation=SMOOTH).network.state_dict()
    for n_accumulated in (1, 4):
        parts = make_parts(**mixed, optimisation={**SMOOTH, "n_accumulated": n_accumulated})
        assert [len(rows) for rows in count_batches(parts)].count(2) == 1
        parts.fit(tmp_path / str(n_accumulated))
        found = parts.network.state_dict()
        assert largest_difference(found, expected) < 1e-6
        assert largest_difference(found, started) > 1e-2


def test_the_gradient_is_shortened_only_where_that_is_wanted(make_parts, mixed, tmp_path):
    weights = {}
    for longest in (0.0, 1e9, 0.01):
        parts = make_parts(**mixed, optimisation={**SMOOTH, "max_gradient_norm": longest})
        parts.fit(tmp_path / str(longest))
        weights[longest] = parts.network.state_dict()
    assert largest_difference(weights[0.0], weights[1e9]) == 0
    assert largest_difference(weights[0.0], weights[0.01]) > 1e-3


def watch_steps(monkeypatch):
    seen = []
    measure = objective_module.LabelObjective._measure_loss

    def spy(self, step, rows, *counts):
        seen.append((self._drawn, rows.tolist()))
        return measure(self, step, rows, *counts)

    monkeypatch.setattr(objective_module.LabelObjective, "_measure_loss", spy)
    return seen


def test_an_epoch_is_every_row_once(make_parts, data, tmp_path, monkeypatch):
    seen = watch_steps(monkeypatch)
    parts = make_parts(
        data={"further_train": [f"{data}:more"], "further_repeats": 2},
        optimisation={"n_epochs": 3, "batch_size": 32},
    )
    n_rows = 96 + 2 * 12
    told = []
    trained = parts.fit(tmp_path, on_progress=lambda *news: told.append(news))
    assert len(seen) == 3 * -(-n_rows // 32) == trained.progress.n_steps
    for epoch in range(3):
        rows = [row for _, part in seen[4 * epoch : 4 * epoch + 4] for row in part]
        assert sorted(rows) == list(range(n_rows))
    assert seen[0][1] != seen[4][1]
    steps = [n_done for n_done, _, note in told if note.startswith("loss")]
    assert steps == list(range(1, 13))
    assert {n_total for _, n_total, _ in told} == {12}


def test_contexts_are_drawn_anew_in_each_epoch_and_the_same_when_resumed(make_parts, tmp_path, monkeypatch):
    seen = watch_steps(monkeypatch)
    context = {"is_used": True, "dropped_fraction": 0.5, "unrelated_fraction": 0.5}
    parts = make_parts(context=context)
    parts.fit(tmp_path)
    drawn = [
        draw_contexts(
            parts.material,
            epoch=epoch,
            seed=7,
            unrelated_fraction=0.5,
            dropped_fraction=0.5,
            max_context_tokens=8,
        ).contexts
        for epoch in (0, 1)
    ]
    assert drawn[0] != drawn[1] != parts.material.contexts
    for step, (material, _) in enumerate(seen):
        assert material.contexts == drawn[step // 6]
    seen.clear()
    make_parts(context={**context, "is_used": False}).fit(tmp_path / "without")
    assert not any(any(material.contexts) for material, _ in seen)


@pytest.mark.parametrize("n_evaluations", [1, 2, 50])
def test_dev_is_measured_as_often_as_asked_and_at_the_end(make_parts, tmp_path, n_evaluations):
    trained = make_parts(optimisation={"n_evaluations": n_evaluations}).fit(tmp_path)
    steps = [row["step"] for row in trained.progress.evaluations]
    marks = sorted({round(6 * part / n_evaluations) for part in range(1, n_evaluations + 1)} - {0})
    assert steps == [*marks, *(6 + mark for mark in marks)]
    assert steps[-1] == 12
    if n_evaluations <= 6:
        assert len(steps) == 2 * n_evaluations


def script_scores(monkeypatch, scores):
    """Let dev say what the test wants; return the weights that it was asked about."""
    asked = []
    left = iter(scores)

    def measure(network, assembler, dev, device, *, seed):
        asked.append({name: value.clone() for name, value in network.state_dict().items()})
        return {"macro_f1": next(left), "micro_f1": 0.5, "weighted_f1": 0.5}

    monkeypatch.setattr(objective_module, "measure_on_dev", measure)
    return asked


def test_the_best_weights_are_kept_and_training_stops_when_it_gets_no_better(make_parts, tmp_path, monkeypatch):
    asked = script_scores(monkeypatch, [0.1, 0.4, 0.3, 0.4, 0.2, 0.9])
    parts = make_parts(optimisation={"n_epochs": 9, "patience": 3})
    trained = parts.fit(tmp_path)
    assert [row["macro_f1"] for row in trained.progress.evaluations] == [0.1, 0.4, 0.3, 0.4, 0.2]
    assert (trained.progress.best_step, trained.progress.best_score) == (12, 0.4)  # the earlier of equals
    assert trained.progress.is_finished
    assert largest_difference(trained.weights, asked[1]) == 0
    assert largest_difference(parts.network.state_dict(), asked[4]) == 0
    # What is finished stays so.
    again = make_parts(optimisation={"n_epochs": 9, "patience": 3})
    assert again.fit(tmp_path).progress == trained.progress
    assert largest_difference(again.network.state_dict(), asked[4]) == 0


def test_a_metric_that_is_no_number_ends_the_training_and_keeps_the_best(make_parts, tmp_path, monkeypatch):
    asked = script_scores(monkeypatch, [0.1, float("nan"), 0.9])
    with pytest.raises(TrainingError, match=r"a finite macro_f1 on dev, got nan at tiny; the answers are all alike"):
        make_parts(optimisation={"n_epochs": 9}).fit(tmp_path)
    kept, _ = read_checkpoint(tmp_path / BEST_NAME)
    assert largest_difference(kept, asked[0]) == 0


def test_who_listens_to_evaluations_may_end_the_training(make_parts, tmp_path):
    heard = []

    def listen(evaluations):
        heard.append(len(evaluations))
        return len(evaluations) == 2

    trained = make_parts(optimisation={"n_epochs": 9}).fit(tmp_path, on_evaluation=listen)
    assert heard == [1, 2]
    assert trained.progress.n_steps == 12


def test_the_metric_of_the_recipe_decides(make_parts, tmp_path, monkeypatch):
    rows = iter([(0.9, 0.1, 0.2), (0.1, 0.9, 0.3), (0.5, 0.5, 0.9)])

    def measure(*_, seed):
        return dict(zip(("macro_f1", "micro_f1", "weighted_f1"), next(rows), strict=True))

    monkeypatch.setattr(objective_module, "measure_on_dev", measure)
    trained = make_parts(optimisation={"n_epochs": 3, "metric": "micro_f1"}).fit(tmp_path)
    assert (trained.progress.best_step, trained.progress.best_score) == (12, 0.9)


def test_the_weighted_metric_is_there(make_parts, tmp_path):
    trained = make_parts(optimisation={"metric": "weighted_f1"}).fit(tmp_path)
    assert trained.progress.best_score == max(row["weighted_f1"] for row in trained.progress.evaluations)


def test_the_average_is_what_is_measured_and_kept(make_parts, tmp_path, monkeypatch):
    asked = script_scores(monkeypatch, [0.1, 0.2])
    averages = []
    update = WeightAverage.update

    def spy(self):
        update(self)
        averages.append({name: value.clone() for name, value in self.tensors().items() if name != "n_updates"})

    monkeypatch.setattr(WeightAverage, "update", spy)
    parts = make_parts(optimisation={"average_decay": 0.9})
    trained = parts.fit(tmp_path)
    assert len(averages) == 12
    kept = {name: trained.weights[name] for name in averages[-1]}
    assert largest_difference(kept, averages[-1]) == 0
    assert largest_difference({name: asked[0][name] for name in kept}, averages[5]) == 0
    assert largest_difference(parts.network.state_dict(), trained.weights) > 1e-4


def test_a_training_that_is_finished_is_not_trained_further(make_parts, tmp_path, monkeypatch):
    trained = make_parts().fit(tmp_path)
    for name in (STATE_NAME, BEST_NAME):
        (tmp_path / f"before-{name}").write_bytes((tmp_path / name).read_bytes())
    monkeypatch.setattr(loop_module._Loop, "_step", None)
    monkeypatch.setattr(objective_module, "measure_on_dev", None)
    again = make_parts().fit(tmp_path)
    assert again.progress == trained.progress
    assert largest_difference(again.weights, trained.weights) == 0
    for name in (STATE_NAME, BEST_NAME):
        check_same_checkpoint(tmp_path / name, tmp_path / f"before-{name}")


def test_the_checkpoint_of_another_run_is_refused(make_parts, tmp_path):
    make_parts().fit(tmp_path, fingerprint="one")
    before = (tmp_path / STATE_NAME).read_bytes()
    with pytest.raises(
        ArtifactError,
        match=r"this very recipe, data and version, got one of another run \(fingerprint one, this is two\).*choose",
    ):
        make_parts().fit(tmp_path, fingerprint="two")
    assert (tmp_path / STATE_NAME).read_bytes() == before


def interrupt_after(n_steps):
    def tell(n_done, n_total, note):
        if n_done == n_steps and note.startswith("loss"):
            raise KeyboardInterrupt

    return tell


@pytest.mark.parametrize("name", [STATE_NAME, BEST_NAME])
def test_a_damaged_checkpoint_is_refused_at_once(make_parts, tmp_path, name):
    with pytest.raises(KeyboardInterrupt):
        make_parts().fit(tmp_path, on_progress=interrupt_after(9))
    content = bytearray((tmp_path / name).read_bytes())
    content[-9] ^= 4
    (tmp_path / name).write_bytes(content)
    told = []
    with pytest.raises(ArtifactError, match=rf"whole checkpoint, got content that does not match.*{name}; delete"):
        make_parts().fit(tmp_path, on_progress=lambda *news: told.append(news))
    assert not told


def test_best_weights_that_are_missing_or_foreign_are_found_out_at_once(make_parts, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make_parts().fit(tmp_path, on_progress=interrupt_after(9))
    tensors, progress = read_checkpoint(tmp_path / BEST_NAME)
    progress.fingerprint = "other"
    write_checkpoint(tmp_path / BEST_NAME, tensors, progress)
    with pytest.raises(ArtifactError, match=r"of this very run, got those of another \(fingerprint other\)"):
        make_parts().fit(tmp_path)
    (tmp_path / BEST_NAME).unlink()
    with pytest.raises(ArtifactError, match=r"a readable checkpoint, got .*best\.safetensors"):
        make_parts().fit(tmp_path)


def test_a_checkpoint_of_another_network_is_refused(make_parts, data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make_parts().fit(tmp_path, on_progress=interrupt_after(7))
    with_affect = {"affect_train": f"{data}:train", "affect_dev": f"{data}:dev"}
    with pytest.raises(ArtifactError, match=r"a checkpoint of this network, got .*state\.safetensors"):
        make_parts(data=with_affect).fit(tmp_path)


@pytest.mark.parametrize(
    ("changes", "steps"),
    [({"average_decay": 0.9}, (1, 3, 5, 6, 9, 12)), ({"optimiser": "radam", "n_accumulated": 2}, (2, 6, 8))],
)
def test_resumed_after_any_step_it_ends_the_same(make_parts, tmp_path, changes, steps):
    """With dropout, contexts and evaluations in the middle of epochs."""
    sections = {
        "optimisation": {"n_evaluations": 2, "checkpoint_seconds": 1e-9, **changes},
        "context": {"is_used": True, "dropped_fraction": 0.3, "unrelated_fraction": 0.3},
        "encoder": {"dropout": 0.2, "inner_dropout": 0.2},
    }
    make_parts(**sections).fit(tmp_path / "whole")
    for step in steps:
        folder = tmp_path / str(step)
        with pytest.raises(KeyboardInterrupt):
            make_parts(**sections).fit(folder, on_progress=interrupt_after(step))
        make_parts(**sections).fit(folder)
        for name in (STATE_NAME, BEST_NAME):
            check_same_checkpoint(folder / name, tmp_path / "whole" / name)


def test_checkpoints_are_written_as_rarely_as_asked(make_parts, tmp_path, monkeypatch):
    written = []
    write = loop_module.write_checkpoint

    def spy(path, tensors, progress):
        written.append((path.name, progress.n_steps))
        write(path, tensors, progress)

    monkeypatch.setattr(loop_module, "write_checkpoint", spy)
    script_scores(monkeypatch, [0.2, 0.1])
    make_parts(optimisation={"checkpoint_seconds": 1e9}).fit(tmp_path)
    assert written == [(BEST_NAME, 6), (STATE_NAME, 6), (STATE_NAME, 12), (STATE_NAME, 12)]


def check_all_finite(folder):
    for path in folder.glob("*.safetensors"):
        tensors, _ = read_checkpoint(path)
        for name, tensor in tensors.items():
            assert torch.isfinite(tensor).all(), name


@pytest.mark.parametrize("changes", [{}, {"average_decay": 0.9}, {"max_gradient_norm": 0.0}, {"optimiser": "radam"}])
@pytest.mark.parametrize("rate", [1e30, 3e38])
def test_a_learning_rate_beyond_all_bounds_ends_with_an_error(make_parts, tmp_path, rate, changes):
    parts = make_parts(optimisation={"learning_rate": rate, "n_evaluations": 6, "checkpoint_seconds": 1e-9, **changes})
    with pytest.raises(TrainingError, match=r"expected .*finite .* got .*(nan|NaN|inf)") as caught:
        parts.fit(tmp_path)
    assert caught.value.exit_code == 8
    check_all_finite(tmp_path)


def test_the_best_weights_before_a_nan_remain(make_parts, tmp_path):
    constant = {"schedule": "constant"}
    reference = make_parts(optimisation=constant).fit(tmp_path / "first", on_evaluation=lambda _: True)
    parts = make_parts(optimisation=constant)
    row = count_batches(parts, epoch=1)[2][0]

    def poison(n_done, n_total, note):
        if n_done == 6:
            parts.material.targets[row] = float("nan")

    with pytest.raises(TrainingError, match=r"got nan at step 9 at tiny; the weights of step 6 stay in broken; lower"):
        parts.fit(tmp_path / "broken", on_progress=poison)
    check_all_finite(tmp_path / "broken")
    kept, progress = read_checkpoint(tmp_path / "broken" / BEST_NAME)
    assert progress.best_step == 6
    assert largest_difference(kept, reference.weights) == 0
    assert read_checkpoint(tmp_path / "broken" / STATE_NAME)[1].n_steps == 6


def test_a_gradient_without_bounds_never_reaches_the_weights(make_parts, tmp_path, monkeypatch):
    """The loss may be a number where its slope is none."""
    parts = make_parts(optimisation={"max_gradient_norm": 0.0})
    started = {name: value.clone() for name, value in parts.network.state_dict().items()}

    class Root(torch.autograd.Function):
        @staticmethod
        def forward(_, logits):
            return logits

        @staticmethod
        def backward(_, gradient):
            return gradient * float("inf")

    parts.network.emotion_head.register_forward_hook(lambda *passed: Root.apply(passed[2]))
    with pytest.raises(TrainingError, match=r"got (inf|nan) at step 1 at tiny; nothing was evaluated before"):
        parts.fit(tmp_path)
    assert largest_difference(parts.network.state_dict(), started) == 0
    assert not list(tmp_path.iterdir())


def test_a_correlation_that_is_not_defined_reads_the_same_before_and_after_a_resume(make_parts, tmp_path, monkeypatch):
    def measure(*_, seed):
        return {"macro_f1": 0.5, "micro_f1": 0.5, "weighted_f1": 0.5, "pearson_v": float("nan")}

    monkeypatch.setattr(objective_module, "measure_on_dev", measure)
    whole = make_parts().fit(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        make_parts().fit(tmp_path / "part", on_progress=interrupt_after(8))
    assert make_parts().fit(tmp_path / "part").progress == whole.progress
    assert [row["pearson_v"] for row in whole.progress.evaluations] == [None, None]


def test_curves_without_tensorboard_are_refused_before_the_first_step(make_parts, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    told = []
    with pytest.raises(MissingExtraError, match=r"install 'sentire\[tensorboard\]', or set optimisation\.tensorboard"):
        make_parts(optimisation={"tensorboard": True}).fit(tmp_path, on_progress=lambda *news: told.append(news))
    assert not told
    make_parts().fit(tmp_path)


def test_curves_hold_every_evaluation(make_parts, tmp_path, monkeypatch):
    made = []

    class Writer:
        def __init__(self, folder, purge_step):
            self.folder, self.purge_step, self.points, self.is_closed = folder, purge_step, [], False
            made.append(self)

        def add_scalar(self, name, value, step):
            self.points.append((name, value, step))

        def close(self):
            self.is_closed = True

    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    with pytest.raises(KeyboardInterrupt):
        make_parts(optimisation={"tensorboard": True}).fit(tmp_path, on_progress=interrupt_after(9))
    trained = make_parts(optimisation={"tensorboard": True}).fit(tmp_path)
    assert [(writer.folder, writer.purge_step, writer.is_closed) for writer in made] == [
        (str(tmp_path / "curves"), None, True),
        (str(tmp_path / "curves"), 7, True),  # the steps that were not saved are made again, and shown once
    ]
    points = [point for writer in made for point in writer.points]
    expected = [
        (name, row[name], row["step"])
        for row in trained.progress.evaluations
        for name in ("loss", "macro_f1", "micro_f1", "weighted_f1")
    ]
    assert points == expected


@pytest.mark.parametrize("name", ["focal", "asymmetric"])
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_every_loss_learns_from_weights_of_its_own(make_parts, tmp_path, name, class_weights):
    parts = make_parts(loss={"name": name, "class_weights": class_weights}, optimisation={"n_epochs": 1})
    started = {key: value.clone() for key, value in parts.network.state_dict().items()}
    trained = parts.fit(tmp_path)
    assert np.isfinite(trained.progress.evaluations[-1]["loss"])
    assert largest_difference(parts.network.state_dict(), started) > 1e-3


def test_half_precision_is_asked_for_and_does_not_stay_in_the_process(make_parts, tmp_path):
    """Accelerate keeps one precision a process; a training must not depend on the one before it."""

    def weights(name, precision):
        parts = make_parts(encoder=NO_DROPOUT, optimisation={**SMOOTH, "precision": precision})
        parts.fit(tmp_path / name)
        return parts.network.state_dict()

    exact = weights("a", "float32")
    half = weights("b", "bfloat16")
    assert largest_difference(weights("c", "float32"), exact) == 0
    assert largest_difference(weights("d", "auto"), exact) == 0 or torch.cuda.is_available()
    assert 0 < largest_difference(half, exact) < 0.2
    assert all(value.dtype == torch.float32 for value in half.values())
