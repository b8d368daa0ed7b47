"""Training a representation: its terms are those of the formulas, it resumes, and what it saves is the encoder."""

import math

import numpy as np
import pytest

from tiny_training import check_same_checkpoint, invent_rows

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

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
from sentire.losses.supervised_contrastive import supcon_loss
from sentire.pairing.positives import same_label
from sentire.representations.load import load_encoder
from sentire.representations.sentence_encoder import SentenceEncoder
from sentire.training.label_affect import mix_label_affect, read_label_affect
from sentire.training.loop import BEST_NAME, STATE_NAME
from sentire.training.representation import _find_groups, train_representation
from sentire.training.representation_dev import correlate_with_neighbours
from sentire.training.representation_objective import RepresentationObjective
from sentire.training.representation_recipe import RepresentationRecipe, check_representation_recipe

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
    other = make(**METHODS[method] | {"encoder": {"inner_dropout": 0.0}})
    with pytest.raises(ArtifactError, match=r"this very recipe, data and version, got one of another run"):
        train_representation(other, tmp_path / "whole")


def test_parts_and_cached_gradients_change_nothing(make, tmp_path):
    weights = {}
    for name, section in {
        "whole": {"texts_per_part": 99},
        "parts": {"texts_per_part": 5},
        "cached": {"texts_per_part": 5, "is_cached": True},
    }.items():
        # RAdam's first steps are momentum alone: rounding is not blown up by a division by the gradient's own size.
        smooth = section | {"optimiser": "radam", "n_epochs": 1}
        recipe = make(**METHODS["retrofit"], encoder={"inner_dropout": 0.0}, optimisation=smooth)
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
    ],
)
def test_sections_that_do_not_fit_together_are_refused(make, sections, said):
    with pytest.raises(ConfigError, match=said):
        check_representation_recipe(make(**sections))


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"contrast": {"temperature": 0.0}}, "contrast.temperature"),
        ({"preservation": {"weight": -1.0}}, "preservation"),
    ],
)
def test_a_temperature_of_0_and_a_negative_weight_are_refused(make, section, key):
    with pytest.raises(ConfigError, match=key):
        make(**section)


def test_data_that_cannot_be_learned_from_is_refused(make, data, tmp_path):
    with pytest.raises(ConfigError, match=r"a queue of at most 96 keys, one a text, got 97"):
        train_representation(make(affect=True, momentum={"weight": 1.0, "queue_size": 97}), tmp_path)
    with pytest.raises(UsageError, match=r"batch"):
        train_representation(make(contrast=CONTRAST, optimisation={"batch_size": 512}), tmp_path)
    one_class = {"n_train": 2}
    with pytest.raises((DataError, UsageError)):
        train_representation(make(contrast=CONTRAST, data=one_class), tmp_path)
    with pytest.raises(ConfigError, match=r"at most 40 tokens, which the encoder has positions for, got 41"):
        train_representation(make(contrast=CONTRAST, encoder={"max_tokens": 41}), tmp_path)


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


def test_several_processes_are_refused(make, tmp_path, monkeypatch):
    made = watch(monkeypatch)
    train_representation(make(**METHODS["retrofit"]), tmp_path)

    class Two:
        num_processes = 2

    step = type("Step", (), {"accelerator": Two(), "rows": np.arange(4)})()
    with pytest.raises(UsageError, match=r"one process, since a contrast needs the whole batch, got 2"):
        made[0].add_gradients(step)


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


def test_a_vector_that_is_no_number_ends_the_training(make, tmp_path, monkeypatch):
    monkeypatch.setattr(SentenceEncoder, "encode", lambda _, texts: np.full((len(texts), 8), np.nan, np.float32))
    with pytest.raises(TrainingError, match=r"expected finite vectors, got NaN or infinity.*lower the learning rate"):
        train_representation(make(**METHODS["retrofit"]), tmp_path)
