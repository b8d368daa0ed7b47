"""Training a representation: its terms are those of the formulas, it resumes, and what it saves is the encoder."""

import math
from dataclasses import replace

import numpy as np
import orjson
import pytest

from tiny_training import (
    SOFT_SCORES,
    check_same_checkpoint,
    invent_rows,
    make_recipe,
    write_data,
    write_tiny_encoder,
)

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from accelerate import Accelerator

from sentire.classifiers.labelled import read_labelled
from sentire.core.config import parse_config
from sentire.core.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    LabelError,
    OutputError,
    TrainingError,
    UsageError,
)
from sentire.core.labels import LabelSpace, load_label_space
from sentire.core.progress import stay_quiet
from sentire.core.seeding import make_generator
from sentire.encoders.embed import embed_batch, run_encoder
from sentire.encoders.sources import find_encoder
from sentire.losses.supervised_contrastive import supcon_loss
from sentire.losses.token_detection import choose_perturbed, measure_saliency, perturb_chosen, token_detection_loss
from sentire.losses.weighted_contrastive import affect_weights, weighted_contrastive_loss
from sentire.pairing.positives import same_label
from sentire.representations.load import load_encoder
from sentire.runtime.load import load
from sentire.training.label_affect import mix_label_affect, read_label_affect
from sentire.training.loop import BEST_NAME, STATE_NAME
from sentire.training.objective import Step
from sentire.training.representation import _find_groups, train_representation
from sentire.training.representation_dev import RepresentationDev, check_dev, correlate_with_neighbours
from sentire.training.representation_material import read_representation_sources
from sentire.training.representation_objective import RepresentationObjective, _weigh_pairs
from sentire.training.representation_recipe import RepresentationRecipe, check_representation_recipe
from sentire.training.sources import Sources
from sentire.training.train import fit_encoder

CONTRAST = {"weight": 1.0, "sampler": "stratified"}
BY_AFFECT = {"metric": "neighbour_affect"}


@pytest.fixture
def make(data, encoder):
    """``make(contrast={...}, …)`` is a recipe on invented texts with labels; ``affect=True`` takes their ratings."""

    def make_recipe(*, affect=False, **sections):
        table = {
            "recipe": "representation",
            "name": "tiny",
            "seed": 3,
            "data": {"affect_train": [{"data": f"{data}:train"}], "affect_dev": f"{data}:dev"}
            if affect
            else {"train": f"{data}:train", "dev": f"{data}:dev"},
            "encoder": {"name": str(encoder), "max_tokens": 24},
            "momentum": {"queue_size": 20},
            "optimisation": {
                "n_epochs": 2,
                "batch_size": 16,
                "learning_rate": 0.003,
                "texts_per_part": 6,
                "checkpoint_seconds": 1e-9,
                **(BY_AFFECT if affect else {}),
            },
        }
        for name, section in sections.items():
            table[name] = {**table.get(name, {}), **section}
        return parse_config(RepresentationRecipe, table)

    return make_recipe


