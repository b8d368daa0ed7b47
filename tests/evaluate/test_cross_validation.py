"""Cross-validation: no group on both sides, and every text answered by a model that never saw its group."""

import itertools
from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from tiny_training import invent_rows, make_recipe, write_data, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")

from sentire.classifiers.labelled import read_labelled
from sentire.core.errors import ConfigError, OutputError
from sentire.evaluate import cross_validation
from sentire.evaluate.cross_validation import LOCAL_ENCODER, OUT_OF_FOLD, RESULT_NAME, cross_validate, divide_into_folds
from sentire.evaluate.result import render_result
from sentire.metrics.classification import macro_f1
from sentire.runtime.load import load
from sentire.storage.locks import hold_lock


@pytest.fixture(scope="module", autouse=True)
def no_gpu():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        yield


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder"))


def make(data, encoder, /, *, n_folds=3, **sections):
    return make_recipe(
        data,
        encoder,
        **{
            **sections,
            "data": {"dev": "", **sections.get("data", {})},
            "folds": {"n_folds": n_folds, "dev_fraction": 0.2},
            "optimisation": {"n_epochs": 1, "batch_size": 16, **sections.get("optimisation", {})},
        },
    )


@pytest.mark.parametrize("n_folds", [2, 3, 5, 8])
@pytest.mark.parametrize("seed", range(4))
def test_no_group_is_on_both_sides(n_folds, seed):
    rng = np.random.default_rng(seed)
    groups = [f"g{number}" for number in rng.integers(12, size=100)]
    recipe = make("data", "encoder", n_folds=n_folds)
    folds = divide_into_folds(groups, recipe)
    assert len(folds) == n_folds
    for parts in folds:
        assert sorted(np.concatenate(parts).tolist()) == list(range(100))
        for one, other in itertools.combinations(parts, 2):
            assert not {groups[row] for row in one} & {groups[row] for row in other}
        train, dev, _ = parts
        assert 0 < len(dev) < len(train)
    tested = np.concatenate([part for _, _, part in folds])
    assert sorted(tested.tolist()) == list(range(100))


def test_dev_is_the_asked_share_of_what_is_seen():
    groups = [f"g{number // 2}" for number in range(400)]
    for fraction, expected in ((0.1, 0.1), (0.25, 0.25), (0.9, 0.5)):
        recipe = make_recipe("data", "encoder", data={"dev": ""}, folds={"n_folds": 4, "dev_fraction": fraction})
        for train, dev, _ in divide_into_folds(groups, recipe):
            assert len(dev) / (len(train) + len(dev)) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("groups", "n_folds", "message"),
    [
        ("aabbcc", 5, r"at least 5 groups for 5 folds.*, got 3 at folds\.n_folds of tiny"),
        ("aabb", 2, r"at least 3 groups for 2 folds.*, got 2"),
        ("aabbcc", 2, r"two groups to train and to choose on, got one group at .*; take more folds"),
    ],
)
def test_too_few_groups(groups, n_folds, message):
    with pytest.raises(ConfigError, match=message):
        divide_into_folds(list(groups), make("data", "encoder", n_folds=n_folds))


def test_every_text_is_answered_by_a_model_that_never_saw_its_group(tmp_path, encoder, monkeypatch):
    data = write_data(tmp_path / "data", n_train=90)
    recipe = make(data, encoder, context={"is_used": True})
    learned = []
    train = cross_validation.train_on_sources

    def spy(recipe, sources, output, **options):
        learned.append((sources, output))
        return train(recipe, sources, output, **options)

    monkeypatch.setattr(cross_validation, "train_on_sources", spy)
    told = []
    found = cross_validate(recipe, tmp_path / "out", on_progress=lambda *news: told.append(news[2]))
    whole = read_labelled(f"{data}:train")
    group_of = dict(zip(whole.ids, whole.groups, strict=True))
    assert found.result.data.n == 90
    rows = found.result.rows
    assert rows is not None
    assert list(rows.ids) == whole.ids
    answered = []
    for number, (sources, folder) in enumerate(learned):
        seen = {*sources.labelled[0].ids, *sources.dev.ids}
        tested = [name for name in whole.ids if name not in seen]
        assert not {group_of[name] for name in seen} & {group_of[name] for name in tested}
        assert not set(sources.labelled[0].groups) & set(sources.dev.groups)
        model = load(folder)
        positions = [whole.ids.index(name) for name in tested]
        part = whole.take(np.array(positions))
        proba = model.predict_proba(part.texts, context=[turns or None for turns in part.contexts])
        np.testing.assert_allclose([rows.proba[position] for position in positions], proba, atol=1e-5)
        decided = model.predict(part.texts, context=[turns or None for turns in part.contexts])
        assert [set(rows.predictions[position]) for position in positions] == [
            set(np.flatnonzero(row).tolist()) for row in decided
        ]
        assert found.folds[number]["macro_f1"] == macro_f1(part.targets, decided)
        answered += tested
    assert sorted(answered) == sorted(whole.ids)
    result = found.result
    assert (tmp_path / "out" / RESULT_NAME).read_text() == render_result(result)
    assert (result.data.name, result.data.split, result.model.name) == ("toy", "train", "tiny")
    assert OUT_OF_FOLD in result.settings.protocol
    assert result.settings.context == "given"
    assert result.data.cautions == (LOCAL_ENCODER,)
    cutoffs = np.mean([load(folder).thresholds for _, folder in learned], axis=0)
    np.testing.assert_allclose(list(result.model.thresholds.values()), cutoffs)
    assert any(note.startswith("fold 3 of 3, loss") for note in told)
    # What is done is not done again, and says the same.
    steps = len([note for note in told if "loss" in note])
    told.clear()
    again = cross_validate(recipe, tmp_path / "out", on_progress=lambda *news: told.append(news[2]))
    assert render_result(again.result) == render_result(found.result)
    assert again.folds == found.folds
    assert steps > 0
    assert not [note for note in told if "loss" in note]