METHODS = {
    "retrofit": {"contrast": CONTRAST, "preservation": {"weight": 1.0}},
    "per-class": {"contrast": CONTRAST | {"sampler": "per-class", "per_class": 8}, "projection": {"kind": "linear"}},
    "tlearn": {"classification": {"weight": 1.0}, "optimisation": {"metric": "macro_f1"}},
    "jaccard": {
        "contrast": CONTRAST | {"sampler": "plain", "positives": "jaccard"},
        "data": {"rows": "all"},
        "projection": {"kind": "none"},
    },
    "share-any": {"contrast": CONTRAST | {"sampler": "plain", "positives": "share-any"}, "data": {"rows": "all"}},
    "carl": {"affect": True, "momentum": {"weight": 1.0}, "token_detection": {"weight": 1.0}},
    "ptd": {"affect": True, "token_detection": {"weight": 1.0}},
    "quadrants": {"affect": True, "momentum": {"weight": 1.0, "targets": "quadrants", "queue_size": 0}},
    "categories": {"data": {"rows": "all"}, "momentum": {"weight": 1.0, "targets": "labels"}},
    "by-affect": {
        "affect": True,
        "contrast": CONTRAST | {"sampler": "plain", "positives": "affect"},
        "affect_head": {"weight": 1.0},
    },
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_moves_the_encoder_and_saves_it(make, encoder, tmp_path, method):
    recipe = make(**METHODS[method])
    told = []
    found = train_representation(recipe, tmp_path / "out", on_progress=lambda *news: told.append(news))
    assert found.report["shift_on_dev"] > 1e-8
    assert all(math.isfinite(row["loss"]) for row in found.report["evaluations"])
    assert {row["step"] for row in found.report["evaluations"]} >= {found.report["best_step"]}
    loaded = load_encoder(str(tmp_path / "out"))
    texts = [row["text"] for row in invent_rows(9, seed=8)]
    np.testing.assert_allclose(loaded.encode(texts), found.encoder.encode(texts), atol=1e-6)
    assert loaded.fingerprint == found.encoder.fingerprint
    assert np.abs(loaded.encode(texts) - load_encoder(str(encoder)).encode(texts)).max() > 1e-4
    card = (tmp_path / "out" / "README.md").read_text()
    assert "## Learned from" in card
    assert "must **not** be given away" in card  # the invented data names no licence
    assert [n_done for n_done, n_total, note in told if note.startswith("loss")][-1] == told[-1][1]


@pytest.mark.parametrize("model_type", ["roberta", "distilbert", "electra"])
@pytest.mark.parametrize("method", ["retrofit", "carl"])
def test_other_kinds_of_encoders_are_moved_too(make, tmp_path, model_type, method):
    folder = write_tiny_encoder(tmp_path / model_type, model_type)
    recipe = make(**METHODS[method] | {"encoder": {"name": str(folder)}}, optimisation={"n_epochs": 1})
    found = train_representation(recipe, tmp_path / "out")
    assert found.report["shift_on_dev"] > 1e-8
    assert load_encoder(str(tmp_path / "out")).fingerprint == found.encoder.fingerprint


def test_two_tasks_are_learned_together(make, tmp_path, monkeypatch):
    made = watch(monkeypatch)
    second = write_data(tmp_path / "second", n_train=50, is_single=True)
    recipe = make(
        data={"further_train": f"{second}:train"},
        classification={"weight": 2.0, "further_weight": 3.0},
        optimisation={"metric": "macro_f1"},
    )
    found = train_representation(recipe, tmp_path / "out")
    counts = dict(found.report["n_texts"])
    assert counts.pop(f"{second}:train") == 50
    (n_own,) = counts.values()
    (objective,) = made
    network, material = objective.network, objective._material
    vectors = torch.randn(len(material), 8, generator=torch.Generator().manual_seed(1))
    own, other = torch.from_numpy(material.classes[:n_own]), torch.from_numpy(material.further_classes[n_own:])
    expected = 2.0 * torch.nn.functional.cross_entropy(network.label_head(vectors[:n_own]), own)
    expected = expected + 3.0 * torch.nn.functional.cross_entropy(network.further_head(vectors[n_own:]), other)
    torch.testing.assert_close(objective._measure_loss(vectors, np.arange(len(material)), None), expected)


def test_a_seed_decides_and_what_does_not_become_better_ends(make, tmp_path):
    recipe = make(**METHODS["retrofit"], optimisation={"n_epochs": 1})
    marks = [
        train_representation(replace(recipe, seed=seed), tmp_path / f"{number}").encoder.fingerprint
        for number, seed in enumerate((3, 3, 4))
    ]
    assert marks[0] == marks[1] != marks[2]
    idle = make(**METHODS["retrofit"], optimisation={"n_epochs": 9, "patience": 2, "learning_rate": 1e-12})
    report = train_representation(idle, tmp_path / "idle").report
    steps = [row["step"] for row in report["evaluations"]]
    assert len(steps) == 3
    assert report["best_step"] == steps[0]


def test_an_encoder_that_was_moved_is_moved_further_and_fine_tuned(make, data, tmp_path):
    first = train_representation(make(**METHODS["retrofit"]), tmp_path / "first")
    again = make(**METHODS["carl"] | {"encoder": {"name": str(first.folder)}})
    second = train_representation(again, tmp_path / "second")
    assert "From: " + str(first.folder) in (second.folder / "README.md").read_text()
    recipe = make_recipe(data, second.folder, optimisation={"learning_rate": 1e-12})
    sources = read_representation_sources(make(**METHODS["jaccard"]))
    pair = Sources(labelled=[sources.labelled], unlabelled={}, rated=None, dev=sources.dev, dev_rated=None)
    (tmp_path / "third").mkdir()
    network, _, _ = fit_encoder(
        recipe, find_encoder(str(second.folder)), pair, tmp_path / "third", on_progress=stay_quiet
    )
    for name, value in second.encoder.model.state_dict().items():
        torch.testing.assert_close(network.encoder.state_dict()[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["retrofit", "carl"])
def test_stopped_and_resumed_it_ends_the_same(make, tmp_path, method):
    recipe = make(**METHODS[method])
    train_representation(recipe, tmp_path / "whole")

    def stop(n_done, n_total, note):
        if n_done == 5 and note.startswith("loss"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_representation(recipe, tmp_path / "broken", on_progress=stop)
    assert not (tmp_path / "broken" / "model.safetensors").exists()
    train_representation(recipe, tmp_path / "broken")
    for name in (STATE_NAME, BEST_NAME):
        check_same_checkpoint(tmp_path / "broken" / "checkpoints" / name, tmp_path / "whole" / "checkpoints" / name)
    for name in ("model.safetensors", "tokenizer.json", "README.md"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    # Killed once more, while its folder changed names: the checkpoints are found, and nothing is trained anew.
    (tmp_path / "broken").rename(tmp_path / ".broken.0a1b2c3d.old")
    (tmp_path / ".broken.0a1b2c3d.partial").mkdir()
    told = []
    train_representation(recipe, tmp_path / "broken", on_progress=lambda *news: told.append(news[2]))
    assert not [note for note in told if note.startswith("loss")]
    other = make(**METHODS[method] | {"encoder": {"inner_dropout": 0.0}})
    with pytest.raises(ArtifactError, match=r"this very recipe, data and version, got one of another run"):
        train_representation(other, tmp_path / "whole")


@pytest.mark.parametrize("method", ["retrofit", "mccl"])
def test_parts_and_cached_gradients_change_nothing(make, tmp_path, method):
    sections = METHODS["retrofit"] if method == "retrofit" else {"affect": True, "momentum": {"weight": 1.0}}
    weights = {}
    for name, section in {
        "whole": {"texts_per_part": 99},
        "parts": {"texts_per_part": 5},
        "cached": {"texts_per_part": 5, "is_cached": True},
    }.items():
        # RAdam's first steps are momentum alone: rounding is not blown up by a division by the gradient's own size.
        smooth = section | {"optimiser": "radam", "n_epochs": 1}
        recipe = make(**sections, encoder={"inner_dropout": 0.0}, optimisation=smooth)
        found = train_representation(recipe, tmp_path / name)
        weights[name] = found.encoder.model.state_dict()
    for name in ("parts", "cached"):
        for key, value in weights["whole"].items():
            assert (weights[name][key] - value).abs().max() < 1e-6


def watch(monkeypatch):
    """Keep every objective that is made."""
    made = []
    init = RepresentationObjective.__init__

    def keep(self, *args, **options):
        init(self, *args, **options)
        made.append(self)

    monkeypatch.setattr(RepresentationObjective, "__init__", keep)
    return made


def test_the_loss_of_retrofitting_is_the_sum_of_its_two_terms(make, tmp_path, monkeypatch):
    made = watch(monkeypatch)
    recipe = make(**METHODS["retrofit"] | {"preservation": {"weight": 3.0}})
    train_representation(recipe, tmp_path)
    (objective,) = made
    generator = torch.Generator().manual_seed(1)
    rows = objective.open_epoch(0)[0]
    vectors = torch.randn(len(rows), 8, generator=generator)
    projected = torch.nn.functional.normalize(objective.network.projection(vectors), dim=1)
    positives = torch.from_numpy(same_label(objective._material.classes[rows]))
    expected = supcon_loss(projected, positives, temperature=0.1).mean()
    expected = expected + 3.0 * (vectors - torch.from_numpy(objective._fixed[rows])).square().mean()
    torch.testing.assert_close(objective._measure_loss(vectors, rows, None), expected)


def test_the_loss_of_momentum_contrast_is_that_of_all_keys_there_are(make, tmp_path, monkeypatch):
    made = watch(monkeypatch)
    recipe = make(affect=True, momentum={"weight": 3.0, "temperature": 0.2, "bandwidth": 0.7, "queue_size": 20})
    train_representation(recipe, tmp_path)
    (objective,) = made
    generator = torch.Generator().manual_seed(1)
    rows = objective.open_epoch(0)[0]
    vectors = torch.randn(len(rows), 8, generator=generator)
    keys = torch.nn.functional.normalize(torch.randn(len(rows), 64, generator=generator), dim=1)
    past_keys, past_labels = objective.network.queue.read()
    assert len(past_keys) == 20
    own = torch.from_numpy(objective._material.affect[rows])
    queries = torch.nn.functional.normalize(objective.network.projection(vectors), dim=1)
    expected = 3.0 * weighted_contrastive_loss(
        queries,
        torch.cat([keys, past_keys]),
        affect_weights(own, torch.cat([own, past_labels]), bandwidth=0.7),
        temperature=0.2,
    )
    torch.testing.assert_close(objective._measure_loss(vectors, rows, keys), expected.mean())
    # They go into the queue after the step, in the place of the oldest.
    objective.finish_step()
    kept, labels = objective.network.queue.read()
    for key, label in zip(keys, own, strict=True):
        place = int((kept - key).abs().sum(dim=1).argmin())
        assert torch.equal(kept[place], key)
        assert torch.equal(labels[place], label)


def test_labels_overlap_by_their_degrees():
    rng = np.random.default_rng(0)
    queries, keys = (rng.random((n, 5)) * (rng.random((n, 5)) < 0.6) for n in (7, 9))
    queries[2] = 0.0
    keys[3] = queries[4]
    slow = [[np.minimum(a, b).sum() / max(np.maximum(a, b).sum(), 1e-30) for b in keys] for a in queries]
    found = _weigh_pairs("labels", torch.tensor(queries), torch.tensor(keys), 1.0)
    np.testing.assert_allclose(found, slow, atol=1e-12)
    assert found[4, 3] == 1.0
    assert not found[2].any()
    # Of hard labels: Jaccard, to the last bit.
    sets = [torch.from_numpy((rng.random((n, 5)) < 0.4).astype(np.float32)) for n in (20, 30)]
    both, either = sets[0] @ sets[1].T, torch.maximum(sets[0][:, None], sets[1][None]).sum(dim=2)
    assert torch.equal(_weigh_pairs("labels", *sets, 1.0), both / either.clamp(min=1))


def test_a_momentum_contrast_of_labels_takes_the_degrees_that_the_data_gives(make, tmp_path, monkeypatch):
    made = watch(monkeypatch)
    soft = write_data(tmp_path / "soft", scores=SOFT_SCORES)
    names = {"train": f"{soft}:train", "dev": f"{soft}:dev", "rows": "all"}
    train_representation(make(data=names, momentum={"weight": 1.0, "targets": "labels"}), tmp_path / "out")
    (objective,) = made
    material = objective._material
    assert set(np.unique(material.degrees)) == {np.float32(0.15), np.float32(0.9)}
    np.testing.assert_array_equal(material.degrees > 0.5, material.targets > 0)
    _, labels = objective.network.queue.read()
    assert set(np.unique(labels)) == {np.float32(0.15), np.float32(0.9)}


def test_special_tokens_and_padding_are_never_moved(make, tmp_path, monkeypatch):
    made = watch(monkeypatch)
    train_representation(make(**METHODS["carl"]), tmp_path)
    (objective,) = made
    part = objective._assemble(np.arange(6), torch.device("cpu"))
    tokens = objective._find_eligible(part)
    expected = torch.zeros_like(tokens)
    for row, ids in enumerate(objective._material.tokens[:6]):
        expected[row, 1 : 1 + len(ids)] = True  # between [CLS] and [SEP]
    assert torch.equal(tokens, expected)
    assert not expected.all()


def open_step(objective, rows):
    return Step(model=objective.network, rows=rows, accelerator=Accelerator(), is_half=False, number=0)


def open_batch(objective):
    """Return a batch as a step cuts it: its rows by length, its parts and the target's keys; dropout is off."""
    objective.network.zero_grad()
    objective.network.eval()
    rows = objective.open_epoch(0)[0]
    rows = rows[np.argsort(objective._lengths[rows], kind="stable")]
    size = objective._recipe.optimisation.texts_per_part
    parts = [objective._assemble(rows[k : k + size], torch.device("cpu")) for k in range(0, len(rows), size)]
    return rows, parts, objective._make_keys(parts)


@pytest.mark.parametrize("method", ["carl", "ptd"])
def test_the_term_of_token_detection_is_its_formula(make, tmp_path, monkeypatch, method):
    made = watch(monkeypatch)
    detection = {"weight": 3.0, "share": 0.25, "step": 0.7}
    train_representation(make(**METHODS[method] | {"token_detection": detection}), tmp_path)
    (objective,) = made
    network = objective.network
    rows, parts, keys = open_batch(objective)
    # The gradient by the tokens of the contrast, which is all else that there is: with its weight of 1, or alone.
    embeddings = [network.look_up_tokens(part).detach().requires_grad_(True) for part in parts]
    vectors = torch.cat(
        [embed_batch(network.encoder, part, embeddings=one) for part, one in zip(parts, embeddings, strict=True)]
    )
    contrast = objective._contrast_with_keys(vectors, rows, keys)
    gradients = torch.autograd.grad(contrast, embeddings)
    torch.manual_seed(5)
    expected = torch.zeros(())
    for part, gradient in zip(parts, gradients, strict=True):
        tokens = objective._find_eligible(part)
        assert tokens.any(dim=1).all()
        fresh = network.look_up_tokens(part)
        chosen = choose_perturbed(measure_saliency(gradient), tokens, torch.rand(tokens.shape), share=0.25)
        moved = perturb_chosen(fresh, gradient, torch.randn(fresh.shape), chosen, step=0.7)
        logits = network.token_head(run_encoder(network.encoder, part, embeddings=moved)).squeeze(2)
        expected = expected + token_detection_loss(logits, chosen.perturbed, tokens).sum()
    expected = 3.0 * expected / len(rows)
    weights = [network.token_head.weight, network.encoder.get_input_embeddings().weight]
    by_hand = torch.autograd.grad(expected, weights)
    torch.manual_seed(5)
    found = objective.add_gradients(open_step(objective, rows))
    torch.testing.assert_close(found, expected.detach() + (contrast.detach() if method == "carl" else 0.0))
    torch.testing.assert_close(network.token_head.weight.grad, by_hand[0])
    if method == "ptd":  # the contrast says where, and teaches nothing
        torch.testing.assert_close(weights[1].grad, by_hand[1])
        projected = [one.grad for one in network.projection.parameters()]
        assert projected
        assert not any(one is not None and one.any() for one in projected)
    else:
        assert any(one.grad.any() for one in network.projection.parameters())


def test_texts_that_the_gradient_does_not_reach_are_left_out_of_token_detection(make, tmp_path, monkeypatch):
    made, asked = watch(monkeypatch), []
    train_representation(make(**METHODS["carl"]), tmp_path)
    (objective,) = made
    rows, parts, keys = open_batch(objective)
    objective._material.has_affect[rows[::3]] = False  # the contrast passes over them

    def note(logits, targets, counted):
        asked.append((targets.bool(), counted))
        return token_detection_loss(logits, targets, counted)

    monkeypatch.setattr("sentire.training.representation_objective.token_detection_loss", note)
    torch.manual_seed(5)
    found = objective._add_with_detection(open_step(objective, rows), rows, parts, keys)
    is_reached = torch.cat([counted.any(dim=1) for _, counted in asked])
    is_told = torch.cat([targets.any(dim=1) for targets, _ in asked])
    assert is_reached.tolist() == is_told.tolist() == [number % 3 != 0 for number in range(len(rows))]
    monkeypatch.undo()
    # The mean is that of the texts that are left.
    contrast = objective._contrast_with_keys(torch.cat([objective.network(part) for part in parts]), rows, keys)
    values = []
    monkeypatch.setattr(
        "sentire.training.representation_objective.token_detection_loss",
        lambda *given: values.append(token_detection_loss(*given)) or values[-1],
    )
    torch.manual_seed(5)
    again = objective._add_with_detection(open_step(objective, rows), rows, parts, keys)
    torch.testing.assert_close(again, found)
    torch.testing.assert_close(found, (contrast + sum(one.sum() for one in values) / is_reached.sum()).detach())


def test_a_strong_preservation_keeps_the_vectors_where_they_were(make, tmp_path):
    shifts = [
        train_representation(
            make(
                **METHODS["retrofit"] | {"preservation": {"weight": weight}},
                optimisation={"learning_rate": 0.02, "n_epochs": 5},
            ),
            tmp_path / f"{weight}",
        ).report["shift_on_dev"]
        for weight in (0.0, 1000.0)
    ]
    assert shifts[1] < 0.6 * shifts[0]


def test_vectors_of_the_encoder_as_it_was_come_from_a_memory_where_there_is_one(make, tmp_path):
    asked = []

    def remember(encoder, texts):
        asked.append(len(texts))
        return encoder.encode(texts)

    with_memory = train_representation(make(**METHODS["retrofit"]), tmp_path / "a", fixed_vectors=remember)
    without = train_representation(make(**METHODS["retrofit"]), tmp_path / "b")
    assert asked == [without.report["n_texts"][next(iter(without.report["n_texts"]))]]
    assert with_memory.encoder.fingerprint == without.encoder.fingerprint


def test_texts_without_a_positive_are_counted(make, tmp_path):
    near = CONTRAST | {"sampler": "plain", "positives": "affect", "affect_radius": 1e-6}
    found = train_representation(make(affect=True, contrast=near), tmp_path)
    assert all(0 < row["share_without_positive"] < 1 for row in found.report["evaluations"])


def test_the_target_follows_and_the_queue_holds_the_last_keys(make, tmp_path, monkeypatch):
    made = watch(monkeypatch)
    recipe = make(affect=True, momentum={"weight": 1.0, "momentum": 0.0, "queue_size": 20})
    train_representation(recipe, tmp_path)
    network = made[0].network
    # The network that comes out is the best one, whose target is a copy of it where momentum is 0.
    online = dict(network.encoder.named_parameters())
    for name, value in network.target.module.encoder.named_parameters():
        assert torch.equal(value, online[name])
    assert int(network.queue.n_filled) == 20
    assert network.queue.keys.norm(dim=1).allclose(torch.ones(20), atol=1e-5)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({}, r"a term with a weight above 0 that moves the encoder, got none at contrast\.weight of tiny"),
        ({"contrast": {"weight": 1.0}, "data": {"train": ""}}, r"texts with labels.*at data\.train"),
        ({"affect_head": {"weight": 1.0}}, r"valence and arousal for the terms.*at data\.affect_train"),
        ({"classification": {"further_weight": 1.0}}, r"further_train and classification\.further_weight together"),
        (
            {"affect": True, "momentum": {"weight": 1.0}, "data": {"affect_train": [{"data": "x:y", "ratings": "me"}]}},
            r"people, labels or model:NAME, got 'me'",
        ),
        ({"contrast": CONTRAST, "optimisation": BY_AFFECT}, r"texts with ratings for the metric"),
        ({"contrast": CONTRAST, "data": {"dev": ""}}, r"texts with labels for the metric map_at_r"),
        ({"contrast": CONTRAST, "optimisation": {"metric": "macro_f1"}}, r"a classification head for the metric"),
        ({"contrast": CONTRAST, "data": {"rows": "all"}}, r"single-label texts for positives of the same label"),
        (
            {"contrast": CONTRAST | {"positives": "share-any"}, "data": {"rows": "all"}},
            r"single-label texts alone for the sampler stratified.*set contrast\.sampler = \"plain\"",
        ),
        ({"contrast": {"weight": 1.0, "per_class": 5}}, r"contrast\.per_class divides, got 16 and 5"),
        (
            {"affect": True, "token_detection": {"weight": 1.0}, "optimisation": {"is_cached": True}},
            r"token detection without cached gradients",
        ),
        (
            {"affect": True, "momentum": {"weight": 1.0, "queue_size": 15}},
            r"a queue that holds the keys of a batch \(16\), or 0 for none, got 15",
        ),
        ({"contrast": CONTRAST, "optimisation": {"batch_size": 1}}, r"batches of 2 texts or more, got 1"),
        (
            {"contrast": CONTRAST, "data": {"train": "a:b", "dev": "a:b"}},
            r"got a:b, which is learned from at data\.dev",
        ),
        (
            {"classification": {"further_weight": 1.0}, "data": {"further_train": "a:b", "dev": "a:b"}},
            r"got a:b, which is learned from at data\.dev",
        ),
        (
            {
                "affect": True,
                "momentum": {"weight": 1.0},
                "data": {"affect_train": [{"data": "a:b"}], "affect_dev": "a:b"},
            },
            r"got a:b, which is learned from at data\.affect_dev",
        ),
        (
            {"affect": True, "momentum": {"weight": 1.0}, "data": {"train": "a:b", "rows": "all"}},
            r"no texts with labels, since no term learns from them, got a:b at data\.train of tiny; leave them out, or",
        ),
        (
            {"contrast": CONTRAST, "data": {"affect_train": [{"data": "a:b"}]}},
            r"no texts with valence and arousal, since no term learns from them, got a:b at data\.affect_train of tiny",
        ),
        (
            {
                "classification": {"weight": 1.0, "further_weight": 1.0},
                "data": {"train": "a:b", "further_train": "a:b"},
            },
            r"a second task on texts of its own, got a:b, which is data\.train, too, at data\.further_train of tiny",
        ),
        ({"contrast": CONTRAST, "data": {"dev": "a:test"}}, r"a dev split, since .* got a:test at data\.dev of tiny"),
    ],
)
def test_sections_that_do_not_fit_together_are_refused(make, sections, said):
    with pytest.raises(ConfigError, match=said):
        check_representation_recipe(make(**sections))


def test_texts_that_preservation_alone_learns_from_are_taken(make):
    mixed = {"data": {"train": "a:b", "affect_train": [{"data": "c:d"}]}, "preservation": {"weight": 1.0}}
    check_representation_recipe(make(affect=True, momentum={"weight": 1.0}, **mixed))
    check_representation_recipe(make(contrast=CONTRAST | {"sampler": "plain"}, **mixed))


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"contrast": {"temperature": 0.0}}, r"contrast\.temperature"),
        ({"contrast": {"temperature": -0.1}}, r"contrast\.temperature"),
        ({"contrast": {"weight": -1.0}}, r"contrast\.weight"),
        ({"contrast": {"per_class": 1}}, r"contrast\.per_class"),
        ({"preservation": {"weight": -1.0}}, r"preservation\.weight"),
        ({"preservation": {"weight": math.nan}}, r"preservation\.weight"),
        ({"momentum": {"temperature": 0.0}}, r"momentum\.temperature"),
        ({"momentum": {"temperature": math.nan}}, r"momentum\.temperature"),
        ({"momentum": {"bandwidth": 0.0}}, r"momentum\.bandwidth"),
        ({"momentum": {"momentum": 1.0}}, r"momentum\.momentum"),
        ({"momentum": {"queue_size": -1}}, r"momentum\.queue_size"),
        ({"token_detection": {"share": 0.6}}, r"token_detection\.share"),
        ({"token_detection": {"step": 0.0}}, r"token_detection\.step"),
    ],
)
def test_a_setting_out_of_its_range_is_refused_by_its_name(make, section, key):
    with pytest.raises(ConfigError, match=key):
        make(**section)