def test_single_labels_say_that_they_are_out_of_fold_too(tmp_path, encoder):
    data = write_data(tmp_path / "data", n_train=60, is_single=True)
    lines = (tmp_path / "data" / "train.jsonl").read_text().splitlines()
    broken = lines[0].replace('"nr":"r0"', '"nr":"x"').replace("labels", "label")
    (tmp_path / "data" / "train.jsonl").write_text("\n".join([*lines, broken]) + "\n")
    found = cross_validate(make(data, encoder), tmp_path / "out").result
    assert found.settings.protocol == f"likeliest label, {OUT_OF_FOLD}"
    assert found.task == "single-label"
    assert (found.data.n, found.data.n_rejected) == (60, 1)
    assert found.settings.context == "none"
    truth = [[number for number, label in enumerate(("glad", "cross", "tense")) if label in row["labels"]]
             for row in invent_rows(60, is_single=True)]  # fmt: skip
    assert found.rows is not None
    assert [list(row) for row in found.rows.targets] == truth
    assert all(len(row) == 1 for row in found.rows.predictions)


def test_a_registered_encoder_needs_no_caution(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "minilm").mkdir()  # not looked at: the registered name comes first
    assert [cross_validation._is_local(name) for name in ("minilm", "./minilm", "owner/name")] == [False, True, False]


def test_recipes_without_folds_and_with_other_knowledge_are_refused(tmp_path, encoder):
    data = write_data(tmp_path / "data", n_train=30)
    with pytest.raises(ConfigError, match=r"a recipe with \[folds\], got none at tiny; run: sentire train"):
        cross_validate(make_recipe(data, encoder), tmp_path / "out")
    for section, values in (
        ("data", {"further_train": [f"{data}:more"]}),
        ("data", {"affect_train": f"{data}:more", "affect_dev": f"{data}:dev"}),
        ("encoder", {"start": str(tmp_path / "earlier"), "start_share": 0.5}),
        ("distillation", {"teachers": ["default"]}),
    ):
        name = rf"{section}\.{next(iter(values))}"
        with pytest.raises(ConfigError, match=rf"learns from data\.train alone, got {name} at tiny; leave it out"):
            cross_validate(make(data, encoder, **{section: values}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_never_share_a_folder(tmp_path, encoder):
    data = write_data(tmp_path / "data", n_train=30)
    (tmp_path / "out").mkdir()
    with (
        hold_lock(tmp_path / "out", holder="training"),
        pytest.raises(OutputError, match="another cross-validation is writing now"),
    ):
        cross_validate(make(data, encoder), tmp_path / "out")


def test_texts_that_other_folds_hold_too_are_left_out_of_a_second_set_of_figures(tmp_path, monkeypatch):
    data = write_data(tmp_path / "data", n_train=30)
    rows = [{**row, "text": f"number {k}", "who": f"p{k % 6}"} for k, row in enumerate(invent_rows(30))]
    for k in (0, 1, 2):  # of three people, and no fold tests three
        rows[k]["text"] = "So late" + "!" * k
    for k in (6, 12):  # of one
        rows[k]["text"] = "my exam"
    (tmp_path / "data" / "train.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    model = SimpleNamespace(
        uses_context=False,
        thresholds=np.full(3, 0.5),
        predict_proba=lambda texts, **_: np.full((len(texts), 3), 0.6, np.float32),
        decide=lambda proba: proba >= 0.5,
    )
    monkeypatch.setattr(cross_validation, "train_on_sources", lambda *_, **__: SimpleNamespace(fingerprint="f"))
    monkeypatch.setattr(cross_validation, "load", lambda _: model)
    found = cross_validate(make(data, "minilm"), tmp_path / "out").result
    assert found.without_leaked is not None
    assert (found.data.n, found.without_leaked.n, found.without_leaked.n_removed) == (30, 27, 3)