def test_data_that_cannot_be_learned_from_is_refused(make, data, tmp_path):
    with pytest.raises(ConfigError, match=r"a queue of at most 96 keys, one a text, got 97"):
        train_representation(make(affect=True, momentum={"weight": 1.0, "queue_size": 97}), tmp_path)
    # Of all texts, those with ratings alone are keys.
    mixed = {"affect_train": [{"data": f"{data}:more"}], "affect_dev": f"{data}:dev"}
    with pytest.raises(ConfigError, match=r"a queue of at most 12 keys, one a text, got 16"):
        train_representation(
            make(data=mixed, momentum={"weight": 1.0, "queue_size": 16}, classification={"weight": 1.0}), tmp_path
        )
    with pytest.raises(ConfigError, match=r"at most 40 tokens, which the encoder has positions for, got 41"):
        train_representation(make(contrast=CONTRAST, encoder={"max_tokens": 41}), tmp_path)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        (
            {"contrast": CONTRAST, "optimisation": {"batch_size": 512}},
            r"a batch of at most \d+ rows, as many as there are, got 512 at optimisation\.batch_size of tiny",
        ),
        (
            {"contrast": {"weight": 1.0, "per_class": 2}},
            r"at most 3 classes in a batch, as many as there are, got 16 / 2 = 8 at optimisation\.batch_size of tiny",
        ),
        (
            {"contrast": CONTRAST | {"positives": "ekman"}},
            r"labels that have Ekman's groups, got those of toy at contrast\.positives of tiny; take positives = ",
        ),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused_before_anything_is_embedded(make, tmp_path, sections, said):
    def refuse(encoder, texts):
        raise AssertionError

    recipe = make(**sections | {"preservation": {"weight": 1.0}})
    with pytest.raises(ConfigError, match=said):
        train_representation(recipe, tmp_path / "out", fixed_vectors=refuse)
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_files_of_others_are_never_overwritten(make, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(OutputError, match=r"a new folder, or that of such a training, got one with README\.md"):
        train_representation(make(**METHODS["retrofit"]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    model = tmp_path / "model"
    model.mkdir()
    for name in ("manifest.json", "training.json"):
        (model / name).write_text("{}")
    with pytest.raises(OutputError, match=r"got the folder of a model"):
        train_representation(make(**METHODS["retrofit"]), model)


def test_labels_of_one_ekman_group_are_positive(make):
    space = load_label_space("goemotions")
    sources = type("Sources", (), {"space": space})()
    groups = _find_groups(make(contrast=CONTRAST | {"positives": "ekman"}), sources)
    of = dict(zip(space.labels, groups.tolist(), strict=True))
    assert of["annoyance"] == of["anger"] != of["grief"] == of["sadness"]
    assert of["neutral"] not in (of["joy"], of["anger"], of["sadness"])
    assert _find_groups(make(contrast=CONTRAST), sources) is None
    # Where the labels are Ekman's own, each is its group.
    sources.space = load_label_space("ekman")
    assert _find_groups(make(contrast=CONTRAST | {"positives": "ekman"}), sources).tolist() == list(range(7))


def test_several_processes_are_refused(make, tmp_path, monkeypatch):
    made = watch(monkeypatch)
    train_representation(make(**METHODS["retrofit"]), tmp_path)

    class Two:
        num_processes = 2

    step = type("Step", (), {"accelerator": Two(), "rows": np.arange(4)})()
    with pytest.raises(UsageError, match=r"one process, since a contrast needs the whole batch, got 2"):
        made[0].add_gradients(step)
    # In each of them alike, before one of them holds the lock for which the others would wait.
    monkeypatch.setattr("sentire.training.representation.make_accelerator", Two)
    told = []
    with pytest.raises(UsageError, match=r"one process, since a contrast needs the whole batch, got 2"):
        train_representation(make(contrast=CONTRAST), tmp_path / "two", on_progress=lambda *news: told.append(news))
    assert not told
    assert not (tmp_path / "two").exists()


def test_a_text_takes_the_mean_of_its_labels_affect():
    coordinates = [[1.0, 0.5, 0.0], [-1.0, 0.5, 1.0]]
    affect, is_known = mix_label_affect([[1, 0], [1, 1], [0, 0], [0.2, 0.6]], coordinates)
    np.testing.assert_allclose(affect, [[1, 0.5, 0], [0, 0.5, 0.5], [0, 0, 0], [-0.5, 0.5, 0.75]], atol=1e-6)
    assert is_known.tolist() == [True, True, False, True]


@pytest.mark.corpus
def test_every_emotion_has_its_place_in_the_norms(corpus_root):
    space = load_label_space("goemotions")
    affect = dict(zip(space.labels, read_label_affect(space, corpus_root), strict=True))
    assert all(np.abs(row).max() <= 1 for row in affect.values())
    assert affect["grief"][0] < affect["annoyance"][0] < affect["neutral"][0] < affect["joy"][0]
    # Gratitude: 7.85 and 5.43 on the scale from 1 to 9.
    np.testing.assert_allclose(affect["gratitude"][:2], [(7.85 - 5) / 4, (5.43 - 5) / 4], atol=0.002)
    unknown = LabelSpace(name="own", version=1, labels=("joy", "zzz"), task="single-label")
    with pytest.raises(LabelError, match=r"words of glasgow-norms:all, got zzz"):
        read_label_affect(unknown, corpus_root)


def test_neighbours_tell_affect_where_vectors_follow_it():
    generator = np.random.default_rng(0)
    angle = generator.uniform(0, np.pi, 300)
    affect = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    assert correlate_with_neighbours(affect, affect) > 0.95
    assert abs(correlate_with_neighbours(generator.normal(size=(300, 4)).astype(np.float32), affect)) < 0.3


def test_neighbours_are_the_same_by_blocks_and_at_once(monkeypatch):
    generator = np.random.default_rng(1)
    vectors, affect = (generator.normal(size=(157, n)).astype(np.float32) for n in (6, 2))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    said = [np.delete(affect, row, 0)[np.argsort(-np.delete(unit @ unit[row], row))[:20]].mean(0) for row in range(157)]
    slow = np.mean([np.corrcoef(np.array(said)[:, k], affect[:, k])[0, 1] for k in range(2)])
    assert correlate_with_neighbours(vectors, affect) == pytest.approx(slow, abs=1e-6)
    at_once, shapes = correlate_with_neighbours(vectors, affect), []
    partition = np.argpartition
    monkeypatch.setattr(
        np, "argpartition", lambda a, *more, **how: shapes.append(a.shape) or partition(a, *more, **how)
    )
    monkeypatch.setattr("sentire.training.representation_dev._BLOCK_CELLS", 157 * 10)
    assert correlate_with_neighbours(vectors, affect) == pytest.approx(at_once, abs=1e-6)
    assert shapes == [(10, 157)] * 15 + [(7, 157)]


def spoil(monkeypatch, after_step, value):
    """Make all weights of the last layer so many times as large, once so many steps were made."""
    finish, n_done = RepresentationObjective.finish_step, []

    def finish_and_spoil(self):
        finish(self)
        n_done.append(1)
        if len(n_done) == after_step:
            with torch.no_grad():
                for parameter in self.network.encoder.encoder.layer[-1].output.LayerNorm.parameters():
                    parameter *= value

    monkeypatch.setattr(RepresentationObjective, "finish_step", finish_and_spoil)


@pytest.mark.parametrize("method", ["retrofit", "cached", "carl", "ptd"])
def test_a_loss_that_is_no_number_ends_the_training(make, tmp_path, monkeypatch, method):
    spoil(monkeypatch, 1, math.nan)
    loop = {"checkpoint_seconds": 1e9, "is_cached": method == "cached"}  # a checkpoint would refuse them, too
    sections = METHODS["retrofit" if method == "cached" else method] | {"optimisation": loop}
    with pytest.raises(
        TrainingError, match=r"a finite loss and gradient, got nan at step 2 at tiny; nothing .*lower the learning rate"
    ):
        train_representation(make(**sections), tmp_path)


@pytest.mark.parametrize("method", ["carl", "ptd"])
def test_a_gradient_that_is_no_number_ends_the_training_before_tokens_are_moved(make, tmp_path, monkeypatch, method):
    class Spoil(torch.autograd.Function):
        @staticmethod
        def forward(_, values):
            return values.clone()

        @staticmethod
        def backward(_, gradient):
            return gradient * math.inf

    init = RepresentationObjective.__init__

    def spoil_gradients(self, *args, **options):
        init(self, *args, **options)
        self.network.projection.register_forward_hook(lambda *given: Spoil.apply(given[2]))

    monkeypatch.setattr(RepresentationObjective, "__init__", spoil_gradients)
    with pytest.raises(
        TrainingError, match=r"a finite loss and gradient, got nan at step 1 at tiny; nothing .*lower the learning rate"
    ):
        train_representation(make(**METHODS[method]), tmp_path)


@pytest.mark.parametrize(
    ("value", "got"),
    [(math.nan, r"\d+ of \d+ others"), (math.inf, r"\d+ of \d+ others"), (0.0, r"(\d+) of \1 of length 0")],
)
def test_a_vector_that_is_no_number_ends_the_training(make, tmp_path, monkeypatch, value, got):
    recipe = make(**METHODS["tlearn"])
    n_steps = len(read_representation_sources(recipe).labelled) // 16 + 1
    spoil(monkeypatch, n_steps, value)  # before the first look at dev
    with pytest.raises(TrainingError, match=rf"finite vectors with a direction, got {got}; .*lower the learning rate"):
        train_representation(recipe, tmp_path)


def write_own(folder, rows):
    """Write a description whose train split has these labels and rising ratings, beside the invented dev split."""
    path, own = write_data(folder), []
    for number, labels in enumerate(rows):
        kept = {"nr": f"r{number}", "text": f"so glad {number}", "labels": labels, "context": [], "who": "p", "d": 3}
        own.append(kept | {"v": 1 + 4 * number / len(rows), "a": 1 + (number % 7) / 2})
    (folder / "train.jsonl").write_bytes(b"\n".join(map(orjson.dumps, own)) + b"\n")
    return {"train": f"{path}:train", "dev": f"{path}:dev"}


def test_texts_that_never_meet_a_positive_are_no_training(make, tmp_path):
    names = write_own(tmp_path / "own", [["glad"]] * 40)
    apart = CONTRAST | {"sampler": "plain", "positives": "affect", "affect_radius": 1e-6}
    recipe = make(affect=True, contrast=apart, data={"affect_train": [{"data": names["train"]}]})
    with pytest.raises(
        TrainingError,
        match=r"texts with a positive in their batch, got none among \d+ since .*at contrast of tiny; take",
    ):
        train_representation(recipe, tmp_path / "out")


def test_texts_that_only_their_own_keys_attract_have_no_positive(make, tmp_path):
    names = write_own(tmp_path / "own", [["glad"]] * 40)
    data = {"affect_train": [{"data": names["train"]}]}
    recipe = make(affect=True, momentum={"weight": 1.0, "bandwidth": 1e-6}, data=data)
    with pytest.raises(
        TrainingError,
        match=r"texts with a positive among the keys, got none among 40 since .*at momentum of tiny; take .*bandwidth",
    ):
        train_representation(recipe, tmp_path / "out")


def test_a_text_that_another_key_attracts_has_a_positive(make, tmp_path, monkeypatch):
    made = watch(monkeypatch)
    recipe = make(affect=True, momentum={"weight": 1.0, "bandwidth": 0.5, "queue_size": 0})
    train_representation(recipe, tmp_path)
    (objective,) = made
    network, rows = objective.network, np.arange(5)
    objective._material.affect[rows] = [[0, 0], [0, 0.1], [50, 0], [-50, 0], [50, 0.1]]
    vectors, keys = torch.randn(5, 8), torch.nn.functional.normalize(torch.randn(5, 64), dim=1)
    network.anchors.zero_()
    loss = objective._contrast_with_keys(vectors, rows, keys)
    assert network.anchors.tolist() == [5, 1]  # the one at -50
    # It stays in the loss, whose formula has its own key.
    own = torch.from_numpy(objective._material.affect[rows])
    values = weighted_contrastive_loss(
        network.project(vectors), keys, affect_weights(own, own, bandwidth=0.5), temperature=0.1
    )
    assert len(values) == 5
    torch.testing.assert_close(loss, values.mean())


def test_a_batch_of_one_text_has_nothing_to_be_told_from_and_is_counted(make, tmp_path):
    # 11 texts in batches of 2: one of them is alone in its batch, and there is no queue.
    recipe = make(
        affect=True,
        data={"n_train": 11},
        momentum={"weight": 1.0, "queue_size": 0},
        optimisation={"batch_size": 2, "n_epochs": 1},
    )
    (evaluation,) = train_representation(recipe, tmp_path).report["evaluations"]
    assert evaluation["share_without_positive"] == pytest.approx(1 / 11)
    assert math.isfinite(evaluation["loss"])


@pytest.mark.parametrize("method", ["retrofit", "per-class", "jaccard", "share-any", "tlearn", "categories"])
def test_one_class_alone_is_refused(make, tmp_path, method):
    sections = METHODS[method]
    names = write_own(tmp_path / "own", [["glad"]] * 40)
    with pytest.raises(
        DataError, match=r"texts of two classes or more, got 40 of glad alone at .*toy\.toml:train; without a text of"
    ):
        train_representation(make(**sections | {"data": names | sections.get("data", {})}), tmp_path / "out")


def test_a_label_outside_of_the_space_is_counted_and_left_out(make, tmp_path):
    names = write_own(tmp_path / "own", [["glad"], ["cross"]] * 20 + [["gladd"]])
    found = train_representation(make(contrast=CONTRAST, data=names), tmp_path / "out")
    assert found.report["n_texts"] == {names["train"]: 40}
    assert sum(found.report["left_out"][names["train"]].values()) == 1


def test_what_is_left_out_is_counted(make, data, tmp_path):
    found = train_representation(make(contrast=CONTRAST, data={"n_train": 30}), tmp_path / "out")
    labels = [row["labels"] for row in invent_rows(96, seed=0)]
    n_single = sum(len(one) == 1 for one in labels)
    assert found.report["n_texts"] == {f"{data}:train": 30}
    assert found.report["left_out"][f"{data}:train"] == {
        "rejected_rows": 0,
        "without_usable_label": 0,
        "without_one_label_alone": 96 - n_single,
    }


def test_dev_texts_without_one_label_alone_are_counted(make, data, tmp_path):
    recipe = make(**METHODS["categories"] | {"data": {"rows": "all", "n_dev": 30}})
    report = train_representation(recipe, tmp_path / "out").report
    every = read_labelled(f"{data}:dev", None, None)
    drawn = np.sort(make_generator(3, f"drawn from {data}:dev").choice(len(every), size=30, replace=False))
    single = [every.texts[row] for row in drawn if every.targets[row].sum() == 1]
    assert 0 < len(single) < 30
    assert read_representation_sources(recipe).dev.texts == single
    assert report["left_out"][f"{data}:dev"] == {**every.left_out, "without_one_label_alone": 30 - len(single)}
    assert report["n_dev_texts"] == {f"{data}:dev": len(single)}
    # Where they are left out in reading, the draw is of the others, and nothing is counted twice.
    report = train_representation(make(contrast=CONTRAST, data={"n_dev": 12}), tmp_path / "single").report
    assert report["n_dev_texts"] == {f"{data}:dev": 12}
    assert report["left_out"][f"{data}:dev"]["without_one_label_alone"] == (every.targets.sum(axis=1) != 1).sum()


def test_a_dev_without_one_text_of_one_label_is_refused(make, tmp_path):
    names = write_own(tmp_path / "own", [["glad"], ["cross"]] * 20)
    (tmp_path / "own" / "more.jsonl").write_bytes(
        b"\n".join(orjson.dumps(row) for row in invent_rows(60, seed=4) if len(row["labels"]) > 1) + b"\n"
    )
    names["dev"] = names["train"].replace(":train", ":more")
    recipe = make(**METHODS["categories"] | {"data": names | {"rows": "all"}})
    with pytest.raises(DataError, match=r"dev texts with one label, got none at .*:more; take another metric and no d"):
        train_representation(recipe, tmp_path / "out")


def test_valence_and_arousal_may_come_from_a_model(make, data, tmp_path):
    affect = {"affect_train": [{"data": f"{data}:train", "ratings": "model:default"}]}
    recipe = make(affect=True, data=affect, momentum={"weight": 1.0})
    (rated,) = read_representation_sources(recipe).rated
    expected = load("default").judge(rated.texts).vad
    np.testing.assert_allclose(rated.affect, expected[:, :2], atol=1e-5)
    found = train_representation(recipe, tmp_path / "out")
    assert found.report["n_texts"] == {f"{data}:train, affect by model:default": 96}
    assert f"| {data}:train, affect by model:default | 96 |" in (tmp_path / "out" / "README.md").read_text()
    affect["affect_train"][0]["ratings"] = "model:linear"
    with pytest.raises(
        DataError, match=r"a model that answers valence and arousal, got one without at ratings model:l"
    ):
        read_representation_sources(make(affect=True, data=affect, momentum={"weight": 1.0}))


@pytest.mark.corpus
def test_valence_and_arousal_may_come_from_the_labels_words(make, corpus_root):
    affect = {"affect_train": [{"data": "goemotions:dev", "ratings": "labels"}], "n_train": 200}
    recipe = make(affect=True, data=affect, momentum={"weight": 1.0})
    sources = read_representation_sources(recipe, corpus_root)
    assert [card.name for card in sources.cards] == ["goemotions", "glasgow-norms"]
    (rated,) = sources.rated
    assert rated.title == "goemotions:dev, affect by labels"
    assert rated.affect.shape == (200, 2)
    space = load_label_space("goemotions")
    of_words = read_label_affect(space, corpus_root)[:, :2]
    whole = read_labelled("goemotions:dev", None, corpus_root)
    row = whole.texts.index(rated.texts[0])
    np.testing.assert_allclose(rated.affect[0], of_words[whole.targets[row]].mean(axis=0), atol=1e-6)


def make_dev(n=30, classes=(0, 1), n_rated=0):
    affect = np.random.default_rng(0).normal(size=(n_rated, 2)).astype(np.float32)
    return RepresentationDev(
        texts=["so glad"] * n,
        classes=np.resize(np.array(classes, np.int64), n),
        rated_texts=["so glad"] * n_rated,
        affect=affect,
    )


def test_a_dev_that_tells_nothing_is_refused_before_the_training(make, data, tmp_path):
    check_dev(make_dev(n=11, n_rated=22))
    check_dev(make_dev(n=0, n_rated=22))
    for dev, message in (
        (make_dev(n=10), r"more than 10 dev texts with one label each, of two classes or more, got 10 texts of 2 cl"),
        (make_dev(classes=(4,)), r"got 30 texts of 1 classes at data\.dev"),
        (make_dev(n=11, classes=range(11)), r"got 11 texts of 11 classes at data\.dev; take more of dev"),
        (make_dev(n_rated=21), r"more than 21 dev texts with ratings, got 21 at data\.affect_dev"),
    ):
        with pytest.raises(DataError, match=message):
            check_dev(dev)
    flat = make_dev(n_rated=30)
    flat.affect[:, 1] = 0.25
    with pytest.raises(DataError, match=r"differ in valence and in arousal, got the same of one of them in all texts"):
        check_dev(flat)
    with pytest.raises(DataError, match=r"more than 21 dev texts with ratings, got 8"):
        train_representation(make(**METHODS["carl"] | {"data": {"n_dev": 8}}), tmp_path)


def test_a_tokenizer_of_other_weights_is_refused(make, tmp_path):
    from tokenizers import Tokenizer

    folder = write_tiny_encoder(tmp_path / "mixed")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["hooray"])
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(ArtifactError, match=r"the encoder's own tokenizer, with ids below its \d+ .*got 'hooray'"):
        train_representation(make(contrast=CONTRAST, encoder={"name": str(folder)}), tmp_path / "out")


@pytest.mark.parametrize(("own", "other"), [("bert", "roberta"), ("roberta", "bert"), ("electra", "roberta")])
def test_a_tokenizer_of_another_kind_of_encoder_is_refused(make, data, tmp_path, own, other):
    folder, donor = (write_tiny_encoder(tmp_path / f"{kind} files", kind) for kind in (own, other))
    (folder / "tokenizer.json").write_bytes((donor / "tokenizer.json").read_bytes())
    said = (
        r"the encoder's own tokenizer, whose padding has id (0|1), as config\.json says, got '.+' with id (0|1) at .*"
    )
    with pytest.raises(ArtifactError, match=said + r"tokenizer\.json; take tokenizer\.json and model"):
        train_representation(make(contrast=CONTRAST, encoder={"name": str(folder)}), tmp_path / "out")
    with pytest.raises(ArtifactError, match=said):
        load_encoder(str(folder))
    sources = read_representation_sources(make(**METHODS["jaccard"]))
    pair = Sources(labelled=[sources.labelled], unlabelled={}, rated=None, dev=sources.dev, dev_rated=None)
    with pytest.raises(ArtifactError, match=said):
        fit_encoder(make_recipe(data, folder), find_encoder(str(folder)), pair, tmp_path, on_progress=stay_quiet)


@pytest.mark.parametrize("lack", ["template", "padding"])
def test_a_tokenizer_that_cannot_be_saved_is_refused_before_the_training(make, tmp_path, lack):
    folder = write_tiny_encoder(tmp_path / "odd")
    tokenizer = orjson.loads((folder / "tokenizer.json").read_bytes())
    if lack == "template":
        tokenizer["post_processor"] = None
    else:
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary.pop("[PAD]")
        tokenizer["added_tokens"] = [one for one in tokenizer["added_tokens"] if one["content"] != "[PAD]"]
    (folder / "tokenizer.json").write_bytes(orjson.dumps(tokenizer))
    told = []
    with pytest.raises(ArtifactError, match=r"the encoder's own tokenizer, with a piece 0 for padding"):
        train_representation(
            make(contrast=CONTRAST, encoder={"name": str(folder)}),
            tmp_path / "out",
            on_progress=lambda *news: told.append(news[2]),
        )
    assert told == ["reading"]
    assert not (tmp_path / "out").exists()
